//! The head of an answer, judged: what a mirror may say about what follows. No sockets.

use super::job::{MAX_VALIDATOR, Url, What};
use super::mirrors::Fault;
use crate::lines::{is_printable, printable};
use heapless::String;
use ureq::http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED,
    TRANSFER_ENCODING,
};

/// What follows a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follows {
    /// The position in the file of the first byte that comes: what was asked for, or 0.
    pub start: u64,
    /// What the mirror calls this version of the file: a strong `ETag`, or else `Last-Modified`.
    pub validator: Option<String<MAX_VALIDATOR>>,
}

/// Judges the head of an answer to a request for `what` from the byte `start` on.
pub fn judge(status: u16, fields: &HeaderMap, what: &What, start: u64) -> Result<Follows, Fault> {
    let begins = match status {
        200 => 0,
        206 if start == 0 => return Err(Fault::new("answered with a part (206) of what was asked for whole")),
        206 => {
            check_range(fields, what, start)?;
            start
        }
        416 => return Err(Fault::new(format!("says that the file ends before byte {start} (416)"))),
        status => return Err(Fault::new(format!("answered {status}"))),
    };
    check_encoding(fields)?;
    check_length(fields, what, begins)?;
    Ok(Follows { start: begins, validator: validator(fields) })
}

fn check_range(fields: &HeaderMap, what: &What, start: u64) -> Result<(), Fault> {
    let size = what.most();
    let said = only(fields, CONTENT_RANGE)?.unwrap_or_default();
    let last = size.saturating_sub(1);
    let right = [format!("bytes {start}-{last}/{size}"), format!("bytes {start}-{last}/*")];
    match right.iter().any(|right| right.eq_ignore_ascii_case(said)) {
        true => Ok(()),
        false => Err(Fault::new(format!(
            "was asked for bytes {start} to {last} of {size} and answers with {:?}",
            shortened(said)
        ))),
    }
}

fn check_encoding(fields: &HeaderMap) -> Result<(), Fault> {
    match only(fields, CONTENT_ENCODING)? {
        None | Some("" | "identity") => {}
        Some(encoding) => {
            return Err(Fault::new(format!("packs what it sends ({}), unasked", shortened(encoding))));
        }
    }
    match (only(fields, TRANSFER_ENCODING)?, fields.contains_key(CONTENT_LENGTH)) {
        (None, _) => Ok(()),
        (Some(coding), false) if coding.eq_ignore_ascii_case("chunked") => Ok(()),
        (Some(_), true) => Err(Fault::new("gives both Content-Length and Transfer-Encoding")),
        (Some(coding), false) => Err(Fault::new(format!("sends it in a way we do not know ({})", shortened(coding)))),
    }
}

fn check_length(fields: &HeaderMap, what: &What, begins: u64) -> Result<(), Fault> {
    let Some(said) = only(fields, CONTENT_LENGTH)? else { return Ok(()) };
    let length = match said.bytes().all(|byte| byte.is_ascii_digit()) {
        true => said.parse::<u64>().ok(),
        false => None,
    };
    let length = length.ok_or_else(|| Fault::new(format!("announces {:?} bytes", shortened(said))))?;
    match what {
        What::Artifact { size, .. } if length == size.saturating_sub(begins) => Ok(()),
        What::Artifact { size, .. } => {
            Err(Fault::new(format!("announces {length} bytes instead of {}", size.saturating_sub(begins))))
        }
        What::Document { limit } if length <= *limit => Ok(()),
        What::Document { limit } => Err(Fault::new(format!("announces {length} bytes, and at most {limit} may come"))),
    }
}

fn validator(fields: &HeaderMap) -> Option<String<MAX_VALIDATOR>> {
    // RFC 9110, 13.1.5: a weak ETag never matches in If-Range. A mirror without ranges needs none.
    if fields.get(ACCEPT_RANGES).is_some_and(|ranges| ranges.as_bytes().eq_ignore_ascii_case(b"none")) {
        return None;
    }
    let text = |name: HeaderName| fields.get(name).and_then(|value| value.to_str().ok());
    let etag = text(ETAG).filter(|etag| etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2);
    let found = etag.or_else(|| text(LAST_MODIFIED)).filter(|text| !text.is_empty() && is_printable(text))?;
    String::try_from(found).ok()
}

/// A field that may stand in a head once at most.
fn only(fields: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Fault> {
    let mut values = fields.get_all(&name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Fault::new(format!("gives {name} twice")));
    }
    let text = first.map(|value| value.to_str().map_err(|_| Fault::new(format!("gives a {name} that is no text"))));
    Ok(text.transpose()?.map(str::trim))
}

