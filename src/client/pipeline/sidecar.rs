//! What goes into the sidecar of a clip.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::client::VideoClient;
use crate::client::pipeline::clip_source::ClipFacts;
use crate::client::pipeline::content_checks::{CheckResults, ContentChecks};
use crate::client::pipeline::images::ReadImages;
use crate::client::pipeline::planning::PromptPlan;
use crate::client::pipeline::verify::VerifiedClip;
use crate::host::now_millis;
use crate::ids::{ClipId, JobId};
use crate::journal::JobRecord;
use crate::library::{
    Asked, ClipRecord, DeliveryReport, FrameRecord, InputRecord, InputTransport, Parent, ReelkinRecord,
    SavedParent, Seconds, SourceSummary, Usage, VideoFacts,
};
use crate::lineage::Continuity;
use crate::model::{ModelEntry, ModelTable, VideoModel};
use crate::money::UsdTicks;
use crate::provider::FinishedJob;
use crate::request::{Checked, CheckedVideo, GenerateRequest, UploadTarget};
use crate::storage::to_hex;

/// What is known of a job on this side. Picked up by its id alone, that is nothing.
///
/// The journal has it from before the create is sent, so that a clip that is saved after a crash has the
/// sidecar that it would have had.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ClipDraft {
    pub(crate) model: Option<VideoModel>,
    /// Where the caller wants the clip fetched from.
    pub(crate) fetch_url: Option<String>,
    /// Whether the service was told to put the clip somewhere.
    pub(crate) uploaded: bool,
    prompt: Option<String>,
    asked: Asked,
    request: Option<serde_json::Value>,
    inputs: Vec<InputRecord>,
    source_image: Option<String>,
    warnings: Vec<String>,
    plan: Option<PromptPlan>,
    /// When the work on it began, by this process's clock.
    #[serde(skip)]
    started: Option<Instant>,
    /// The same by the wall's, in milliseconds since 1970 UTC.
    began_at: u64,
    /// Whether the job was found by its id, and nothing else is known of it.
    pub(crate) picked_up: bool,
    /// `generate`, `edit`, `extend` or `continue`.
    operation: String,
    /// For edit and extend: what the clip is made of.
    source: Option<SourceSummary>,
    /// The clip of the library that this one comes from.
    parent: Option<SavedParent>,
    /// The frame of it that this one starts on.
    frame: Option<FrameRecord>,
    /// What the finished clip is to be held against.
    pub(crate) measure: ContentChecks,
}

impl Default for ClipDraft {
    fn default() -> Self {
        Self {
            model: None,
            fetch_url: None,
            uploaded: false,
            prompt: None,
            asked: Asked::default(),
            request: None,
            inputs: Vec::new(),
            source_image: None,
            warnings: Vec::new(),
            plan: None,
            started: None,
            began_at: now_millis(),
            picked_up: false,
            operation: "generate".to_owned(),
            source: None,
            parent: None,
            frame: None,
            measure: ContentChecks::default(),
        }
    }
}

/// The brief of a job that is waited for.
#[derive(Debug)]
pub(crate) enum PendingDraft {
    Here(Box<ClipDraft>),
    /// In the record of the job, but for the moment its work began.
    InRecord(Option<Instant>),
}

impl PendingDraft {
    /// What is not held is read out of the record. To be taken once.
    pub(crate) fn take(&mut self, record: &JobRecord) -> Box<ClipDraft> {
        match std::mem::replace(self, Self::InRecord(None)) {
            Self::Here(brief) => brief,
            Self::InRecord(started) => Box::new(ClipDraft {
                started,
                ..ClipDraft::from_record(record)
            }),
        }
    }
}

impl ClipDraft {
    /// What has to be held of it during the wait. `written`: whether it is in the record.
    pub(crate) fn held(self: Box<Self>, written: bool) -> PendingDraft {
        if written && !self.measure.has_bytes() {
            PendingDraft::InRecord(self.started)
        } else {
            PendingDraft::Here(self)
        }
    }

    /// Of a job that is known by its id alone.
    pub(crate) fn unknown() -> Self {
        Self {
            picked_up: true,
            ..Self::begun()
        }
    }

    fn begun() -> Self {
        Self {
            started: Some(Instant::now()),
            ..Self::default()
        }
    }

    /// Of a job whose work another process began.
    pub(crate) fn from_record(record: &JobRecord) -> Self {
        let kept = record
            .draft
            .as_ref()
            .and_then(|kept| serde_json::from_value(kept.parse()).ok());
        kept.unwrap_or_else(Self::unknown)
    }

