//! A failure is a sentence: what was being done, to what, and why it did not work.

use rustix::io::Errno;
use std::fmt::{self, Display};
use std::io;
use std::panic::PanicHookInfo;

/// The sentence that rescue() says.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure that is not the kernel's answer but our own finding.
    pub fn new(sentence: impl Into<String>) -> Self {
        Failure(sentence.into())
    }
}

impl Failure {
    /// A panic, which is a defect of ours.
    pub fn of_panic(panic: &PanicHookInfo) -> Self {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
        Failure(format!("a defect in dock0 itself: {message}{place}"))
    }

    /// Whether a disk was full. What a child of ours met comes as its sentence alone, so that is what is looked at.
    pub fn is_for_want_of_room(&self) -> bool {
        self.0.ends_with(&Errno::NOSPC.words())
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Puts what was being done in front of an error.
pub trait Doing<T> {
    /// `doing(|| "mounting a on b")` makes "mounting a on b: no such device" of an error.
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Cause> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{}: {}", what(), error.words())))
    }
}

/// An error that can say why in a few words.
pub trait Cause {
    /// The words, in lower case, without the number.
    fn words(&self) -> String;
}

impl Cause for io::Error {
    fn words(&self) -> String {
        let text = self.to_string();
        let words = text.split(" (os error").next().unwrap_or_default();
        match words.split_at_checked(1) {
            // "Is a directory" but "I/O error": only a word is put into lower case.
            Some((first, rest)) if rest.starts_with(|c: char| c.is_lowercase()) => first.to_lowercase() + rest,
            _ => words.to_string(),
        }
    }
}

impl Cause for nix::errno::Errno {
    fn words(&self) -> String {
        io::Error::from(*self).words()
    }
}

impl Cause for Errno {
    fn words(&self) -> String {
        io::Error::from(*self).words()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_as_one_sentence() {
        let failure = Err::<(), _>(Errno::NODEV).doing(|| "mounting /dev/sda on /run/vm/bootmnt as ext4".into());
        assert_eq!(failure.unwrap_err().to_string(), "mounting /dev/sda on /run/vm/bootmnt as ext4: no such device");
        let room = |errno: Errno| Err::<(), _>(errno).doing(|| "writing x".into()).unwrap_err().is_for_want_of_room();
        assert!(room(Errno::NOSPC) && !room(Errno::IO));
        assert_eq!(Errno::IO.words(), "input/output error");
        assert_eq!(io::Error::other("I/O went away").words(), "I/O went away");
    }
}
