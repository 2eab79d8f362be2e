//! The kinds of fault, in one table.
//!
//! Owns every kind's name, values, text form, description and stage. The enum, its parser, its printer and the help
//! text are generated from the table, so a new kind is one row here and the code that applies it.

use super::values::FaultValues;
use super::words::{FaultOperation, ModerationShape, RateLimitCause};

/// The step of an exchange or of a job at which a kind of fault applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The bytes of the request on the connection.
    Request,
    /// Before the request is carried out.
    Before,
    /// After the request was carried out, on any reply.
    After,
    /// The bytes of the reply on the connection.
    Reply,
    /// A poll that would report pending.
    Pending,
    /// A poll that would report done.
    Done,
    /// How a job ends. Decided at the create and kept with the job.
    Outcome,
    /// How a clip is rendered. Decided at the create.
    Render,
    /// The bytes of a clip.
    Clip,
    /// The content of an answer of a language model.
    Answer,
}

/// A row of the table.
pub(super) struct KindRow {
    /// The text form, with placeholders for the values.
    usage: &'static str,
    aliases: &'static [&'static str],
    pub(super) parse: fn(&str, Option<&str>) -> Result<FaultKind, String>,
    stage: Stage,
    operation: Option<FaultOperation>,
}

impl KindRow {
    /// Finds the row of a kind by its word. `at` is whether the word is followed by `@` and the number of a byte.
    pub(super) fn find(word: &str, at: bool) -> Option<&'static Self> {
        let is_named = |row: &&Self| row.word() == word || row.aliases.contains(&word);
        KINDS.iter().filter(|row| row.is_at() == at).find(is_named)
    }

    fn word(&self) -> &'static str {
        self.usage.split(['=', '@', '[']).next().unwrap_or(self.usage)
    }

    fn is_at(&self) -> bool {
        self.usage.contains('@')
    }
}

impl FaultKind {
    pub(crate) fn stage(&self) -> Stage {
        self.row().stage
    }

    /// Returns the operation to which a fault applies if its script names none. `None` is every operation.
    pub(super) fn default_operation(&self) -> Option<FaultOperation> {
        self.row().operation
    }

    pub(super) fn allows(&self, operation: FaultOperation) -> bool {
        match self.stage() {
            Stage::Request | Stage::Before | Stage::After | Stage::Reply => true,
            _ => self.default_operation() == Some(operation),
        }
    }
}

impl std::fmt::Display for FaultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let row = self.row();
        f.write_str(match self {
            Self::RateLimited(cause, _) => cause.as_str(),
            _ => row.word(),
        })?;
        match self.value() {
            Some(value) if row.is_at() => write!(f, "@{value}"),
            Some(value) => write!(f, "={value}"),
            None => Ok(()),
        }
    }
}

/// Generates [`FaultKind`], its rows and the help text from the table.
///
/// A section is `"title": stage, default operation => { rows }`. A row is a doc comment, which is also the help,
/// and `Kind(value: type, ...) = "usage"`, followed by `| "alias"` for other words, `or "value"` for the value that
/// may be left out, and `on operation` if it differs from the section's. [`FaultValues`] parses and prints the values by
/// their types.
macro_rules! fault_kinds {
    ($(
        $title:literal: $stage:ident, $section_operation:expr => {$(
            $(#[doc = $doc:literal])+
            $kind:ident $(($($field:ident: $type:ty),+))? = $usage:literal
                $(| $alias:literal)* $(or $default:literal)? $(on $operation:ident)?;
        )+}
    )+) => {
        /// What goes wrong.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum FaultKind {
            $($(
                $(#[doc = $doc])+
                $kind $(($($type),+))?,
            )+)+
        }

        static KINDS: &[KindRow] = &[$($(
            KindRow {
                usage: $usage,
                aliases: &[$($alias),*],
                parse: |word, value| {
                    FaultValues::parse(word, value $(.or(Some($default)))?)
                        .map(|($($($field,)+)?)| FaultKind::$kind $(($($field),+))?)
                },
                stage: Stage::$stage,
                operation: [$(Some(FaultOperation::$operation),)? $section_operation][0],
            },
        )+)+];

        impl FaultKind {
            fn row(&self) -> &'static KindRow {
                enum Row { $($($kind),+),+ }
                let row = match self {
                    $($(Self::$kind { .. } => Row::$kind,)+)+
                };
                &KINDS[row as usize]
            }

            /// Returns the text form of the values.
            fn value(&self) -> Option<String> {
                match self {
                    $($(Self::$kind $(($($field),+))? => ($($(<$type>::clone($field),)+)?).print(),)+)+
                }
            }
        }

        pub(super) const HELP: &str = concat!(
            "[OPERATION:]KIND[=VALUE][,times=N][,after=N][,prompt=WORDS]\n",
            "  OPERATION  create, poll, download, upload, answer or other; defaults to the operation of the kind\n",
            "  times=N    apply N times; defaults to every time\n",
            "  after=N    skip N requests first\n",
            "  prompt=W   only for jobs whose prompt contains W",
            $("\n", $title, ":", $(
                "\n  ", $usage, $(", ", $alias,)* "\n     ", $($doc,)+ $(" Defaults to ", $default, ".",)?
            )+)+
        );
    };
}

