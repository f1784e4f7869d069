//! TLS for the fetching child: rustls under ureq, with the roots that are built in and those of a CA file.
//!
//! ureq's own connector knows either the one or the other.

use super::crypto;
use crate::failure::Failure;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fmt;
use std::io::{Read, Write};
use std::sync::Arc;
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

/// The longest CA file, in bytes.
pub const MAX_CA: u64 = 256 << 10;

/// Whom to trust: the roots that are built in, and each certificate in `ca`, in PEM.
pub fn trust(ca: Option<&[u8]>) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = ca {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|why| Failure::new(format!("reading the CA file: {why}")))?;
            roots
                .add(certificate)
                .map_err(|why| Failure::new(format!("taking a certificate of the CA file: {why}")))?;
        }
        if roots.len() == before {
            return Err(Failure::new("reading the CA file: there is no certificate in it"));
        }
    }
    let mut config = ClientConfig::builder_with_provider(crypto::provider())
        .with_safe_default_protocol_versions()
        .map_err(|why| Failure::new(format!("setting TLS up: {why}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A connection lives for one request; there is nothing to resume.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Puts TLS over the connection where the address is `https://`.
pub struct Tls(pub Arc<ClientConfig>);

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, Encrypted>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = chained else { return Ok(None) };
        if !details.needs_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let host = details.uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let name =
            ServerName::try_from(host.to_string()).map_err(|_| Error::Tls("no certificate can have this name"))?;
        let mut connection = ClientConnection::new(self.0.clone(), name).map_err(|why| Error::Other(Box::new(why)))?;
        let mut socket = TransportAdapter::new(transport.boxed(), details.current_time.clone());
        socket.set_timeout(details.timeout);
        connection.complete_io(&mut socket)?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(Encrypted { buffers, stream: StreamOwned { conn: connection, sock: socket } })))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// A connection with TLS over it.
pub struct Encrypted {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl Transport for Encrypted {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.sock.set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        Ok(self.stream.write_all(output)?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.sock.set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encrypted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_file_holds_certificates_or_is_an_error() {
        for (row, ca, why) in [
            ("empty", &b""[..], "reading the CA file: there is no certificate in it"),
            (
                "a key",
                b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "reading the CA file: there is no",
            ),
            ("cut off", b"-----BEGIN CERTIFICATE-----\nAAAA\n", "reading the CA file: "),
            ("noise", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "taking a certificate of"),
        ] {
            let failure = trust(Some(ca)).map(drop).unwrap_err().to_string();
            assert!(failure.starts_with(why), "{row}: {failure}");
        }
        trust(None).unwrap();
    }
}
