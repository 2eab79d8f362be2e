//! Scripted faults: what goes wrong, when, and how often.
//!
//! Owns the kinds of fault and the script in force; `spec` has their spelling. Knows nothing of how a
//! fault is carried out.

mod spec;

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The request a fault is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FaultOperation {
    /// `POST /v1/videos/{generations,edits,extensions}`.
    Create,
    /// `GET /v1/videos/{id}`.
    Poll,
    /// The download of a clip.
    Download,
    /// `POST /v1/files`.
    Upload,
    /// `POST /v1/responses` and `POST /v1/chat/completions`.
    Answer,
    /// Everything else below `/v1`.
    Other,
}

impl FaultOperation {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "create" => Self::Create,
            "poll" => Self::Poll,
            "download" => Self::Download,
            "upload" => Self::Upload,
            "answer" => Self::Answer,
            "other" => Self::Other,
            _ => return None,
        })
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Poll => "poll",
            Self::Download => "download",
            Self::Upload => "upload",
            Self::Answer => "answer",
            Self::Other => "other",
        }
    }
}

/// The three words for "too many requests": one code, three causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RateLimitCause {
    /// Too many requests a second.
    Burst,
    /// The service has no room.
    Capacity,
    /// The credit is used up.
    Credits,
}

/// The forms in which moderation shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModerationShape {
    /// HTTP 400 on the poll, `imagine:content-moderated`.
    Http400,
    /// The same with `usage`: it was charged.
    Http400Billed,
    /// HTTP 400 on the poll, the older code in words.
    Http400Old,
    /// `done`, `respect_moderation` false, `url` null.
    UrlNull,
    /// `done`, `respect_moderation` false, `url` empty.
    UrlEmpty,
    /// `done`, `respect_moderation` false, no `url`.
    UrlMissing,
    /// `done`, `video` null.
    VideoNull,
    /// `failed` with `invalid_argument`.
    Failed,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The connection is cut before the request is looked at. Nothing is made.
    Reset,
    /// The request is carried out and counted; then the connection is cut without one byte of answer.
    LostReply,
    /// The answer comes this many seconds late.
    Delay(f64),
    /// 429, with `Retry-After` in seconds or without.
    RateLimited(RateLimitCause, Option<u32>),
    /// This status with a body in the service's usual form.
    Status(u16),
    /// This status with a page of HTML, as the edge sends it.
    HtmlPage(u16),
    /// 200 with words that are no JSON.
    NotJson,
    /// 200 without a `request_id`, or with an empty one. The job is made.
    EmptyId,
    /// A pending poll is 202 with no body.
    EmptyPending,
    /// A pending poll is 200 instead of 202.
    PendingWith200,
    /// A pending poll has neither `progress` nor `model`.
    NoProgress,
    /// A pending poll has this word for its status.
    StatusWord(String),
    /// The progress of a job goes backwards.
    ProgressBackwards,
    /// A job never gets on.
    Stalled,
    /// A finished poll has no `status`.
    NoStatus,
    /// A finished poll has no `usage`.
    NoUsage,
    /// `done` and allowed by moderation, but no URL.
    NoUrl,
    /// The URL of a clip is relative.
    RelativeUrl,
    /// The URL of a clip is this one.
    Url(String),
    /// The body of a poll is padded to about this many bytes.
    HugeBody(u64),
    /// A poll is 400 in the older spelling, for once: the job goes on.
    TransientBadRequest,
    /// The job ends as `expired`.
    Expired,
    /// The job ends as `failed` with this code.
    Failed(String),
    /// Moderation withholds the clip.
    Moderated(ModerationShape),
    /// With `storage_options`: the clip could not be stored.
    StorageError,
    /// With `storage_options`: stored, but without a public link.
    PublicUrlError,
    /// The body of the answer trickles at this many bytes a second.
    SlowBody(u64),
    /// The answer stops after this many bytes (by default halfway) although more was promised.
    Truncated(Option<u64>),
    /// `Content-Length` is this; too small and the body is cut to it, too large and the rest never comes.
    WrongLength(u64),
    /// The download is redirected there. The sandbox never contacts that address itself.
    Redirect(String),
    /// The download has this content type.
    ContentType(String),
    /// The link is over, with this status; the next poll has a fresh one.
    LinkExpired(u16),
    /// As many bytes as the clip has, but noise.
    Garbage,
    /// The first half of the clip, with a length that fits.
    HalfClip,
    /// The clip of a job is padded to this many bytes, and still a valid MP4.
    PadToBytes(u64),
    /// The clip of a job has another size than was asked for.
    RenderSize(u32, u32),
    /// The clip of a job has another length than was asked for.
    RenderSeconds(u32),
    /// An answer is a refusal in words, whatever form was asked for.
    Refusal,
    /// An answer's JSON, or the arguments of its call, do not satisfy the schema.
    SchemaBreak,
    /// An answer has neither words nor calls.
    EmptyAnswer,
    /// An answer stops halfway, as if its tokens had run out, and says so.
    Incomplete,
    /// An answer is an error with HTTP 200.
    ErrorWith200,
    /// The reply ends after this many of its bytes, status line and headers included: the connection is
    /// closed.
    CutAt(u64),
    /// The same, but the connection is reset.
    ResetAt(u64),
    /// The reply stops after this many of its bytes and never goes on. The connection stays open.
    StallAt(u64),
    /// The reply pauses after this many of its bytes for these milliseconds.
    DelayAt(u64, u64),
    /// One bit (0 to 7) of this byte of the reply is flipped.
    CorruptAt(u64, u8),
    /// The server reads this many bytes of the request, request line and headers included, and closes. A
    /// request that is not longer may have been carried out.
    CutRequestAt(u64),
    /// The request is carried out, then the server goes down for these seconds: every connection is reset
    /// and none is taken. Jobs, counters and the script outlast it.
    Restart(f64),
    /// All links to clips that were given so far, the one in this reply included, are over with 403. The
    /// next poll has a fresh one.
    ExpireLinks,
}

