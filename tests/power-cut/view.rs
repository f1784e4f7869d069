//! An ext4 image as a tree: with its journal replayed by somebody before, or raw, as GRUB reads it.

use crate::cuts::BLOCK;
use crate::library::{Known, Library};
use ext4_view::{Ext4, Ext4Read};
use power_cut_guest::state::{Content, Tree, What};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Where `s_feature_incompat` is on the disk, and its bit that says that the journal has something to replay.
const INCOMPAT: u64 = 1024 + 0x60;
const NEEDS_RECOVERY: u8 = 0x04;

/// A tree that is read from an image.
pub struct View<'l> {
    ext4: Ext4,
    library: &'l Library,
    size: u64,
}

impl<'l> View<'l> {
    /// The raw metadata of an image, whatever its journal says.
    pub fn raw(image: &File, library: &'l Library) -> Result<View<'l>, String> {
        let image = image.try_clone().map_err(|error| format!("opening the image again: {error}"))?;
        let size = image.metadata().map_err(|error| format!("looking at the image: {error}"))?.len();
        let ext4 = Ext4::load(Box::new(Raw(image))).map_err(|error| format!("opening the file system: {error}"))?;
        Ok(View { ext4, library, size })
    }
}

/// An image whose journal is never replayed.
struct Raw(File);

impl Ext4Read for Raw {
    fn read(&mut self, start: u64, to: &mut [u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.read_exact_at(to, start)?;
        if let Some(flags) = INCOMPAT.checked_sub(start).and_then(|offset| to.get_mut(usize::try_from(offset).ok()?)) {
            *flags &= !NEEDS_RECOVERY;
        }
        Ok(())
    }
}

impl Tree for View<'_> {
    fn names(&self, directory: &str) -> Result<Vec<String>, String> {
        let say = |error: &dyn std::fmt::Display| format!("listing {directory}: {error}");
        let entries = self.ext4.read_dir(&*absolute(directory)).map_err(|error| say(&error))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| say(&error))?;
            let name = entry.file_name();
            let name = name.as_str().map_err(|error| say(&error))?;
            if name != "." && name != ".." {
                names.push(name.to_string());
            }
        }
        Ok(names)
    }

    fn what(&self, path: &str) -> Result<What, String> {
        let meta =
            self.ext4.symlink_metadata(&*absolute(path)).map_err(|error| format!("looking at {path}: {error}"))?;
        Ok(match () {
            () if meta.is_dir() => What::Directory,
            () if meta.is_symlink() => What::Link,
            () => What::File,
        })
    }

    fn target(&self, link: &str) -> Result<String, String> {
        let target =
            self.ext4.read_link(&*absolute(link)).map_err(|error| format!("reading the link {link}: {error}"))?;
        Ok(target.display().to_string())
    }

    fn content(&self, file: &str) -> Result<Content, String> {
        let say = |error: ext4_view::Ext4Error| format!("reading {file}: {error}");
        let meta = self.ext4.metadata(&*absolute(file)).map_err(say)?;
        // A torn inode can say anything, and as much would be made room for.
        if meta.len() > self.size {
            return Err(format!("reading {file}: it has {} bytes, more than the disk", meta.len()));
        }
        if let Some(content) = self.content_among(self.library.candidates(meta.len()), file).map_err(say)? {
            return Ok(content);
        }
        self.ext4.read(&*absolute(file)).map(|bytes| self.library.add(bytes)).map_err(say)
    }
}

impl View<'_> {
    /// Which of these contents the file has, if any.
    fn content_among(&self, mut candidates: Vec<Known>, file: &str) -> Result<Option<Content>, ext4_view::Ext4Error> {
        let mut file = self.ext4.open(&*absolute(file))?;
        let (mut buffer, mut position) = ([0; BLOCK], 0);
        while !candidates.is_empty() {
            let count = file.read_bytes(&mut buffer)?;
            let (read, end) = (buffer.get(..count), position + count);
            candidates.retain(|(_, bytes)| bytes.get(position..end) == read);
            position = end;
            if count == 0 {
                break;
            }
        }
        Ok(candidates.into_iter().next().map(|(content, _)| content))
    }
}

fn absolute(path: &str) -> String {
    format!("/{path}")
}
