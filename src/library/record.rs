//! The sidecar of a clip, which is the JSON of ima2-gen plus one block of this crate.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::delivery::DeliveryReport;
use super::lenient::lenient;
use crate::error::{Error, Result};
use crate::lineage::{Continuity, VideoLineage};
use crate::money::UsdTicks;
use crate::storage::{ClipDigest, MAX_SIDECAR_BYTES, sidecar_too_large};
use crate::timestamp::Timestamp;

/// The version of the block `reelkin` that this crate writes.
pub const SCHEMA: u32 = 1;

lenient! {
    /// The sidecar of a clip, `<id>.mp4.json`.
    ///
    /// The field names are those of ima2-gen, so that each program can use the clips of the other. The block `reelkin`
    /// contains what ima2-gen does not record. Every field is optional, because each is missing in some sidecars.
    /// Unknown fields are kept in `extra` and written back. A sidecar must not contain a key, a signed URL or media.
    pub struct ClipRecord {
        /// `video`.
        kind: String = "kind",
        /// `video`.
        media_type: String = "mediaType",
        /// The client's id of the request.
        request_id: String = "requestId",
        /// The session of ima2-gen in which the clip was made. Null if it was made on a command line.
        session_id: String = "sessionId",
        /// The node in the graph of ima2-gen. Null if the clip was made on a command line.
        client_node_id: String = "clientNodeId",
        /// The prompt of the request.
        prompt: String = "prompt",
        /// The prompt as the user wrote it.
        user_prompt: String = "userPrompt",
        /// The prompt that was sent to the video model.
        revised_prompt: String = "revisedPrompt",
        /// The provider that made the clip: `grok`.
        provider: String = "provider",
        /// The model.
        model: String = "model",
        /// The requested model.
        requested_model: String = "requestedModel",
        /// The model that made the clip.
        effective_model: String = "effectiveModel",
        /// Details of a fallback to another model by another program. This crate never falls back and writes null.
        model_fallback: Value = "modelFallback",
        /// When the clip was made.
        created_at: Timestamp = "createdAt",
        /// How long it took to make the clip.
        elapsed: Seconds = "elapsed",
        /// The cost of the clip.
        usage: Usage = "usage",
        /// The number of web searches of the planner.
        web_search_calls: u64 = "webSearchCalls",
        /// The video itself.
        video: VideoFacts = "video",
        /// The branch of the clip: its first clip, and the latest ones.
        video_continuity: Continuity = "videoContinuity",
        /// The position of the clip in a chain of last-frame extensions, as later versions of ima2-gen write it.
        video_lineage: VideoLineage = "videoLineage",
        /// The series that the clip belongs to.
        video_series: VideoSeries = "videoSeries",
        /// The block of this crate.
        reelkin: ReelkinRecord = "reelkin",
    }
}

lenient! {
    /// The block `video` of a sidecar.
    pub struct VideoFacts {
        /// `edit` or `extend`; missing otherwise.
        operation: String = "operation",
        /// The requested duration.
        duration: Seconds = "duration",
        /// `480p`, `720p`, …
        resolution: String = "resolution",
        /// `16:9`, …, or `auto`.
        aspect_ratio: String = "aspectRatio",
        /// The picture that the clip was made from.
        source_image_filename: String = "sourceImageFilename",
        /// The service's id of the job.
        xai_video_request_id: String = "xaiVideoRequestId",
        /// The model.
        model: String = "model",
        /// The requested model.
        requested_model: String = "requestedModel",
        /// The model that made the clip.
        effective_model: String = "effectiveModel",
        /// See [`ClipRecord::model_fallback`].
        model_fallback: Value = "modelFallback",
        /// For edit and extend: the source of the clip.
        source: SourceSummary = "source",
        /// For edit and extend: the source, as it was sent.
        source_url: SourceSummary = "sourceUrl",
        /// For edit and extend: the media type of the result.
        content_type: String = "contentType",
    }
}

