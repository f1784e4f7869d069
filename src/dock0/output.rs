//! Files that appear whole or not at all: made beside their place, renamed onto it.

use anyhow::{Context, Result, anyhow, bail};
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempPath;

/// What to do with a file that stands where the output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Stop with an error.
    Refuse,
    /// Put the new one in its place, with its mode.
    Replace,
}

/// Who may read a file that was not there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Whoever the umask lets.
    Umask,
    /// Its owner alone: it holds a VM's configuration.
    Owner,
    /// Its owner alone, whoever could read the one that it replaces: it holds secrets.
    Secret,
}

/// A file to make.
pub struct Output<'p> {
    /// Where it goes.
    pub path: &'p Path,
    /// What to do with one that is there.
    pub existing: Existing,
    /// Who may read it.
    pub access: Access,
    /// A directory whose whole content goes into it.
    pub made_from: Option<&'p Path>,
}

/// A file that is finished and lacks only its name. It is gone if it does not get one.
pub struct Finished<'p> {
    output: Output<'p>,
    file: TempPath,
}

impl<'p> Output<'p> {
    /// Makes the file: `make` fills the temporary file it is given, which then gets its name. When anything fails, what
    /// stood there is as it was.
    pub fn write(self, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        self.finish(make)?.put()
    }

    /// The same up to its name, for several files of which none shall be there without the others.
    pub fn finish(self, make: impl FnOnce(&Path) -> Result<()>) -> Result<Finished<'p>> {
        let path = self.path;
        let replaced = self.find_replaced()?;
        self.check_outside()?;
        let directory = directory_of(path);
        fs::create_dir_all(directory).with_context(|| format!("making the directory {}", directory.display()))?;
        let mode = match (&replaced, self.access) {
            (None, Access::Umask) => 0o666, // open(2) takes the umask from it
            (None, Access::Owner) | (Some(_), _) | (_, Access::Secret) => 0o600,
        };
        let kept = replaced.filter(|_| self.access != Access::Secret);
        let unfinished = tempfile::Builder::new()
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(directory)
            .with_context(|| format!("making a file in {}", directory.display()))?
            .into_temp_path();
        make(&unfinished)?;
        finish(&unfinished, kept).with_context(|| format!("writing {}", path.display()))?;
        Ok(Finished { output: self, file: unfinished })
    }

    /// The mode of the file that will be replaced, if there is one and it may be.
    fn find_replaced(&self) -> Result<Option<Permissions>> {
        match fs::symlink_metadata(self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("looking at {}", self.path.display())),
            Ok(meta) if !meta.is_file() => {
                bail!("{}: is not a regular file, and was not touched", self.path.display())
            }
            Ok(_) if self.existing == Existing::Refuse => Err(self.refusal()),
            Ok(meta) => Ok(Some(meta.permissions())),
        }
    }

    fn refusal(&self) -> anyhow::Error {
        anyhow!("{}: exists, and was not touched (--force replaces it)", self.path.display())
    }

    /// An output inside of what it is made from would hold its own temporary file, and its predecessor.
    fn check_outside(&self) -> Result<()> {
        let Some(from) = self.made_from else { return Ok(()) };
        let looking = |path: &Path| format!("looking at {}", path.display());
        let source = fs::canonicalize(from).with_context(|| looking(from))?;
        let path = std::path::absolute(self.path).with_context(|| looking(self.path))?;
        // Directories that are not there yet will be made below the nearest that is; one that cannot be looked at cannot
        // be written either, and making the temporary file says so.
        let place = path.ancestors().skip(1).find_map(|directory| fs::canonicalize(directory).ok());
        if place.is_some_and(|place| place.starts_with(&source)) {
            bail!("{}: the output lies inside {}, which it is made from", self.path.display(), from.display());
        }
        Ok(())
    }
}

impl Finished<'_> {
    /// Gives it its name.
    pub fn put(self) -> Result<()> {
        let path = self.output.path;
        let renamed = match self.output.existing {
            Existing::Refuse => self.file.persist_noclobber(path),
            Existing::Replace => self.file.persist(path),
        };
        match renamed.map_err(|failed| failed.error) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(self.output.refusal()),
            renamed => renamed.with_context(|| format!("renaming the finished file to {}", path.display())),
        }
    }
}

