//! The installer with the patience of a test: `hasty ROOT URL` does what `init menagerie --root ROOT install URL` does, but waits
//! for a mirror half a second where that waits half a minute, and asks once where that asks five times.

use fetch_tests::place::QUICK;
use init::failure::Failure;
use init::fetch::show::On;
use init::install::{How, Offer, ca, install, read_settings};
use init::store::Disk;
use menagerie::Policy;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words = std::env::args().collect::<Vec<_>>();
    let words = words.iter().map(String::as_str).collect::<Vec<_>>();
    let installed = match words.as_slice() {
        [init::fetch::NAME, rest @ ..] => return init::fetch::child::run(rest),
        [_, root, url] => install_from(root, url),
        _ => Err(Failure::new("hasty ROOT URL, and for tests alone")),
    };
    match installed {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("menagerie: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn install_from(root: &str, url: &str) -> Result<(), Failure> {
    let disk = Disk::open(root)?;
    let (settings, say) = (read_settings(&disk)?, |line: &str| eprintln!("menagerie: {line}"));
    let policy = Policy::default();
    let how = How { settings: &settings, policy, running: None, patience: QUICK, until: None, on: On::Log, say: &say };
    let offer = Offer::fetch(url, ca(&disk)?.as_deref(), &how)?;
    install(&disk, &offer, &how).map(drop)
}
