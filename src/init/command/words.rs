//! The words of the command, read into what is asked for. Options may stand before or behind the verb.

use crate::store::change::{Change, Given, Origin};
use argh::FromArgs;
use menagerie::plan::{Bad, MAX_RETAIN, Orphans, RETAIN};
use menagerie::spec::{self, Spec};
use menagerie::{Layout, Name, Policy, Which, layout};
use std::collections::BTreeMap;
use std::time::Duration;
use wire::cmdline::MAX_SECONDS;

/// What the words ask for.
pub enum Asked {
    /// To be told how to ask.
    Help(String),
    /// Something to do, and how.
    For(Verb, Box<Options>),
}

/// What to do.
pub enum Verb {
    /// Print the releases.
    List,
    /// Print what runs, what is next, what is kept, and which configuration there is.
    Status,
    /// Print the last boots.
    Boots,
    /// Read everything again.
    Verify,
    /// Change the releases.
    Change(Change),
    /// Install what this manifest offers: a path or an address.
    Install(String),
    /// Let the configuration and the one before change places.
    ConfigRollback,
    /// Listen for what operators push.
    Receive(Listening),
    /// Call a release good, the running one if none is named, once there is proof.
    Good(Option<Which>, Proof),
    /// Reboot into the newest release.
    Reboot(Way),
}

/// What has to be seen before a release is called good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// So long nothing may have gone wrong.
    pub after: Duration,
    /// Something listens here.
    pub port: Option<u16>,
}

/// For how long a running VM listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listening {
    /// Until something was pushed.
    Once,
    /// Until somebody ends it.
    Always,
}

/// How a running VM reboots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By kexec, where that can be.
    Quick,
    /// Through firmware and boot loader.
    Cold,
}

/// How to do it.
pub struct Options {
    /// The boot partition.
    pub root: String,
    /// Where things stand on it.
    pub layout: Layout,
    /// For a person or for a program.
    pub form: Form,
    /// What to keep.
    pub policy: Policy,
    /// Whether a plan is only printed.
    pub dry_run: bool,
    /// Of each new artifact, the file it is made from.
    pub files: BTreeMap<Name, String>,
}

/// How output looks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For a person.
    Plain,
    /// One JSON value.
    Json,
}