/// Where a redirect leads: `to` as it is, or seen from `from` (RFC 3986, 4.2). A redirect never leaves https, and leads to
/// nothing but http and https.
pub fn redirect(from: &Url, fields: &HeaderMap) -> Result<Url, Fault> {
    let to = only(fields, HeaderName::from_static("location"))?.unwrap_or_default();
    let to = to.split('#').next().unwrap_or_default();
    if to.is_empty() {
        return Err(Fault::new("redirects to nowhere"));
    }
    let lead = || format!("redirects to {}", shortened(to));
    let next = Url::redirected(&absolute(from.as_str(), to));
    let next = next.map_err(|why| Fault::new(format!("{}, which {why}", lead())))?;
    match from.is_https() && !next.is_https() {
        true => Err(Fault::new(format!("{}, which is not encrypted", lead()))),
        false => Ok(next),
    }
}

fn absolute(from: &str, to: &str) -> std::string::String {
    let (scheme, rest) = from.split_once("://").unwrap_or_default();
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = path.split('?').next().unwrap_or_default();
    let is_scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    match to {
        _ if to.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme)) => to.into(),
        _ if to.starts_with("//") => format!("{scheme}:{to}"),
        _ if to.starts_with('/') => format!("{scheme}://{host}{to}"),
        _ if to.starts_with('?') => format!("{scheme}://{host}{path}{to}"),
        _ => format!("{scheme}://{host}{}/{to}", path.rsplit_once('/').map_or("", |(directory, _)| directory)),
    }
}

