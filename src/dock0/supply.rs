//! The artifacts of a recipe on their way to a boot disk: from a web server or a local file straight into its file system,
//! unless they stand there, and held against what a manifest says of them.

use crate::http;
use crate::measure::{Opened, Place, open_file};
use crate::progress::Progress;
use crate::recipe::Wanted;
use crate::stream::{Rules, Stream, Trouble};
use init::failure::{Doing, Failure};
use init::install::stands;
use init::store::artifact::New;
use init::store::change::Given;
use init::store::supply::{Local, Supply};
use init::store::{Disk, Files, Kind, Seal};
use menagerie::space::{Megabytes, on_disk};
use menagerie::{Artifact, Layout, Source};
use rustix::io::Errno;
use std::io::{self, Read};
use std::path::Path;
use wire::manifest::{Entry, Manifest};

/// What a recipe wants, and what is known of it.
pub struct Sources<'s> {
    /// Its artifacts.
    pub wanted: &'s [Wanted],
    /// What their bytes are. Those that it does not name are taken as they come.
    pub manifest: Option<&'s Manifest<'s>>,
    /// Where a line is said.
    pub say: &'s dyn Fn(&str),
}

impl Supply<Disk> for Sources<'_> {
    fn look(&self, files: &Disk, layout: &Layout, given: &Given) -> Result<Source, Failure> {
        let (wanted, path) = (self.wanted(&given.artifact)?, layout.artifact(&given.artifact));
        match (self.known(&given.artifact), &wanted.from) {
            (Some(entry), from) => {
                let alike = stands(files, &path, entry)?;
                if !alike && let Place::Local(_) = from {
                    check_size(from, entry)?;
                }
                Ok(Source::File { size: Some(entry.size), mode: None, alike })
            }
            (None, Place::Local(path)) => Local(&|_| read_local(path)).look(files, layout, given),
            (None, Place::Web(_)) if self.stands_whole(files, &path)? => Ok(Source::Standing),
            (None, Place::Web(_)) => Ok(Source::File { size: self.ask_size(wanted)?, mode: None, alike: false }),
        }
    }

    fn bring(&self, files: &Disk, layout: &Layout, new: &New, told: &mut dyn FnMut(u64)) -> Result<Seal, Failure> {
        let wanted = self.wanted(new.artifact)?;
        if self.manifest.is_some() && self.known(new.artifact).is_none() {
            (self.say)(&format!("{}: not in the manifest, so its bytes are taken as they come", new.artifact));
        }
        self.try_each(wanted, |place| self.bring_from(place, files, layout, new, told))
    }
}

