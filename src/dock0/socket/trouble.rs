//! Why a VM gave no answer, in words, and whether asking again can help.

use rustls::{AlertDescription, CertificateError};
use std::fmt;
use std::io::{self, ErrorKind};

/// What can be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has not been told anything yet, and may answer later.
    Away,
    /// The same would happen again.
    Final,
    /// It may have got what was sent: the answer is missing.
    Lost,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What can be done about it.
    pub kind: Kind,
    /// Behind the VM's name and a colon.
    pub why: String,
}

impl Trouble {
    /// It may answer later.
    pub fn away(why: impl Into<String>) -> Trouble {
        Trouble { kind: Kind::Away, why: why.into() }
    }

    /// It will not be better later.
    pub fn is_final(why: impl Into<String>) -> Trouble {
        Trouble { kind: Kind::Final, why: why.into() }
    }

    /// What an error of a connection means. `own` is the file of our certificate, if we have one to show.
    pub fn of(error: &io::Error, own: Option<&str>) -> Trouble {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => Trouble::is_final(of_tls(error, own)),
            None => Trouble::away(of_socket(error)),
        }
    }

    /// The same, where the VM may have got what was sent.
    pub fn or_lost(self) -> Trouble {
        match self.kind {
            Kind::Away => Trouble { kind: Kind::Lost, ..self },
            Kind::Final | Kind::Lost => self,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// What the most usual errors of a connection are called here.
const SOCKET: [(ErrorKind, &str); 6] = [
    (ErrorKind::ConnectionRefused, "connection refused"),
    (ErrorKind::TimedOut, "no answer in time"),
    (ErrorKind::WouldBlock, "no answer in time"),
    (ErrorKind::UnexpectedEof, "it closed the connection"),
    (ErrorKind::ConnectionReset, "it closed the connection"),
    (ErrorKind::BrokenPipe, "it closed the connection"),
];

fn of_socket(error: &io::Error) -> String {
    let known = SOCKET.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or_else(|| error.to_string(), |(_, words)| (*words).to_string())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all others are rustls' own words")]
fn of_tls(error: &rustls::Error, own: Option<&str>) -> String {
    match error {
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) | rustls::Error::PeerIncompatible(_) => {
            "it does not speak TLS 1.3".into()
        }
        rustls::Error::AlertReceived(alert) => of_alert(*alert, own),
        rustls::Error::InvalidCertificate(CertificateError::Other(why)) => why.to_string(),
        rustls::Error::InvalidMessage(_) => "it does not speak TLS: is this the right port?".into(),
        other => format!("TLS: {other}"),
    }
}

/// The alerts that are about our certificate (RFC 8446, section 6.2), and why a VM sends them; where it sends one for more
/// than one reason, its name has to do.
const REFUSALS: [(AlertDescription, Option<&str>); 8] = [
    (AlertDescription::UnknownCA, Some("it is not of the operators' CA that this VM trusts")),
    (AlertDescription::CertificateExpired, Some("by the VM's clock it has expired, or is not valid yet")),
    (AlertDescription::UnsupportedCertificate, Some("it is not for operators (dock0 keygen operator)")),
    (AlertDescription::BadCertificate, None),
    (AlertDescription::CertificateUnknown, None),
    (AlertDescription::CertificateRevoked, None),
    (AlertDescription::AccessDenied, None),
    (AlertDescription::DecryptError, None),
];

fn of_alert(alert: AlertDescription, own: Option<&str>) -> String {
    match (own, REFUSALS.iter().find(|(known, _)| *known == alert)) {
        (Some(own), Some((_, Some(why)))) => format!("it refuses our certificate {own}: {why}"),
        (Some(own), Some((_, None))) => format!("it refuses our certificate {own}: alert {}", name(alert)),
        (_, _) => format!("it ended TLS with the alert {}", name(alert)),
    }
}

/// Words instead of `CertificateUnknown`.
fn name(alert: AlertDescription) -> String {
    let mut words = String::new();
    for c in format!("{alert:?}").chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::PeerIncompatible;

    #[test]
    fn each_trouble_has_words_and_tells_whether_to_ask_again() {
        let tls = |error: rustls::Error| io::Error::new(ErrorKind::InvalidData, error);
        let alert = |alert| tls(rustls::Error::AlertReceived(alert));
        let own = Some("operator.pem");
        for (error, own, kind, why) in [
            (ErrorKind::ConnectionRefused.into(), own, Kind::Away, "connection refused"),
            (ErrorKind::WouldBlock.into(), own, Kind::Away, "no answer in time"),
            (ErrorKind::UnexpectedEof.into(), own, Kind::Away, "it closed the connection"),
            (io::Error::from_raw_os_error(113), own, Kind::Away, "No route to host (os error 113)"),
            (alert(AlertDescription::ProtocolVersion), own, Kind::Final, "it does not speak TLS 1.3"),
            (
                tls(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into()),
                own,
                Kind::Final,
                "it does not speak TLS 1.3",
            ),
            (
                alert(AlertDescription::UnknownCA),
                own,
                Kind::Final,
                "it refuses our certificate operator.pem: it is not of the operators' CA that this VM trusts",
            ),
            (
                alert(AlertDescription::CertificateExpired),
                own,
                Kind::Final,
                "it refuses our certificate operator.pem: by the VM's clock it has expired, or is not valid yet",
            ),
            (
                alert(AlertDescription::UnsupportedCertificate),
                own,
                Kind::Final,
                "it refuses our certificate operator.pem: it is not for operators (dock0 keygen operator)",
            ),
            (
                alert(AlertDescription::CertificateUnknown),
                own,
                Kind::Final,
                "it refuses our certificate operator.pem: alert certificate unknown",
            ),
            (
                alert(AlertDescription::CertificateRequired),
                None,
                Kind::Final,
                "it ended TLS with the alert certificate required",
            ),
            (
                alert(AlertDescription::HandshakeFailure),
                own,
                Kind::Final,
                "it ended TLS with the alert handshake failure",
            ),
            (
                tls(rustls::InvalidMessage::InvalidContentType.into()),
                own,
                Kind::Final,
                "it does not speak TLS: is this the right port?",
            ),
        ] {
            assert_eq!(Trouble::of(&error, own), Trouble { kind, why: why.into() });
        }
        assert_eq!(Trouble::away("x").or_lost().kind, Kind::Lost);
        assert_eq!(Trouble::is_final("x").or_lost().kind, Kind::Final);
    }
}
