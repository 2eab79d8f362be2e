//! Faults that occur at a given byte of a reply or of a request.
//!
//! Calculates how much of a reply may still be written, and how much of a request is read. Independent of sockets. Of
//! the content, only the first line of a request matters.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::time::Sleep;

/// Maximum length of a request line. Longer input is passed on as it is.
const MAX_REQUEST_LINE: usize = 8 << 10;

/// What happens to a reply at one of its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum ReplyFault {
    /// The connection is closed, with or without a TCP reset.
    End {
        reset: bool,
    },
    Stall,
    Pause(Duration),
    Flip(u8),
    /// A pause that is over.
    Applied,
}

/// A reply with a fault, and how much of it has been written.
#[derive(Debug)]
pub(crate) struct ReplyProgress {
    at: u64,
    fault: ReplyFault,
    written: u64,
    pause: Option<Pin<Box<Sleep>>>,
}

/// What may be written to the socket next.
#[derive(Debug, PartialEq)]
pub(crate) enum WriteStep {
    /// At most this many bytes.
    Pass(usize),
    /// One byte, with this bit flipped.
    Flip(u8),
    /// Nothing yet; the task is woken when the pause is over.
    Pause,
    /// Nothing from now on.
    Stall,
    /// Nothing: the connection is closed.
    End { reset: bool },
}

impl ReplyProgress {
    pub(crate) const fn new(at: u64, fault: ReplyFault) -> Self {
        Self {
            at,
            fault,
            written: 0,
            pause: None,
        }
    }

    pub(crate) fn next_step(&mut self, cx: &mut Context<'_>) -> WriteStep {
        let left = self.at.saturating_sub(self.written);
        if left > 0 {
            return WriteStep::Pass(usize::try_from(left).unwrap_or(usize::MAX));
        }
        match self.fault {
            ReplyFault::End { reset } => WriteStep::End { reset },
            ReplyFault::Stall => WriteStep::Stall,
            ReplyFault::Flip(bit) if self.written == self.at => WriteStep::Flip(bit),
            ReplyFault::Flip(_) | ReplyFault::Applied => WriteStep::Pass(usize::MAX),
            ReplyFault::Pause(time) => {
                let pause = self
                    .pause
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
                match pause.as_mut().poll(cx) {
                    Poll::Pending => WriteStep::Pause,
                    Poll::Ready(()) => {
                        self.fault = ReplyFault::Applied;
                        WriteStep::Pass(usize::MAX)
                    }
                }
            }
        }
    }

    /// Returns `Some` if the connection must be closed now; the value is whether with a TCP reset. Required because
    /// [`next_step`](Self::next_step) is not called again if a reply ends exactly at the fault.
    pub(crate) const fn end(&self) -> Option<bool> {
        match self.fault {
            ReplyFault::End { reset } if self.written >= self.at => Some(reset),
            _ => None,
        }
    }

    pub(crate) fn add_written(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }
}

/// Decides from the first line of a request how much of the request is read.
pub(crate) trait RequestLimit: std::fmt::Debug + Send + Sync {
    /// Returns whether any request is limited at present.
    fn is_active(&self) -> bool;
    /// Returns the number of bytes of the request after which reading stops, or `None` to read the whole request.
    fn limit_of(&self, request_line: &[u8]) -> Option<u64>;
}

/// How much of a request is read, as its first line determines.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum ReadLimit {
    #[default]
    Undecided,
    ReadAll,
    StopAt(u64),
}

/// A request that is being read.
#[derive(Debug, Default)]
pub(crate) struct RequestProgress {
    /// Read from the socket and not yet passed to the server.
    buffered: BytesMut,
    read_limit: ReadLimit,
    consumed: u64,
}

/// Where the server reads the next bytes of a request from.
#[derive(Debug, PartialEq)]
pub(crate) enum ReadFrom {
    /// The socket.
    Socket,
    /// The socket, by way of [`RequestProgress::push`].
    SocketToBuffer,
    /// The buffer, at most this many bytes, which are then [consumed](RequestProgress::consume).
    Buffer(usize),
    /// Nowhere: the connection is closed.
    End,
}

impl RequestProgress {
    /// Returns where to read from next.
    pub(crate) fn read_from(&mut self, limit: &dyn RequestLimit) -> ReadFrom {
        if self.read_limit == ReadLimit::Undecided {
            if self.buffered.is_empty() && !limit.is_active() {
                return ReadFrom::Socket;
            }
            let end = self.buffered.iter().position(|byte| *byte == b'\n');
            if end.is_none() && self.buffered.len() < MAX_REQUEST_LINE {
                return ReadFrom::SocketToBuffer;
            }
            let stop = end.and_then(|end| limit.limit_of(&self.buffered[..end]));
            self.read_limit = stop.map_or(ReadLimit::ReadAll, ReadLimit::StopAt);
        }
        let left = match self.read_limit {
            ReadLimit::StopAt(at) => Some(at.saturating_sub(self.consumed)),
            _ => None,
        };
        match left {
            Some(0) => ReadFrom::End,
            _ if self.buffered.is_empty() && left.is_none() => ReadFrom::Socket,
            _ if self.buffered.is_empty() => ReadFrom::SocketToBuffer,
            _ => {
                let left = left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
                ReadFrom::Buffer(self.buffered.len().min(left))
            }
        }
    }

    /// Adds bytes from the socket. An empty slice is the end of the input. A request whose first line is incomplete then
    /// has no limit.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() && self.read_limit == ReadLimit::Undecided {
            self.read_limit = ReadLimit::ReadAll;
        }
        self.buffered.extend_from_slice(bytes);
    }

    pub(crate) fn buffered(&self) -> &[u8] {
        &self.buffered
    }

    pub(crate) fn consume(&mut self, bytes: usize) {
        self.buffered.advance(bytes);
        self.consumed += bytes as u64;
    }

    /// Prepares for the next request on the connection. Has no effect while bytes are buffered.
    pub(crate) fn finish(&mut self) {
        if self.buffered.is_empty() {
            *self = Self::default();
        }
    }
}
