//! What a release shall be made of, as the operator writes it down: a YAML file, in the form that the predecessor read.

use crate::measure::Place;
use anyhow::{Context, Result, anyhow, bail};
use menagerie::layout::{INLINE_LINK, check_link};
use menagerie::listing::MAX_ARTIFACTS;
use menagerie::{Artifact, Layout, Name};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::path::{Path, PathBuf};
use wire::manifest::MAX_URLS;
use wire::url::Url;

/// Where artifacts are that name no place of their own.
const GITHUB: &str = "https://github.com";

/// The file. Keys that are not known are skipped: the predecessor has more of them.
#[derive(Clone, Debug, Deserialize)]
pub struct Recipe {
    /// The GitHub organisation or user of artifacts that name none.
    pub org: Option<String>,
    /// What it is a release of (dock0).
    pub product: Option<String>,
    /// Which line of releases (stable).
    pub channel: Option<String>,
    /// For which processor (x86_64).
    pub arch: Option<String>,
    /// Where the same files are too: `MIRROR/NAME/VERSION/FILE`.
    #[serde(default)]
    pub mirrors: Vec<String>,
    /// At least one.
    pub artifacts: Vec<Ingredient>,
}

/// An artifact as it is written down.
#[derive(Clone, Debug, Deserialize)]
pub struct Ingredient {
    /// Its name, that of the GitHub repository too.
    pub name: String,
    /// Its version, that of the GitHub release too.
    pub version: Spanned<String>,
    /// What the file is called there; the name, if it is not said.
    pub file: Option<String>,
    /// The GitHub organisation or user.
    pub org: Option<String>,
    /// Where it is, if not on GitHub: `https:`, `http:`, or `file:` of this machine, which is read and not published.
    pub url: Option<String>,
}

/// An artifact that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Name and version.
    pub artifact: Artifact,
    /// Where its bytes are read.
    pub from: Place,
    /// What the manifest says of where they are, the best first.
    pub urls: Vec<String>,
}

impl Recipe {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<(Recipe, String)> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let recipe = Recipe::parse(&text).with_context(|| path.display().to_string())?;
        Ok((recipe, text))
    }

    /// Reads its text.
    pub fn parse(text: &str) -> Result<Recipe> {
        let recipe: Recipe = serde_saphyr::from_str(text).map_err(|error| anyhow!("{error}"))?;
        match recipe.artifacts.len() {
            0 => bail!("it has no artifacts"),
            1..=MAX_ARTIFACTS => Ok(recipe),
            count => bail!("it has {count} artifacts, at most {MAX_ARTIFACTS} can be"),
        }
    }

    /// All artifacts, if others can fetch them; local files are relative to `directory`.
    pub fn published(&self, directory: &Path) -> Result<Vec<Wanted>> {
        let all = self.wanted(directory)?;
        for Wanted { artifact, urls, .. } in &all {
            let name = &artifact.name;
            match urls.len() {
                0 => bail!(
                    "the artifact {name}: it is a local file, and neither an org nor mirrors say where others can fetch it"
                ),
                1..=MAX_URLS => {}
                count => bail!(
                    "the artifact {name}: it can be fetched from {count} places, and a manifest has room for {MAX_URLS}"
                ),
            }
        }
        Ok(all)
    }

    /// All artifacts; local files are relative to `directory`.
    pub fn wanted(&self, directory: &Path) -> Result<Vec<Wanted>> {
        let mut all: Vec<Wanted> = Vec::new();
        for ingredient in &self.artifacts {
            let wanted =
                self.find(ingredient, directory).with_context(|| format!("the artifact {}", ingredient.name))?;
            if all.iter().any(|other| other.artifact.name == wanted.artifact.name) {
                bail!("the artifact {} is there twice", ingredient.name);
            }
            all.push(wanted);
        }
        Ok(all)
    }

    /// The GitHub organisation of an artifact whose releases are there.
    pub fn org_of<'r>(&'r self, ingredient: &'r Ingredient) -> Option<&'r str> {
        ingredient.org.as_deref().or(self.org.as_deref())
    }

    fn find(&self, ingredient: &Ingredient, directory: &Path) -> Result<Wanted> {
        let artifact = ingredient.artifact()?;
        let (version, file) = (&artifact.version, ingredient.file.as_deref().unwrap_or(&ingredient.name));
        let on_github = self
            .org_of(ingredient)
            .map(|org| format!("{GITHUB}/{org}/{}/releases/download/{version}/{file}", artifact.name));
        let (from, first) = match (&ingredient.url, on_github) {
            (Some(url), on_github) => match url.strip_prefix("file:") {
                Some(path) => (Place::Local(directory.join(local_path(path))), on_github),
                None => (Place::Web(url.clone()), Some(url.clone())),
            },
            (None, Some(url)) => (Place::Web(url.clone()), Some(url)),
            (None, None) => bail!("it has neither an org nor a url, so that nobody knows where it is"),
        };
        let mirror = |mirror: &String| format!("{}/{}/{version}/{file}", mirror.trim_end_matches('/'), artifact.name);
        let urls: Vec<String> = first.into_iter().chain(self.mirrors.iter().map(mirror)).collect();
        for url in &urls {
            Url::parse(url).map_err(|why| anyhow!("the url {url:?} {why}"))?;
        }
        Ok(Wanted { artifact, from, urls })
    }
}

