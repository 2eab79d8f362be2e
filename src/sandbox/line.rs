//! What happens to the bytes of an exchange on the line.
//!
//! Owns the arithmetic of the faults that name a byte: how much of a reply still passes, and how much of a
//! request is read. Knows neither sockets nor what the bytes say.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::time::Sleep;

/// A request line is not longer; what is, is none.
const LONGEST_LINE: usize = 8 << 10;

/// What happens to a reply at one of its bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ReplyFault {
    Close,
    Reset,
    Stall,
    Pause(Duration),
    Flip(u8),
    /// It is over.
    None,
}

/// A reply that a fault waits for.
#[derive(Debug)]
pub(super) struct Reply {
    at: u64,
    fault: ReplyFault,
    written: u64,
    pause: Option<Pin<Box<Sleep>>>,
}

/// What may be written next.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// So many bytes at the most.
    Pass(usize),
    /// One byte, with this bit flipped.
    Flip(u8),
    /// Nothing for now; the task is woken.
    Pause,
    /// Nothing ever again.
    Stall,
    /// Nothing: the connection ends.
    End { reset: bool },
}

impl Reply {
    pub(super) const fn new(at: u64, fault: ReplyFault) -> Self {
        Self {
            at,
            fault,
            written: 0,
            pause: None,
        }
    }

    pub(super) fn step(&mut self, cx: &mut Context<'_>) -> Step {
        let before = self.at.saturating_sub(self.written);
        if before > 0 {
            return Step::Pass(usize::try_from(before).unwrap_or(usize::MAX));
        }
        match self.fault {
            ReplyFault::Close => Step::End { reset: false },
            ReplyFault::Reset => Step::End { reset: true },
            ReplyFault::Stall => Step::Stall,
            ReplyFault::Flip(bit) if self.written == self.at => Step::Flip(bit),
            ReplyFault::Flip(_) | ReplyFault::None => Step::Pass(usize::MAX),
            ReplyFault::Pause(time) => {
                let pause = self
                    .pause
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
                match pause.as_mut().poll(cx) {
                    Poll::Pending => Step::Pause,
                    Poll::Ready(()) => {
                        self.fault = ReplyFault::None;
                        Step::Pass(usize::MAX)
                    }
                }
            }
        }
    }

    /// The connection is to end, although nothing more may be written: the reply was that long.
    pub(super) const fn ends(&self) -> Option<bool> {
        match self.fault {
            _ if self.written < self.at => None,
            ReplyFault::Close => Some(false),
            ReplyFault::Reset => Some(true),
            _ => None,
        }
    }

    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }
}

/// Says of a request, by its first line, how much of it is read.
pub(super) trait RequestCut: std::fmt::Debug + Send + Sync {
    /// Whether to ask at all.
    fn is_on(&self) -> bool;
    /// The byte at which to stop.
    fn at(&self, line: &[u8]) -> Option<u64>;
}

/// What the first line of a request decided.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Decided {
    #[default]
    NotYet,
    ReadAll,
    StopAt(u64),
}

/// A request on its way in.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// Read from the socket and not handed on.
    ahead: BytesMut,
    decided: Decided,
    passed: u64,
}

/// Where the bytes of a request come from.
#[derive(Debug, PartialEq)]
pub(super) enum Source {
    /// From the socket straight to the server.
    Socket,
    /// From the socket to [`Incoming::learn`].
    Line,
    /// These, at the most so many; then [`Incoming::passed`].
    Ahead(usize),
    /// From nowhere: the connection ends.
    End,
}

impl Incoming {
    /// Where to go on reading.
    pub(super) fn source(&mut self, cut: &dyn RequestCut) -> Source {
        if self.decided == Decided::NotYet {
            if self.ahead.is_empty() && !cut.is_on() {
                return Source::Socket;
            }
            let end = self.ahead.iter().position(|byte| *byte == b'\n');
            if end.is_none() && self.ahead.len() < LONGEST_LINE {
                return Source::Line;
            }
            let stop = end.and_then(|end| cut.at(&self.ahead[..end]));
            self.decided = stop.map_or(Decided::ReadAll, Decided::StopAt);
        }
        let left = match self.decided {
            Decided::StopAt(at) => Some(at.saturating_sub(self.passed)),
            _ => None,
        };
        match left {
            Some(0) => Source::End,
            _ if self.ahead.is_empty() && left.is_none() => Source::Socket,
            _ if self.ahead.is_empty() => Source::Line,
            _ => {
                let left = left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
                Source::Ahead(self.ahead.len().min(left))
            }
        }
    }

    /// Takes bytes from the socket. None at all is its end: nothing is waited for any more.
    pub(super) fn learn(&mut self, bytes: &[u8]) {
        if bytes.is_empty() && self.decided == Decided::NotYet {
            self.decided = Decided::ReadAll;
        }
        self.ahead.extend_from_slice(bytes);
    }

    pub(super) fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    pub(super) fn passed(&mut self, bytes: usize) {
        self.ahead.advance(bytes);
        self.passed += bytes as u64;
    }

    /// What comes next is another request.
    pub(super) fn over(&mut self) {
        if self.ahead.is_empty() {
            *self = Self::default();
        }
    }
}