/// The start of what a mirror said, as a message may hold it.
fn shortened(text: &str) -> std::string::String {
    printable(text).chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ureq::http::HeaderValue;

    const SIZE: u64 = 1000;
    const ARTIFACT: What = What::Artifact { size: SIZE, sha256: [0; 32] };
    const DOCUMENT: What = What::Document { limit: SIZE };

    fn fields(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in list {
            fields.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        fields
    }

    #[test]
    fn good_heads_say_where_the_bytes_belong() {
        let length = ("content-length", "1000");
        for (row, status, list, what, start, begins, validator) in [
            ("whole", 200, &[length][..], ARTIFACT, 0, 0, None),
            ("range ignored", 200, &[length, ("etag", "\"a\"")], ARTIFACT, 400, 0, Some("\"a\"")),
            (
                "rest",
                206,
                &[("content-length", "600"), ("content-range", "bytes 400-999/1000")],
                ARTIFACT,
                400,
                400,
                None,
            ),
            ("size unknown", 206, &[("content-range", "bytes 400-999/*")], ARTIFACT, 400, 400, None),
            ("chunked", 200, &[("transfer-encoding", "chunked")], ARTIFACT, 0, 0, None),
            ("until it closes", 200, &[], ARTIFACT, 0, 0, None),
            ("not packed", 200, &[length, ("content-encoding", "identity")], ARTIFACT, 0, 0, None),
            ("weak", 200, &[("etag", "W/\"a\""), ("last-modified", "Mon")], ARTIFACT, 0, 0, Some("Mon")),
            ("no ranges", 200, &[("etag", "\"a\""), ("accept-ranges", "none")], ARTIFACT, 0, 0, None),
            ("a small document", 200, &[("content-length", "10")], DOCUMENT, 0, 0, None),
        ] {
            let follows = judge(status, &fields(list), &what, start).unwrap_or_else(|fault| panic!("{row}: {fault:?}"));
            assert_eq!((follows.start, follows.validator.as_deref()), (begins, validator), "{row}");
        }
        let long = format!("\"{}\"", "a".repeat(80));
        assert_eq!(judge(200, &fields(&[("etag", &long)]), &ARTIFACT, 0).unwrap().validator, None);
    }

    #[test]
    fn bad_heads_are_refused_with_the_reason() {
        let range = "was asked for bytes 400 to 999 of 1000 and answers with ";
        for (status, list, what, start, why) in [
            (404, &[][..], ARTIFACT, 0, "answered 404".to_string()),
            (503, &[], ARTIFACT, 0, "answered 503".into()),
            (204, &[], ARTIFACT, 0, "answered 204".into()),
            (
                206,
                &[("content-range", "bytes 0-999/1000")],
                ARTIFACT,
                0,
                "answered with a part (206) of what was asked for whole".into(),
            ),
            (416, &[], ARTIFACT, 400, "says that the file ends before byte 400 (416)".into()),
            (206, &[], ARTIFACT, 400, format!("{range}\"\"")),
            (206, &[("content-range", "bytes 0-999/1000")], ARTIFACT, 400, format!("{range}\"bytes 0-999/1000\"")),
            (206, &[("content-range", "bytes 400-999/9999")], ARTIFACT, 400, format!("{range}\"bytes 400-999/9999\"")),
            (206, &[("content-range", "bytes 400-998/1000")], ARTIFACT, 400, format!("{range}\"bytes 400-998/1000\"")),
            (206, &[("content-range", "lines 400-999/1000")], ARTIFACT, 400, format!("{range}\"lines 400-999/1000\"")),
            (200, &[("content-length", "1001")], ARTIFACT, 0, "announces 1001 bytes instead of 1000".into()),
            (200, &[("content-length", "600")], ARTIFACT, 400, "announces 600 bytes instead of 1000".into()),
            (200, &[("content-length", "-1")], ARTIFACT, 0, "announces \"-1\" bytes".into()),
            (200, &[("content-length", "+1000")], ARTIFACT, 0, "announces \"+1000\" bytes".into()),
            (
                200,
                &[("content-length", "99999999999999999999")],
                ARTIFACT,
                0,
                "announces \"99999999999999999999\" bytes".into(),
            ),
            (
                200,
                &[("content-length", "1000"), ("content-length", "1000")],
                ARTIFACT,
                0,
                "gives content-length twice".into(),
            ),
            (
                200,
                &[("content-length", "1000"), ("transfer-encoding", "chunked")],
                ARTIFACT,
                0,
                "gives both Content-Length and Transfer-Encoding".into(),
            ),
            (
                200,
                &[("transfer-encoding", "gzip, chunked")],
                ARTIFACT,
                0,
                "sends it in a way we do not know (gzip, chunked)".into(),
            ),
            (200, &[("content-encoding", "gzip")], ARTIFACT, 0, "packs what it sends (gzip), unasked".into()),
            (200, &[("content-length", "1001")], DOCUMENT, 0, "announces 1001 bytes, and at most 1000 may come".into()),
        ] {
            assert_eq!(judge(status, &fields(list), &what, start), Err(Fault::new(why)));
        }
    }

    #[test]
    fn redirects_lead_where_they_may() {
        for (from, to, next) in [
            ("https://a/b/c?d", "https://e/f", Ok("https://e/f")),
            ("https://a/b/c?d", "//e/f", Ok("https://e/f")),
            ("https://a:1/b/c?d", "/f?g#h", Ok("https://a:1/f?g")),
            ("https://a/b/c?d", "f", Ok("https://a/b/f")),
            ("https://a", "f", Ok("https://a/f")),
            ("https://a?d", "?g", Ok("https://a?g")),
            ("http://a/b", "https://e/f", Ok("https://e/f")),
            ("http://a/b", "http://e/f", Ok("http://e/f")),
            ("https://a/b", "http://e/f", Err("redirects to http://e/f, which is not encrypted")),
            ("https://a/b", "HTTP://e/f", Err("redirects to HTTP://e/f, which is not encrypted")),
            (
                "https://a/b",
                "file:///etc/passwd",
                Err("redirects to file:///etc/passwd, which is neither https:// nor http://"),
            ),
            ("http://a/b", "gopher://e", Err("redirects to gopher://e, which is neither https:// nor http://")),
            ("http://a/b", "http://u:p@e/", Err("redirects to http://u:p@e/, which has a user's name in it")),
            ("http://a/b", "http://e/ f", Err("redirects to http://e/ f, which has a character that no address has")),
            ("http://a/b", "", Err("redirects to nowhere")),
        ] {
            let found = redirect(&from.parse().unwrap(), &fields(&[("location", to)]));
            assert_eq!(found.as_ref().map(Url::as_str), next.map_err(Fault::new).as_ref().copied(), "{from} -> {to}");
        }
        let long = format!("https://e/?{}", "x".repeat(4096 - 11));
        assert_eq!(redirect(&"https://a/".parse().unwrap(), &fields(&[("location", &long)])).unwrap().as_str(), long);
        let why = format!("redirects to {}, which is longer than 4096 bytes", &long[..80]);
        let longer = fields(&[("location", &format!("{long}x"))]);
        assert_eq!(redirect(&"https://a/".parse().unwrap(), &longer), Err(Fault::new(why)));
        let twice = fields(&[("location", "/a"), ("location", "/b")]);
        assert_eq!(redirect(&"http://a/".parse().unwrap(), &twice), Err(Fault::new("gives location twice")));
    }
}
