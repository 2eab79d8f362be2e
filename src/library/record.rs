//! The sidecar: what is known of a clip, in the JSON of ima2-gen, plus one block of our own.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::DeliveryReport;
use super::lenient::lenient;
use crate::error::{Error, ErrorKind, Result};
use crate::lineage::{Continuity, VideoLineage};

/// The largest sidecar that is read or written. A real one has a few kilobytes.
pub const MAX_SIDECAR_BYTES: usize = 4 << 20;

/// The version of the block `reelkin` that this crate writes.
pub const SCHEMA: u32 = 1;

lenient! {
    /// The sidecar of a clip, `<id>.mp4.json`.
    ///
    /// The names are ima2-gen's, so a clip made here is a clip of that program and the other way
    /// round; what only this crate knows stands under `reelkin`. Everything is optional, because
    /// every field is missing in some sidecar; what is not known here is kept in `extra` and written
    /// back. It must hold no key, no signed URL and no media.
    pub struct ClipRecord {
        /// `video`.
        kind: String = "kind",
        /// `video`.
        media_type: String = "mediaType",
        /// The id of the request on this side.
        request_id: String = "requestId",
        /// The session in the program that made the clip. Null from a command line.
        session_id: String = "sessionId",
        /// The node in that program's graph. Null from a command line.
        client_node_id: String = "clientNodeId",
        /// The prompt the request was made with.
        prompt: String = "prompt",
        /// What the user wrote.
        user_prompt: String = "userPrompt",
        /// What was really sent to the video model.
        revised_prompt: String = "revisedPrompt",
        /// Who made the clip: `grok`.
        provider: String = "provider",
        /// The model.
        model: String = "model",
        /// The model that was asked for.
        requested_model: String = "requestedModel",
        /// The model that made the clip.
        effective_model: String = "effectiveModel",
        /// What another program noted when it fell back to another model. This crate never falls
        /// back and writes null.
        model_fallback: Value = "modelFallback",
        /// When the clip was made, in milliseconds since 1970 UTC.
        created_at: u64 = "createdAt",
        /// How long making it took.
        elapsed: Seconds = "elapsed",
        /// What it cost.
        usage: Usage = "usage",
        /// How many web searches the planner made.
        web_search_calls: u64 = "webSearchCalls",
        /// The video itself.
        video: VideoFacts = "video",
        /// The clip's view of its own branch.
        video_continuity: Continuity = "videoContinuity",
        /// The clip's place in a chain of last-frame extensions, as later versions of ima2-gen keep it.
        video_lineage: VideoLineage = "videoLineage",
        /// The series the clip belongs to.
        video_series: VideoSeries = "videoSeries",
        /// What only this crate knows.
        reelkin: ReelkinRecord = "reelkin",
    }
}

lenient! {
    /// The block `video` of a sidecar.
    pub struct VideoFacts {
        /// `edit` or `extend`; missing otherwise.
        operation: String = "operation",
        /// The length that was asked for.
        duration: Seconds = "duration",
        /// `480p`, `720p`, …
        resolution: String = "resolution",
        /// `16:9`, …, or `auto`.
        aspect_ratio: String = "aspectRatio",
        /// The picture the clip was made from.
        source_image_filename: String = "sourceImageFilename",
        /// The service's id of the job.
        xai_video_request_id: String = "xaiVideoRequestId",
        /// The model.
        model: String = "model",
        /// The model that was asked for.
        requested_model: String = "requestedModel",
        /// The model that made the clip.
        effective_model: String = "effectiveModel",
        /// As in [`ClipRecord`].
        model_fallback: Value = "modelFallback",
        /// For edit and extend: what the clip was made from.
        source: SourceSummary = "source",
        /// For edit and extend: the same, as it was sent.
        source_url: SourceSummary = "sourceUrl",
        /// For edit and extend: the media type of the result.
        content_type: String = "contentType",
    }
}

lenient! {
    /// The block `videoSeries` of a sidecar: clips that share a topic and no frame.
    pub struct VideoSeries {
        /// What the clips have in common, in the user's words.
        topic: String = "topic",
        /// How many earlier prompts of the topic the planner was told: from 0 to 4.
        chain_index: u64 = "chainIndex",
    }
}

