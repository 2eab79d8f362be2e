//! Connections that can be cut, at any byte, and a server that can go down.
//!
//! Owns the sockets below HTTP, so that a request can be left without a single byte of answer. Knows
//! nothing of what is said over them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::line::{Incoming, Reply, ReplyFault, RequestCut, Source, Step};

/// The switch of one connection.
#[derive(Debug, Default)]
struct Switch {
    cut: AtomicBool,
    /// A cut is an abrupt one.
    reset: AtomicBool,
    waker: AtomicWaker,
    /// The reply that comes next, or is under way, and its fault.
    reply: Mutex<Option<Reply>>,
}

impl Switch {
    fn reply(&self) -> MutexGuard<'_, Option<Reply>> {
        self.reply.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    /// The same, without a farewell.
    fn reset(&self) {
        self.0.reset.store(true, Ordering::Release);
        self.cut();
    }

    /// The reply that is written next meets this fault at its byte `at`.
    pub(super) fn arm(&self, at: u64, fault: ReplyFault) {
        *self.0.reply() = Some(Reply::new(at, fault));
    }

    /// The next reply meets none.
    pub(super) fn disarm(&self) {
        *self.0.reply() = None;
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

    fn reset_all(&self) {
        for switch in self.lock().drain(..).filter_map(|switch| switch.upgrade()) {
            Gate(switch).reset();
        }
    }

    fn new_gate(&self) -> Gate {
        let switch = Arc::new(Switch::default());
        let mut all = self.lock();
        all.retain(|known| known.strong_count() > 0);
        all.push(Arc::downgrade(&switch));
        Gate(switch)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Switch>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a server tries to have its port again, and how long it waits in between: 10 s in all.
const COME_BACK: u32 = 500;
const COME_BACK_PAUSE: Duration = Duration::from_millis(20);

/// An order to go down.
#[derive(Debug)]
pub(super) struct Restart {
    downtime: Duration,
    back: Option<oneshot::Sender<()>>,
}

/// Orders the server to go down and come back.
#[derive(Debug, Clone)]
pub(super) struct Restarts(mpsc::Sender<Restart>);

impl Restarts {
    pub(super) fn new() -> (Self, mpsc::Receiver<Restart>) {
        let (orders, receiver) = mpsc::channel(4);
        (Self(orders), receiver)
    }

    /// Begins a restart. While one is under way, another four wait and more are none.
    pub(super) fn begin(&self, downtime: Duration) {
        let _ = self.0.try_send(Restart { downtime, back: None });
    }

    /// Restarts, and returns when the server is back.
    pub(super) async fn order(&self, downtime: Duration) {
        let (back, wait) = oneshot::channel();
        let back = Some(back);
        if self.0.send(Restart { downtime, back }).await.is_ok() {
            let _ = wait.await;
        }
    }
}

/// Accepts connections and gives each its gate.
#[derive(Debug)]
pub(super) struct GatedListener {
    /// `None` when the port could not be had again.
    listener: Option<TcpListener>,
    address: SocketAddr,
    gates: Gates,
    restarts: mpsc::Receiver<Restart>,
    request_cut: Arc<dyn RequestCut>,
}

impl GatedListener {
    pub(super) fn new(
        listener: TcpListener,
        address: SocketAddr,
        gates: Gates,
        restarts: mpsc::Receiver<Restart>,
        request_cut: Arc<dyn RequestCut>,
    ) -> Self {
        Self {
            listener: Some(listener),
            address,
            gates,
            restarts,
            request_cut,
        }
    }

    async fn restart(&mut self, order: Restart) {
        self.listener = None;
        // Bound and deaf: connections are refused, and nobody else is given the port.
        let mut held = hold(self.address);
        self.gates.reset_all();
        tokio::time::sleep(order.downtime).await;
        // In the moment between the two sockets a connection that somebody opened may have got the port.
        for _ in 0..COME_BACK {
            match held.and_then(|socket| socket.listen(1024)) {
                Ok(listener) => {
                    self.listener = Some(listener);
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, address = %self.address, "sandbox: cannot come back yet");
                    tokio::time::sleep(COME_BACK_PAUSE).await;
                    held = hold(self.address);
                }
            }
        }
        if self.listener.is_none() {
            tracing::error!(address = %self.address, "sandbox: did not come back");
        }
        if let Some(back) = order.back {
            let _ = back.send(());
        }
    }
}

fn hold(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // The connections of before linger in the kernel.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

impl Listener for GatedListener {
    type Io = GatedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (GatedStream, SocketAddr) {
        loop {
            let next = async {
                match &mut self.listener {
                    Some(listener) => Listener::accept(listener).await,
                    None => std::future::pending().await,
                }
            };
            let (stream, address) = tokio::select! {
                biased;
                Some(order) = self.restarts.recv() => {
                    self.restart(order).await;
                    continue;
                }
                accepted = next => accepted,
            };
            // Small JSON answers: without this they wait for the peer's delayed acknowledgement.
            let _ = stream.set_nodelay(true);
            let stream = GatedStream {
                stream,
                gate: self.gates.new_gate(),
                incoming: Incoming::default(),
                request_cut: Arc::clone(&self.request_cut),
            };
            return (stream, address);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
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
    incoming: Incoming,
    request_cut: Arc<dyn RequestCut>,
}

impl GatedStream {
    fn check(&self, context: &Context<'_>) -> io::Result<()> {
        let switch = &self.gate.0;
        switch.waker.register(context.waker());
        if switch.cut.load(Ordering::Acquire) {
            return Err(self.end(switch.reset.load(Ordering::Acquire)));
        }
        Ok(())
    }

    /// Once a reply begins, the request it is to is over; an interim one asks for the rest of it.
    fn replies(&mut self, data: &[u8]) {
        if !data.starts_with(b"HTTP/1.1 1") {
            self.incoming.over();
        }
    }

    /// The error on which the server drops the connection.
    fn end(&self, reset: bool) -> io::Error {
        if reset {
            // Where that is refused, the end is a quiet one.
            let _ = self.stream.set_zero_linger();
        }
        io::Error::new(io::ErrorKind::ConnectionReset, "cut by the script")
    }

    /// Whether the peer has gone, for a reply that never goes on.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut byte = [0; 1];
        match self.stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(self.end(false))),
            _ => Poll::Pending,
        }
    }

    /// Writes as much of a reply as its fault lets through.
    fn poll_write_struck(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let gate = self.gate.clone();
        let mut reply = gate.0.reply();
        let Some(reply) = reply.as_mut() else {
            return Pin::new(&mut self.stream).poll_write(cx, data);
        };
        let written = match (reply.step(cx), data.first()) {
            (Step::Pass(most), _) => {
                let part = &data[..data.len().min(most)];
                ready!(Pin::new(&mut self.stream).poll_write(cx, part))?
            }
            (Step::Flip(bit), Some(first)) => {
                ready!(Pin::new(&mut self.stream).poll_write(cx, &[first ^ (1 << bit)]))?
            }
            (Step::Flip(_), None) => 0,
            (Step::Pause, _) => return Poll::Pending,
            (Step::Stall, _) => return self.poll_gone(cx),
            (Step::End { reset }, _) => return Poll::Ready(Err(self.end(reset))),
        };
        reply.wrote(written);
        Poll::Ready(Ok(written))
    }
}

impl AsyncRead for GatedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let this = &mut *self;
        loop {
            match this.incoming.source(&*this.request_cut) {
                Source::Socket => return Pin::new(&mut this.stream).poll_read(cx, buffer),
                Source::Line => {
                    let mut scratch = [0; 4096];
                    let mut read = ReadBuf::new(&mut scratch);
                    ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
                    let bytes = read.filled();
                    this.incoming.learn(bytes);
                    if bytes.is_empty() && this.incoming.ahead().is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                }
                Source::Ahead(most) => {
                    let count = most.min(buffer.remaining());
                    buffer.put_slice(&this.incoming.ahead()[..count]);
                    this.incoming.passed(count);
                    return Poll::Ready(Ok(()));
                }
                Source::End => {
                    // In both directions: half a request is worth no answer.
                    this.gate.cut();
                    return Poll::Ready(Err(this.end(false)));
                }
            }
        }
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        self.replies(data);
        self.poll_write_struck(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = data.iter().find(|part| !part.is_empty());
        let first: &[u8] = first.map_or(&[], |part| part);
        if self.gate.0.reply().is_some() {
            return self.poll_write(cx, first);
        }
        self.check(cx)?;
        self.replies(first);
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let ends = self.gate.0.reply().as_ref().and_then(Reply::ends);
        if let Some(reset) = ends {
            return Poll::Ready(Err(self.end(reset)));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