/// Which step of an answer a kind of fault touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the request is carried out.
    Before,
    /// After it, on whatever the answer is.
    After,
    /// A poll that would say pending.
    Pending,
    /// A poll that would say done.
    Done,
    /// How a job ends. Kept with the job.
    Outcome,
    /// How a job is rendered. Kept with the job.
    Render,
    /// The bytes of a clip.
    Clip,
    /// What an answer says.
    Answer,
    /// The bytes of the request on the line.
    Request,
    /// The bytes of the reply on the line, whatever it says.
    Reply,
}

impl FaultKind {
    pub(super) fn stage(&self) -> Stage {
        match self {
            Self::Reset
            | Self::Delay(_)
            | Self::RateLimited(..)
            | Self::Status(_)
            | Self::HtmlPage(_)
            | Self::NotJson
            | Self::TransientBadRequest => Stage::Before,
            Self::LostReply
            | Self::EmptyId
            | Self::HugeBody(_)
            | Self::SlowBody(_)
            | Self::Truncated(_)
            | Self::WrongLength(_)
            | Self::Restart(_)
            | Self::ExpireLinks => Stage::After,
            Self::CutRequestAt(_) => Stage::Request,
            Self::CutAt(_)
            | Self::ResetAt(_)
            | Self::StallAt(_)
            | Self::DelayAt(..)
            | Self::CorruptAt(..) => Stage::Reply,
            Self::EmptyPending
            | Self::PendingWith200
            | Self::NoProgress
            | Self::StatusWord(_)
            | Self::ProgressBackwards => Stage::Pending,
            Self::NoStatus | Self::NoUsage | Self::NoUrl | Self::RelativeUrl | Self::Url(_) => Stage::Done,
            Self::Stalled
            | Self::Expired
            | Self::Failed(_)
            | Self::Moderated(_)
            | Self::StorageError
            | Self::PublicUrlError => Stage::Outcome,
            Self::PadToBytes(_) | Self::RenderSize(..) | Self::RenderSeconds(_) => Stage::Render,
            Self::Redirect(_)
            | Self::ContentType(_)
            | Self::LinkExpired(_)
            | Self::Garbage
            | Self::HalfClip => Stage::Clip,
            Self::Refusal | Self::SchemaBreak | Self::EmptyAnswer | Self::Incomplete | Self::ErrorWith200 => {
                Stage::Answer
            }
        }
    }

