//! The fetching child, seen from outside while it runs.
//!
//! Its memory is `VmHWM` of its own /proc status. What wait4(2) tells is no figure of the child's: it begins with what the parent
//! had when it forked.

use std::fs;

/// What it has taken and what it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The most memory that it had so far, in KiB.
    pub peak: u64,
    /// The most address space that it may have, in bytes.
    pub address_space: u64,
}

/// Looks at the child that this thread has started; `None` where there is none, or none any more.
pub fn look() -> Option<Watched> {
    let children = fs::read_to_string("/proc/thread-self/children").ok()?;
    children.split_whitespace().find_map(|child| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{child}/{file}")).ok();
        // A server of the test is a child too.
        let is_ours = read("cmdline")?.split('\0').next() == Some(init::fetch::NAME);
        let watched = Watched {
            peak: number_behind(&read("status")?, "VmHWM:")?,
            address_space: number_behind(&read("limits")?, "Max address space")?,
        };
        is_ours.then_some(watched)
    })
}

fn number_behind(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}