fault_kinds! {
    "Before the request is carried out": Before, None => {
        /// Closes the connection. Nothing is made.
        Reset = "reset";
        /// Delays the reply by this many seconds.
        Delay(seconds: f64) = "delay=SECONDS";
        /// Replies 429 for one of three causes, with or without `Retry-After` in seconds.
        RateLimited(cause: RateLimitCause, retry_after: Option<u32>) = "429[=RETRY_AFTER]" | "429-capacity" | "429-credits";
        /// Replies with this status and a body in the service's usual form.
        Status(status: u16) = "status=CODE" | "500" | "502" | "503" | "529";
        /// Replies with this status and an HTML page, as a proxy does.
        HtmlPage(status: u16) = "html[=CODE]" or "522";
        /// Replies 200 with text that is not JSON.
        NotJson = "not-json";
        /// Replies 400 to a poll, in the older form. The job continues.
        TransientBadRequest = "poll-400" on Poll;
    }
    "After the request was carried out": After, None => {
        /// Closes the connection without one byte of reply. The request was counted.
        LostReply = "lost-reply" on Create;
        /// Replies with an empty `request_id`. The job is made.
        EmptyId = "empty-id" on Create;
        /// Sends the body at this many bytes per second.
        SlowBody(rate: u64) = "slow-body=BYTES_PER_SECOND" on Download;
        /// Sends only this many bytes of the body, by default half, and then closes the connection.
        Truncated(bytes: Option<u64>) = "truncated[=BYTES]" on Download;
        /// Sends this `Content-Length`. If it is smaller than the body, the body is cut; if larger, the rest never
        /// comes.
        WrongLength(bytes: u64) = "wrong-length=BYTES" on Download;
        /// Pads the JSON body of a poll to about this many bytes.
        HugeBody(bytes: u64) = "huge-body=BYTES" on Poll;
        /// Resets every connection and refuses new ones for this many seconds. Jobs, counters and the script are kept.
        Restart(seconds: f64) = "restart=SECONDS";
        /// Expires all links to clips so far with 403, including one in this reply. The next poll returns a new link.
        ExpireLinks = "expire-links";
    }
    "At a byte of the HTTP/1.1 reply (0 is the first of the status line)": Reply, None => {
        /// Closes the connection after this many bytes of the reply, including status line and headers.
        CutAt(byte: u64) = "cut@BYTE";
        /// Resets the connection after this many bytes of the reply.
        ResetAt(byte: u64) = "reset@BYTE";
        /// Stops sending after this many bytes of the reply and keeps the connection open.
        StallAt(byte: u64) = "stall@BYTE";
        /// Pauses for this many milliseconds after this many bytes of the reply.
        DelayAt(byte: u64, millis: u64) = "delay@BYTE:MILLIS";
        /// Flips one bit (0 to 7, by default 0) of this byte of the reply.
        CorruptAt(byte: u64, bit: u8) = "corrupt@BYTE[:BIT]";
    }
    "At a byte of the HTTP/1.1 request": Request, None => {
        /// Closes the connection after reading this many bytes of the request, including request line and headers.
        /// A request that is not longer may be carried out.
        CutRequestAt(byte: u64) = "cut-request@BYTE";
    }
    "Polls of a pending job": Pending, Some(FaultOperation::Poll) => {
        /// Replies 202 without a body.
        EmptyPending = "empty-202";
        /// Replies 200 instead of 202.
        PendingWith200 = "pending-200";
        /// Leaves out `progress` and `model`.
        NoProgress = "no-progress";
        /// Replies with this status word.
        StatusWord(word: String) = "status-word=WORD";
        /// Reports progress that goes backwards.
        ProgressBackwards = "backwards";
    }
    "Polls of a finished job": Done, Some(FaultOperation::Poll) => {
        /// Leaves out `status`.
        NoStatus = "no-status";
        /// Leaves out `usage`.
        NoUsage = "no-usage";
        /// Reports `done`, allowed by moderation, but without a URL.
        NoUrl = "no-url";
        /// Replies with a relative URL of the clip.
        RelativeUrl = "relative-url";
        /// Replies with this URL of the clip.
        Url(url: String) = "url=URL";
    }
    "How a job ends (decided at the create)": Outcome, Some(FaultOperation::Create) => {
        /// Stops making progress and never ends.
        Stalled = "stalled";
        /// Ends the job as `expired`.
        Expired = "expired";
        /// Ends the job as `failed` with this code.
        Failed(code: String) = "failed[=CODE]" or "internal_error";
        /// Withholds the clip by moderation, in this form: 400, 400-billed, 400-old, null, empty, missing, no-video
        /// or failed.
        Moderated(shape: ModerationShape) = "moderated[=FORM]" or "400";
        /// With `storage_options`: reports that the clip could not be stored.
        StorageError = "storage-error";
        /// With `storage_options`: stores the clip without a public URL.
        PublicUrlError = "public-url-error";
    }
    "How a clip is rendered (decided at the create)": Render, Some(FaultOperation::Create) => {
        /// Pads the clip to this many bytes. It remains a valid MP4.
        PadToBytes(bytes: u64) = "pad=BYTES";
        /// Renders this size instead of the requested one.
        RenderSize(width: u32, height: u32) = "render-size=WIDTHxHEIGHT";
        /// Renders this length instead of the requested one, 1 to 60 seconds.
        RenderSeconds(seconds: u32) = "render-seconds=SECONDS";
    }
    "Downloads of a clip": Clip, Some(FaultOperation::Download) => {
        /// Redirects there. The sandbox itself never contacts that address.
        Redirect(url: String) = "redirect[=URL]" or "http://10.0.0.1/clip.mp4";
        /// Replies with this content type.
        ContentType(media_type: String) = "content-type[=TYPE]" or "text/html";
        /// Expires the link with this status. The next poll returns a new link.
        LinkExpired(status: u16) = "link-expired[=CODE]" or "403";
        /// Sends as many bytes as the clip has, but noise.
        Garbage = "garbage";
        /// Sends the first half of the clip, with a matching length.
        HalfClip = "half-clip";
    }
    "Answers of language models (responses and chat)": Answer, Some(FaultOperation::Answer) => {
        /// Refuses in words, whatever format was requested.
        Refusal = "refusal";
        /// Returns JSON, or arguments of a call, that do not satisfy the schema.
        SchemaBreak = "schema-break";
        /// Returns neither text nor calls.
        EmptyAnswer = "empty-answer";
        /// Stops halfway, as if the tokens had run out, and says so.
        Incomplete = "incomplete";
        /// Replies with an error and HTTP 200.
        ErrorWith200 = "error-200";
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_word_means_one_kind() {
        let words = KINDS.iter().flat_map(|row| {
            row.aliases
                .iter()
                .copied()
                .chain([row.word()])
                .map(|word| (word, row.is_at()))
        });
        let words: Vec<_> = words.collect();
        assert_eq!(
            words.iter().collect::<HashSet<_>>().len(),
            words.len(),
            "{words:?}"
        );
    }
}
