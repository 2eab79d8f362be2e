//! The CAs that TLS trusts.
//!
//! Those of the system, and those that the caller adds. Android is the exception: its verifier has to be set up from
//! Java with a context of the app, and panics at the first handshake where nobody did. There the CAs of Mozilla are
//! used that come with the library, so CAs that a user or a company installed on the device count for nothing; whoever
//! needs one adds it.

use reqwest::Certificate;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::error::{Error, ErrorKind, Result};

/// The CAs that the connections of a client trust.
pub(super) struct Trust {
    /// These take the place of the system's.
    bundled: Option<Vec<Certificate>>,
    extra: Vec<Certificate>,
}

impl Trust {
    /// The CAs of this platform, and those in the PEM texts.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for a text without a certificate, or with one that is none.
    pub(super) fn new(pems: &[Vec<u8>]) -> Result<Self> {
        #[cfg(target_os = "android")]
        let bundled = Some(mozilla()?);
        #[cfg(not(target_os = "android"))]
        let bundled = None;
        Self::with(bundled, pems)
    }

    fn with(bundled: Option<Vec<Certificate>>, pems: &[Vec<u8>]) -> Result<Self> {
        let mut extra = Vec::new();
        for pem in pems {
            extra.extend(certificates(pem)?);
        }
        Ok(Self { bundled, extra })
    }

    /// Has a client trust them.
    pub(super) fn apply(&self, client: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
        match &self.bundled {
            Some(bundled) => client.tls_certs_only(bundled.iter().chain(&self.extra).cloned()),
            None => client.tls_certs_merge(self.extra.iter().cloned()),
        }
    }

    /// Has a client trust what the caller added and nothing else.
    pub(super) fn apply_extra(&self, client: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
        client.tls_certs_only(self.extra.iter().cloned())
    }
}

/// The certificates of a PEM text, each held against what TLS can use: a client would only say that one is bad.
fn certificates(pem: &[u8]) -> Result<Vec<Certificate>> {
    let bad = |why: &str| {
        Error::new(
            ErrorKind::Config,
            format!(
                "read the root certificates: {why}; give one or more in PEM, each from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----"
            ),
        )
    };
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let der = certificate.map_err(|_| bad("they are not PEM"))?;
        let mut store = RootCertStore::empty();
        store
            .add(der.clone())
            .map_err(|_| bad(&format!("number {} is not an X.509 certificate", found.len() + 1)))?;
        found.push(Certificate::from_der(&der).map_err(|_| bad("one cannot be used"))?);
    }
    if found.is_empty() {
        return Err(bad("there is none"));
    }
    Ok(found)
}

/// The CAs of Mozilla, as they were when this version was built.
#[cfg(any(target_os = "android", test))]
fn mozilla() -> Result<Vec<Certificate>> {
    let all = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    all.map(|der| Certificate::from_der(der))
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::new(ErrorKind::Config, "read the bundled CA certificates").with_source(error))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const CA: &[u8] = include_bytes!("../../tests/fixtures/tls/ca.pem");
    const SERVER: &[u8] = include_bytes!("../../tests/fixtures/tls/server.pem");
    const SERVER_KEY: &[u8] = include_bytes!("../../tests/fixtures/tls/server-key.pem");

    /// A server whose certificate is of the CA above; it answers every request with 204.
    async fn server() -> SocketAddr {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let chain = vec![CertificateDer::from_pem_slice(SERVER).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(SERVER_KEY).unwrap();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // A client that does not trust the certificate goes away here.
                if let Ok(mut tls) = acceptor.accept(stream).await {
                    let _ = tls.read(&mut [0; 4096]).await;
                    let _ = tls
                        .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
                        .await;
                    let _ = tls.shutdown().await;
                }
            }
        });
        address
    }

    async fn reaches(trust: &Trust, address: SocketAddr) -> bool {
        let client = trust
            .apply(reqwest::Client::builder().no_proxy())
            .build()
            .unwrap();
        client.get(format!("https://{address}/")).send().await.is_ok()
    }

    #[tokio::test]
    async fn bundled_cas_take_the_place_of_the_systems_and_others_can_be_added() {
        let address = server().await;
        let own = certificates(CA).unwrap();
        // What Android does: the bundled CAs alone, and the bundled CAs with one of the caller's.
        let bundled = || Some(mozilla().unwrap());
        assert!(mozilla().unwrap().len() > 100);
        assert!(!reaches(&Trust::with(bundled(), &[]).unwrap(), address).await);
        assert!(reaches(&Trust::with(bundled(), &[CA.to_vec()]).unwrap(), address).await);
        assert!(reaches(&Trust::with(Some(own), &[]).unwrap(), address).await);
        // What everything else does, with and without.
        assert!(reaches(&Trust::new(&[CA.to_vec()]).unwrap(), address).await);
        let client = Trust::new(&[CA.to_vec()]).unwrap();
        let client = client
            .apply_extra(reqwest::Client::builder().no_proxy())
            .build()
            .unwrap();
        assert!(client.get(format!("https://{address}/")).send().await.is_ok());
    }

    #[test]
    fn what_is_no_certificate_is_one_clear_line() {
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let half = [CA, broken].concat();
        for (pem, word) in [
            (&b""[..], "there is none"),
            (b"not a certificate", "there is none"),
            (SERVER_KEY, "there is none"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n", "not PEM"),
            (broken, "number 1 is not"),
            (&half, "number 2 is not"),
        ] {
            let error = Trust::new(&[pem.to_vec()]).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(word), "{error}");
        }
        assert_eq!(Trust::new(&[[CA, CA].concat()]).unwrap().extra.len(), 2);
    }
}