impl<'s> Sources<'s> {
    fn wanted(&self, artifact: &Artifact) -> Result<&'s Wanted, Failure> {
        let found = self.wanted.iter().find(|wanted| wanted.artifact == *artifact);
        found.ok_or_else(|| Failure::new(format!("the list has no {artifact}")))
    }

    fn known(&self, artifact: &Artifact) -> Option<&'s Entry<'s>> {
        self.manifest?.artifacts.iter().find(|entry| entry.artifact == *artifact)
    }

    /// Whether an artifact that no manifest knows stands whole, as far as can be told without reading all of it: the kernel
    /// vouches for a sealed one, and another has the size that was written down when it came.
    fn stands_whole(&self, files: &Disk, path: &str) -> Result<bool, Failure> {
        let doing = || format!("looking at {}", files.show(path));
        let size = match files.look(path) {
            Ok(look) if look.kind == Kind::File => look.size,
            // What else may stand there the plan knows.
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => return Ok(false),
            Err(error) => return Err(error).doing(doing),
        };
        if files.measure(path).doing(doing)?.is_some() {
            return Ok(true);
        }
        let record = files.record(path).doing(doing)?;
        if record.is_none() {
            let shown = files.show(path);
            (self.say)(&format!("{shown}: nothing was written down when it came, so it is taken as it is"));
        }
        Ok(record.is_none_or(|record| record.size == size))
    }

    /// How many bytes an artifact has, as the first server says that answers; `None` where it does not say.
    fn ask_size(&self, wanted: &Wanted) -> Result<Option<u64>, Failure> {
        self.try_each(wanted, |place| match place {
            Place::Web(url) => http::ask_size(url).map_err(|why| Trouble::Source(why.to_string())),
            Place::Local(_) => Ok(None),
        })
    }

    /// Tries one place after the other as long as it is their fault; what is wrong with each but the last is said.
    fn try_each<T>(
        &self,
        wanted: &Wanted,
        mut attempt: impl FnMut(&Place) -> Result<T, Trouble>,
    ) -> Result<T, Failure> {
        let places = wanted.places();
        let mut left = places.len();
        for place in &places {
            left -= 1;
            match attempt(place) {
                Ok(done) => return Ok(done),
                Err(Trouble::Source(why)) if left > 0 => {
                    (self.say)(&format!("{}: {why}; trying the next place", wanted.artifact));
                }
                Err(Trouble::Source(why)) => return Err(Failure::new(format!("{}: {why}", wanted.artifact))),
                Err(Trouble::Disk(why)) => return Err(Failure::new(why)),
            }
        }
        Err(Failure::new(format!("{}: nobody knows where it is", wanted.artifact)))
    }

    /// Brings an artifact from one place. Where that fails nothing of it is left.
    fn bring_from(
        &self,
        place: &Place,
        files: &Disk,
        layout: &Layout,
        new: &New,
        told: &mut dyn FnMut(u64),
    ) -> Result<Seal, Trouble> {
        let known = self.known(new.artifact).map(|entry| (entry.size, entry.sha256));
        let Opened { total, flow } = place.open().map_err(|why| Trouble::Source(format!("{why:#}")))?;
        let size = known.map(|(size, _)| size).or(total);
        let room = room_for(size, new.artifact, files)?;
        let mut stream = Stream::new(flow, Rules { announced: total, known, room }).map_err(|why| why.with(place))?;
        let name = new.artifact.to_string();
        let mut progress = Progress::start(&name, size).map_err(|why| Trouble::Disk(format!("{why:#}")))?;
        let mut before = 0;
        let written = New { size, ..*new }.write(files, layout, &mut stream, &mut |bytes| {
            progress.count(bytes - before);
            before = bytes;
            told(bytes);
        });
        progress.finish();
        written.map_err(|failure| match stream.trouble.take() {
            Some(trouble) => trouble.with(place),
            None => Trouble::Disk(failure.to_string()),
        })
    }
}

/// What there is room for, in bytes, if that is enough. The plan has looked too, but may not have known what it was about.
fn room_for(size: Option<u64>, artifact: &Artifact, files: &Disk) -> Result<u64, Trouble> {
    let asked = files.free().doing(|| format!("asking how full {} is", files.show("")));
    let free = asked.map_err(|failure| Trouble::Disk(failure.to_string()))?.bytes;
    let takes = on_disk(size.unwrap_or_default());
    match takes.checked_sub(free) {
        None | Some(0) => Ok(free),
        Some(missing) => Err(Trouble::Disk(format!(
            "{} is too full for {artifact}: {} of the {} that it takes are missing",
            files.show(""),
            Megabytes(missing),
            Megabytes(takes)
        ))),
    }
}

/// A local file that cannot be what the manifest says is refused before anything is changed.
fn check_size(place: &Place, entry: &Entry) -> Result<(), Failure> {
    let refuse = |why: String| Failure::new(format!("{}: {why}", entry.artifact));
    let total = place.open().map_err(|why| refuse(format!("{why:#}")))?.total;
    match total {
        Some(size) if size != entry.size => {
            Err(refuse(format!("{place}: it has {size} bytes, and the manifest says {}", entry.size)))
        }
        Some(_) | None => Ok(()),
    }
}

fn read_local(path: &Path) -> io::Result<(u64, Box<dyn Read>)> {
    let (size, file) = open_file(path)?;
    Ok((size, Box::new(file)))
}
