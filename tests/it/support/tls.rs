//! TLS in front of a server.

#![cfg(feature = "cli")]

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) const CA: &[u8] = include_bytes!("../../fixtures/tls/ca.pem");

const CHAIN: &[u8] = include_bytes!("../../fixtures/tls/server.pem");

const CHAIN_KEY: &[u8] = include_bytes!("../../fixtures/tls/server-key.pem");

/// A relay that ends TLS. Its certificate names `localhost`, 127.0.0.1 and the hosts of the tests.
pub(crate) struct Tls {
    pub(crate) address: SocketAddr,
    handshakes: watch::Sender<Handshakes>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Handshakes {
    are_held: bool,
    begun: usize,
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Tls {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        Self::with_protocol(server, "http/1.1").await
    }

    /// Starts a relay that offers one protocol (ALPN).
    pub(crate) async fn with_protocol(server: SocketAddr, protocol: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let chain = vec![CertificateDer::from_pem_slice(CHAIN).unwrap()];
        let mut config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_slice(CHAIN_KEY).unwrap())
            .unwrap();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handshakes = watch::Sender::<Handshakes>::default();
        let task = {
            let handshakes = handshakes.clone();
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let acceptor = acceptor.clone();
                    let mut released = handshakes.subscribe();
                    handshakes.send_modify(|handshakes| handshakes.begun += 1);
                    tokio::spawn(async move {
                        released.wait_for(|handshakes| !handshakes.are_held).await.ok()?;
                        let mut client = acceptor.accept(stream).await.ok()?;
                        let mut server = TcpStream::connect(server).await.ok()?;
                        tokio::io::copy_bidirectional(&mut client, &mut server).await.ok()
                    });
                }
            })
        };
        Self {
            address,
            handshakes,
            task,
        }
    }

    /// Holds new handshakes until they are released.
    pub(crate) fn hold(&self) {
        self.handshakes
            .send_modify(|handshakes| handshakes.are_held = true);
    }

    pub(crate) fn release(&self) {
        self.handshakes
            .send_modify(|handshakes| handshakes.are_held = false);
    }

    /// Waits until a client has connected.
    pub(crate) async fn until_connected(&self) {
        let mut handshakes = self.handshakes.subscribe();
        handshakes
            .wait_for(|handshakes| handshakes.begun > 0)
            .await
            .unwrap();
    }
}