/// Releases of artifacts on a boot partition. Without a command: prints them.
#[derive(FromArgs)]
#[argh(
    error_code(0, "done"),
    error_code(1, "not done, and standard error says why"),
    error_code(2, "the words make no sense"),
    error_code(3, "verify found faults"),
    error_code(4, "done, but something after it failed, and standard error says what")
)]
struct Words {
    /// the boot partition, or any directory (/run/vm/bootmnt)
    #[argh(option, default = "String::from(\"/run/vm/bootmnt\")")]
    root: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
    /// how many old releases to keep, at most 63 (5); with add and reap
    #[argh(option)]
    retain: Option<u32>,
    /// keep artifacts that no release has; with add and reap
    #[argh(switch)]
    keep_orphans: bool,
    /// print the plan and change nothing
    #[argh(switch)]
    dry_run: bool,
    /// take a release that is bad; with add, install and rollback
    #[argh(switch)]
    force: bool,
    /// 90, 90s, 5m or 2h: how long to wait first; with good
    #[argh(option, from_str_fn(duration))]
    after: Option<Duration>,
    /// the TCP port of this machine that has to answer; with good
    #[argh(option)]
    when_port: Option<u16>,
    /// through firmware and boot loader; with reboot
    #[argh(switch)]
    cold: bool,
    /// go on listening after each push; with receive
    #[argh(switch)]
    stay: bool,
    /// NAME=MODE: the file mode of a new artifact, octal (0644); with add
    #[argh(option)]
    mode: Vec<String>,
    /// where artifacts stand below the root (artifacts)
    #[argh(option, default = "layout::ARTIFACTS.into()")]
    artifacts: String,
    /// where releases stand below the root (releases)
    #[argh(option, default = "layout::RELEASES.into()")]
    releases: String,
    /// where the link to the newest release stands below the root (latest)
    #[argh(option, default = "layout::LATEST.into()")]
    latest: String,
    #[argh(subcommand)]
    verb: Option<Verbs>,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Verbs {
    Add(Add),
    Install(Install),
    Rollback(Rollback),
    Pin(Pin),
    Unpin(Unpin),
    Reap(Reap),
    Verify(Verify),
    Status(Status),
    List(List),
    Config(Config),
    Receive(Receive),
    Good(Good),
    Reboot(Reboot),
    Boots(Boots),
}

/// The last ten boots: when, which release, how it ended, how long it took.
#[derive(FromArgs)]
#[argh(subcommand, name = "boots")]
struct Boots {}

/// Ends the trial of a release: from now on it is booted as often as it comes. Options: --after, --when-port.
#[derive(FromArgs)]
#[argh(subcommand, name = "good")]
struct Good {
    /// its number or id (the one that runs)
    #[argh(positional, from_str_fn(which))]
    which: Option<Which>,
}

/// Reboots this VM into the newest release: by kexec where that can be, unless --cold.
#[derive(FromArgs)]
#[argh(subcommand, name = "reboot")]
struct Reboot {}

/// Prints the releases, and the artifacts that none of them has.
#[derive(FromArgs)]
#[argh(subcommand, name = "list")]
struct List {}

/// A new release: it becomes 0, the others move up one place. Options: --retain, --keep-orphans, --mode, --dry-run.
#[derive(FromArgs)]
#[argh(subcommand, name = "add")]
struct Add {
    /// NAME=VERSION@FILE, or NAME=VERSION of an artifact that is there already
    #[argh(positional)]
    artifacts: Vec<String>,
}

/// A signed manifest becomes release 0: its key is in dock0/trust, what is missing is fetched. Options: --retain,
/// --keep-orphans.
#[derive(FromArgs)]
#[argh(subcommand, name = "install")]
struct Install {
    /// the path or address of release.json; its signature is beside it
    #[argh(positional)]
    manifest: String,
}

/// Makes an old release 0 again; the others keep their order. Twice without a number goes back and forth.
#[derive(FromArgs)]
#[argh(subcommand, name = "rollback")]
struct Rollback {
    /// its number or id (the newest but release 0)
    #[argh(positional, default = "Which::Older", from_str_fn(which))]
    which: Which,
}

/// Keeps a release for good.
#[derive(FromArgs)]
#[argh(subcommand, name = "pin")]
struct Pin {
    /// its number or id
    #[argh(positional, from_str_fn(which))]
    which: Which,
}

/// Lets a release be pruned again.
#[derive(FromArgs)]
#[argh(subcommand, name = "unpin")]
struct Unpin {
    /// its number or id
    #[argh(positional, from_str_fn(which))]
    which: Which,
}

/// Removes old releases, artifacts that no release has, and what was left half done. Options: --retain, --keep-orphans,
/// --dry-run.
#[derive(FromArgs)]
#[argh(subcommand, name = "reap")]
struct Reap {}

/// Reads everything again and says what is wrong with which file.
#[derive(FromArgs)]
#[argh(subcommand, name = "verify")]
struct Verify {}

/// What runs, what is next, what is kept, and how much room is left.
#[derive(FromArgs)]
#[argh(subcommand, name = "status")]
struct Status {}

/// The configuration that the next boot lays over its root.
#[derive(FromArgs)]
#[argh(subcommand, name = "config")]
struct Config {
    #[argh(subcommand)]
    what: ConfigVerbs,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum ConfigVerbs {
    Rollback(ConfigRollback),
}

/// Lets the configuration and the one before it change places. Twice goes back and forth.
#[derive(FromArgs)]
#[argh(subcommand, name = "rollback")]
struct ConfigRollback {}

/// Listens on port 1002 of this running VM, as PID 1 does when it waits, until an operator has pushed a configuration or a
/// release. Options: --stay.
#[derive(FromArgs)]
#[argh(subcommand, name = "receive")]
struct Receive {}

/// Reads `90`, `90s`, `5m` or `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3600),
        _ => (Some(text), 1),
    };
    let seconds = digits.and_then(|digits| digits.parse::<u32>().ok()).filter(|_| !text.starts_with('+'));
    let seconds = seconds.and_then(|number| number.checked_mul(unit)).filter(|seconds| *seconds <= MAX_SECONDS);
    seconds
        .map(|seconds| Duration::from_secs(seconds.into()))
        .ok_or_else(|| format!("{text:?} must be a time up to a day, as 90s, 5m or 2h"))
}

