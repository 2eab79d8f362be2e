//! Connections that can be closed or reset at any byte.
//!
//! Owns the sockets below HTTP, so that a request may get no byte of a reply. Of the content it knows only whether a
//! reply is an interim one (1xx).

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, ready};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::byte_faults::{ReadFrom, ReplyFault, ReplyProgress, RequestLimit, RequestProgress, WriteStep};

use crate::sync::lock;

/// What the server can tell a connection to do while its socket is in use.
#[derive(Debug, Default)]
struct State {
    closed: AtomicBool,
    /// Whether closing sends a TCP reset.
    reset: AtomicBool,
    waker: AtomicWaker,
    /// The fault of the reply that is being written or comes next.
    reply: Mutex<Option<ReplyProgress>>,
}

impl State {
    fn reply(&self) -> MutexGuard<'_, Option<ReplyProgress>> {
        lock(&self.reply)
    }
}

/// A handle to the connection that a request came over.
#[derive(Debug, Clone)]
pub(crate) struct Connection(Arc<State>);

impl Connection {
    /// Closes the connection in both directions.
    pub(crate) fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.waker.wake();
    }

    /// Closes the connection with a TCP reset.
    fn reset(&self) {
        self.0.reset.store(true, Ordering::Release);
        self.close();
    }

    /// Applies a fault to byte `at` of the reply that is written next.
    pub(crate) fn set_reply_fault(&self, at: u64, fault: ReplyFault) {
        *self.0.reply() = Some(ReplyProgress::new(at, fault));
    }

    /// Removes the fault of the reply that is written next.
    pub(crate) fn clear_reply_fault(&self) {
        *self.0.reply() = None;
    }
}

/// All open connections of a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenConnections(Arc<Mutex<Vec<Weak<State>>>>);

impl OpenConnections {
    pub(crate) fn close_all(&self) {
        for state in self.lock().drain(..).filter_map(|state| state.upgrade()) {
            Connection(state).close();
        }
    }

    pub(super) fn reset_all(&self) {
        for state in self.lock().drain(..).filter_map(|state| state.upgrade()) {
            Connection(state).reset();
        }
    }

    /// Returns the handle for a new connection.
    pub(super) fn open(&self) -> Connection {
        let state = Arc::new(State::default());
        let mut all = self.lock();
        all.retain(|known| known.strong_count() > 0);
        all.push(Arc::downgrade(&state));
        Connection(state)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<State>>> {
        lock(&self.0)
    }
}

/// The socket of a connection to which faults apply.
#[derive(Debug)]
pub(crate) struct FaultStream {
    stream: TcpStream,
    connection: Connection,
    request: RequestProgress,
    request_limit: Arc<dyn RequestLimit>,
}

impl FaultStream {
    pub(super) fn new(
        stream: TcpStream,
        connection: Connection,
        request_limit: Arc<dyn RequestLimit>,
    ) -> Self {
        Self {
            stream,
            connection,
            request: RequestProgress::default(),
            request_limit,
        }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns an error if the connection was closed.
    fn check(&self, context: &Context<'_>) -> io::Result<()> {
        let state = &self.connection.0;
        state.waker.register(context.waker());
        if state.closed.load(Ordering::Acquire) {
            return Err(self.close_error(state.reset.load(Ordering::Acquire)));
        }
        Ok(())
    }

    /// Ends the request at the beginning of its reply. An interim reply (1xx) does not end it.
    fn note_reply(&mut self, data: &[u8]) {
        if !data.starts_with(b"HTTP/1.1 1") {
            self.request.finish();
        }
    }

    /// Prepares a TCP reset if `reset` is set, and returns the error that closes the connection.
    fn close_error(&self, reset: bool) -> io::Error {
        if reset {
            // If this fails, the connection is closed without a reset.
            let _ = self.stream.set_zero_linger();
        }
        io::Error::new(io::ErrorKind::ConnectionReset, "closed by a fault")
    }

    /// Waits until the peer has closed the connection, for a reply that has stalled. Never returns `Ready(Ok(_))`. If
    /// the peer has sent bytes that were not read, only [`Connection::close`] wakes the task.
    fn poll_peer_closed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut byte = [0; 1];
        match self.stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(self.close_error(false))),
            _ => Poll::Pending,
        }
    }

    /// Writes as much of a reply as its fault allows.
    fn poll_write_reply(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let connection = self.connection.clone();
        let mut reply = connection.0.reply();
        let Some(reply) = reply.as_mut() else {
            return Pin::new(&mut self.stream).poll_write(cx, data);
        };
        let written = match (reply.next_step(cx), data.first()) {
            (WriteStep::Pass(max), _) => {
                let part = &data[..data.len().min(max)];
                ready!(Pin::new(&mut self.stream).poll_write(cx, part))?
            }
            (WriteStep::Flip(bit), Some(first)) => {
                ready!(Pin::new(&mut self.stream).poll_write(cx, &[first ^ (1 << bit)]))?
            }
            (WriteStep::Flip(_), None) => 0,
            (WriteStep::Pause, _) => return Poll::Pending,
            (WriteStep::Stall, _) => return self.poll_peer_closed(cx),
            (WriteStep::End { reset }, _) => return Poll::Ready(Err(self.close_error(reset))),
        };
        reply.add_written(written);
        Poll::Ready(Ok(written))
    }
}

impl AsyncRead for FaultStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let this = &mut *self;
        loop {
            match this.request.read_from(&*this.request_limit) {
                ReadFrom::Socket => return Pin::new(&mut this.stream).poll_read(cx, buffer),
                ReadFrom::SocketToBuffer => {
                    let mut scratch = [0; 4096];
                    let mut read = ReadBuf::new(&mut scratch);
                    ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
                    let bytes = read.filled();
                    this.request.push(bytes);
                    if bytes.is_empty() && this.request.buffered().is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                }
                ReadFrom::Buffer(max) => {
                    let count = max.min(buffer.remaining());
                    buffer.put_slice(&this.request.buffered()[..count]);
                    this.request.consume(count);
                    return Poll::Ready(Ok(()));
                }
                ReadFrom::End => {
                    // Also for writing: half a request gets no reply.
                    this.connection.close();
                    return Poll::Ready(Err(this.close_error(false)));
                }
            }
        }
    }
}

impl AsyncWrite for FaultStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        self.note_reply(data);
        self.poll_write_reply(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = data.iter().find(|part| !part.is_empty());
        let first: &[u8] = first.map_or(&[], |part| part);
        if self.connection.0.reply().is_some() {
            return self.poll_write(cx, first);
        }
        self.check(cx)?;
        self.note_reply(first);
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let end = self.connection.0.reply().as_ref().and_then(ReplyProgress::end);
        if let Some(reset) = end {
            return Poll::Ready(Err(self.close_error(reset)));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
