//! The words in the text form of faults: operations, causes of a 429 and forms of moderation.

use serde::{Deserialize, Serialize};

/// Generates an enum's words in the text form of faults.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal,)+ }) => {
        impl $name {
            pub(super) fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            pub(super) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

/// The request that a fault applies to.
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

words!(FaultOperation {
    Create = "create",
    Poll = "poll",
    Download = "download",
    Upload = "upload",
    Answer = "answer",
    Other = "other",
});

/// The cause that the message of a 429 states. The error code is the same for all three causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RateLimitCause {
    /// Too many requests per second.
    Burst,
    /// The service is at capacity.
    Capacity,
    /// The credits are used up.
    Credits,
}

words!(RateLimitCause {
    Burst = "429",
    Capacity = "429-capacity",
    Credits = "429-credits",
});

/// The forms in which the service reports moderation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModerationShape {
    /// The poll returns HTTP 400 with the code `imagine:content-moderated`.
    Http400,
    /// The same reply as [`Http400`](Self::Http400), with `usage`, because the job was charged.
    Http400Billed,
    /// The poll returns HTTP 400 with the older code, `Client specified an invalid argument`.
    Http400Old,
    /// The poll returns `done` with `respect_moderation` false and a `url` of null.
    UrlNull,
    /// The poll returns `done` with `respect_moderation` false and an empty `url`.
    UrlEmpty,
    /// The poll returns `done` with `respect_moderation` false and no `url`.
    UrlMissing,
    /// The poll returns `done` with a `video` of null.
    VideoNull,
    /// The poll returns `failed` with the code `invalid_argument`.
    Failed,
}

words!(ModerationShape {
    Http400 = "400",
    Http400Billed = "400-billed",
    Http400Old = "400-old",
    UrlNull = "null",
    UrlEmpty = "empty",
    UrlMissing = "missing",
    VideoNull = "no-video",
    Failed = "failed",
});
