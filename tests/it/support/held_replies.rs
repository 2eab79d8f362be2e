//! A relay in front of the sandbox that holds the replies to some requests until the test releases them.

#![cfg(feature = "cli")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The requests whose replies are held.
struct Held {
    /// The start of their first lines.
    start: &'static str,
    /// The number of them that are still answered.
    let_through: AtomicUsize,
    released: watch::Sender<bool>,
}

/// A running relay, which stops when it is dropped.
pub(crate) struct HeldReplies {
    held: Arc<Held>,
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl HeldReplies {
    /// Holds the replies to requests with this start, after the first `let_through` of them.
    pub(crate) async fn start(sandbox: SocketAddr, start: &'static str, let_through: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let held = Arc::new(Held {
            start,
            let_through: AtomicUsize::new(let_through),
            released: watch::Sender::new(false),
        });
        let server = {
            let held = Arc::clone(&held);
            tokio::spawn(async move {
                loop {
                    let (client, _) = listener.accept().await.unwrap();
                    tokio::spawn(relay(client, sandbox, Arc::clone(&held)));
                }
            })
        };
        Self {
            held,
            address,
            server,
        }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Releases the held replies, and holds no more.
    pub(crate) fn release(&self) {
        self.held.released.send_replace(true);
    }
}

impl Drop for HeldReplies {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Held {
    /// Returns whether the reply to a request with this start is to be held.
    fn takes(&self, request: &[u8]) -> bool {
        request.starts_with(self.start.as_bytes())
            && self
                .let_through
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                .is_err()
    }
}

async fn relay(mut client: TcpStream, sandbox: SocketAddr, held: Arc<Held>) {
    let mut server = TcpStream::connect(sandbox).await.unwrap();
    let (mut there, mut back) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut released = held.released.subscribe();
    let mut is_held = false;
    loop {
        tokio::select! {
            read = client.read(&mut there) => {
                let Ok(count @ 1..) = read else { return };
                is_held |= held.takes(&there[..count]);
                if server.write_all(&there[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut back), if !is_held || *released.borrow() => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&back[..count]).await.is_err() {
                    return;
                }
            }
            _ = released.changed() => {}
        }
    }
}