lenient! {
    /// The block `usage` of a sidecar.
    pub struct Usage {
        /// The price in ticks of 1e-10 USD.
        grok_cost_usd_ticks: u64 = "grok_cost_usd_ticks",
    }
}

lenient! {
    /// Where an edited or extended clip came from, without anything that gives access to it.
    pub struct SourceSummary {
        /// `generated-file`, `url`, `file_id` or `data-url`.
        kind: String = "kind",
        /// For `generated-file`: the file name in the library.
        filename: String = "filename",
        /// For `url`: scheme, host and port.
        origin: String = "origin",
        /// For `url`: the last part of the path.
        pathname: String = "pathname",
        /// For `data-url`: the size of what it holds, estimated.
        approximate_bytes: u64 = "approximateBytes",
    }
}

lenient! {
    /// The block `reelkin` of a sidecar: what this crate knows beyond ima2-gen.
    pub struct ReelkinRecord {
        /// The version of this block, [`SCHEMA`] when this crate wrote it.
        schema: u32 = "schema",
        /// The version of the crate that wrote it.
        version: String = "version",
        /// SHA-256 of the clip's bytes, in hex. Set when the clip is committed.
        sha256: String = "sha256",
        /// The clip's size. Set when the clip is committed.
        bytes: u64 = "bytes",
        /// The price in ticks of 1e-10 USD.
        cost_usd_ticks: u64 = "cost_usd_ticks",
        /// `generate`, `edit`, `extend` or `continue`.
        operation: String = "operation",
        /// The service's id of the job.
        job_id: String = "job_id",
        /// What was asked against what was delivered.
        delivery: DeliveryReport = "delivery",
        /// The request as it was sent, without media, secrets and upload addresses. Whoever fills it
        /// in leaves those out.
        request: Value = "request",
        /// What was sent along: pictures, clips, voices.
        inputs: Vec<InputRecord> = "inputs",
        /// The clips this one was made from. The first is what it goes on from.
        parents: Vec<ParentRecord> = "parents",
        /// What the user should know, a line each.
        warnings: Vec<String> = "warnings",
        /// How the prompt was planned. Missing where it was not.
        planner: PlannerRecord = "planner",
    }
}

lenient! {
    /// How a prompt was planned.
    pub struct PlannerRecord {
        /// The language model.
        model: String = "model",
        /// What planning cost, in ticks of 1e-10 USD. Not part of the clip's own price.
        cost_usd_ticks: u64 = "cost_usd_ticks",
        /// How many web searches the model made.
        web_searches: u64 = "web_searches",
        /// Why the user's own words were sent. Missing where the plan was.
        fell_back: String = "fell_back",
    }
}

lenient! {
    /// One input of a request, known by its hash.
    pub struct InputRecord {
        /// What it was for: `image`, `reference`, `video`, …
        kind: String = "kind",
        /// SHA-256 of its bytes in hex. Missing for what the service fetched itself.
        sha256: String = "sha256",
        /// Its size.
        bytes: u64 = "bytes",
    }
}

lenient! {
    /// One clip that another one was made from, known by its hash whatever it is called later.
    pub struct ParentRecord {
        /// Its id when the child was made.
        id: String = "id",
        /// SHA-256 of its bytes in hex, as they were read for the child.
        sha256: String = "sha256",
        /// Its size.
        bytes: u64 = "bytes",
        /// `continue`, `edit`, `extend`, …
        relation: String = "relation",
        /// The frame of it that the child begins on.
        frame: FrameRecord = "frame",
    }
}

lenient! {
    /// One frame of a parent.
    pub struct FrameRecord {
        /// Its time in the clip.
        seconds: Seconds = "seconds",
        /// Its time stamp, in the time base of the clip's video stream.
        pts: i64 = "pts",
        /// Its number, from 0.
        number: u64 = "number",
        /// SHA-256 in hex of the picture as it was sent.
        sha256: String = "sha256",
        /// What that hash is of: `png`, `jpeg` or `rgb` (the bare pixels).
        of: String = "of",
    }
}

