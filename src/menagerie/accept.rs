//! Whether a signed manifest may be installed: the attacks that a valid signature does not stop, by the names that The
//! Update Framework's specification gives them (section 1.5.2).

use crate::{KeyId, ManifestId, Memory, Name, Seen, Timestamp};
use core::fmt;
use core::time::Duration;

/// How far ahead of this machine's clock the publisher's may be.
pub const TOLERANCE: Duration = Duration::from_secs(86_400);

/// What a manifest says of itself, and whose signature it has.
#[derive(Clone, Copy, Debug)]
pub struct Offer<'a> {
    /// What it is a release of.
    pub product: &'a Name,
    /// Which line of releases.
    pub channel: &'a Name,
    /// For which processor.
    pub arch: &'a Name,
    /// Grows with each manifest of a channel.
    pub serial: u64,
    /// When it was made.
    pub issued: Timestamp,
    /// From when on it must not be installed.
    pub expires: Timestamp,
    /// The key that its signature fits.
    pub key: KeyId,
    /// Which one it is.
    pub manifest: ManifestId,
}

/// What this machine takes.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Releases of this.
    pub product: &'a Name,
    /// This line of them.
    pub channel: &'a Name,
    /// For this processor.
    pub arch: &'a Name,
}

/// What time it is, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// What the machine's clock says: anything.
    pub system: Timestamp,
    /// What it cannot be earlier than: [`Memory::floor`].
    pub floor: Timestamp,
}

impl Clock {
    /// The later of the two.
    pub fn now(self) -> Timestamp {
        self.system.max(self.floor)
    }

    /// The machine's clock is known to be behind, by who knows how much.
    fn is_behind(self) -> bool {
        self.system < self.floor
    }
}

/// `the clock says …`
impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the clock says {}", self.system)?;
        if self.is_behind() { write!(f, " and is behind, for it is at least {}", self.floor) } else { Ok(()) }
    }
}

/// All that an offer is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    /// What this machine takes.
    pub expected: Expected<'a>,
    /// What was accepted before.
    pub memory: &'a Memory,
    /// The keys that are trusted now.
    pub trusted: &'a [KeyId],
    /// The time.
    pub clock: Clock,
}

/// Why a manifest is not accepted. Prints what is wrong with "it", and the attack it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAccepted<'a> {
    /// It is another machine's.
    WrongSoftware {
        /// `product`, `channel` or `arch`.
        what: &'static str,
        /// The manifest's.
        offered: &'a Name,
        /// This machine's.
        expected: &'a Name,
    },
    /// A higher serial was accepted from the same key.
    Rollback {
        /// The manifest's.
        offered: u64,
        /// The highest.
        seen: u64,
    },
    /// Another manifest with the same serial was accepted from the same key.
    MixAndMatch {
        /// The serial.
        serial: u64,
        /// The one of now.
        offered: ManifestId,
        /// The one of then.
        seen: ManifestId,
    },
    /// A manifest of another trusted key was accepted that was issued later.
    OlderThanOtherKey {
        /// When this one was issued.
        issued: Timestamp,
        /// The other key.
        key: KeyId,
        /// When that one was issued.
        seen: Timestamp,
    },
    /// Its time is over.
    Expired {
        /// When it expired.
        expires: Timestamp,
        /// The time.
        clock: Clock,
    },
    /// It was issued more than [`TOLERANCE`] from now.
    FromTheFuture {
        /// When it was issued.
        issued: Timestamp,
        /// The time.
        clock: Clock,
    },
}

impl fmt::Display for NotAccepted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotAccepted::WrongSoftware { what, offered, expected } => {
                write!(f, "its {what} is {offered}, and this machine takes {expected} alone (wrong software)")
            }
            NotAccepted::Rollback { offered, seen } => {
                write!(f, "its serial is {offered}, and {seen} was accepted from the same key (rollback)")
            }
            NotAccepted::MixAndMatch { serial, offered, seen } => write!(
                f,
                "its serial {serial} is that of another manifest, which was accepted from the same key: SHA-256 \
                 {seen}… then, {offered}… now (mix-and-match)"
            ),
            NotAccepted::OlderThanOtherKey { issued, key, seen } => write!(
                f,
                "it was issued {issued}, before the one of {seen} that was accepted from the key {key} (rollback)"
            ),
            NotAccepted::Expired { expires, clock } => {
                write!(f, "it expired {expires}, and {clock} (indefinite freeze)")
            }
            NotAccepted::FromTheFuture { issued, clock } => {
                write!(f, "it was issued {issued}, and {clock}: more than a day before (fast-forward)")
            }
        }
    }
}

impl<'a> Judge<'a> {
    /// Whether it may be installed; if so, what is to be remembered of it, see [`Memory::remember`].
    pub fn accept(&self, offer: &Offer<'a>) -> Result<Seen, NotAccepted<'a>> {
        self.check_software(offer)?;
        self.check_serial(offer)?;
        self.check_other_keys(offer)?;
        self.check_time(offer)?;
        let &Offer { key, serial, manifest, issued, channel, .. } = offer;
        Ok(Seen { key, serial, manifest, issued, channel: channel.clone() })
    }

    fn check_software(&self, offer: &Offer<'a>) -> Result<(), NotAccepted<'a>> {
        let Expected { product, channel, arch } = self.expected;
        let mut words =
            [("product", offer.product, product), ("channel", offer.channel, channel), ("arch", offer.arch, arch)]
                .into_iter();
        match words.find(|(_, offered, expected)| offered != expected) {
            Some((what, offered, expected)) => Err(NotAccepted::WrongSoftware { what, offered, expected }),
            None => Ok(()),
        }
    }

    /// Each key has serials of its own: whoever stole one and spent the highest serial there is has spent that key's, and
    /// the next key starts afresh.
    fn check_serial(&self, offer: &Offer<'a>) -> Result<(), NotAccepted<'a>> {
        let &Offer { serial, manifest: offered, .. } = offer;
        match self.memory.newest(offer.key, offer.channel) {
            Some(seen) if serial < seen.serial => Err(NotAccepted::Rollback { offered: serial, seen: seen.serial }),
            Some(seen) if serial == seen.serial && offered != seen.manifest => {
                Err(NotAccepted::MixAndMatch { serial, offered, seen: seen.manifest })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// While two keys are trusted, the last manifest of the old one must not come back after the first of the new one.
    fn check_other_keys(&self, offer: &Offer<'a>) -> Result<(), NotAccepted<'a>> {
        let others =
            self.memory.all().iter().filter(|seen| {
                seen.key != offer.key && seen.channel == *offer.channel && self.trusted.contains(&seen.key)
            });
        match others.max_by_key(|seen| seen.issued) {
            Some(&Seen { key, issued: seen, .. }) if offer.issued < seen => {
                Err(NotAccepted::OlderThanOtherKey { issued: offer.issued, key, seen })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_time(&self, offer: &Offer<'a>) -> Result<(), NotAccepted<'a>> {
        let (&Offer { issued, expires, .. }, clock) = (offer, self.clock);
        if expires <= clock.now() {
            return Err(NotAccepted::Expired { expires, clock });
        }
        // A clock that is known to be behind says nothing of the future; a machine without a battery must install too.
        if !clock.is_behind() && issued > clock.now().later(TOLERANCE) {
            return Err(NotAccepted::FromTheFuture { issued, clock });
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "accept_tests.rs"]
mod tests;