    /// The prompt that is sent.
    pub(crate) fn prompt(&self) -> Option<&str> {
        self.prompt.as_deref()
    }

    /// What jobs take alike long that have it in common; `None` for one that this process has not sent.
    pub(crate) fn kind(&self) -> Option<String> {
        let asked = &self.asked;
        let kind = || {
            format!(
                "{} {:?} {:?} {:?}",
                self.operation, asked.model, asked.duration, asked.resolution
            )
        };
        (self.started.is_some() && !self.picked_up).then(kind)
    }

    /// SHA-256 over all that is asked for, media by their hashes.
    pub(crate) fn digest(&self) -> String {
        let all = json!([
            self.operation,
            self.request,
            self.prompt(),
            self.inputs,
            self.source
        ]);
        to_hex(&Sha256::digest(all.to_string()))
    }

    fn elapsed(&self) -> Duration {
        let elapsed = match self.started {
            Some(started) => started.elapsed(),
            None => Duration::from_millis(now_millis().saturating_sub(self.began_at)),
        };
        // Thousandths are more than anybody needs, and read well.
        Duration::from_millis(u64::try_from(elapsed.as_millis()).unwrap_or(0))
    }

    pub(crate) fn generate(
        request: &GenerateRequest,
        checked: &Checked,
        resolved: &ReadImages,
        table: &ModelTable,
    ) -> Self {
        let asked = Asked {
            duration: Some(Duration::from_secs(u64::from(checked.seconds))),
            resolution: Some(checked.resolution.to_string()),
            aspect_ratio: checked.aspect_ratio.as_ref().map(ToString::to_string),
            fps: None,
            audio: Some(checked.audio),
            model: Some(checked.model.to_string()),
            model_aliases: names_of(table, &checked.model),
            transports: resolved.transports.clone(),
        };
        Self {
            model: Some(checked.model.clone()),
            fetch_url: request
                .output
                .as_ref()
                .and_then(|target| target.fetch_url.clone()),
            uploaded: request.output.is_some(),
            prompt: checked.prompt.clone(),
            asked,
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
            inputs: resolved.records.clone(),
            source_image: resolved.source_image.clone(),
            warnings: checked.warnings.clone(),
            ..Self::begun()
        }
    }

    /// The same with what the planner did.
    pub(crate) fn planned(mut self, plan: PromptPlan) -> Self {
        self.plan = Some(plan);
        self
    }

    /// An edit or an extension.
    pub(crate) fn video(
        checked: &CheckedVideo,
        output: Option<&UploadTarget>,
        source: SentSource,
        table: &ModelTable,
    ) -> Self {
        let SentSource {
            parent,
            summary,
            measured,
            sent_record,
            transport,
            warning,
            estimate,
        } = source;
        let added = checked
            .added_seconds
            .map(|added| Duration::from_secs(u64::from(added)));
        let asked = Asked {
            duration: measured.length.map(|length| length + added.unwrap_or_default()),
            audio: measured.audio.filter(|audio| *audio),
            model: Some(checked.model.to_string()),
            model_aliases: names_of(table, &checked.model),
            transports: vec![transport],
            ..Asked::default()
        };
        Self {
            model: Some(checked.model.clone()),
            fetch_url: output.and_then(|target| target.fetch_url.clone()),
            uploaded: output.is_some(),
            prompt: Some(checked.prompt.clone()),
            asked,
            request: Some(json!({
                "mode": checked.mode,
                "model": checked.model,
                "prompt": checked.prompt,
                "duration": checked.added_seconds,
                "estimate_usd_ticks": estimate,
            })),
            inputs: vec![sent_record],
            warnings: checked.warnings.iter().cloned().chain(warning).collect(),
            operation: if added.is_some() { "extend" } else { "edit" }.to_owned(),
            source: Some(summary),
            parent: parent.as_ref().map(SavedParent::from),
            ..Self::begun()
        }
    }

    /// The clip continues another by a frame of it.
    pub(crate) fn continues(&mut self, parent: Option<&Parent>, frame: FrameRecord) {
        "continue".clone_into(&mut self.operation);
        self.parent = parent.map(SavedParent::from);
        self.frame = Some(frame);
    }

    pub(crate) fn warn(&mut self, warning: Option<String>) {
        self.warnings.extend(warning);
    }

