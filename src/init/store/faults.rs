//! A file system whose steps are counted, and one of which fails: by itself, or with all that would come after it, as when
//! the power goes.

use super::files::{Checkpoint, Entry, Files, Look, Seal};
use menagerie::Record;
use menagerie::space::Free;
use rustix::io::{Errno, Result};
use std::cell::Cell;
use std::io::Read;

/// Which of the changing steps fails, counted from 0.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// None.
    Never,
    /// This one, with this error; the others work.
    Once(usize, Errno),
    /// This one and every later one.
    FromThenOn(usize),
    /// Of the looks at the disk, which are counted by themselves, this one, with this error.
    Look(usize, Errno),
}

/// Counts and fails the steps of `inner`.
pub struct Faulty<'f, F> {
    inner: &'f F,
    fault: Fault,
    /// How many steps that change something were asked for.
    pub steps: Cell<usize>,
    /// How many looks there were.
    pub looks: Cell<usize>,
    /// How many bytes of files were written.
    pub written: Cell<usize>,
    /// How many files were opened to be read.
    pub opened: Cell<usize>,
}

impl<'f, F> Faulty<'f, F> {
    /// With this fault.
    pub fn new(inner: &'f F, fault: Fault) -> Self {
        Faulty { inner, fault, steps: Cell::new(0), looks: Cell::new(0), written: Cell::new(0), opened: Cell::new(0) }
    }

    fn step<T>(&self, work: impl FnOnce(&F) -> Result<T>) -> Result<T> {
        let step = self.steps.replace(self.steps.get() + 1);
        match self.fault {
            Fault::Once(at, error) if at == step => Err(error),
            Fault::FromThenOn(at) if at <= step => Err(Errno::IO),
            Fault::Never | Fault::Once(..) | Fault::FromThenOn(_) | Fault::Look(..) => work(self.inner),
        }
    }

    fn look_with<T>(&self, work: impl FnOnce(&'f F) -> Result<T>) -> Result<T> {
        let look = self.looks.replace(self.looks.get() + 1);
        match self.fault {
            Fault::Look(at, error) if at == look => Err(error),
            Fault::Never | Fault::Once(..) | Fault::FromThenOn(_) | Fault::Look(..) => work(self.inner),
        }
    }
}

impl<F: Files> Files for Faulty<'_, F> {
    type Writer = F::Writer;

    fn show(&self, path: &str) -> String {
        self.inner.show(path)
    }

    fn list(&self, directory: &str, most: usize) -> Result<Vec<Entry>> {
        self.look_with(|files| files.list(directory, most))
    }

    fn read_link(&self, path: &str) -> Result<String> {
        self.look_with(|files| files.read_link(path))
    }

    fn look(&self, path: &str) -> Result<Look> {
        self.look_with(|files| files.look(path))
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>> {
        self.opened.set(self.opened.get() + 1);
        self.look_with(|files| files.open(path))
    }

    fn record(&self, path: &str) -> Result<Option<Record>> {
        self.look_with(|files| files.record(path))
    }

    fn measure(&self, path: &str) -> Result<Option<[u8; 32]>> {
        self.look_with(|files| files.measure(path))
    }

    fn free(&self) -> Result<Free> {
        self.look_with(F::free)
    }

    fn make_directory(&self, path: &str) -> Result<()> {
        self.step(|files| files.make_directory(path))
    }

    fn link(&self, target: &str, path: &str) -> Result<()> {
        self.step(|files| files.link(target, path))
    }

    fn create(&self, path: &str, size: u64) -> Result<F::Writer> {
        self.step(|files| files.create(path, size))
    }

    fn write(&self, file: &mut F::Writer, bytes: &[u8]) -> Result<()> {
        self.written.set(self.written.get() + bytes.len());
        self.step(|files| files.write(file, bytes))
    }

    fn write_record(&self, file: &F::Writer, record: &Record) -> Result<()> {
        self.step(|files| files.write_record(file, record))
    }

    fn finish(&self, file: F::Writer) -> Result<()> {
        self.step(|files| files.finish(file))
    }

    fn set_mode(&self, path: &str, mode: u32) -> Result<()> {
        self.step(|files| files.set_mode(path, mode))
    }

    fn overwrite(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.step(|files| files.overwrite(path, bytes))
    }

    fn seal(&self, path: &str) -> Result<Seal> {
        self.step(|files| files.seal(path))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.step(|files| files.rename(from, to))
    }

    fn exchange(&self, one: &str, other: &str) -> Result<()> {
        self.step(|files| files.exchange(one, other))
    }

    fn remove_file(&self, path: &str) -> Result<()> {
        self.step(|files| files.remove_file(path))
    }

    fn remove_unnameable(&self, directory: &str) -> Result<()> {
        self.step(|files| files.remove_unnameable(directory))
    }

    fn remove_directory(&self, path: &str) -> Result<()> {
        self.step(|files| files.remove_directory(path))
    }

    fn sync_directory(&self, path: &str) -> Result<()> {
        self.step(|files| files.sync_directory(path))
    }

    fn checkpoint(&self) -> Result<Checkpoint> {
        self.step(F::checkpoint)
    }
}