fn which(text: &str) -> Result<Which, String> {
    text.parse().map_err(|_| format!("{text:?} is neither a release's number nor its id"))
}

/// Reads the words behind the program's name; an error is a sentence.
pub fn read(words: &[&str]) -> Result<Asked, String> {
    match Words::from_args(&[super::NAME], &options_first(words)) {
        Ok(words) => words.check(),
        Err(exit) if exit.status.is_ok() => Ok(Asked::Help(exit.output)),
        Err(exit) => Err(format!("{}\nRun {} --help for more information.", exit.output.trim_end(), super::NAME)),
    }
}

/// The options that have a value.
const VALUED: [&str; 8] =
    ["--root", "--retain", "--mode", "--artifacts", "--releases", "--latest", "--after", "--when-port"];

/// The same words with the options in front, where argh wants those that every command has; `--option=value` becomes two
/// words. What follows `--` stays.
fn options_first<'w>(words: &[&'w str]) -> Vec<&'w str> {
    let (mut options, mut rest) = (Vec::new(), Vec::new());
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word.split_once('=') {
            _ if word == "--" => rest.extend(std::iter::once(word).chain(words.by_ref())),
            _ if word == "-h" => options.push("--help"),
            _ if VALUED.contains(&word) => options.extend(std::iter::once(word).chain(words.next())),
            Some((option, value)) if VALUED.contains(&option) => options.extend([option, value]),
            _ if word.starts_with("--") => options.push(word),
            _ => rest.push(word),
        }
    }
    options.extend(rest);
    options
}

impl Words {
    fn check(self) -> Result<Asked, String> {
        self.check_options()?;
        let layout = Layout::new(&self.artifacts, &self.releases, &self.latest).map_err(|why| why.to_string())?;
        let retain = self.retain.unwrap_or(RETAIN);
        if retain > MAX_RETAIN {
            return Err(format!("--retain {retain}: at most {MAX_RETAIN} old releases can be kept"));
        }
        let orphans = if self.keep_orphans { Orphans::Keep } else { Orphans::Remove };
        let bad = if self.force { Bad::Forgive } else { Bad::Refuse };
        let form = if self.json { Form::Json } else { Form::Plain };
        let mut options = Options {
            root: self.root,
            layout,
            form,
            policy: Policy { retain, orphans, bad, ..Policy::default() },
            dry_run: self.dry_run,
            files: BTreeMap::new(),
        };
        let verb = match self.verb {
            None | Some(Verbs::List(List {})) => Verb::List,
            Some(Verbs::Status(Status {})) => Verb::Status,
            Some(Verbs::Boots(Boots {})) => Verb::Boots,
            Some(Verbs::Verify(Verify {})) => Verb::Verify,
            Some(Verbs::Add(Add { artifacts })) => {
                Verb::Change(Change::Add(given(&artifacts, &self.mode, &mut options)?))
            }
            Some(Verbs::Install(Install { manifest })) => Verb::Install(manifest),
            Some(Verbs::Config(Config { what: ConfigVerbs::Rollback(ConfigRollback {}) })) => Verb::ConfigRollback,
            Some(Verbs::Receive(Receive {})) => {
                Verb::Receive(if self.stay { Listening::Always } else { Listening::Once })
            }
            Some(Verbs::Good(Good { which })) => {
                Verb::Good(which, Proof { after: self.after.unwrap_or_default(), port: self.when_port })
            }
            Some(Verbs::Reboot(Reboot {})) => Verb::Reboot(if self.cold { Way::Cold } else { Way::Quick }),
            Some(Verbs::Rollback(Rollback { which })) => Verb::Change(Change::Rollback(which)),
            Some(Verbs::Pin(Pin { which })) => Verb::Change(Change::Pin(which)),
            Some(Verbs::Unpin(Unpin { which })) => Verb::Change(Change::Unpin(which)),
            Some(Verbs::Reap(Reap {})) => Verb::Change(Change::Reap),
        };
        Ok(Asked::For(verb, Box::new(options)))
    }

