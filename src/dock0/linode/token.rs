//! The token that Linode's API wants: from the environment, or from where linode-cli keeps it. It is never shown.

use anyhow::{Context, Result, bail};
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The environment variables that can have it: Linode's own tools' name, and linode-cli's.
const VARIABLES: [&str; 2] = ["LINODE_TOKEN", "LINODE_CLI_TOKEN"];
/// Where linode-cli keeps its settings, below the user's directory of settings.
const SETTINGS: &str = "linode-cli";
/// How to get one.
const HELP: &str =
    "set $LINODE_TOKEN to a personal access token (Cloud Manager, API Tokens), or run linode-cli configure";

/// A personal access token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The first that there is.
    pub fn find() -> Result<Token> {
        for name in VARIABLES {
            match std::env::var(name) {
                Ok(text) if !text.is_empty() => return Token::parse(&text).with_context(|| format!("${name}")),
                Ok(_) | Err(std::env::VarError::NotPresent) => {}
                Err(std::env::VarError::NotUnicode(_)) => bail!("${name} is not UTF-8"),
            }
        }
        match settings_path() {
            Some(path) => Token::read(&path),
            None => bail!("there is no token: {HELP}"),
        }
    }

    /// The token of linode-cli's default user.
    fn read(path: &Path) -> Result<Token> {
        match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => bail!("there is no token: {HELP}"),
            text => {
                let text = text.with_context(|| format!("reading {}", path.display()))?;
                let token =
                    default_users_token(&text).with_context(|| format!("{} has no token: {HELP}", path.display()))?;
                Token::parse(token).with_context(|| path.display().to_string())
            }
        }
    }

    /// A token of these characters.
    pub fn parse(text: &str) -> Result<Token> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!("the token has other characters than tokens have");
        }
        Ok(Token(text.into()))
    }

    /// The field that shows it to the API alone.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

/// Without the token.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// `$LINODE_CLI_CONFIG`, or the file in `$XDG_CONFIG_HOME` or `~/.config`.
fn settings_path() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    variable("LINODE_CLI_CONFIG").or_else(|| {
        let settings = variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")));
        settings.map(|settings| settings.join(SETTINGS))
    })
}

/// linode-cli's settings are sections of lines `name = value`; `default-user` of `[DEFAULT]` names the one whose `token` it is.
fn default_users_token(text: &str) -> Option<&str> {
    let value = |wanted: (&str, &str)| {
        let mut section = "";
        text.lines().map(str::trim).find_map(|line| {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = name;
            }
            let (name, value) = line.split_once(['=', ':'])?;
            ((section, name.trim()) == wanted).then_some(value.trim())
        })
    };
    value((value(("DEFAULT", "default-user"))?, "token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linode_clis_default_user_is_asked_for() {
        let text = "[DEFAULT]\ndefault-user = me\n\n[other]\ntoken = theirs\n[me]\nregion = de-fra-2\n token=mine \ntype = g6-nanode-1\n";
        assert_eq!(default_users_token(text), Some("mine"));
        for without in [
            text.replace("default-user", "x"),
            text.replace("[me]", "[you]"),
            text.replace("token=", "x="),
            String::new(),
        ] {
            assert_eq!(default_users_token(&without), None, "{without}");
        }
    }

    #[test]
    fn a_file_without_a_token_says_what_to_do() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("linode-cli");
        let why = || format!("{:#}", Token::read(&path).unwrap_err());
        assert_eq!(why(), format!("there is no token: {HELP}"));
        for (text, want) in [
            ("[DEFAULT]\n", format!("{} has no token: {HELP}", path.display())),
            (
                "[DEFAULT]\ndefault-user=me\n[me]\ntoken = se cret\n",
                format!("{}: the token has other characters than tokens have", path.display()),
            ),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(why(), want);
        }
        fs::write(&path, "[DEFAULT]\ndefault-user=me\n[me]\ntoken = secret\n").unwrap();
        let token = Token::read(&path).unwrap();
        assert_eq!((token.authorization().as_str(), format!("{token:?}").as_str()), ("Bearer secret", "Token(…)"));
    }
}
