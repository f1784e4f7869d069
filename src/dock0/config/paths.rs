//! Where a build reads and writes: the key `paths`, as the predecessor had it.

use anyhow::{Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The places of a build.
#[derive(Debug, PartialEq, Eq)]
pub struct Paths {
    /// What is rendered; `None` if it is not said, and the usual place is not there.
    pub templates: Option<PathBuf>,
    /// What is run, likewise.
    pub scripts: Option<PathBuf>,
    /// What becomes the bundle's `config`.
    pub build: PathBuf,
    /// The bundle.
    pub output: PathBuf,
}

impl Paths {
    /// Reads them from the merged configuration; all are relative to `directory`.
    pub fn read(config: &Value, directory: &Path) -> Result<Paths> {
        let paths = match config.get("paths") {
            None | Some(Value::Null) => None,
            Some(paths @ Value::Object(_)) => Some(paths),
            Some(_) => bail!("paths: a map is wanted (templates, scripts, build, output)"),
        };
        let named = |key: &str| match paths.and_then(|paths| paths.get(key)) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(path)) if !path.is_empty() => Ok(Some(directory.join(path))),
            Some(_) => bail!("paths.{key}: the path of a file or directory is wanted"),
        };
        let usual = |path: &str| Some(directory.join(path)).filter(|path| path.exists());
        Ok(Paths {
            templates: named("templates")?.or_else(|| usual("templates")),
            scripts: named("scripts")?.or_else(|| usual("scripts")),
            build: named("build")?.unwrap_or_else(|| directory.join("build/config")),
            output: named("output")?.unwrap_or_else(|| directory.join("build.tar.gz")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_are_the_predecessors_and_relative_to_the_first_file() {
        let place = tempfile::tempdir().unwrap();
        let at = |path: &str| place.path().join(path);
        let read = |config: Value| Paths::read(&config, place.path());
        let usual = || Paths { templates: None, scripts: None, build: at("build/config"), output: at("build.tar.gz") };
        assert_eq!(read(json!({})).unwrap(), usual());
        assert_eq!(read(json!({ "paths": null })).unwrap(), usual());
        std::fs::create_dir(at("templates")).unwrap();
        assert_eq!(read(json!({ "paths": {} })).unwrap(), Paths { templates: Some(at("templates")), ..usual() });
        let config =
            json!({ "paths": { "templates": "../t", "scripts": "s", "build": "/b", "output": "o", "else": 1 } });
        let want = Paths { templates: Some(at("../t")), scripts: Some(at("s")), build: "/b".into(), output: at("o") };
        assert_eq!(read(config).unwrap(), want);
        for (config, sentence) in [
            (json!({ "paths": [] }), "paths: a map is wanted (templates, scripts, build, output)"),
            (json!({ "paths": { "build": 5 } }), "paths.build: the path of a file or directory is wanted"),
            (json!({ "paths": { "output": "" } }), "paths.output: the path of a file or directory is wanted"),
        ] {
            assert_eq!(read(config).unwrap_err().to_string(), sentence);
        }
    }
}
