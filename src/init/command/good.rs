//! `menagerie good`: the running system says that its release works, once there is proof.

use super::words::{Options, Proof};
use super::{Ended, change, complain, running};
use crate::failure::Failure;
use crate::kexec;
use crate::store::change::Change;
use crate::store::{Disk, survey};
use crate::watchdog;
use menagerie::{Release, ReleaseId, Which};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a port may take until it answers.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long one attempt may take, and the pause between two.
const ATTEMPT: Duration = Duration::from_secs(1);

/// Ends the trial of this release, or of the running one.
pub fn call_good(disk: &Disk, which: Option<Which>, proof: Proof, options: &Options) -> Result<Ended, Failure> {
    let runs = running(disk)?;
    let id = match which {
        None => runs
            .ok_or_else(|| Failure::new("this machine runs from no release of this disk: name the one that is good"))?,
        Some(which) => named(disk, which, options)?,
    };
    wait_for(proof, PATIENCE)?;
    let is_running = runs == Some(id);
    if is_running && let Err(failure) = watchdog::stop() {
        complain(failure);
    }
    // A release that only another kernel has started has not shown that it can start by itself.
    let is_warm = is_running && kexec::has_started_us();
    let change = if is_warm { Change::Renew } else { Change::Approve };
    change::make(disk, &change(Which::Id(id)), options)
}

/// The id of a release, which is the same however long its proof takes.
fn named(disk: &Disk, which: Which, options: &Options) -> Result<ReleaseId, Failure> {
    let (listing, _) = survey::listing(disk, &options.layout)?;
    listing.find(which).map(Release::id).map_err(|refused| Failure::new(refused.to_string()))
}

fn wait_for(proof: Proof, patience: Duration) -> Result<(), Failure> {
    if !proof.after.is_zero() {
        complain(format_args!("waiting {} s", proof.after.as_secs()));
        sleep(proof.after);
    }
    let Some(port) = proof.port else { return Ok(()) };
    let until = Instant::now() + patience;
    while !answers(port) {
        if Instant::now() >= until {
            return Err(Failure::new(format!(
                "nothing answers on port {port} of this machine after {} s: the release stays on trial",
                patience.as_secs()
            )));
        }
        sleep(ATTEMPT.min(patience));
    }
    Ok(())
}

/// Whether something listens on this port of this machine.
fn answers(port: u16) -> bool {
    let here = [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port))];
    here.iter().any(|address| TcpStream::connect_timeout(address, ATTEMPT).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_port_has_to_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let proof = Proof { after: Duration::ZERO, port: Some(port) };
        wait_for(proof, PATIENCE).unwrap();
        drop(listener);
        assert_eq!(
            wait_for(proof, Duration::from_millis(1)).unwrap_err().to_string(),
            format!("nothing answers on port {port} of this machine after 0 s: the release stays on trial")
        );
    }
}