/// The directory that a file is in.
pub fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

fn finish(unfinished: &Path, permissions: Option<Permissions>) -> std::io::Result<()> {
    let file = fs::File::open(unfinished)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, existing: Existing, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        Output { path, existing, access: Access::Umask, made_from: None }.write(make)
    }

    fn fill(text: &'static str) -> impl FnOnce(&Path) -> Result<()> {
        move |to| Ok(fs::write(to, text)?)
    }

    #[test]
    fn what_stands_there_is_only_replaced_when_asked_and_only_by_a_whole_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("new/out");
        write(&path, Existing::Refuse, fill("one")).unwrap();
        let refused = write(&path, Existing::Refuse, fill("two")).unwrap_err().to_string();
        assert!(refused.ends_with("exists, and was not touched (--force replaces it)"), "{refused}");
        write(&path, Existing::Replace, |_| bail!("half way")).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        write(&path, Existing::Replace, fill("three")).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "three");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_file_that_appears_meanwhile_is_not_replaced() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("out");
        let refused = write(&path, Existing::Refuse, |to| {
            fs::write(&path, "somebody else's")?;
            Ok(fs::write(to, "ours")?)
        });
        let refused = refused.unwrap_err().to_string();
        assert!(refused.ends_with("exists, and was not touched (--force replaces it)"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody else's");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_replaced_file_keeps_its_mode_and_a_private_one_is_its_owners() {
        let place = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        for (name, access, before, during, after) in [
            ("new and private", Access::Owner, None, 0o600, 0o600),
            ("private before", Access::Umask, Some(0o600), 0o600, 0o600),
            ("for a group before", Access::Owner, Some(0o640), 0o600, 0o640),
            ("for all before", Access::Umask, Some(0o604), 0o600, 0o604),
            ("read-only before", Access::Umask, Some(0o444), 0o600, 0o444),
            ("new and secret", Access::Secret, None, 0o600, 0o600),
            ("for all before, and secret", Access::Secret, Some(0o644), 0o600, 0o600),
        ] {
            let path = &place.path().join(name);
            if let Some(before) = before {
                fs::write(path, "").unwrap();
                fs::set_permissions(path, Permissions::from_mode(before)).unwrap();
            }
            let output = Output { path, existing: Existing::Replace, access, made_from: None };
            let mut found = 0;
            let make = |to: &Path| {
                found = mode(to);
                Ok(())
            };
            output.write(make).unwrap();
            assert_eq!(found, during, "{name}, while it is made");
            assert_eq!(mode(path), after, "{name}");
        }
    }

    #[test]
    fn what_is_not_a_file_or_cannot_be_looked_at_is_never_replaced() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        for (path, why) in [
            (place.path(), "is not a regular file, and was not touched"),
            (&file.join("below"), "Not a directory (os error 20)"),
        ] {
            let refused = format!("{:#}", write(path, Existing::Replace, |_| Ok(())).unwrap_err());
            assert!(refused.ends_with(why), "{refused}");
        }
    }

    #[test]
    fn an_output_inside_of_what_it_is_made_from_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let from = place.path().join("from");
        fs::create_dir_all(from.join("below")).unwrap();
        std::os::unix::fs::symlink(&from, place.path().join("link")).unwrap();
        for (path, source, refused) in [
            ("from/out", "from", true),
            ("from/below/out", "from", true),
            ("from/not/yet/out", "from", true),
            ("link/out", "from", true),
            ("from/out", "link", true),
            ("from/below/../out", "from", true),
            ("out", "from", false),
            ("from/../out", "from", false),
            ("from-too/out", "from", false),
            ("from/out", "from/below", false),
        ] {
            let (path, source) = (&place.path().join(path), &place.path().join(source));
            let output = Output { path, existing: Existing::Replace, access: Access::Umask, made_from: Some(source) };
            match output.write(fill("")) {
                Ok(()) => assert!(!refused, "{path:?} from {source:?}"),
                Err(error) => {
                    let want = format!("the output lies inside {}, which it is made from", source.display());
                    assert!(refused && error.to_string().ends_with(&want), "{path:?} from {source:?}: {error}");
                }
            }
            assert!(!from.join("not").exists(), "nothing is made inside");
        }
    }
}
