//! The listening socket, and restarts: the server goes down and comes back at the same address.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, oneshot};

use super::byte_faults::RequestLimit;
use super::connection::{Connection, FaultStream, OpenConnections};

/// How often a restarted server tries to bind its port again, and the pause in between: 10 s in all.
const MAX_BIND_ATTEMPTS: u32 = 500;
const BIND_PAUSE: Duration = Duration::from_millis(20);

/// How long the server is to be down, and who is told when it is back.
type RestartRequest = (Duration, Option<oneshot::Sender<()>>);

/// Tells the listener to go down and come back.
#[derive(Debug, Clone)]
pub(crate) struct Restarts(mpsc::Sender<RestartRequest>);

impl Restarts {
    pub(crate) fn new() -> (Self, mpsc::Receiver<RestartRequest>) {
        let (sender, receiver) = mpsc::channel(4);
        (Self(sender), receiver)
    }

    /// Starts a restart and returns at once. During a restart, up to four more are queued and further ones are ignored.
    pub(crate) fn begin(&self, downtime: Duration) {
        let _ = self.0.try_send((downtime, None));
    }

    /// Restarts the server and returns when it accepts connections again.
    pub(crate) async fn run(&self, downtime: Duration) {
        let (sender, receiver) = oneshot::channel();
        if self.0.send((downtime, Some(sender))).await.is_ok() {
            let _ = receiver.await;
        }
    }
}

/// Accepts connections as [`FaultStream`]s and carries out restarts.
#[derive(Debug)]
pub(crate) struct FaultListener {
    /// `None` if the port could not be bound again after a restart.
    listener: Option<TcpListener>,
    address: SocketAddr,
    connections: OpenConnections,
    restarts: mpsc::Receiver<RestartRequest>,
    request_limit: Arc<dyn RequestLimit>,
}

impl FaultListener {
    pub(crate) fn new(
        listener: TcpListener,
        address: SocketAddr,
        connections: OpenConnections,
        restarts: mpsc::Receiver<RestartRequest>,
        request_limit: Arc<dyn RequestLimit>,
    ) -> Self {
        Self {
            listener: Some(listener),
            address,
            connections,
            restarts,
            request_limit,
        }
    }

    async fn restart(&mut self, (downtime, finished): RestartRequest) {
        self.listener = None;
        // Bound but not listening: connections are refused, and no other process gets the port.
        let mut bound = bind(self.address);
        self.connections.reset_all();
        tokio::time::sleep(downtime).await;
        // Between closing one socket and binding the next, an outgoing connection may have been given the port.
        for _ in 0..MAX_BIND_ATTEMPTS {
            match bound.and_then(|socket| socket.listen(1024)) {
                Ok(listener) => {
                    self.listener = Some(listener);
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, address = %self.address, "sandbox: the port is not free yet after a restart");
                    tokio::time::sleep(BIND_PAUSE).await;
                    bound = bind(self.address);
                }
            }
        }
        if self.listener.is_none() {
            tracing::error!(address = %self.address, "sandbox: could not bind the port again after a restart");
        }
        if let Some(finished) = finished {
            let _ = finished.send(());
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // Earlier connections may still be in TIME_WAIT.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

impl Listener for FaultListener {
    type Io = FaultStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (FaultStream, SocketAddr) {
        loop {
            let next = async {
                match &mut self.listener {
                    Some(listener) => Listener::accept(listener).await,
                    None => std::future::pending().await,
                }
            };
            let (stream, address) = tokio::select! {
                biased;
                Some(request) = self.restarts.recv() => {
                    self.restart(request).await;
                    continue;
                }
                accepted = next => accepted,
            };
            // With Nagle's algorithm, small JSON replies would wait for the peer's delayed acknowledgment.
            let _ = stream.set_nodelay(true);
            let connection = self.connections.open();
            let stream = FaultStream::new(stream, connection, Arc::clone(&self.request_limit));
            return (stream, address);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, FaultListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, FaultListener>) -> Self {
        stream.io().connection().clone()
    }
}
