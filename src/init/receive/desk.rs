//! What each request gets: by its method, its path, and whether a certificate was shown. No sockets.

use super::state::error;
use wire::http_request::{BadRequest, Request};

/// The most bytes of a bundle.
pub const MAX_BUNDLE: u64 = wire::bundle::MAX_PACKED as u64;
/// The most bytes of a manifest's signature.
pub const MAX_SIGNATURE: u64 = wire::minisig::MAX_BYTES as u64;
/// The most bytes of a manifest.
pub const MAX_MANIFEST: u64 = wire::manifest::MAX_BYTES as u64;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The state as JSON, as far as this client may see it.
    State(Client),
    /// The same as a page.
    Page(Client),
    /// What PID 1 has said.
    Log,
    /// To take this, which has so many bytes.
    Take(Parcel, u64),
    /// A reboot.
    Reboot,
}

/// What can be pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parcel {
    /// A config bundle.
    Bundle,
    /// The signature of the manifest that comes next.
    Signature,
    /// A manifest.
    Manifest,
}

impl Parcel {
    fn most(self) -> u64 {
        match self {
            Parcel::Bundle => MAX_BUNDLE,
            Parcel::Signature => MAX_SIGNATURE,
            Parcel::Manifest => MAX_MANIFEST,
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// As RFC 9110 numbers them.
    pub status: u16,
    /// Of the body.
    pub content_type: &'static str,
    /// All of it.
    pub body: String,
}

/// `application/json`
pub const JSON: &str = "application/json";

impl Answer {
    /// What a program reads.
    pub fn json(status: u16, body: impl Into<String>) -> Answer {
        Answer { status, content_type: JSON, body: body.into() + "\n" }
    }

    /// Why not, in a sentence.
    pub fn refusal(status: u16, sentence: &str) -> Answer {
        Answer::json(status, error(sentence))
    }

    /// As it goes over the wire, before TLS.
    pub fn bytes(&self) -> Vec<u8> {
        let Answer { status, content_type, body } = self;
        let reason = REASONS.iter().find(|(known, _)| known == status).map_or("", |(_, reason)| reason);
        let allow = if *status == 405 { "Allow: GET, PUT, POST\r\n" } else { "" };
        format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{allow}\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// Every status that is answered.
const REASONS: [(u16, &str); 14] = [
    (200, "OK"),
    (202, "Accepted"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (408, "Request Timeout"),
    (409, "Conflict"),
    (411, "Length Required"),
    (413, "Content Too Large"),
    (422, "Unprocessable Content"),
    (431, "Request Header Fields Too Large"),
    (500, "Internal Server Error"),
];

/// Whether a client has shown a certificate that was found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Anybody.
    Stranger,
    /// One of the operators.
    Operator,
}

/// Who knows what to answer, and takes what is pushed.
pub trait Clerk {
    /// One of the operators has asked for something, whatever it is.
    fn notice_operator(&mut self);
    /// The answer to a wish, if it can be had at once. `None`: it comes later, by [`super::connection::Connection::answer`].
    fn fulfil(&mut self, wish: Wish) -> Option<Answer>;
    /// Begins to take a parcel, unless there is a reason not to.
    fn begin(&mut self, parcel: Parcel) -> Result<(), Answer>;
    /// Takes the next bytes of it.
    fn take(&mut self, parcel: Parcel, bytes: &[u8]) -> Result<(), Answer>;
    /// It will not come whole.
    fn give_up(&mut self, parcel: Parcel);
}

/// What a request asks for, or why it gets nothing.
pub fn judge(request: &Request, client: Client) -> Result<Wish, Answer> {
    let wish = match (request.path, request.method) {
        ("/", "GET") if request.wants_page => Wish::Page(client),
        ("/", "GET") => Wish::State(client),
        ("/log", "GET") => Wish::Log,
        ("/config", "PUT") => Wish::Take(Parcel::Bundle, 0),
        ("/release.minisig", "PUT") => Wish::Take(Parcel::Signature, 0),
        ("/release", "PUT") => Wish::Take(Parcel::Manifest, 0),
        ("/reboot", "POST") => Wish::Reboot,
        ("/" | "/log" | "/config" | "/release.minisig" | "/release" | "/reboot", method) => {
            let sentence = format!("{} cannot be asked for with {method}", request.path);
            return Err(Answer::refusal(405, &sentence));
        }
        (path, _) => return Err(Answer::refusal(404, &format!("there is no {path} here"))),
    };
    if client == Client::Stranger && !matches!(wish, Wish::State(_) | Wish::Page(_)) {
        let sentence = format!("{} needs a certificate of this VM's operators (curl --cert)", request.path);
        return Err(Answer::refusal(401, &sentence));
    }
    if request.from_page && !matches!(wish, Wish::State(_) | Wish::Page(_) | Wish::Log) {
        // Any page can have a browser send this, and the browser would show the operator's certificate with it.
        let sentence = format!("a page in a browser may not ask for {} (the request has an Origin)", request.path);
        return Err(Answer::refusal(403, &sentence));
    }
    match (wish, request.length) {
        (Wish::Take(..), None) => {
            Err(Answer::refusal(411, "the request has no Content-Length (curl -T FILE sends one)"))
        }
        (Wish::Take(parcel, _), Some(length)) if length > parcel.most() => {
            let sentence = format!("{length} bytes are too many: {} can have {}", request.path, parcel.most());
            Err(Answer::refusal(413, &sentence))
        }
        (Wish::Take(parcel, _), Some(length)) => Ok(Wish::Take(parcel, length)),
        (_, Some(1..)) => Err(Answer::refusal(413, &format!("{} takes no bytes", request.path))),
        (wish, None | Some(0)) => Ok(wish),
    }
}

/// The answer to what is no request.
pub fn refuse(bad: BadRequest) -> Answer {
    Answer::refusal(bad.status(), &bad.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request<'h>(method: &'h str, path: &'h str, length: Option<u64>) -> Request<'h> {
        Request { method, path, length, expects_continue: false, wants_page: false, from_page: false }
    }

    #[test]
    fn each_request_gets_what_it_asks_for() {
        for (method, path, length, wish) in [
            ("GET", "/", None, Wish::State(Client::Operator)),
            ("GET", "/", Some(0), Wish::State(Client::Operator)),
            ("GET", "/log", None, Wish::Log),
            ("PUT", "/config", Some(MAX_BUNDLE), Wish::Take(Parcel::Bundle, MAX_BUNDLE)),
            ("PUT", "/config", Some(0), Wish::Take(Parcel::Bundle, 0)),
            ("PUT", "/release.minisig", Some(MAX_SIGNATURE), Wish::Take(Parcel::Signature, MAX_SIGNATURE)),
            ("PUT", "/release", Some(MAX_MANIFEST), Wish::Take(Parcel::Manifest, MAX_MANIFEST)),
            ("POST", "/reboot", Some(0), Wish::Reboot),
            ("POST", "/reboot", None, Wish::Reboot),
        ] {
            assert_eq!(judge(&request(method, path, length), Client::Operator), Ok(wish), "{method} {path}");
            let strangers = judge(&request(method, path, length), Client::Stranger);
            match wish {
                Wish::State(_) => assert_eq!(strangers, Ok(Wish::State(Client::Stranger))),
                Wish::Page(_) | Wish::Log | Wish::Take(..) | Wish::Reboot => {
                    let sentence = format!("{path} needs a certificate of this VM's operators (curl --cert)");
                    assert_eq!(strangers, Err(Answer::refusal(401, &sentence)));
                }
            }
        }
        let page = Request { wants_page: true, ..request("GET", "/", None) };
        assert_eq!(judge(&page, Client::Stranger), Ok(Wish::Page(Client::Stranger)));
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_a_sentence() {
        for (method, path, length, status, sentence) in [
            ("GET", "/x", None, 404, "there is no /x here"),
            ("GET", "/log?all", None, 404, "there is no /log?all here"),
            ("GET", "//", None, 404, "there is no // here"),
            ("DELETE", "/config", None, 405, "/config cannot be asked for with DELETE"),
            ("GET", "/reboot", None, 405, "/reboot cannot be asked for with GET"),
            ("PUT", "/config", None, 411, "the request has no Content-Length (curl -T FILE sends one)"),
            ("PUT", "/config", Some(16_842_753), 413, "16842753 bytes are too many: /config can have 16842752"),
            ("PUT", "/release.minisig", Some(4097), 413, "4097 bytes are too many: /release.minisig can have 4096"),
            ("PUT", "/release", Some(65537), 413, "65537 bytes are too many: /release can have 65536"),
            ("GET", "/", Some(1), 413, "/ takes no bytes"),
            ("POST", "/reboot", Some(1), 413, "/reboot takes no bytes"),
        ] {
            let refused = judge(&request(method, path, length), Client::Operator);
            assert_eq!(refused, Err(Answer::refusal(status, sentence)), "{method} {path}");
        }
    }

    #[test]
    fn what_a_page_in_a_browser_asks_for_changes_nothing() {
        for (method, path, length, refused) in [
            ("GET", "/", None, false),
            ("GET", "/log", None, false),
            ("POST", "/reboot", None, true),
            ("PUT", "/config", Some(1), true),
            ("PUT", "/release.minisig", Some(1), true),
            ("PUT", "/release", Some(1), true),
        ] {
            let asked = Request { from_page: true, ..request(method, path, length) };
            let sentence = format!("a page in a browser may not ask for {path} (the request has an Origin)");
            let answer = judge(&asked, Client::Operator).err();
            assert_eq!(answer, refused.then(|| Answer::refusal(403, &sentence)), "{method} {path}");
        }
    }

    #[test]
    fn every_status_has_its_words() {
        let text = |status| String::from_utf8(Answer::refusal(status, "no").bytes()).unwrap();
        for (status, reason) in REASONS {
            let first = format!("HTTP/1.1 {status} {reason}\r\n");
            assert!(
                text(status).starts_with(&first) && text(status).ends_with("\r\n\r\n{\"error\":\"no\"}\n"),
                "{status}"
            );
            assert!(text(status).contains("\r\nContent-Length: 15\r\n"), "{}", text(status));
        }
        assert!(text(405).contains("\r\nAllow: GET, PUT, POST\r\n"));
    }
}
