//! Carrying out the steps of a plan. Nothing is decided here.

use super::artifact::{New, make_directories};
use super::files::{Checkpoint, Files, Seal, parent};
use super::supply::Supply;
use super::{loader, tree};
use crate::failure::{Doing, Failure};
use menagerie::layout::STATE;
use menagerie::{Artifact, Layout, Leftover, Plan, Step};
use rustix::io::Errno;

/// What is happening, for whoever tells it.
pub enum Event<'e, 'p> {
    /// This step begins.
    Begins(&'e Step<'p>),
    /// So many bytes of the artifact that is being written are written.
    Written(u64),
    /// The journal is written home, or cannot be.
    Checkpointed(Checkpoint),
    /// The artifact is written, and is sealed or is not.
    Done(&'e Artifact, Seal),
}

impl Event<'_, '_> {
    /// What the machine could not do for it, which is worth saying once.
    pub fn shortcoming(&self) -> Option<&'static str> {
        match self {
            Event::Done(_, Seal::NotPossible) => Some("not sealed: this kernel or file system has no fs-verity"),
            Event::Checkpointed(Checkpoint::NotPossible) => Some(
                "the journal cannot be checkpointed (not root, or Linux before 5.15): until this file system is unmounted, GRUB \
                 may see the old releases",
            ),
            Event::Begins(_)
            | Event::Written(_)
            | Event::Done(_, Seal::Sealed)
            | Event::Checkpointed(Checkpoint::Home) => None,
        }
    }
}

/// Carries out one step. After a failure the releases are as they were or as they shall be, and the same wish planned again
/// goes on from there.
pub fn take<F: Files>(
    files: &F,
    layout: &Layout,
    plan: &Plan,
    step: &Step,
    supply: &dyn Supply<F>,
    tell: &mut dyn FnMut(Event),
) -> Result<(), Failure> {
    match *step {
        Step::Checkpoint => {
            let checkpoint = files.checkpoint().doing(|| format!("checkpointing {}", files.show("")))?;
            tell(Event::Checkpointed(checkpoint));
            Ok(())
        }
        Step::Sweep(leftover) => tree::remove(files, &place_of(layout, leftover)),
        Step::Remove(stored) => {
            let path = layout.artifact(&stored.artifact);
            files.remove_file(&path).doing(|| format!("removing {}", files.show(&path)))
        }
        Step::Write(artifact, size, mode) => {
            let new = New { artifact, size, mode };
            let seal = supply.bring(files, layout, &new, &mut |bytes| tell(Event::Written(bytes)))?;
            tell(Event::Done(artifact, seal));
            Ok(())
        }
        Step::Build => build(files, layout, &plan.next),
        Step::Turn => tree::turn(files, layout.releases()),
        Step::Discard => tree::remove(files, &tree::next(layout.releases())),
        Step::Link => link(files, layout),
        Step::Mark(mark, id) => mark_release(files, &mark.path(id)),
        Step::Unmark(mark, id) => unmark_release(files, &mark.path(id)),
        Step::Forget(trial) => unmark_release(files, &trial.path()),
        Step::Arm(tries) => loader::set(files, Some(tries)),
        Step::Disarm => loader::set(files, None),
    }
}

fn place_of(layout: &Layout, leftover: &Leftover) -> String {
    match leftover {
        Leftover::Releases => tree::next(layout.releases()),
        Leftover::Latest => tree::next(layout.latest()),
        Leftover::Part(artifact, _) => layout.part(artifact).to_string(),
    }
}

/// Builds the whole next tree of releases; nothing but directories and links.
fn build(files: &impl Files, layout: &Layout, releases: &[&[Artifact]]) -> Result<(), Failure> {
    let next = tree::next(layout.releases());
    make_directories(files, parent(&next))?;
    let make = |path: &str| files.make_directory(path).doing(|| format!("making the directory {}", files.show(path)));
    let sync = |path: &str| files.sync_directory(path).doing(|| format!("syncing {}", files.show(path)));
    make(&next)?;
    for (number, artifacts) in releases.iter().enumerate() {
        let release = format!("{next}/{number}");
        make(&release)?;
        for artifact in *artifacts {
            let link = format!("{release}/{}", artifact.name);
            files
                .link(&layout.link_target(artifact), &link)
                .doing(|| format!("making the link {}", files.show(&link)))?;
        }
    }
    // Last, when all is there: the first one writes everything to ext4's journal, and the others find nothing left to do.
    (0..releases.len()).try_for_each(|number| sync(&format!("{next}/{number}")))?;
    sync(&next)
}

fn link(files: &impl Files, layout: &Layout) -> Result<(), Failure> {
    make_directories(files, parent(layout.latest()))?;
    tree::replace(files, layout.latest(), |files, next| {
        files.link(layout.latest_target(), next).doing(|| format!("making the link {}", files.show(next)))
    })
}

fn mark_release(files: &impl Files, path: &str) -> Result<(), Failure> {
    make_directories(files, STATE)?;
    let doing = || format!("writing {}", files.show(path));
    match files.create(path, 0) {
        Err(Errno::EXIST) => {}
        created => created.and_then(|file| files.finish(file)).doing(doing)?,
    }
    files.sync_directory(STATE).doing(doing)
}

fn unmark_release(files: &impl Files, path: &str) -> Result<(), Failure> {
    let doing = || format!("removing {}", files.show(path));
    match files.remove_file(path) {
        Err(Errno::NOENT) => {}
        removed => removed.doing(doing)?,
    }
    files.sync_directory(STATE).doing(doing)
}