lenient! {
    /// The block `videoSeries` of a sidecar: clips that share a topic but no frame.
    pub struct VideoSeries {
        /// The topic, as the user wrote it.
        topic: String = "topic",
        /// The number of earlier prompts of the topic that the planner was given, from 0 to 4.
        chain_index: u64 = "chainIndex",
    }
}

lenient! {
    /// The block `usage` of a sidecar.
    pub struct Usage {
        /// The cost of the clip.
        grok_cost: UsdTicks = "grok_cost_usd_ticks",
    }
}

lenient! {
    /// The source of an edited or extended clip, without secrets that give access to it.
    pub struct SourceSummary {
        /// `generated-file`, `url`, `file_id` or `data-url`.
        kind: String = "kind",
        /// For `generated-file`: the file name in the library.
        filename: String = "filename",
        /// For `url`: scheme, host and port.
        origin: String = "origin",
        /// For `url`: the last part of the path.
        pathname: String = "pathname",
        /// For `data-url`: the estimated size of its content.
        approximate_bytes: u64 = "approximateBytes",
    }
}

lenient! {
    /// The block `reelkin` of a sidecar, which contains what this crate records in addition to ima2-gen.
    pub struct ReelkinRecord {
        /// The version of this block, [`SCHEMA`] if this crate wrote it.
        schema: u32 = "schema",
        /// The version of the crate that wrote it.
        version: String = "version",
        /// The SHA-256 of the clip's bytes, in hex. Set when the clip is committed.
        sha256: String = "sha256",
        /// The size of the clip in bytes. Set when the clip is committed.
        bytes: u64 = "bytes",
        /// The cost of the clip.
        cost: UsdTicks = "cost_usd_ticks",
        /// `generate`, `edit`, `extend` or `continue`.
        operation: String = "operation",
        /// The service's id of the job.
        job_id: String = "job_id",
        /// The comparison of the clip with its request.
        delivery: DeliveryReport = "delivery",
        /// The request as it was sent, without media, secrets and upload addresses.
        request: Value = "request",
        /// The inputs of the request: pictures, clips, voices.
        inputs: Vec<InputRecord> = "inputs",
        /// The clips that this one was made from. The first is the one that it continues.
        parents: Vec<ParentRecord> = "parents",
        /// Warnings for the user, one line each.
        warnings: Vec<String> = "warnings",
        /// How the prompt was planned. Missing if it was not.
        planner: PlannerRecord = "planner",
    }
}

lenient! {
    /// How a prompt was planned.
    pub struct PlannerRecord {
        /// The language model.
        model: String = "model",
        /// The cost of planning, which the cost of the clip does not include.
        cost: UsdTicks = "cost_usd_ticks",
        /// The number of web searches of the model.
        web_searches: u64 = "web_searches",
        /// The reason why the user's own prompt was sent. Missing if the planned one was sent.
        fell_back: String = "fell_back",
    }
}

lenient! {
    /// One input of a request, identified by its hash.
    pub struct InputRecord {
        /// The role of the input: `image`, `reference`, `video`, …
        kind: String = "kind",
        /// The SHA-256 of its bytes, in hex. Missing if the service fetched the input.
        sha256: String = "sha256",
        /// Its size in bytes.
        bytes: u64 = "bytes",
    }
}

lenient! {
    /// One clip that another one was made from, identified by its hash even if it is renamed.
    pub struct ParentRecord {
        /// The id of the parent when the child was made.
        id: String = "id",
        /// The SHA-256 of the parent's bytes when the child was made, in hex.
        sha256: String = "sha256",
        /// The size of the parent in bytes.
        bytes: u64 = "bytes",
        /// `continue`, `edit`, `extend`, …
        relation: String = "relation",
        /// The frame of the parent that the child begins with.
        frame: FrameRecord = "frame",
    }
}