    /// Holds the finished clip against what went in, once.
    pub(crate) async fn compare(&mut self, client: &VideoClient, clip: &Path) -> CheckResults {
        std::mem::take(&mut self.measure).take(client, clip).await
    }

    /// The sidecar of the finished clip.
    pub(crate) fn into_record(
        self,
        client: &VideoClient,
        id: &JobId,
        name: &ClipId,
        finished: &FinishedJob,
        verified: &VerifiedClip,
        found: CheckResults,
    ) -> ClipRecord {
        let created_at = name.millis().unwrap_or_else(now_millis);
        let cost = finished.cost.map(UsdTicks::ticks);
        let mut delivered = verified.delivered.clone();
        // Without libav nothing was measured; then the service's word has to do.
        let told = finished
            .seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        delivered.duration = delivered.duration.or(told);
        delivered.model = finished.model.as_ref().map(ToString::to_string);
        let requested = self.model.as_ref().map(ToString::to_string);
        let effective = delivered.model.clone().or_else(|| requested.clone());
        let asked_seconds = self.asked.duration.map(Seconds::from);
        let resolution = self.asked.resolution.clone();
        // ima2 writes `auto` where the ratio was left out.
        let ratio = self
            .asked
            .aspect_ratio
            .clone()
            .or_else(|| (!self.picked_up).then(|| "auto".to_owned()));
        let elapsed = (!self.picked_up && self.source.is_none()).then(|| Seconds::from(self.elapsed()));
        let mut warnings = self.warnings;
        warnings.extend(finished.warnings.iter().cloned());
        warnings.extend(verified.note.clone());
        if self.picked_up {
            warnings.push("picked up by its id: what was asked for is not known here".to_owned());
        }

        let mut record = ClipRecord::new(created_at);
        record.request_id = Some(format!("req_{}", name.as_str()));
        record.prompt.clone_from(&self.prompt);
        record.user_prompt.clone_from(&self.prompt);
        record.revised_prompt.clone_from(&self.prompt);
        record.provider = Some(client.inner.provider.name().to_owned());
        record.model.clone_from(&effective);
        record.requested_model.clone_from(&requested);
        record.effective_model.clone_from(&effective);
        // ima2 writes no `elapsed` for edits and extensions.
        record.elapsed = elapsed;
        record.usage = cost.map(|ticks| Usage {
            grok_cost_usd_ticks: Some(ticks),
            ..Usage::default()
        });
        record.web_search_calls = Some(0);
        record.video = Some(VideoFacts {
            duration: asked_seconds.or_else(|| delivered.duration.map(Seconds::from)),
            resolution,
            aspect_ratio: ratio,
            source_image_filename: self.source_image,
            xai_video_request_id: Some(id.to_string()),
            model: effective.clone(),
            requested_model: requested,
            effective_model: effective,
            operation: self.source.is_some().then(|| self.operation.clone()),
            content_type: self.source.is_some().then(|| "video/mp4".to_owned()),
            source_url: self.source.clone(),
            source: self.source,
            ..VideoFacts::default()
        });
        record.video_continuity = Some(Continuity::first(
            &name.file_name(),
            self.prompt.as_deref(),
            self.prompt.as_deref().unwrap_or_default(),
            created_at,
        ));
        let (delivery, found) = found.add_to(DeliveryReport::compare(self.asked, delivered));
        warnings.extend(found);
        record.reelkin = Some(ReelkinRecord {
            cost_usd_ticks: cost,
            operation: Some(self.operation.clone()),
            job_id: Some(id.to_string()),
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
            parent.write_into(&mut record, name, &self.operation, self.frame);
        }
        record
    }
}

/// What is known of the clip that an edit or an extension is made of, when the request has been sent.
pub(crate) struct SentSource {
    pub(crate) parent: Option<Parent>,
    pub(crate) summary: SourceSummary,
    pub(crate) measured: ClipFacts,
    pub(crate) sent_record: InputRecord,
    pub(crate) transport: InputTransport,
    pub(crate) warning: Option<String>,
    pub(crate) estimate: Option<UsdTicks>,
}

/// All names of a model: a service that answers with one of them has not replaced it.
fn names_of(table: &ModelTable, model: &VideoModel) -> Vec<String> {
    let names = |entry: &ModelEntry| {
        std::iter::once(&entry.id)
            .chain(&entry.aliases)
            .map(ToString::to_string)
            .collect()
    };
    table.get(model).map(names).unwrap_or_default()
}
