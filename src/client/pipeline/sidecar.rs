//! Builds the sidecar of a clip.
//!
//! A [`ClipDraft`] collects the contents of the sidecar before the create request is sent, and becomes the sidecar
//! when the clip is there. Where sidecars are stored is the library's matter.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use crate::client::VideoClient;
use crate::client::pipeline::clip_source::ClipFacts;
use crate::client::pipeline::content_checks::{CheckResults, ContentChecks};
use crate::client::pipeline::images::ReadImages;
use crate::client::pipeline::planning::PromptPlan;
use crate::client::pipeline::verify::VerifiedClip;
use crate::host;
use crate::ids::{ClipId, JobId};
use crate::journal::JobRecord;
use crate::library::{
    ClipRecord, DeliveryReport, FrameRecord, InputRecord, InputTransport, Parent, ReelkinRecord,
    RequestedProperties, SavedParent, Seconds, SourceSummary, Usage, VideoFacts,
};
use crate::lineage::Continuity;
use crate::model::{ModelEntry, ModelTable, VideoModel};
use crate::money::UsdTicks;
use crate::operation::Operation;
use crate::provider::FinishedJob;
use crate::request::{CheckedRequest, CheckedVideo, GenerateRequest, UploadTarget};
use crate::storage::sha256_hex;
use crate::timestamp::Timestamp;

/// Holds what the sidecar of a clip will contain, apart from the result of its job.
///
/// The journal has the draft before the create request is sent, so that a clip that is saved after a crash gets the
/// same sidecar. The draft of a job that is known by its id alone is empty.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ClipDraft {
    pub(crate) model: Option<VideoModel>,
    /// The URL that the caller wants the clip downloaded from.
    pub(crate) fetch_url: Option<String>,
    /// Whether the service uploads the clip to a URL of the caller's.
    pub(crate) uploaded: bool,
    prompt: Option<String>,
    #[serde(rename = "asked")]
    requested: RequestedProperties,
    request: Option<serde_json::Value>,
    inputs: Vec<InputRecord>,
    source_image: Option<String>,
    warnings: Vec<String>,
    plan: Option<PromptPlan>,
    /// When the work began, on this process's monotonic clock.
    #[serde(skip)]
    pub(crate) started: Option<Instant>,
    /// When the work began on the wall clock, in milliseconds since 1970 UTC.
    began_at: Timestamp,
    /// Whether the job is known by its id alone.
    pub(crate) picked_up: bool,
    /// The name of an [`Operation`]. Text, because a newer version may know more of them.
    operation: String,
    /// The source clip of an edit or an extension.
    source: Option<SourceSummary>,
    /// The clip of the library that this clip is made from.
    parent: Option<SavedParent>,
    /// The frame of the parent that this clip starts on.
    frame: Option<FrameRecord>,
    /// The comparisons of the finished clip with its inputs.
    #[serde(rename = "measure")]
    pub(crate) checks: ContentChecks,
}

impl Default for ClipDraft {
    fn default() -> Self {
        Self {
            model: None,
            fetch_url: None,
            uploaded: false,
            prompt: None,
            requested: RequestedProperties::default(),
            request: None,
            inputs: Vec::new(),
            source_image: None,
            warnings: Vec::new(),
            plan: None,
            started: None,
            began_at: host::now(),
            picked_up: false,
            operation: Operation::Generate.to_string(),
            source: None,
            parent: None,
            frame: None,
            checks: ContentChecks::default(),
        }
    }
}

impl ClipDraft {
    /// Returns the draft of a job that is known by its id alone.
    pub(crate) fn unknown() -> Self {
        Self {
            picked_up: true,
            ..Self::starting_now()
        }
    }

    fn starting_now() -> Self {
        Self {
            started: Some(Instant::now()),
            ..Self::default()
        }
    }

    /// Reads the draft of a job from its record.
    pub(crate) fn from_record(record: &JobRecord) -> Self {
        let saved = record
            .draft
            .as_ref()
            .and_then(|draft| serde_json::from_value(draft.parse()).ok());
        saved.unwrap_or_else(Self::unknown)
    }

    /// Returns the prompt that is sent.
    pub(crate) fn prompt(&self) -> Option<&str> {
        self.prompt.as_deref()
    }

    /// Returns the group of jobs with similar durations that this one belongs to, or `None` if another process sent it.
    pub(crate) fn kind(&self) -> Option<String> {
        let requested = &self.requested;
        let kind = || {
            format!(
                "{} {:?} {:?} {:?}",
                self.operation, requested.model, requested.duration, requested.resolution
            )
        };
        (self.started.is_some() && !self.picked_up).then(kind)
    }

