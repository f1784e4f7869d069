//! Beginning the boot anew without a reboot: everything that was mounted is let go, and /init is executed once more.
//!
//! What the next boot cannot find out by itself it gets from a variable: words, like those of the kernel's command line.

use crate::failure::{Doing, Failure};
use crate::handover::is_in_memory;
use crate::kernel_fs::c_string;
use crate::watchdog;
use menagerie::layout::{INITRD, KERNEL};
use menagerie::{Entry, Layout, Release, ReleaseId, Selection, spec};
use rustix::mount::{UnmountFlags, unmount};
use std::convert::Infallible;
use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why it begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anew {
    /// Writing to the boot partition has failed: nothing is written to it any more.
    ReadOnly,
    /// Another configuration is there.
    Configured,
    /// Another release is there.
    Installed,
    /// This release does not boot, and nobody can be called: another one is booted, for once.
    Without(ReleaseId),
}

/// The environment variable; the root's init never sees it.
const VARIABLE: &str = "DOCK0_BOOT";
/// The program, as the kernel starts it.
const INIT: &str = "/init";

const READ_ONLY: &str = "read-only";
/// The releases have turned since the boot loader started one in the place of the newest: it is not that number any more.
const TURNED: &str = "turned";
/// What the kernel's command line asks for was asked before another release came.
const NEWEST: &str = "newest";
/// A release that does not boot.
const WITHOUT: &str = "without=";
/// No release's kernel runs.
const NO_RELEASE: &str = "no-release";

/// The release whose kernel and initrd run, once it is known.
static RUNNING: OnceLock<Option<Release>> = OnceLock::new();

/// Whether the releases have turned in this boot.
static HAVE_TURNED: AtomicBool = AtomicBool::new(false);

/// Whether this boot leaves the boot partition as it is.
pub fn is_read_only() -> bool {
    known().is(READ_ONLY)
}

/// What this boot is asked for, where the kernel's command line asks for that.
pub fn entry(asked: Entry) -> Entry {
    let is_void = known().is(NEWEST) || known().is(TURNED) && matches!(asked, Entry::Instead(_));
    if is_void { Entry::Asked(Selection::Latest) } else { asked }
}

/// The releases that were tried before in this boot, and do not boot.
pub fn without() -> Vec<ReleaseId> {
    known().without()
}

/// The releases have turned.
pub fn releases_have_turned() {
    HAVE_TURNED.store(true, Ordering::Relaxed);
}

/// The release whose kernel and initrd run: `found` is what the kernel's command line leads to in a boot that has begun only once.
pub fn running(found: impl FnOnce() -> Option<Release>) -> Option<&'static Release> {
    RUNNING.get_or_init(|| known().running().unwrap_or_else(found)).as_ref()
}