    /// An option that would do nothing is a misunderstanding.
    fn check_options(&self) -> Result<(), String> {
        let (verb, changes, prunes) = match self.verb {
            None | Some(Verbs::List(_)) => ("the list of releases", false, false),
            Some(Verbs::Status(_)) => ("status", false, false),
            Some(Verbs::Boots(_)) => ("boots", false, false),
            Some(Verbs::Verify(_)) => ("verify", false, false),
            Some(Verbs::Add(_)) => ("add", true, true),
            Some(Verbs::Install(_)) => ("install", false, true),
            Some(Verbs::Config(_)) => ("config rollback", false, false),
            Some(Verbs::Receive(_)) => ("receive", false, false),
            Some(Verbs::Good(_)) => ("good", true, false),
            Some(Verbs::Reboot(_)) => ("reboot", false, false),
            Some(Verbs::Reap(_)) => ("reap", true, true),
            Some(Verbs::Rollback(_)) => ("rollback", true, false),
            Some(Verbs::Pin(_)) => ("pin", true, false),
            Some(Verbs::Unpin(_)) => ("unpin", true, false),
        };
        for (option, given, fits) in [
            ("--retain", self.retain.is_some(), prunes),
            ("--keep-orphans", self.keep_orphans, prunes),
            ("--dry-run", self.dry_run, changes),
            ("--mode", !self.mode.is_empty(), verb == "add"),
            ("--force", self.force, matches!(verb, "add" | "install" | "rollback")),
            ("--after", self.after.is_some(), verb == "good"),
            ("--when-port", self.when_port.is_some(), verb == "good"),
            ("--cold", self.cold, verb == "reboot"),
            ("--stay", self.stay, verb == "receive"),
            ("--json", self.json && self.dry_run, false),
        ] {
            if given && !fits {
                let verb = if option == "--json" { "--dry-run" } else { verb };
                return Err(format!("{option} has nothing to do with {verb}"));
            }
        }
        Ok(())
    }
}

fn given(artifacts: &[String], modes: &[String], options: &mut Options) -> Result<Vec<Given>, String> {
    if artifacts.is_empty() {
        return Err("add needs at least one NAME=VERSION@FILE".into());
    }
    let mut modes = modes.iter().map(|text| mode(text)).collect::<Result<BTreeMap<Name, u32>, String>>()?;
    let mut all = Vec::new();
    for text in artifacts {
        let Spec { artifact, file } = spec::parse(&options.layout, text).map_err(|why| format!("{text}: {why}"))?;
        let origin = match file {
            Some(file) => {
                options.files.insert(artifact.name.clone(), file.into());
                Origin::File(modes.remove(&artifact.name))
            }
            None => Origin::Standing,
        };
        all.push(Given { artifact, origin });
    }
    match modes.into_iter().next() {
        Some((name, mode)) => Err(format!("--mode {name}={mode:04o}: no new artifact with a file has this name")),
        None => Ok(all),
    }
}

