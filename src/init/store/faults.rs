//! A file system whose steps are counted, and one of which fails: by itself, or with all that would come after it, as when
//! the power goes.

use super::files::{Entry, Files, Kind, Seal};
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
}

/// Counts and fails the steps of `inner`.
pub struct Faulty<'f, F> {
    inner: &'f F,
    fault: Fault,
    /// How many steps that change something were asked for.
    pub steps: Cell<usize>,
    /// How many bytes of files were written.
    pub written: Cell<usize>,
    /// How many files were opened to be read.
    pub opened: Cell<usize>,
}

impl<'f, F> Faulty<'f, F> {
    /// With this fault.
    pub fn new(inner: &'f F, fault: Fault) -> Self {
        Faulty { inner, fault, steps: Cell::new(0), written: Cell::new(0), opened: Cell::new(0) }
    }

    fn step<T>(&self, work: impl FnOnce(&F) -> Result<T>) -> Result<T> {
        let step = self.steps.replace(self.steps.get() + 1);
        match self.fault {
            Fault::Once(at, error) if at == step => Err(error),
            Fault::FromThenOn(at) if at <= step => Err(Errno::IO),
            Fault::Never | Fault::Once(..) | Fault::FromThenOn(_) => work(self.inner),
        }
    }
}

impl<F: Files> Files for Faulty<'_, F> {
    type Writer = F::Writer;

    fn show(&self, path: &str) -> String {
        self.inner.show(path)
    }

    fn list(&self, directory: &str, most: usize) -> Result<Vec<Entry>> {
        self.inner.list(directory, most)
    }

    fn read_link(&self, path: &str) -> Result<String> {
        self.inner.read_link(path)
    }

    fn look(&self, path: &str) -> Result<(Kind, u64)> {
        self.inner.look(path)
    }

    fn open(&self, path: &str) -> Result<Box<dyn Read + '_>> {
        self.opened.set(self.opened.get() + 1);
        self.inner.open(path)
    }

    fn record(&self, path: &str) -> Result<Option<Record>> {
        self.inner.record(path)
    }

    fn measure(&self, path: &str) -> Result<Option<[u8; 32]>> {
        self.inner.measure(path)
    }

    fn free(&self) -> Result<Free> {
        self.inner.free()
    }

    fn make_directory(&self, path: &str) -> Result<()> {
        self.step(|files| files.make_directory(path))
    }

    fn link(&self, target: &str, path: &str) -> Result<()> {
        self.step(|files| files.link(target, path))
    }

    fn create(&self, path: &str, mode: u32, size: u64) -> Result<F::Writer> {
        self.step(|files| files.create(path, mode, size))
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

    fn remove_directory(&self, path: &str) -> Result<()> {
        self.step(|files| files.remove_directory(path))
    }

    fn sync_directory(&self, path: &str) -> Result<()> {
        self.step(|files| files.sync_directory(path))
    }

    fn checkpoint(&self) -> Result<()> {
        self.step(F::checkpoint)
    }
}