impl Wanted {
    /// Where its bytes can be read, the best first.
    pub fn places(&self) -> Vec<Place> {
        match &self.from {
            Place::Local(_) => vec![self.from.clone()],
            Place::Web(_) => self.urls.iter().cloned().map(Place::Web).collect(),
        }
    }

    /// Whether reading its bytes means fetching them.
    pub fn is_on_the_web(&self) -> bool {
        matches!(self.from, Place::Web(_))
    }
}

impl Ingredient {
    fn artifact(&self) -> Result<Artifact> {
        let version = &self.version.value;
        let artifact = Artifact {
            name: self.name.parse().map_err(|why| anyhow!("the name {:?} {why}", self.name))?,
            version: version.parse().map_err(|why| anyhow!("the version {version:?} {why}"))?,
        };
        check_link(&Layout::default(), &artifact).map_err(|length| {
            anyhow!("name and version are too long together: the link to it has {length} bytes, at most {INLINE_LINK} can be")
        })?;
        Ok(artifact)
    }
}

/// `///path`, `//localhost/path` and `path` of a file: URL. What is escaped with `%` is taken as it is.
fn local_path(path: &str) -> PathBuf {
    let path = path.strip_prefix("//localhost").unwrap_or(path);
    PathBuf::from(path.strip_prefix("//").unwrap_or(path))
}

/// A word of the recipe, of an option, or the default.
pub fn word(what: &str, option: Option<&str>, recipe: Option<&str>, default: &str) -> Result<Name> {
    let text = option.or(recipe).unwrap_or(default);
    text.parse().map_err(|why| anyhow!("the {what} {text:?} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Result<Vec<Wanted>, String> {
        Recipe::parse(text)
            .and_then(|recipe| recipe.published(Path::new("/here")))
            .map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_predecessors_form_says_where_artifacts_are() {
        let text = "org: dock0\nartifacts:\n- {name: kernel, version: 6.10, file: bzImage}\n- {name: vm_root, version: v1, org: me}\n\
            - {name: a, version: 1, url: 'http://x.example/a'}\n- {name: b, version: 1, url: file:out/b}\n- {name: c, version: 1, url: file:///c}\n";
        let web = |url: &str| Place::Web(url.into());
        let github = "https://github.com/dock0";
        let want = [
            (
                "kernel 6.10",
                web(&format!("{github}/kernel/releases/download/6.10/bzImage")),
                format!("{github}/kernel/releases/download/6.10/bzImage"),
            ),
            (
                "vm_root v1",
                web("https://github.com/me/vm_root/releases/download/v1/vm_root"),
                "https://github.com/me/vm_root/releases/download/v1/vm_root".into(),
            ),
            ("a 1", web("http://x.example/a"), "http://x.example/a".into()),
            ("b 1", Place::Local("/here/out/b".into()), format!("{github}/b/releases/download/1/b")),
            ("c 1", Place::Local("/c".into()), format!("{github}/c/releases/download/1/c")),
        ];
        for (got, (artifact, from, url)) in wanted(text).unwrap().into_iter().zip(want.clone()) {
            assert_eq!((got.artifact.to_string().as_str(), got.from, got.urls), (artifact, from, vec![url]));
        }
        let mirrored = wanted(&format!("mirrors: [https://m.example/x/]\n{text}")).unwrap();
        assert_eq!(mirrored[0].urls, [want[0].2.as_str(), "https://m.example/x/kernel/6.10/bzImage"]);
    }

    #[test]
    fn what_is_wrong_with_a_recipe_is_said() {
        let one = |rest: &str| format!("artifacts: [{{name: a, version: 1{rest}}}]");
        let many = format!("artifacts: [{}]", vec!["{name: a, version: 1, org: x}"; 17].join(", "));
        for (text, sentence) in [
            ("artifacts: []".to_string(), "it has no artifacts"),
            (many, "it has 17 artifacts, at most 16 can be"),
            (one(""), "the artifact a: it has neither an org nor a url, so that nobody knows where it is"),
            (one(", url: file:x"), "the artifact a: it is a local file, and neither an org nor mirrors say where others can fetch it"),
            (one(", url: ftp://x/y"), "the artifact a: the url \"ftp://x/y\" begins neither with https:// nor with http://"),
            (one(", org: a b"), "the artifact a: the url \"https://github.com/a b/a/releases/download/1/a\" has a character that must be escaped"),
            ("artifacts: [{name: ../a, version: 1}]".into(), "the artifact ../a: the name \"../a\" begins with a dot"),
            ("artifacts: [{name: a, version: x y}]".into(), "the artifact a: the version \"x y\" has a character other than letters, digits and . _ + ~ -"),
            ("org: x\nartifacts: [{name: a, version: 1}, {name: a, version: 2}]".into(), "the artifact a is there twice"),
            ("org: x\nmirrors: ['https://a', 'https://b', 'https://c', 'https://d']\nartifacts: [{name: a, version: 1}]".into(), "the artifact a: it can be fetched from 5 places, and a manifest has room for 4"),
        ] {
            assert_eq!(wanted(&text).unwrap_err(), sentence);
        }
        for (text, sentence) in [
            ("artifacts: [{name: a}]", "line 1 column 14: missing field `version`"),
            ("org: a\norg: b\nartifacts: []", "line 2 column 1: duplicate mapping key"),
            ("", "unexpected end of input"),
        ] {
            let why = wanted(text).unwrap_err();
            assert!(why.contains(sentence), "{why}");
        }
    }
}
