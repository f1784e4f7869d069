//! The sequences of steps by which a boot partition can be changed: dock0's, and those that lose something.

use crate::state::Promise;

/// One way of changing a boot partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// What dock0 does: nothing may be lost.
    Dock0,
    /// `latest` is a link that is replaced by a rename, then fsync.
    Symlink,
    /// The same, then a checkpoint.
    SymlinkCheckpoint,
    /// `releases/N` move up one by one, with an fsync after each rename.
    Rotate,
    /// `releases/N` move up one by one, with one fsync at the end, then a checkpoint.
    RotateCheckpoint,
    /// A whole `releases.new` is exchanged with `releases`, then fsync, and no checkpoint.
    Exchange,
    /// Releases as dock0 changes them; `config` becomes `config.prev` and `config.new` becomes `config`, with an fsync after each.
    ConfigByRenames,
}

impl Sequence {
    /// Each of them, in the order of the table.
    pub const ALL: [Sequence; 7] = [
        Sequence::Symlink,
        Sequence::SymlinkCheckpoint,
        Sequence::Rotate,
        Sequence::RotateCheckpoint,
        Sequence::Exchange,
        Sequence::ConfigByRenames,
        Sequence::Dock0,
    ];

    /// Its word on the kernel command line and in the name of a state.
    pub fn word(self) -> &'static str {
        match self {
            Sequence::Dock0 => "dock0",
            Sequence::Symlink => "symlink",
            Sequence::SymlinkCheckpoint => "symlink-checkpoint",
            Sequence::Rotate => "rotate",
            Sequence::RotateCheckpoint => "rotate-checkpoint",
            Sequence::Exchange => "exchange",
            Sequence::ConfigByRenames => "config-by-renames",
        }
    }

    /// Its row in the table.
    pub fn title(self) -> &'static str {
        match self {
            Sequence::Dock0 => "dock0",
            Sequence::Symlink => "rename over the symlink, fsync",
            Sequence::SymlinkCheckpoint => "the same + checkpoint",
            Sequence::Rotate => "rotate releases/N by renames, fsync after each",
            Sequence::RotateCheckpoint => "rotate by renames, one fsync at the end, checkpoint",
            Sequence::Exchange => "build releases.new, RENAME_EXCHANGE, no checkpoint",
            Sequence::ConfigByRenames => "config to config.prev, config.new to config, fsync after each",
        }
    }

    /// The sequence with this word.
    pub fn named(word: &str) -> Option<Sequence> {
        Sequence::ALL.into_iter().find(|sequence| sequence.word() == word)
    }

    /// Which releases must be whole at any moment.
    pub fn promise(self) -> Promise {
        match self {
            // The directory that `latest` does not lead to is built in place.
            Sequence::Symlink | Sequence::SymlinkCheckpoint => Promise::Latest,
            Sequence::Rotate
            | Sequence::RotateCheckpoint
            | Sequence::Exchange
            | Sequence::ConfigByRenames
            | Sequence::Dock0 => Promise::Every,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for sequence in Sequence::ALL {
            assert_eq!(Sequence::named(sequence.word()), Some(sequence));
        }
        assert_eq!(Sequence::named("nothing"), None);
    }
}
