//! The certificate authorities (CAs) that TLS connections trust.
//!
//! Owns the choice: the CAs of the system and those that the caller adds. On Android the CAs of the system cannot be used,
//! because their verifier panics unless Java code has initialized it. There the built-in CAs of Mozilla replace them, and
//! a CA that a user or a company installed on the device has to be added by the caller.

use reqwest::Certificate;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::error::{Error, Result};

/// The CAs that a client trusts.
pub(super) struct RootCertificates {
    /// CAs that replace those of the system.
    bundled: Option<Vec<Certificate>>,
    extra: Vec<Certificate>,
}

impl RootCertificates {
    /// Reads additional CAs from PEM files.
    ///
    /// # Errors
    /// `Config` for a file that has no certificate or an invalid one.
    pub(super) fn new(pems: &[Vec<u8>]) -> Result<Self> {
        Self::from_parts(bundled_for(std::env::consts::OS)?, pems)
    }

    fn from_parts(bundled: Option<Vec<Certificate>>, pems: &[Vec<u8>]) -> Result<Self> {
        let mut extra = Vec::new();
        for pem in pems {
            extra.extend(parse_pem(pem)?);
        }
        Ok(Self { bundled, extra })
    }

    /// Configures a client to trust these CAs.
    pub(super) fn apply(&self, client: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
        match &self.bundled {
            Some(bundled) => client.tls_certs_only(bundled.iter().chain(&self.extra).cloned()),
            None => client.tls_certs_merge(self.extra.iter().cloned()),
        }
    }

    /// Configures a client to trust only the CAs that the caller added.
    pub(super) fn apply_extra_only(&self, client: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
        client.tls_certs_only(self.extra.iter().cloned())
    }
}

/// Parses the certificates of a PEM file. Checks each one here, because reqwest does not say which one is invalid.
fn parse_pem(pem: &[u8]) -> Result<Vec<Certificate>> {
    let invalid = |why: &str| {
        Error::config(format!(
            "read the root certificates: {why}; pass one or more in PEM, each from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----"
        ))
    };
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let der = certificate.map_err(|_| invalid("they are not PEM"))?;
        let unusable = |why| invalid(&format!("number {} {why}", certificates.len() + 1));
        let mut store = RootCertStore::empty();
        store
            .add(der.clone())
            .map_err(|_| unusable("is not an X.509 certificate"))?;
        let certificate = Certificate::from_der(&der).map_err(|_| unusable("cannot be used"))?;
        certificates.push(certificate);
    }
    if certificates.is_empty() {
        return Err(invalid("there is none"));
    }
    Ok(certificates)
}

/// Returns the CAs that replace those of an operating system: the CAs of Mozilla as of the build of this version, where
/// those of the system cannot be used.
#[cfg(any(target_os = "android", test))]
fn bundled_for(os: &str) -> Result<Option<Vec<Certificate>>> {
    if os != "android" {
        return Ok(None);
    }
    let all = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    let all = all.map(|der| Certificate::from_der(der));
    all.collect::<std::result::Result<_, _>>()
        .map(Some)
        .map_err(|error| Error::config("read the bundled CA certificates").with_source(error))
}

/// Does what the function above does, in builds for other systems, which do not contain the CAs of Mozilla.
#[cfg(not(any(target_os = "android", test)))]
#[expect(clippy::unnecessary_wraps, reason = "the function above can fail")]
const fn bundled_for(_os: &str) -> Result<Option<Vec<Certificate>>> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::error::ErrorKind;

    const CA: &[u8] = include_bytes!("../../tests/fixtures/tls/ca.pem");
    const SERVER: &[u8] = include_bytes!("../../tests/fixtures/tls/server.pem");
    const SERVER_KEY: &[u8] = include_bytes!("../../tests/fixtures/tls/server-key.pem");

    /// Starts a server whose certificate is signed by the CA above. It replies to every request with 204.
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
                // Fails for a client that does not trust the certificate.
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

    async fn reaches(roots: &RootCertificates, address: SocketAddr) -> bool {
        let client = roots
            .apply(reqwest::Client::builder().no_proxy())
            .build()
            .unwrap();
        client.get(format!("https://{address}/")).send().await.is_ok()
    }

    #[tokio::test]
    async fn bundled_cas_replace_those_of_the_system_and_others_can_be_added() {
        let address = server().await;
        let own = parse_pem(CA).unwrap();
        // As on Android: the bundled CAs alone, and with one that the caller added.
        let bundled = || bundled_for("android").unwrap();
        assert!(bundled().unwrap().len() > 100);
        assert!(bundled_for("linux").unwrap().is_none());
        assert!(!reaches(&RootCertificates::from_parts(bundled(), &[]).unwrap(), address).await);
        assert!(
            reaches(
                &RootCertificates::from_parts(bundled(), &[CA.to_vec()]).unwrap(),
                address
            )
            .await
        );
        assert!(reaches(&RootCertificates::from_parts(Some(own), &[]).unwrap(), address).await);
        // As on other platforms.
        assert!(reaches(&RootCertificates::new(&[CA.to_vec()]).unwrap(), address).await);
        let client = RootCertificates::new(&[CA.to_vec()]).unwrap();
        let client = client
            .apply_extra_only(reqwest::Client::builder().no_proxy())
            .build()
            .unwrap();
        assert!(client.get(format!("https://{address}/")).send().await.is_ok());
    }

    #[test]
    fn an_invalid_certificate_is_a_clear_error_in_one_line() {
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
            let error = RootCertificates::new(&[pem.to_vec()]).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(word), "{error}");
        }
        assert_eq!(
            RootCertificates::new(&[[CA, CA].concat()]).unwrap().extra.len(),
            2
        );
    }
}
