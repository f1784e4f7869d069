//! Templates become files: rendered if they are text, copied if they are not, with the modes they have.

use super::pack::DIRECTORY_BITS;
use anyhow::{Context, Result, anyhow, bail};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value, escape_formatter};
use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use wire::bundle::{MAX_FILE, Why};

/// Turns templates into files.
pub struct Renderer {
    environment: Environment<'static>,
    values: Value,
}

impl Renderer {
    /// With these values.
    pub fn new(config: &serde_json::Value) -> Result<Renderer> {
        let mut environment = Environment::new();
        let mut syntax = SyntaxConfig::builder();
        // A tag on a line of its own leaves no line behind.
        syntax.trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true);
        environment.set_syntax(syntax.build().context("setting up templates")?);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_formatter(write_value);
        environment.set_debug(true); // errors then name what is undefined
        Ok(Renderer { environment, values: Value::from(Serde(config)) })
    }

    /// Renders everything below `templates` into the new directory `to`.
    pub fn tree(&self, templates: &Path, to: &Path) -> Result<()> {
        let reading = || format!("reading the templates {}", templates.display());
        if !fs::metadata(templates).with_context(reading)?.is_dir() {
            bail!("{}: is not a directory", reading());
        }
        self.directory(templates, to, Path::new(""))
    }

    fn directory(&self, templates: &Path, to: &Path, below: &Path) -> Result<()> {
        let from = templates.join(below);
        for name in list(&from)? {
            let below = below.join(name);
            let (from, to_file) = (templates.join(&below), to.join(&below));
            let meta = fs::symlink_metadata(&from).with_context(|| format!("looking at {}", from.display()))?;
            let writing = || format!("writing {}", to_file.display());
            if meta.is_dir() {
                fs::create_dir(&to_file).with_context(writing)?;
                self.directory(templates, to, &below)?;
                // Last: a directory may be closed to ourselves.
                let mode = Permissions::from_mode(meta.permissions().mode() & DIRECTORY_BITS);
                fs::set_permissions(&to_file, mode).with_context(writing)?;
            } else if meta.is_symlink() {
                let target = fs::read_link(&from).with_context(|| format!("reading the link {}", from.display()))?;
                symlink(target, &to_file).with_context(writing)?;
            } else if meta.is_file() {
                if meta.len() > MAX_FILE as u64 {
                    bail!("{} {}", from.display(), Why::TooLong(meta.len()));
                }
                let bytes = fs::read(&from).with_context(|| format!("reading {}", from.display()))?;
                let bytes = self.bytes(&from, bytes)?;
                write_file(&to_file, &bytes, meta.permissions()).with_context(writing)?;
            } else {
                bail!("{}: is neither a file, a directory nor a symbolic link", from.display());
            }
        }
        Ok(())
    }

    /// A template is text: UTF-8 without zeros.
    fn bytes(&self, from: &Path, bytes: Vec<u8>) -> Result<Vec<u8>> {
        match String::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Ok(self.text(&from.display().to_string(), &text)?.into_bytes()),
            Ok(text) => Ok(text.into_bytes()),
            Err(error) => Ok(error.into_bytes()),
        }
    }

    /// Renders one template, called `name` in errors.
    pub fn text(&self, name: &str, text: &str) -> Result<String> {
        self.environment.render_named_str(name, text, self.values.clone()).map_err(|error| {
            let line = error.line().map(|line| format!(" line {line}")).unwrap_or_default();
            // What an undefined name is in is all in the detail.
            let kind = match (error.kind(), error.detail()) {
                (ErrorKind::UndefinedError, Some(_)) => String::new(),
                (kind, Some(_)) => format!("{kind}: "),
                (kind, None) => kind.to_string(),
            };
            anyhow!("{name}{line}: {kind}{}", error.detail().unwrap_or_default())
        })
    }
}

/// Prints a value as configuration files have it. Python's words for nothing, true and false are in none of them.
fn write_value(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_none() {
        return Err(Error::new(ErrorKind::InvalidOperation, "there is nothing to print: the value is null"));
    }
    if value.kind() == ValueKind::Bool {
        return Ok(out.write_str(if value.is_true() { "true" } else { "false" })?);
    }
    escape_formatter(out, state, value)
}

/// The names in a directory, in order.
pub fn list(directory: &Path) -> Result<Vec<OsString>> {
    let listing = || format!("listing {}", directory.display());
    let entries = fs::read_dir(directory).with_context(listing)?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
    let mut names = names.collect::<std::io::Result<Vec<OsString>>>().with_context(listing)?;
    names.sort();
    Ok(names)
}

fn write_file(path: &PathBuf, bytes: &[u8], permissions: Permissions) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.set_permissions(permissions) // whatever the umask is
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn renderer() -> Renderer {
        Renderer::new(&json!({
            "name": "web1", "yes": true, "nothing": null, "list": [1, "two"], "deep": { "a": { "b": 5 } }, "html": "<&\"'>",
        }))
        .unwrap()
    }

    #[test]
    fn templates_are_rendered() {
        for (template, want) in [
            ("", ""),
            ("{{ name }}\n", "web1\n"),
            ("{{ name }}", "web1"),
            ("{{ html }}", "<&\"'>"),
            ("{{ yes }} {{ deep.a.b }} {{ deep['a'].b + 1 }}", "true 5 6"),
            ("a\n  {% for x in list %}\n  - {{ x }}\n  {% endfor %}\nb\n", "a\n  - 1\n  - two\nb\n"),
            ("{% if nope is defined %}x{% else %}y{% endif %}", "y"),
            ("{{ nope | default('d') }} {{ list | join(' ') }} {{ list | tojson }}", "d 1 two [1, \"two\"]"),
            ("{# gone #}{% raw %}{{ kept }}{% endraw %}", "{{ kept }}"),
            ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(1) }}", "<1>"),
        ] {
            assert_eq!(renderer().text("t", template).unwrap(), want, "{template}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_template_is_said_with_file_line_and_name() {
        for (template, want) in [
            ("\n{{ nope }}", "t line 2: `nope` is undefined"),
            ("{{ deep.x }}", "t line 1: `deep.x` is undefined"),
            ("{{ deep.x.y }}", "t line 1: `deep.x` is undefined"),
            ("{% for x in nope %}{% endfor %}", "t line 1: `nope` is undefined"),
            ("{% if nope %}{% endif %}", "t line 1: `nope` is undefined"),
            ("{{ list[7] }}", "t line 1: `list[7]` is undefined"),
            ("\n\n{{ nothing }}", "t line 3: invalid operation: there is nothing to print: the value is null"),
            ("{{ ", "t line 1: syntax error: unexpected end of input, expected expression"),
            ("{{ name | nope }}", "t line 1: unknown filter: filter nope is unknown"),
            ("{{ nope() }}", "t line 1: unknown function: nope is unknown"),
            ("{% include 'x' %}", "t line 1: syntax error: unknown statement include"),
            (
                "{{ name + 1 }}",
                "t line 1: invalid operation: tried to use + operator on unsupported types string and number",
            ),
        ] {
            assert_eq!(renderer().text("t", template).unwrap_err().to_string(), want, "{template}");
        }
    }
}
