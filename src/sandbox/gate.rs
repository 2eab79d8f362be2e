//! Connections that can be cut.
//!
//! Owns the socket below HTTP, so that a request can be left without a single byte of answer. Knows
//! nothing of what is said over it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// The switch of one connection.
#[derive(Debug, Default)]
struct Switch {
    cut: AtomicBool,
    waker: AtomicWaker,
}

/// Cuts the connection a request came over.
#[derive(Debug, Clone)]
pub(super) struct Gate(Arc<Switch>);

impl Gate {
    /// From here on the connection carries nothing more in either direction.
    pub(super) fn cut(&self) {
        self.0.cut.store(true, Ordering::Release);
        self.0.waker.wake();
    }
}

/// All open connections of a server.
#[derive(Debug, Clone, Default)]
pub(super) struct Gates(Arc<Mutex<Vec<Weak<Switch>>>>);

impl Gates {
    pub(super) fn cut_all(&self) {
        for switch in self.lock().drain(..).filter_map(|switch| switch.upgrade()) {
            Gate(switch).cut();
        }
    }

    fn new_gate(&self) -> Gate {
        let switch = Arc::new(Switch::default());
        let mut all = self.lock();
        all.retain(|known| known.strong_count() > 0);
        all.push(Arc::downgrade(&switch));
        Gate(switch)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Switch>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts connections and gives each its gate.
#[derive(Debug)]
pub(super) struct GatedListener {
    listener: TcpListener,
    gates: Gates,
}

impl GatedListener {
    pub(super) fn new(listener: TcpListener, gates: Gates) -> Self {
        Self { listener, gates }
    }
}

impl Listener for GatedListener {
    type Io = GatedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (GatedStream, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Small JSON answers: without this they wait for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        (
            GatedStream {
                stream,
                gate: self.gates.new_gate(),
            },
            address,
        )
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, GatedListener>> for Gate {
    fn connect_info(stream: IncomingStream<'_, GatedListener>) -> Self {
        stream.io().gate.clone()
    }
}

/// A connection with its gate.
#[derive(Debug)]
pub(super) struct GatedStream {
    stream: TcpStream,
    gate: Gate,
}

impl GatedStream {
    fn check(&self, context: &Context<'_>) -> io::Result<()> {
        self.gate.0.waker.register(context.waker());
        if self.gate.0.cut.load(Ordering::Acquire) {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionReset,
                "cut by the script",
            ));
        }
        Ok(())
    }
}

impl AsyncRead for GatedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
