//! destroy, list and reboot: Linodes that are there.

use super::round::{JOBS, Output, Round};
use super::{complain, say};
use anyhow::{Context, Result, bail};
use argh::FromArgs;
use dock0::linode::account::Account;
use dock0::linode::api::{Api, PATIENCE};
use dock0::linode::events::Events;
use dock0::linode::machine::own_label;
use dock0::linode::model::{Done, Linode};
use dock0::linode::section::TAG;
use dock0::linode::token::Token;
use dock0::linode::trust::Trust;
use dock0::linode::upload;
use dock0::papers::Papers;
use dock0::socket::host::Host;
use dock0::stop;
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Write, stdin};
use std::path::PathBuf;

/// For how long a Linode may keep us waiting, in seconds, if nobody says so.
const REBOOTING: u32 = 300;

/// Removes Linodes with all that is on them.
#[derive(FromArgs)]
#[argh(subcommand, name = "destroy")]
pub struct DestroyArguments {
    /// where the operator's keys are, as for deploy ($DOCK0_KEYS, or else .): what is kept of the VM there is removed too
    #[argh(option)]
    identity: Option<PathBuf>,
    /// also one that dock0 did not make
    #[argh(switch)]
    any: bool,
    /// do not ask
    #[argh(switch)]
    yes: bool,
    /// how many are removed at once (8)
    #[argh(option, default = "JOBS")]
    jobs: usize,
    /// print JSON
    #[argh(switch)]
    json: bool,
    /// their names
    #[argh(positional)]
    hosts: Vec<Host>,
}

/// Lists the Linodes that dock0 made.
#[derive(FromArgs)]
#[argh(subcommand, name = "list")]
pub struct ListArguments {
    /// also those that dock0 did not make
    #[argh(switch)]
    any: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Reboots Linodes, each with the profile that it was booted with.
#[derive(FromArgs)]
#[argh(subcommand, name = "reboot")]
pub struct RebootArguments {
    /// also one that dock0 did not make
    #[argh(switch)]
    any: bool,
    /// for how many seconds each may keep us waiting (300)
    #[argh(option, default = "REBOOTING")]
    timeout: u32,
    /// how many are rebooted at once (8)
    #[argh(option, default = "JOBS")]
    jobs: usize,
    /// print JSON
    #[argh(switch)]
    json: bool,
    /// their names
    #[argh(positional)]
    hosts: Vec<Host>,
}

/// The account of whoever calls.
pub fn api() -> Result<Api> {
    Api::new(None, Token::find()?, PATIENCE)
}

pub fn destroy(arguments: DestroyArguments) -> Result<()> {
    let DestroyArguments { identity, any, yes, jobs, json, hosts } = arguments;
    let round = Round::new(hosts, REBOOTING, jobs, Output::asked(json))?;
    let (api, papers) = (api()?, Papers::find(identity)?);
    let account = Account::look(&api)?;
    for host in round.hosts.iter().filter(|host| account.linode(&host.name).is_none()) {
        // Somebody has removed it, and what is kept of it would be in the way of another of its name.
        Trust::of(&papers, &host.name).forget()?;
    }
    let linodes = find(&account, &round.hosts, any)?;
    let images = upload::list(&api)?;
    let words = |linode: &Linode| format!("{} (Linode {}, {}): removed", linode.label, linode.id, linode.status);
    confirm(&linodes.iter().map(|linode| words(linode) + " with its disks").collect::<Vec<_>>(), yes)?;
    round.run(&linodes, |linode, _, _| {
        api.delete(&linode.path()).with_context(|| linode.label.clone())?;
        Trust::of(&papers, &linode.label).forget()?;
        let left = images.iter().filter(|image| image.label == own_label(&linode.label));
        left.into_iter().try_for_each(|image| upload::remove(&api, &image.id))?;
        Ok((words(linode), json!({"linode": linode.id})))
    })
}

pub fn list(arguments: &ListArguments) -> Result<()> {
    let api = api()?;
    let account = Account::look(&api)?;
    let linodes: Vec<&Linode> = account.linodes().iter().filter(|one| arguments.any || one.is_ours()).collect();
    if arguments.json {
        let all: Vec<Value> = linodes.iter().map(|linode| describe(linode)).collect();
        return say(&serde_json::to_string_pretty(&all).context("printing JSON")?);
    }
    if linodes.is_empty() {
        return say(if arguments.any {
            "there are no Linodes"
        } else {
            "dock0 has made no Linodes (--any lists others)"
        });
    }
    for linode in linodes {
        let Linode { label, id, status, region, .. } = linode;
        let addresses = linode.addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let kind = linode.kind.as_deref().unwrap_or("?");
        say(&format!("{label:<20} {id:<10} {status:<13} {region:<10} {kind:<16} {addresses}"))?;
    }
    Ok(())
}

pub fn reboot(arguments: RebootArguments) -> Result<()> {
    let RebootArguments { any, timeout, jobs, json, hosts } = arguments;
    let round = Round::new(hosts, timeout, jobs, Output::asked(json))?;
    let api = api()?;
    let linodes = find(&Account::look(&api)?, &round.hosts, any)?;
    let events = Events::new(&api);
    stop::on_signals()?;
    round.run(&linodes, |linode, until, show| {
        let reboot = || {
            let mut watch = events.watch(linode.id, events.newest()?);
            api.post(&format!("{}/reboot", linode.path()), &json!({})).map(|_: Done| ())?;
            watch.wait("linode_reboot", until, show)
        };
        reboot().with_context(|| linode.label.clone())?;
        Ok((format!("{} (Linode {}): rebooted", linode.label, linode.id), json!({"linode": linode.id})))
    })
}

/// The Linodes of these names, all of them there and of dock0, unless those of others are meant too.
fn find(account: &Account, hosts: &[Host], any: bool) -> Result<Vec<Linode>> {
    let one = |Host { name, .. }: &Host| match account.linode(name) {
        None => bail!("{name}: there is no Linode of that name (dock0 list shows those there are)"),
        Some(linode) if !any && !linode.is_ours() => {
            bail!(
                "{name}: Linode {} was not made by dock0: it has no tag {TAG} (--any takes it all the same)",
                linode.id
            )
        }
        Some(linode) => Ok(linode.clone()),
    };
    hosts.iter().map(one).collect()
}

fn describe(linode: &Linode) -> Value {
    let Linode { label, id, status, region, kind, tags, .. } = linode;
    json!({"host": label, "linode": id, "status": status, "region": region, "type": kind, "tags": tags,
        "addresses": linode.addresses()})
}

/// Asks before something is lost, unless nothing is or nobody wants to be asked.
pub fn confirm(losses: &[String], yes: bool) -> Result<()> {
    if losses.is_empty() || yes {
        return Ok(());
    }
    losses.iter().for_each(|loss| complain(loss));
    if !stdin().is_terminal() {
        bail!("nothing was done: this is lost, and nobody is here to be asked (--yes goes on)");
    }
    write!(std::io::stderr(), "Go on? [y/N] ").context("asking")?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer).context("reading the answer")?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => bail!("nothing was done"),
    }
}
