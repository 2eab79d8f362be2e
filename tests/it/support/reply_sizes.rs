//! A relay in front of the sandbox that measures replies, so that tests can aim at their bytes.

#![cfg(feature = "cli")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use reelkin::VideoClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::bench::builder;

/// The size of a reply.
#[derive(Debug, Default, Clone)]
pub(crate) struct Reply {
    /// The first line of the request.
    pub(crate) request: String,
    /// Status line and headers.
    pub(crate) head: usize,
    /// Headers and body.
    pub(crate) whole: usize,
}

/// Runs a client through the relay and returns the sizes of the replies.
pub(crate) async fn measure<O>(
    sandbox: SocketAddr,
    library: &Path,
    drive: impl AsyncFnOnce(VideoClient) -> O,
) -> Vec<Reply> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::<Reply>::new()));
    let server = {
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(relay(client, sandbox, Arc::clone(&seen)));
            }
        })
    };
    drive(builder(&base, library).build().unwrap()).await;
    server.abort();
    std::mem::take(&mut *seen.lock().unwrap())
}

async fn relay(mut client: TcpStream, sandbox: SocketAddr, seen: Arc<Mutex<Vec<Reply>>>) {
    let mut server = TcpStream::connect(sandbox).await.unwrap();
    let (mut there, mut back) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let (mut place, mut head) = (None, Vec::new());
    loop {
        tokio::select! {
            read = client.read(&mut there) => {
                let Ok(count @ 1..) = read else { return };
                let answered = place.is_none_or(|place: usize| seen.lock().unwrap()[place].whole > 0);
                if answered {
                    let line = String::from_utf8_lossy(&there[..count]).lines().next().unwrap().to_owned();
                    let mut seen = seen.lock().unwrap();
                    seen.push(Reply { request: line, ..Reply::default() });
                    (place, head) = (Some(seen.len() - 1), Vec::new());
                }
                server.write_all(&there[..count]).await.unwrap();
            }
            read = server.read(&mut back) => {
                let Ok(count @ 1..) = read else { return };
                if let Some(place) = place {
                    let mut seen = seen.lock().unwrap();
                    let reply = &mut seen[place];
                    reply.whole += count;
                    if reply.head == 0 {
                        head.extend_from_slice(&back[..count]);
                        let end = head.windows(4).position(|four| four == b"\r\n\r\n");
                        reply.head = end.map_or(0, |end| end + 4);
                    }
                }
                if client.write_all(&back[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}
