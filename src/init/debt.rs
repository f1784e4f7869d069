//! What a boot owes to the records of its release: the try that it costs, and the boot loader's count, which is set back since the
//! kernel has come up. It is written down before the root takes over, or when the boot has failed.

use crate::failure::Failure;
use crate::log::alarm;
use crate::store::{Disk, loader, trials};
use crate::{rescue, watchdog};
use menagerie::state::Trial;
use menagerie::trial::Cost;

/// What a boot owes.
#[derive(Clone, Copy, Debug)]
pub struct Debt {
    /// The try, and when it is spent.
    pub spends: Option<(Try, Cost)>,
    /// What the boot loader does from now on.
    pub starts: Starts,
    /// Whether another release may be booted if this one cannot be, and nobody can be called.
    pub leaves_another: bool,
}

/// One try of a release.
#[derive(Clone, Copy, Debug)]
pub struct Try {
    /// What is written down of it, if anything is.
    pub before: Option<Trial>,
    /// What will be.
    pub spent: Trial,
}

/// How often the boot loader may start the newest release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starts {
    /// As often as before: somebody chose what is booted, and nothing is known of the newest.
    AsBefore,
    /// As often as it comes.
    Always,
    /// So many times.
    Times(u8),
}

impl Debt {
    /// Nothing is owed: somebody chose what is booted.
    pub const NONE: Debt = Debt { spends: None, starts: Starts::AsBefore, leaves_another: false };

    /// Lets the boot loader start the newest release as often as at first: its kernel has come up, and what comes now may take long.
    pub fn has_come_up(&self, disk: &Disk) {
        self.starts.set(disk);
    }

    /// Writes it down before the root takes over.
    pub fn settle(&self, disk: &Disk) {
        if let Some((one, Cost::EveryBoot)) = self.spends {
            let spent = trials::spend(disk, one.before, one.spent);
            // From here on the next boot does better, or not, whatever else goes wrong in this one.
            rescue::owe_no_more(self, spent.is_ok());
            if let Err(failure) = spent {
                alarm!("{failure}: this boot is not counted");
                // But the boot loader goes on counting, if it can.
                return;
            }
        }
        watchdog::ask_for_more_time();
        self.starts.set(disk);
    }

    /// Writes it down after the boot has failed: whether the next one may do better.
    pub fn fail(&self, disk: &Disk) -> Result<bool, Failure> {
        if let Some((one, _)) = self.spends {
            trials::spend(disk, one.before, one.spent)?;
        }
        self.starts.set(disk);
        Ok(self.spends.is_some())
    }
}

impl Starts {
    /// Tells the boot loader.
    pub fn set(self, disk: &Disk) {
        let starts = match self {
            Starts::AsBefore => return,
            Starts::Always => None,
            Starts::Times(times) => Some(times),
        };
        if let Err(failure) = loader::set(disk, starts) {
            alarm!("{failure}: what the boot loader counts stays as it is");
        }
    }
}
