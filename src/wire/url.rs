//! Where something can be fetched: an absolute URL, checked as far as it can be without asking for it.

use core::fmt;

/// The longest URL, in bytes.
pub const MAX_URL: usize = 512;

/// Where something can be fetched: `http:` or `https:`, a host, no user; printable ASCII, at most [`MAX_URL`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'m>(&'m str);

impl<'m> Url<'m> {
    /// Checks a URL.
    pub fn parse(text: &'m str) -> Result<Url<'m>, BadUrl> {
        if text.len() > MAX_URL {
            return Err(BadUrl::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\<>^`{|}".contains(&byte)) {
            return Err(BadUrl::Character);
        }
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(BadUrl::Scheme)?;
        match rest.split(['/', '?', '#']).next() {
            None | Some("") => Err(BadUrl::NoHost),
            Some(host) if host.contains('@') => Err(BadUrl::User),
            Some(_) => Ok(Url(text)),
        }
    }

    /// As it is written.
    pub fn as_str(self) -> &'m str {
        self.0
    }

    /// Whether it is fetched with TLS.
    pub fn is_https(self) -> bool {
        self.0.starts_with("https:")
    }
}

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Why a text is no [`Url`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadUrl {
    /// It has more than [`MAX_URL`] bytes.
    TooLong,
    /// It has a space, a character that must be escaped, or one outside of ASCII.
    Character,
    /// It is neither `http:` nor `https:`.
    Scheme,
    /// It has no host.
    NoHost,
    /// It has a user or a password.
    User,
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadUrl::TooLong => write!(f, "has more than {MAX_URL} bytes"),
            BadUrl::Character => f.write_str("has a character that must be escaped"),
            BadUrl::Scheme => f.write_str("begins neither with https:// nor with http://"),
            BadUrl::NoHost => f.write_str("has no host"),
            BadUrl::User => f.write_str("has a user in it"),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;
    use std::string::ToString;

    #[test]
    fn urls_have_a_scheme_a_host_and_no_user() {
        let longest = format!("https://example.org/{}", "x".repeat(492));
        let longer = format!("{longest}x");
        for (text, want) in [
            ("https://example.org/a/b?c=d&e=%20#f", Ok(true)),
            ("http://[fd00::1]:8080/kernel@1", Ok(false)),
            ("https://example.org", Ok(true)),
            ("https://example.org?user@host", Ok(true)),
            (longest.as_str(), Ok(true)),
            (longer.as_str(), Err("has more than 512 bytes")),
            ("", Err("begins neither with https:// nor with http://")),
            ("ftp://example.org/", Err("begins neither with https:// nor with http://")),
            ("file:///etc/passwd", Err("begins neither with https:// nor with http://")),
            ("HTTPS://example.org/", Err("begins neither with https:// nor with http://")),
            ("https:/example.org", Err("begins neither with https:// nor with http://")),
            ("https://", Err("has no host")),
            ("https:///path", Err("has no host")),
            ("http://?query", Err("has no host")),
            ("http://#part", Err("has no host")),
            ("https://user@example.org/", Err("has a user in it")),
            ("https://user:word@example.org/", Err("has a user in it")),
            ("https://example.org/a b", Err("has a character that must be escaped")),
            ("https://example.org/\u{1b}", Err("has a character that must be escaped")),
            ("https://example.org/\\u0041", Err("has a character that must be escaped")),
            ("https://exämple.org/", Err("has a character that must be escaped")),
        ] {
            let got = Url::parse(text).map(Url::is_https).map_err(|why| why.to_string());
            assert_eq!(got, want.map_err(ToString::to_string), "{text}");
        }
        assert_eq!(Url::parse("https://example.org/a").unwrap().to_string(), "https://example.org/a");
    }
}
