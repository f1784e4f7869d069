//! Where new artifacts come from: what a plan has to know of them, and how they get to their places.

use super::artifact::New;
use super::change::{Given, Origin};
use super::files::{Files, Kind, Seal};
use crate::failure::{Doing, Failure};
use menagerie::{Artifact, Layout, Source};
use rustix::io::Errno;
use std::io::{self, ErrorKind, Read};

/// One way to new artifacts.
pub trait Supply<F: Files> {
    /// Where an artifact's bytes are, and whether they stand in its place already.
    fn look(&self, files: &F, layout: &Layout, given: &Given) -> Result<Source, Failure>;
    /// Brings an artifact to its place, whole and checked; `told` hears how many bytes are there so far.
    fn bring(&self, files: &F, layout: &Layout, new: &New, told: &mut dyn FnMut(u64)) -> Result<Seal, Failure>;
}

/// Opens the file of an artifact from its beginning, and says how many bytes it has.
pub type Open<'s> = dyn Fn(&Artifact) -> io::Result<(u64, Box<dyn Read>)> + 's;

/// Files of this machine.
pub struct Local<'s>(pub &'s Open<'s>);

impl<F: Files> Supply<F> for Local<'_> {
    fn look(&self, files: &F, layout: &Layout, given: &Given) -> Result<Source, Failure> {
        let Given { artifact, origin } = given;
        let Origin::File(mode) = origin else { return Ok(Source::Standing) };
        let doing = || format!("comparing {artifact} with what stands there");
        let (size, bytes) = (self.0)(artifact).doing(|| format!("opening the file for {artifact}"))?;
        let alike = stands_alike(files, &layout.artifact(artifact), size, bytes).doing(doing)?;
        Ok(Source::File { size: Some(size), mode: *mode, alike })
    }

    fn bring(&self, files: &F, layout: &Layout, new: &New, told: &mut dyn FnMut(u64)) -> Result<Seal, Failure> {
        let (_, mut source) = (self.0)(new.artifact).doing(|| format!("opening what {} is made from", new.artifact))?;
        new.write(files, layout, &mut *source, told)
    }
}

/// Whether these bytes stand at a path. Nothing is read where there is no file of this size.
fn stands_alike(files: &impl Files, path: &str, size: u64, mut bytes: Box<dyn Read>) -> io::Result<bool> {
    match files.look(path) {
        Ok(look) if look.kind == Kind::File && look.size == size => {}
        Ok(_) | Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    let mut standing = files.open(path)?;
    let (mut one, mut other) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let count = bytes.read(&mut one)?;
        let (Some(one), Some(other)) = (one.get(..count), other.get_mut(..count)) else { return Ok(false) };
        match standing.read_exact(other) {
            // It was cut off meanwhile: it is not what we want.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        if one != other {
            return Ok(false);
        }
        if count == 0 {
            return Ok(true);
        }
    }
}
