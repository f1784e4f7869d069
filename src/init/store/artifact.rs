//! Writing one artifact: beside its place, checked, sealed, and only then under its name.

use super::files::{Files, Seal, parent};
use crate::failure::{Doing, Failure};
use menagerie::{Artifact, Layout, Record};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::io::Read;

/// How much is read and written at once.
const CHUNK: usize = 256 << 10;

/// An artifact to write.
pub struct New<'a> {
    /// Which one.
    pub artifact: &'a Artifact,
    /// How many bytes it has, if that is known before they are read.
    pub size: Option<u64>,
    /// Its file mode.
    pub mode: u32,
}

impl New<'_> {
    /// Copies `source` to the artifact's place, each byte read once and written once; `told` hears how many bytes are
    /// written so far. A failure leaves nothing behind but an empty directory.
    pub fn write(
        &self,
        files: &impl Files,
        layout: &Layout,
        source: &mut dyn Read,
        told: &mut dyn FnMut(u64),
    ) -> Result<Seal, Failure> {
        let (part, place) = (layout.part(self.artifact), layout.artifact(self.artifact));
        make_directories(files, parent(&place))?;
        let sealed = self.write_part(files, &part, source, told);
        let sealed = sealed.and_then(|seal| self.name(files, &part, &place).map(|()| seal));
        if sealed.is_err() {
            // Worst case: it stays, takes its space, and the next run removes it.
            files.remove_file(&part).unwrap_or_default();
        }
        sealed
    }

    /// Gives what is whole and on the disk its mode and its name.
    pub fn name(&self, files: &impl Files, part: &str, place: &str) -> Result<(), Failure> {
        // Last: with its mode the file may no longer be ours to read.
        files.set_mode(part, self.mode).doing(|| format!("setting the mode of {}", files.show(part)))?;
        let doing = || format!("renaming {} to {}", files.show(part), files.show(place));
        files.rename(part, place).doing(doing)?;
        files.sync_directory(parent(place)).doing(|| format!("syncing {}", files.show(parent(place))))
    }

    fn write_part(
        &self,
        files: &impl Files,
        part: &str,
        source: &mut dyn Read,
        told: &mut dyn FnMut(u64),
    ) -> Result<Seal, Failure> {
        let doing = || format!("writing {}", files.show(part));
        let mut file = files.create(part, self.size.unwrap_or_default()).doing(doing)?;
        let record = self.copy(files, &mut file, source, told)?;
        files.write_record(&file, &record).doing(doing)?;
        files.finish(file).doing(doing)?;
        files.seal(part).doing(|| format!("sealing {}", files.show(part)))
    }

    fn copy<F: Files>(
        &self,
        files: &F,
        file: &mut F::Writer,
        source: &mut dyn Read,
        told: &mut dyn FnMut(u64),
    ) -> Result<Record, Failure> {
        let Self { artifact, size, .. } = self;
        let mut digest = Sha256::new();
        let mut written = 0;
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = source.read(&mut chunk).doing(|| format!("reading what {artifact} is made from"))?;
            let bytes = chunk.get(..count).unwrap_or_default();
            written += u64::try_from(count).unwrap_or(u64::MAX);
            if count == 0 || size.is_some_and(|size| written > size) {
                break;
            }
            digest.update(bytes);
            files.write(file, bytes).doing(|| format!("writing {artifact}"))?;
            told(written);
        }
        if size.is_some_and(|size| written != size) {
            return Err(Failure::new(format!("what {artifact} is made from changed while it was read")));
        }
        Ok(Record { sha256: digest.finalize().into(), size: written })
    }
}

/// What a file's bytes are, read from its start to its end.
pub fn record_of(files: &impl Files, path: &str) -> Result<Record, Failure> {
    let doing = || format!("reading {}", files.show(path));
    let (mut file, mut digest, mut size) = (files.open(path).doing(doing)?, Sha256::new(), 0);
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk).doing(doing)? {
            0 => return Ok(Record { sha256: digest.finalize().into(), size }),
            count => {
                digest.update(chunk.get(..count).unwrap_or_default());
                size += u64::try_from(count).unwrap_or(u64::MAX);
            }
        }
    }
}

/// Makes a directory and those above it, on the disk before anything is put into it.
pub fn make_directories(files: &impl Files, path: &str) -> Result<(), Failure> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    for directory in ends.filter_map(|end| path.get(..end)).filter(|directory| !directory.is_empty()) {
        match files.make_directory(directory) {
            Err(Errno::EXIST) => continue,
            made => made.doing(|| format!("making the directory {}", files.show(directory)))?,
        }
        let above = parent(directory);
        files.sync_directory(above).doing(|| format!("syncing {}", files.show(above)))?;
    }
    Ok(())
}