    /// Where a fault strikes when its script does not say. None = everywhere.
    fn usual_operation(&self) -> Option<FaultOperation> {
        match self.stage() {
            Stage::Pending | Stage::Done => Some(FaultOperation::Poll),
            Stage::Outcome | Stage::Render => Some(FaultOperation::Create),
            Stage::Clip => Some(FaultOperation::Download),
            Stage::Answer => Some(FaultOperation::Answer),
            Stage::Before => (*self == Self::TransientBadRequest).then_some(FaultOperation::Poll),
            Stage::After => match self {
                Self::HugeBody(_) => Some(FaultOperation::Poll),
                Self::LostReply | Self::EmptyId => Some(FaultOperation::Create),
                Self::Restart(_) | Self::ExpireLinks => None,
                _ => Some(FaultOperation::Download),
            },
            Stage::Request | Stage::Reply => None,
        }
    }

    fn allows(&self, operation: FaultOperation) -> bool {
        match self.stage() {
            Stage::Before | Stage::After | Stage::Request | Stage::Reply => true,
            _ => self.usual_operation() == Some(operation),
        }
    }
}

/// A fault with its conditions.
///
/// As text: `[OPERATION:]KIND[=VALUE][,times=N][,after=N][,prompt=WORDS]`. Without `times` it strikes
/// every time; `after` lets that many requests pass first; `prompt` limits it to jobs whose prompt has
/// these words. See [`Fault::HELP`] for the kinds. In JSON a fault is the same text, as a string.
///
/// ```
/// # #[cfg(feature = "sandbox")] {
/// use reelkin::sandbox::{Fault, FaultKind, FaultOperation};
/// let fault: Fault = "create:lost-reply,times=1".parse().unwrap();
/// assert_eq!(fault, Fault::new(FaultKind::LostReply).on(FaultOperation::Create).times(1));
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub(super) kind: FaultKind,
    pub(super) operation: Option<FaultOperation>,
    pub(super) times: Option<u32>,
    pub(super) after: u32,
    pub(super) prompt: Option<String>,
}

impl Fault {
    /// The kinds of fault and how a script is written, for the help of a program.
    pub const HELP: &str = "\
[OPERATION:]KIND[=VALUE][,times=N][,after=N][,prompt=WORDS]
  OPERATION  create, poll, download, upload, answer, other; without it where the kind belongs (any for the first group)
  times=N    strike N times (without: always)    after=N  let N requests pass first
  prompt=W   only for jobs whose prompt has W
Any operation:
  reset                  cut the connection, nothing done      delay=SECONDS          answer late
  429[=RETRY_AFTER]      too many requests                     429-capacity, 429-credits  the other two causes
  status=CODE            that status (500, 502, 503, 529, 401) html=CODE              an HTML page (522)
  not-json               200, no JSON
Any operation, after it was carried out:
  lost-reply             (create) cut, no byte of answer       empty-id               (create) no request_id
  slow-body=BYTES_PER_S  (download) trickle                    truncated[=BYTES]      (download) stop early
  wrong-length=BYTES     (download) wrong Content-Length       huge-body=BYTES        (poll) padded body
  restart=SECONDS        (any) all connections reset, no port  expire-links           (any) links so far are over
Any operation, by the byte N of the HTTP/1.1 reply (0 = first of its status line) or of the request:
  cut@N                  N bytes, then closed                  reset@N                N bytes, then reset
  stall@N                N bytes, then silence                 delay@N:MS             N bytes, a pause, the rest
  corrupt@N[:BIT]        bit BIT (0 to 7) of byte N flipped    cut-request@N          N bytes read, then closed
Polls:
  empty-202, pending-200, no-progress, status-word=WORD, backwards, poll-400
  no-status, no-usage, no-url, relative-url, url=URL
How a job ends or is made (kept with the job):
  stalled, expired, failed=CODE, storage-error, public-url-error
  moderated=400|400-billed|400-old|null|empty|missing|no-video|failed
  pad=BYTES, render-size=WxH, render-seconds=N
Downloads:
  redirect=URL, content-type=TYPE, link-expired=403|404, garbage, half-clip
Answers (responses and chat):
  refusal, schema-break, empty-answer, incomplete, error-200";