    /// Returns the SHA-256 of the whole request, in which media are represented by their hashes.
    pub(crate) fn digest(&self) -> String {
        let all = json!([
            self.operation,
            self.request,
            self.prompt(),
            self.inputs,
            self.source
        ]);
        sha256_hex(all.to_string())
    }

    /// Returns the time since the work began, in whole milliseconds.
    fn elapsed(&self) -> Duration {
        let elapsed = match self.started {
            Some(started) => started.elapsed(),
            None => host::now().since(self.began_at),
        };
        Duration::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(0))
    }

    /// Returns the draft of a generated clip.
    pub(crate) fn generate(
        request: &GenerateRequest,
        checked: &CheckedRequest,
        images: &ReadImages,
        table: &ModelTable,
    ) -> Self {
        let requested = RequestedProperties {
            duration: Some(Duration::from_secs(u64::from(checked.seconds))),
            resolution: Some(checked.resolution.to_string()),
            aspect_ratio: checked.aspect_ratio.as_ref().map(ToString::to_string),
            fps: None,
            audio: Some(checked.audio),
            model: Some(checked.model.to_string()),
            model_aliases: model_names(table, &checked.model),
            transports: images.transports.clone(),
        };
        Self {
            model: Some(checked.model.clone()),
            fetch_url: request
                .output
                .as_ref()
                .and_then(|target| target.fetch_url.clone()),
            uploaded: request.output.is_some(),
            prompt: checked.prompt.clone(),
            requested,
            request: Some(json!({
                "mode": checked.mode,
                "model": checked.model,
                "prompt": checked.prompt,
                "duration": checked.seconds,
                "resolution": checked.resolution,
                "aspect_ratio": checked.aspect_ratio,
                "generate_audio": checked.audio,
                "voices": request.voices,
                "user": request.user,
                "estimate_usd_ticks": checked.estimate,
            })),
            inputs: images.records.clone(),
            source_image: images.source_image.clone(),
            warnings: checked.warnings.clone(),
            ..Self::starting_now()
        }
    }

    /// Adds the result of planning the prompt.
    pub(crate) fn with_plan(mut self, plan: PromptPlan) -> Self {
        self.plan = Some(plan);
        self
    }

    /// Returns the draft of an edit or an extension.
    pub(crate) fn video(
        checked: &CheckedVideo,
        output: Option<&UploadTarget>,
        source: SourceSummary,
        facts: ClipFacts,
        estimate: Option<UsdTicks>,
        table: &ModelTable,
    ) -> Self {
        let added = checked
            .added_seconds
            .map(|added| Duration::from_secs(u64::from(added)));
        let requested = RequestedProperties {
            duration: facts.length.map(|length| length + added.unwrap_or_default()),
            audio: facts.audio.filter(|audio| *audio),
            model: Some(checked.model.to_string()),
            model_aliases: model_names(table, &checked.model),
            ..RequestedProperties::default()
        };
        Self {
            model: Some(checked.model.clone()),
            fetch_url: output.and_then(|target| target.fetch_url.clone()),
            uploaded: output.is_some(),
            prompt: Some(checked.prompt.clone()),
            requested,
            request: Some(json!({
                "mode": checked.mode,
                "model": checked.model,
                "prompt": checked.prompt,
                "duration": checked.added_seconds,
                "estimate_usd_ticks": estimate,
            })),
            warnings: checked.warnings.clone(),
            operation: checked.mode.operation().to_string(),
            source: Some(source),
            ..Self::starting_now()
        }
    }

    /// Adds the source clip of an edit or an extension, as it was sent.
    pub(crate) fn add_source(
        &mut self,
        parent: Option<&Parent>,
        input: InputRecord,
        transport: InputTransport,
        warning: Option<String>,
    ) {
        self.parent = parent.map(SavedParent::from);
        self.inputs.push(input);
        self.requested.transports.push(transport);
        self.warn(warning);
    }

    /// Makes this the draft of a clip that continues another one from a frame.
    pub(crate) fn set_continued_from(&mut self, parent: Option<&Parent>, frame: FrameRecord) {
        self.operation = Operation::Continue.to_string();
        self.parent = parent.map(SavedParent::from);
        self.frame = Some(frame);
    }

    /// Adds a warning to the sidecar.
    pub(crate) fn warn(&mut self, warning: Option<String>) {
        self.warnings.extend(warning);
    }

    /// Compares the finished clip with its inputs. A second call compares nothing.
    pub(crate) async fn check_content(&mut self, client: &VideoClient, clip: &Path) -> CheckResults {
        std::mem::take(&mut self.checks).run(client, clip).await
    }

    /// Builds the sidecar of the finished clip.
    pub(crate) fn into_record(
        self,
        client: &VideoClient,
        job_id: &JobId,
        clip_id: &ClipId,
        finished: &FinishedJob,
        verified: &VerifiedClip,
        results: CheckResults,
    ) -> ClipRecord {
        let created_at = clip_id.millis().map_or_else(host::now, Timestamp::from_millis);
        let cost = finished.cost;
        let mut delivered = verified.delivered.clone();
        // Without libav nothing was measured, so the duration that the service reports is used.
        let reported = finished
            .seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        delivered.duration = delivered.duration.or(reported);
        delivered.model = finished.model.as_ref().map(ToString::to_string);
        let requested_model = self.model.as_ref().map(ToString::to_string);
        let effective = delivered.model.clone().or_else(|| requested_model.clone());
        let requested_seconds = self.requested.duration.map(Seconds::from);
        let resolution = self.requested.resolution.clone();
        // ima2 writes `auto` if the request has no ratio.
        let ratio = self
            .requested
            .aspect_ratio
            .clone()
            .or_else(|| (!self.picked_up).then(|| "auto".to_owned()));
        let elapsed = (!self.picked_up && self.source.is_none()).then(|| Seconds::from(self.elapsed()));
        let mut warnings = self.warnings;
        warnings.extend(finished.warnings.iter().cloned());
        warnings.extend(verified.note.clone());
        if self.picked_up {
            warnings.push("picked up by its id: the request is not known here".to_owned());
        }

        let mut record = ClipRecord::new(created_at);
        record.request_id = Some(format!("req_{}", clip_id.as_str()));
        record.prompt.clone_from(&self.prompt);
        record.user_prompt.clone_from(&self.prompt);
        record.revised_prompt.clone_from(&self.prompt);
        record.provider = Some(client.inner.provider.name().to_owned());
        record.model.clone_from(&effective);
        record.requested_model.clone_from(&requested_model);
        record.effective_model.clone_from(&effective);
        // ima2 writes no `elapsed` for edits and extensions.
        record.elapsed = elapsed;
        record.usage = cost.map(|cost| Usage {
            grok_cost: Some(cost),
            ..Usage::default()
        });
        record.web_search_calls = Some(0);
        record.video = Some(VideoFacts {
            duration: requested_seconds.or_else(|| delivered.duration.map(Seconds::from)),
            resolution,
            aspect_ratio: ratio,
            source_image_filename: self.source_image,
            xai_video_request_id: Some(job_id.to_string()),
            model: effective.clone(),
            requested_model,
            effective_model: effective,
            operation: self.source.is_some().then(|| self.operation.clone()),
            content_type: self.source.is_some().then(|| "video/mp4".to_owned()),
            source_url: self.source.clone(),
            source: self.source,
            ..VideoFacts::default()
        });
        record.video_continuity = Some(Continuity::first(
            &clip_id.file_name(),
            self.prompt.as_deref(),
            self.prompt.as_deref().unwrap_or_default(),
            created_at,
        ));
        let (delivery, check_warnings) = results.add_to(DeliveryReport::compare(self.requested, delivered));
        warnings.extend(check_warnings);
        record.reelkin = Some(ReelkinRecord {
            cost,
            operation: Some(self.operation.clone()),
            job_id: Some(job_id.to_string()),
            delivery: Some(delivery),
            request: self.request,
            inputs: Some(self.inputs),
            warnings: Some(warnings),
            ..ReelkinRecord::new()
        });
        if let Some(plan) = self.plan {
            plan.write_into(&mut record);
        }
        if let Some(parent) = self.parent {
            let parent = client.inner.library.restore_parent(parent);
            parent.write_into(&mut record, clip_id, &self.operation, self.frame);
        }
        record
    }
}

/// Returns the id and all aliases of a model. A service that answers with any of them has not replaced the model.
fn model_names(table: &ModelTable, model: &VideoModel) -> Vec<String> {
    let names = |entry: &ModelEntry| {
        std::iter::once(&entry.id)
            .chain(&entry.aliases)
            .map(ToString::to_string)
            .collect()
    };
    table.get(model).map(names).unwrap_or_default()
}
