//! What the one binary is called as: PID 1, the `menagerie` command, or one of PID 1's children.

use crate::{command, config, enrol, fetch, net, receive};

/// Who it is, with the words behind its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role<'w> {
    /// PID 1 of a virtual machine.
    Boot,
    /// The command for people and programs.
    Menagerie(&'w [&'w str]),
    /// The child that fetches.
    Fetch(&'w [&'w str]),
    /// The child that brings the network up.
    Network(&'w [&'w str]),
    /// The child that listens.
    Receive(&'w [&'w str]),
    /// The child that asks a cloud's metadata service.
    Enrol(&'w [&'w str]),
    /// The child that unpacks.
    Unpack(&'w [&'w str]),
    /// Called by hand, as nothing of these.
    Nobody,
}

impl<'w> Role<'w> {
    /// By its name, or by its first word (`init menagerie`). The latter is never asked of PID 1: its words are what the kernel
    /// did not know on its command line.
    pub fn of(words: &'w [&'w str], is_pid_1: bool) -> Role<'w> {
        let name = words.first().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
        let behind = |count: usize| words.get(count..).unwrap_or_default();
        let by_name = named(name, behind(1));
        match (by_name, is_pid_1) {
            (Some(role), _) => role,
            (None, true) => Role::Boot,
            (None, false) => words.get(1).and_then(|word| named(word, behind(2))).unwrap_or(Role::Nobody),
        }
    }
}

fn named<'w>(name: &str, words: &'w [&'w str]) -> Option<Role<'w>> {
    match name {
        command::NAME => Some(Role::Menagerie(words)),
        fetch::NAME => Some(Role::Fetch(words)),
        net::NAME => Some(Role::Network(words)),
        enrol::NAME => Some(Role::Enrol(words)),
        config::NAME => Some(Role::Unpack(words)),
        receive::NAME => Some(Role::Receive(words)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_be_called() {
        for (words, is_pid_1, want) in [
            (&["/init"][..], true, Role::Boot),
            (&["/init", "menagerie", "verify"], true, Role::Boot),
            (&[], true, Role::Boot),
            (&["/init"], false, Role::Nobody),
            (&["init", "what"], false, Role::Nobody),
            (&["init", "menagerie", "verify"], false, Role::Menagerie(&["verify"])),
            (&["/sbin/menagerie", "verify"], false, Role::Menagerie(&["verify"])),
            (&["menagerie"], true, Role::Menagerie(&[])),
            (&["dock0-fetch", "7"], false, Role::Fetch(&["7"])),
            (&["dock0-net", "/"], false, Role::Network(&["/"])),
            (&["dock0-receive", "7"], false, Role::Receive(&["7"])),
            (&["dock0-enrol", "7"], false, Role::Enrol(&["7"])),
            (&["dock0-unpack", "7"], false, Role::Unpack(&["7"])),
            (&["init", "dock0-net", "/"], false, Role::Network(&["/"])),
        ] {
            assert_eq!(Role::of(words, is_pid_1), want, "{words:?}, PID 1: {is_pid_1}");
        }
    }
}