    /// A fault that strikes every time, where its kind belongs.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            operation: kind.usual_operation(),
            kind,
            times: None,
            after: 0,
            prompt: None,
        }
    }

    /// Only this kind of request.
    pub fn on(mut self, operation: FaultOperation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Strike this often, then no more.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Let this many requests pass first.
    pub fn after(mut self, requests: u32) -> Self {
        self.after = requests;
        self
    }

    /// Only jobs whose prompt has these words.
    pub fn prompt(mut self, words: impl Into<String>) -> Self {
        self.prompt = Some(words.into());
        self
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The script in force.
#[derive(Debug, Default)]
pub(super) struct Script {
    faults: Mutex<Vec<(Fault, u32)>>,
}

impl Script {
    pub(super) fn add(&self, faults: impl IntoIterator<Item = Fault>) {
        self.lock().extend(faults.into_iter().map(|fault| (fault, 0)));
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// What is still in force.
    pub(super) fn list(&self) -> Vec<Fault> {
        self.lock().iter().map(|(fault, _)| fault.clone()).collect()
    }

    /// The faults that strike now: the first that fits, and every delay. Each counts as used.
    pub(super) fn strike(
        &self,
        operation: FaultOperation,
        stage: Stage,
        prompt: Option<&str>,
    ) -> Vec<FaultKind> {
        let mut struck: Vec<FaultKind> = Vec::new();
        let mut main = false;
        let mut faults = self.lock();
        for (fault, seen) in faults.iter_mut() {
            let is_delay = matches!(fault.kind, FaultKind::Delay(_));
            // Faults of rendering add up: a size and a padding go together.
            if main && !is_delay && stage != Stage::Render {
                continue;
            }
            let fits = fault.kind.stage() == stage
                && fault.operation.is_none_or(|wanted| wanted == operation)
                && fault
                    .prompt
                    .as_deref()
                    .is_none_or(|words| prompt.is_some_and(|prompt| prompt.contains(words)));
            if !fits {
                continue;
            }
            *seen += 1;
            if *seen <= fault.after {
                continue;
            }
            main |= !is_delay;
            struck.push(fault.kind.clone());
        }
        // A delay comes before whatever it delays.
        struck.sort_by_key(|kind| !matches!(kind, FaultKind::Delay(_)));
        faults.retain(|(fault, seen)| {
            fault
                .times
                .is_none_or(|times| *seen < fault.after.saturating_add(times))
        });
        struck
    }

    /// Whether a fault is about the bytes of requests.
    pub(super) fn counts_requests(&self) -> bool {
        let counts = |fault: &Fault| fault.kind.stage() == Stage::Request;
        self.lock().iter().any(|(fault, _)| counts(fault))
    }

    /// Whether a fault looks at the prompt before the request is read.
    pub(super) fn asks_for_prompt(&self) -> bool {
        let asks = |fault: &Fault| fault.prompt.is_some() && fault.kind.stage() == Stage::Before;
        self.lock().iter().any(|(fault, _)| asks(fault))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Fault, u32)>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_as_often_as_told_and_then_is_gone() {
        let script = Script::default();
        script.add(["create:reset,after=1,times=2".parse::<Fault>().unwrap()]);
        let strike = || script.strike(FaultOperation::Create, Stage::Before, None).len();
        assert_eq!(script.strike(FaultOperation::Poll, Stage::Before, None).len(), 0);
        assert_eq!([strike(), strike(), strike(), strike()], [0, 1, 1, 0]);
        assert!(script.list().is_empty());
    }
}