lenient! {
    /// One frame of a parent.
    pub struct FrameRecord {
        /// The time of the frame in the clip.
        seconds: Seconds = "seconds",
        /// The PTS of the frame, in the time base of the video stream.
        pts: i64 = "pts",
        /// The number of the frame, from 0.
        number: u64 = "number",
        /// The SHA-256 of the picture as it was sent, in hex.
        sha256: String = "sha256",
        /// The format of the picture that was hashed: `png`, `jpeg` or `rgb` (raw pixels).
        of: String = "of",
    }
}

impl ClipRecord {
    /// Returns the cost of the clip without the planning of its prompt, from the block of this crate or of ima2-gen.
    pub fn cost(&self) -> Option<UsdTicks> {
        let recorded = self.reelkin.as_ref().and_then(|block| block.cost);
        recorded.or_else(|| self.usage.as_ref()?.grok_cost)
    }

    /// Returns a sidecar with the fields of every clip of this crate: kind, media type, provider, time, versions, and
    /// the nulls that the command line of ima2-gen writes.
    pub fn new(created_at: Timestamp) -> Self {
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

    /// Parses a sidecar. `name` is used in the error message.
    ///
    /// # Errors
    /// `Library` if it is larger than [`MAX_SIDECAR_BYTES`], or not a JSON object. A field of an unexpected type is not
    /// an error, see [`unreadable`](Self::unreadable).
    pub fn from_json(name: &str, json: &[u8]) -> Result<Self> {
        if json.len() > MAX_SIDECAR_BYTES {
            return Err(sidecar_too_large(&format!("read sidecar {name:?}")));
        }
        // Some editors write a byte order mark.
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        serde_json::from_slice(json).map_err(|error| {
            Error::library(format!("read sidecar {name:?}: it is not a valid JSON object")).with_source(error)
        })
    }

    /// Serializes the sidecar. The same record results in the same bytes on every machine. `name` is used in the error
    /// message.
    ///
    /// # Errors
    /// `Library` if the result is larger than [`MAX_SIDECAR_BYTES`] and could not be read back.
    pub fn to_json(&self, name: &str) -> Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(|error| Error::library(format!("write sidecar {name:?}")).with_source(error))?;
        json.push(b'\n');
        if json.len() > MAX_SIDECAR_BYTES {
            return Err(sidecar_too_large(&format!("write sidecar {name:?}")));
        }
        Ok(json)
    }

    /// Sets the size and hash of the clip's bytes.
    pub(super) fn set_digest(&mut self, digest: &ClipDigest) {
        let ours = self.reelkin.get_or_insert_with(ReelkinRecord::new);
        ours.sha256 = Some(digest.sha256.clone());
        ours.bytes = Some(digest.bytes);
    }
}

impl ReelkinRecord {
    /// Returns a block with the versions of this crate.
    pub fn new() -> Self {
        Self {
            schema: Some(SCHEMA),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            ..Self::default()
        }
    }
}

impl SourceSummary {
    /// Returns the summary of a file of the library.
    pub fn generated_file(file_name: &str) -> Self {
        Self {
            filename: Some(file_name.to_owned()),
            ..Self::of_kind("generated-file")
        }
    }

    /// Returns the summary of a URL: its origin and the last part of its path. The rest may be signed and is left out.
    pub fn url(url: &Url) -> Self {
        let last = url.path().rsplit('/').next().unwrap_or_default();
        Self {
            origin: Some(url.origin().ascii_serialization()),
            pathname: Some(last.to_owned()),
            ..Self::of_kind("url")
        }
    }

    /// Returns the summary of a file that the service stores. Its id is left out.
    pub fn file_id() -> Self {
        Self::of_kind("file_id")
    }

    /// Returns the summary of media that are part of the request.
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

/// A duration in a sidecar: a number of seconds. Whole numbers are written without a decimal point, as JavaScript does.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Seconds(f64);

impl Seconds {
    /// Returns the number of seconds, which is finite and not negative.
    pub fn as_f64(self) -> f64 {
        self.0
    }

    /// Converts it to a duration.
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
                "parse {seconds} as a duration in seconds: it must be finite and not negative"
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
