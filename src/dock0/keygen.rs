//! keygen: the keys that sign manifests, and those that operators and VMs know one another by.

use super::say;
use anyhow::Result;
use argh::FromArgs;
use dock0::authority::{self, CA, Found, LASTS, Order, Pair, Role};
use dock0::output::Existing;
use dock0::papers::OPERATOR;
use dock0::signing::{self, Protection};
use std::path::PathBuf;

/// Makes keys.
#[derive(FromArgs)]
#[argh(subcommand, name = "keygen")]
pub struct KeygenArguments {
    #[argh(subcommand)]
    what: Keygen,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Keygen {
    Manifest(ManifestKeyArguments),
    Operator(OperatorArguments),
    Vm(VmArguments),
}

/// Makes a minisign key pair: manifest.key signs manifests, manifest.pub is pinned on each machine.
#[derive(FromArgs)]
#[argh(subcommand, name = "manifest")]
struct ManifestKeyArguments {
    /// the directory for both files (.)
    #[argh(option, short = 'o', default = "PathBuf::from(\".\")")]
    output: PathBuf,
    /// leave the secret key without a password; with one, it is taken from $DOCK0_MINISIGN_PASSWORD or asked for
    #[argh(switch)]
    no_password: bool,
}

/// Makes an operator's certificate and its key, NAME.pem and NAME.key, and first the operators' CA if there is none.
#[derive(FromArgs)]
#[argh(subcommand, name = "operator")]
struct OperatorArguments {
    /// the directory of the CA and the new files (.)
    #[argh(option, short = 'o', default = "PathBuf::from(\".\")")]
    output: PathBuf,
    /// whose certificate (operator)
    #[argh(option, default = "OPERATOR.into()")]
    name: String,
    /// for how many days (3650)
    #[argh(option, default = "LASTS")]
    days: u32,
    /// replace the certificate and the key if they exist; the CA is never replaced
    #[argh(switch)]
    force: bool,
}

/// Makes a VM's certificate and its key, NAME.pem and NAME.key, signed by the operators' CA.
#[derive(FromArgs)]
#[argh(subcommand, name = "vm")]
struct VmArguments {
    /// the directory of the CA and the new files (.)
    #[argh(option, short = 'o', default = "PathBuf::from(\".\")")]
    output: PathBuf,
    /// another name of DNS or an address that the VM is reached by
    #[argh(option, long = "name")]
    aliases: Vec<String>,
    /// for how many days (3650)
    #[argh(option, default = "LASTS")]
    days: u32,
    /// replace the certificate and the key if they exist
    #[argh(switch)]
    force: bool,
    /// the VM's name, as dock0 push calls it
    #[argh(positional)]
    name: String,
}

pub fn keygen(arguments: KeygenArguments) -> Result<()> {
    match arguments.what {
        Keygen::Manifest(arguments) => manifest(&arguments),
        Keygen::Operator(arguments) => operator(&arguments),
        Keygen::Vm(arguments) => vm(&arguments),
    }
}

fn manifest(arguments: &ManifestKeyArguments) -> Result<()> {
    let protection = if arguments.no_password { Protection::None } else { Protection::Password };
    let key = signing::generate(&arguments.output, protection)?;
    say(&format!(
        "key {}: {} signs manifests, {} is pinned on machines",
        key.id,
        key.secret.display(),
        key.public.display()
    ))
}

fn operator(arguments: &OperatorArguments) -> Result<()> {
    let OperatorArguments { output, name, days, force } = arguments;
    let order = Order { name, role: Role::Operator, aliases: &[], days: *days };
    // A CA that nobody wanted would be found by the next call, and be taken for the operators'.
    authority::check_order(output, &order, existing(*force))?;
    if authority::make_ca(output)? == Found::New {
        let ca = Pair::of(output, CA);
        let (certificate, key) = (ca.certificate.display(), ca.key.display());
        say(&format!(
            "the operators' CA: {certificate} goes to each VM (dock0 disk --trust), {key} makes certificates"
        ))?;
    }
    let pair = authority::issue(output, &order, existing(*force))?;
    say(&format!("the operator {name}: {} and {}, for dock0 push", pair.certificate.display(), pair.key.display()))
}

fn vm(arguments: &VmArguments) -> Result<()> {
    let VmArguments { output, aliases, days, force, name } = arguments;
    let order = Order { name, role: Role::Vm, aliases, days: *days };
    let pair = authority::issue(output, &order, existing(*force))?;
    let (certificate, key) = (pair.certificate.display(), pair.key.display());
    let base = output.join(name);
    say(&format!("the VM {name}: {certificate} and {key}, for dock0 disk --identity {}", base.display()))
}

fn existing(force: bool) -> Existing {
    if force { Existing::Replace } else { Existing::Refuse }
}