/// Reads `NAME=MODE`.
fn mode(text: &str) -> Result<(Name, u32), String> {
    let read = || {
        let (name, digits) = text.split_once('=')?;
        let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o777 && !digits.starts_with('+'))?;
        Some((name.parse().ok()?, mode))
    };
    read().ok_or_else(|| format!("--mode {text}: it must be NAME=MODE, an octal mode of at most 0777"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_stand_anywhere() {
        for words in [
            &["--root", "/x", "--dry-run", "rollback", "2"][..],
            &["rollback", "--root", "/x", "2", "--dry-run"],
            &["rollback", "2", "--dry-run", "--root=/x"],
        ] {
            let Ok(Asked::For(Verb::Change(Change::Rollback(which)), options)) = read(words) else {
                panic!("{words:?}")
            };
            assert_eq!((which, options.root.as_str(), options.dry_run), (Which::Number(2), "/x", true), "{words:?}");
        }
        assert_eq!(options_first(&["add", "--", "--root=1"]), ["add", "--", "--root=1"]);
    }

    #[test]
    fn a_new_release_has_files_and_modes() {
        let words = ["add", "kernel=6.12@/boot/vmlinuz", "initrd=1", "--mode", "kernel=0600"];
        let Ok(Asked::For(Verb::Change(Change::Add(given)), options)) = read(&words) else { panic!("no release") };
        let shown: Vec<_> = given.iter().map(|given| format!("{} {:?}", given.artifact, given.origin)).collect();
        assert_eq!(shown, ["kernel 6.12 File(Some(384))", "initrd 1 Standing"]);
        assert_eq!(
            options.files.into_iter().map(|(n, f)| (n.to_string(), f)).collect::<Vec<_>>(),
            [("kernel".into(), "/boot/vmlinuz".into())]
        );
    }

    #[test]
    fn proof_is_asked_for_in_times_and_ports() {
        for (words, seconds, port) in [
            (&["good"][..], 0, None),
            (&["good", "--after", "90"], 90, None),
            (&["good", "--after=90s", "--when-port", "22"], 90, Some(22)),
            (&["--after", "5m", "good"], 300, None),
            (&["good", "--after", "24h"], 86_400, None),
        ] {
            let Ok(Asked::For(Verb::Good(None, proof), _)) = read(words) else { panic!("{words:?}") };
            assert_eq!(proof, Proof { after: Duration::from_secs(seconds), port }, "{words:?}");
        }
    }

    #[test]
    fn it_is_listened_once_or_always() {
        for (words, want) in [
            (&["receive"][..], Listening::Once),
            (&["receive", "--stay"], Listening::Always),
            (&["--stay", "receive"], Listening::Always),
        ] {
            let Ok(Asked::For(Verb::Receive(listening), _)) = read(words) else { panic!("{words:?}") };
            assert_eq!(listening, want, "{words:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        const NESTED: &str = "artifacts, releases and latest must lie outside of one another, of config, dock0 and boot/grub, \
                              and of what is built beside them (.new)";
        for (words, why) in [
            (&["add"][..], "add needs at least one NAME=VERSION@FILE"),
            (&["add", "kernel"], "kernel: must be NAME=VERSION@FILE"),
            (&["add", "k=1@f", "--mode", "x=0600"], "--mode x=0600: no new artifact with a file has this name"),
            (
                &["add", "k=1@f", "--mode", "k=4755"],
                "--mode k=4755: it must be NAME=MODE, an octal mode of at most 0777",
            ),
            (&["reap", "--retain", "64"], "--retain 64: at most 63 old releases can be kept"),
            (&["rollback", "--retain", "3"], "--retain has nothing to do with rollback"),
            (&["verify", "--dry-run"], "--dry-run has nothing to do with verify"),
            (&["--keep-orphans"], "--keep-orphans has nothing to do with the list of releases"),
            (&["reap", "--json", "--dry-run"], "--json has nothing to do with --dry-run"),
            (&["reap", "--mode", "k=0600"], "--mode has nothing to do with reap"),
            (&["pin", "0", "--force"], "--force has nothing to do with pin"),
            (&["rollback", "--after", "60s"], "--after has nothing to do with rollback"),
            (&["status", "--when-port", "22"], "--when-port has nothing to do with status"),
            (&["good", "--cold"], "--cold has nothing to do with good"),
            (&["good", "--stay"], "--stay has nothing to do with good"),
            (&["status", "--releases", "artifacts/x"], NESTED),
        ] {
            assert_eq!(read(words).err().as_deref(), Some(why), "{words:?}");
        }
        for (words, part) in [
            (&["rollback", "first"][..], "\"first\" is neither a release's number nor its id"),
            (&["good", "--after", "2 days"], "\"2 days\" must be a time up to a day, as 90s, 5m or 2h"),
            (&["good", "--after", "25h"], "\"25h\" must be a time up to a day, as 90s, 5m or 2h"),
            (&["pin"], "Required positional arguments not provided"),
            (&["instal"], "Unrecognized argument: instal"),
            (&["--retain"], "No value provided for option '--retain'"),
        ] {
            let why = read(words).err().unwrap_or_default();
            assert!(
                why.contains(part) && why.ends_with("Run menagerie --help for more information."),
                "{words:?}: {why}"
            );
        }
        for (words, part) in [(&["-h"][..], "3 verify found faults"), (&["add", "--help"], "NAME=VERSION@FILE")] {
            let Ok(Asked::Help(help)) = read(words) else { panic!("no help") };
            assert!(help.contains(part), "{help}");
        }
    }
}