/// Begins anew. Comes back only with the reason why that is not possible.
pub fn begin(why: Anew) -> Result<Infallible, Failure> {
    if !is_in_memory("/").doing(|| "looking at /".into())? {
        return Err(Failure::new("beginning anew: the initrd is gone already"));
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").doing(|| "reading /proc/self/mounts".into())?;
    let words: Vec<CString> =
        std::env::args_os().map(|word| CString::new(word.into_vec()).unwrap_or_default()).collect();
    let next = known().and(why, HAVE_TURNED.load(Ordering::Relaxed), RUNNING.get().map(Option::as_ref));
    // Whoever boots next may be nobody's trial.
    watchdog::disarm();
    for target in targets(&mounts) {
        // Lazily: what is open is closed by the exec. Worst case: it stays mounted below what is mounted next.
        unmount(target, UnmountFlags::DETACH).unwrap_or_default();
    }
    let environment = [c_string(&format!("{VARIABLE}={}", next.0))];
    nix::unistd::execve(&c_string(INIT), &words, &environment).doing(|| format!("starting {INIT} again"))
}

/// Where something is mounted but /, what lies on top first.
fn targets(mounts: &str) -> impl Iterator<Item = &str> {
    mounts.lines().rev().filter_map(|line| line.split(' ').nth(1)).filter(|target| *target != "/")
}

/// What a boot knows of the one before it; nothing in the first one.
struct Known(String);

fn known() -> Known {
    Known(std::env::var(VARIABLE).unwrap_or_default())
}

impl Known {
    fn is(&self, word: &str) -> bool {
        self.0.split(' ').any(|known| known == word)
    }

    /// The kernel and the initrd that run, as a release of no number; `None` where nothing is known of them.
    fn running(&self) -> Option<Option<Release>> {
        let artifacts = self.0.split(' ').filter_map(|word| spec::parse(&Layout::default(), word).ok());
        let artifacts = artifacts.map(|spec| spec.artifact).collect::<heapless::Vec<_, _>>();
        match artifacts.is_empty() {
            true => self.is(NO_RELEASE).then_some(None),
            false => Some(Some(Release { number: 0, artifacts })),
        }
    }

    fn without(&self) -> Vec<ReleaseId> {
        self.0.split(' ').filter_map(|word| word.strip_prefix(WITHOUT)?.parse().ok()).collect()
    }

    /// The same and why the boot begins anew, whether the releases have turned in this one, and what runs as far as that was found out.
    fn and(&self, why: Anew, have_turned: bool, running: Option<Option<&Release>>) -> Known {
        let flags = [(READ_ONLY, why == Anew::ReadOnly), (TURNED, have_turned), (NEWEST, why == Anew::Installed)];
        let flags = flags.into_iter().filter(|(word, now)| *now || self.is(word));
        let mut words: String = flags.map(|(word, _)| format!("{word} ")).collect();
        // What has come since may be what they lacked.
        let (kept, new) = match why {
            Anew::ReadOnly => (self.without(), None),
            Anew::Without(id) => (self.without(), Some(id)),
            Anew::Configured | Anew::Installed => (Vec::new(), None),
        };
        words.extend(kept.into_iter().chain(new).map(|id| format!("{WITHOUT}{id} ")));
        if let Some(running) = running {
            let artifacts = [KERNEL, INITRD].iter().filter_map(|name| running?.artifact(name));
            let artifacts: String = artifacts.map(|own| format!("{}={} ", own.name, own.version)).collect();
            words += if artifacts.is_empty() { NO_RELEASE } else { &artifacts };
        }
        Known(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kexec::tests::release;

    #[test]
    fn what_lies_on_top_goes_first_and_the_initrd_stays() {
        let mounts = "rootfs / rootfs rw 0 0\ndevtmpfs /dev devtmpfs rw 0 0\n/dev/sda /run/vm/bootmnt ext4 rw 0 0\n";
        assert_eq!(targets(mounts).collect::<Vec<_>>(), ["/run/vm/bootmnt", "/dev"]);
    }

    #[test]
    fn where_there_is_no_initrd_nothing_is_unmounted() {
        if is_in_memory("/").unwrap() {
            return; // a container whose root is in memory: nothing must be tried there
        }
        assert_eq!(begin(Anew::Configured).unwrap_err().to_string(), "beginning anew: the initrd is gone already");
    }

    #[test]
    fn what_runs_is_known_however_often_a_boot_begins_anew() {
        let first = Known(String::new());
        assert_eq!(first.running(), None);
        let both = [("kernel", "6.12"), ("initrd", "1.0")];
        let whole = release(&[&both[..], &[("vm_root", "1")]].concat());
        let next = first.and(Anew::Installed, false, Some(Some(&whole)));
        assert_eq!(next.running(), Some(Some(release(&both))));
        assert!(next.is(NEWEST) && !next.is(READ_ONLY));
        let last = next.and(Anew::ReadOnly, true, Some(next.running().unwrap().as_ref()));
        assert_eq!(last.running(), Some(Some(release(&both))));
        assert!(last.is(NEWEST) && last.is(READ_ONLY) && last.is(TURNED) && !next.is(TURNED));
        // A kernel that came from nowhere on the disk is not that of a release which came later.
        assert_eq!(first.and(Anew::Installed, false, Some(None)).running(), Some(None));
        assert!(
            !first.and(Anew::Configured, false, None).is(TURNED),
            "what never came up is not started for a configuration"
        );
        let rootless = first.and(Anew::Configured, false, Some(Some(&release(&[("vm_root", "1")]))));
        assert_eq!(rootless.running(), Some(None), "neither is that of a release without one");
        assert_eq!(first.and(Anew::ReadOnly, false, None).running(), None, "nobody had asked yet");
    }

    #[test]
    fn what_does_not_boot_is_known_until_something_new_comes() {
        let (one, two) = (whole(1).id(), whole(2).id());
        let first = Known(String::new()).and(Anew::Without(one), false, None);
        let second = first.and(Anew::ReadOnly, false, None).and(Anew::Without(two), false, None);
        assert_eq!(second.without(), [one, two]);
        assert_eq!(second.and(Anew::Configured, false, None).without(), []);
    }

    fn whole(version: u32) -> Release {
        release(&[("vm_root", &version.to_string())])
    }
}