impl ClipRecord {
    /// A record with what every clip made here has: kind, media type, provider, time, versions, and
    /// the nulls that ima2-gen writes from its command line.
    ///
    /// `created_at` is in milliseconds since 1970 UTC.
    pub fn new(created_at: u64) -> Self {
        let mut record = Self {
            kind: Some("video".to_owned()),
            media_type: Some("video".to_owned()),
            provider: Some("grok".to_owned()),
            created_at: Some(created_at),
            reelkin: Some(ReelkinRecord::new()),
            ..Self::default()
        };
        for name in ["sessionId", "clientNodeId", "modelFallback"] {
            record.extra.insert(name.to_owned(), Value::Null);
        }
        record
    }

    /// Reads a sidecar. `name` is for the error.
    ///
    /// # Errors
    /// `Library` if it is larger than [`MAX_SIDECAR_BYTES`], or no JSON object. A field of an
    /// unexpected type is no error, see [`unreadable`](Self::unreadable).
    pub fn from_json(name: &str, json: &[u8]) -> Result<Self> {
        if json.len() > MAX_SIDECAR_BYTES {
            return Err(too_large("read", name));
        }
        // Editors of some systems put a byte order mark in front.
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        serde_json::from_slice(json).map_err(|error| {
            Error::new(
                ErrorKind::Library,
                format!("read sidecar {name:?}: it is damaged or no JSON object"),
            )
            .with_source(error)
        })
    }

    /// The sidecar's bytes: the same record gives the same bytes, on every machine.
    ///
    /// # Errors
    /// `Library` if they would be more than [`MAX_SIDECAR_BYTES`]: no reader would take them.
    pub fn to_json(&self, name: &str) -> Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self).map_err(|error| {
            Error::new(ErrorKind::Library, format!("write sidecar {name:?}")).with_source(error)
        })?;
        json.push(b'\n');
        if json.len() > MAX_SIDECAR_BYTES {
            return Err(too_large("write", name));
        }
        Ok(json)
    }
}

pub(super) fn too_large(doing: &str, name: &str) -> Error {
    Error::new(
        ErrorKind::Library,
        format!("{doing} sidecar {name:?}: it is larger than 4 MiB"),
    )
}

impl ReelkinRecord {
    /// A block with the versions filled in.
    pub fn new() -> Self {
        Self {
            schema: Some(SCHEMA),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            ..Self::default()
        }
    }
}

impl SourceSummary {
    /// A file of the library.
    pub fn generated_file(file_name: &str) -> Self {
        Self {
            filename: Some(file_name.to_owned()),
            ..Self::of_kind("generated-file")
        }
    }

    /// A URL: its origin and the last part of its path. The rest, which may be signed, is left out.
    pub fn url(url: &Url) -> Self {
        let last = url.path().rsplit('/').next().unwrap_or_default();
        Self {
            origin: Some(url.origin().ascii_serialization()),
            pathname: Some(last.to_owned()),
            ..Self::of_kind("url")
        }
    }

    /// A file the service keeps. Its id is left out.
    pub fn file_id() -> Self {
        Self::of_kind("file_id")
    }

    /// Media inside the request.
    pub fn data_url(approximate_bytes: u64) -> Self {
        Self {
            approximate_bytes: Some(approximate_bytes),
            ..Self::of_kind("data-url")
        }
    }

    fn of_kind(kind: &str) -> Self {
        Self {
            kind: Some(kind.to_owned()),
            ..Self::default()
        }
    }
}

/// A length of time as a sidecar has it: seconds, a whole number written without a point, as
/// JavaScript does.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Seconds(f64);

impl Seconds {
    /// As a number of seconds, never negative and always finite.
    pub fn as_f64(self) -> f64 {
        self.0
    }

    /// As a duration.
    pub fn to_duration(self) -> Duration {
        Duration::try_from_secs_f64(self.0).unwrap_or(Duration::MAX)
    }
}

impl From<Duration> for Seconds {
    fn from(duration: Duration) -> Self {
        Self(duration.as_secs_f64())
    }
}

impl TryFrom<f64> for Seconds {
    type Error = Error;

    fn try_from(seconds: f64) -> Result<Self> {
        if seconds.is_finite() && seconds >= 0.0 {
            Ok(Self(seconds))
        } else {
            Err(Error::invalid(format!(
                "take {seconds} for a length of time in seconds"
            )))
        }
    }
}

impl Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
        if self.0.fract() != 0.0 || self.0 >= EXACT {
            return serializer.serialize_f64(self.0);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked just above"
        )]
        let whole = self.0 as u64;
        serializer.serialize_u64(whole)
    }
}
