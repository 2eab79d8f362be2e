//! What goes into the sidecar of a clip.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use tokio::time::Instant;

use super::VideoClient;
use super::inputs::Resolved;
use super::plan::Planned;
use super::verify::Verified;
use crate::library::{
    Asked, ClipId, ClipRecord, DeliveryReport, InputRecord, ReelkinRecord, Seconds, Usage, VideoFacts,
};
use crate::lineage::Continuity;
use crate::model::{ModelTable, VideoModel};
use crate::provider::{Finished, JobId};
use crate::request::{Checked, GenerateRequest};

/// What is known of a job on this side. Picked up by its id alone, that is nothing.
#[derive(Debug)]
pub(super) struct Brief {
    pub(super) model: Option<VideoModel>,
    /// Where the caller wants the clip fetched from.
    pub(super) fetch_url: Option<String>,
    /// Whether the service was told to put the clip somewhere.
    pub(super) uploaded: bool,
    prompt: Option<String>,
    asked: Asked,
    request: Option<serde_json::Value>,
    inputs: Vec<InputRecord>,
    source_image: Option<String>,
    warnings: Vec<String>,
    plan: Option<Planned>,
    started: Instant,
    /// Whether the job was found by its id, and nothing else is known of it.
    pub(super) picked_up: bool,
}

impl Brief {
    pub(super) fn unknown() -> Self {
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
            started: Instant::now(),
            picked_up: true,
        }
    }

    pub(super) fn generate(
        request: &GenerateRequest,
        checked: &Checked,
        resolved: &Resolved,
        table: &ModelTable,
    ) -> Self {
        let aliases = table.get(&checked.model).map(|entry| {
            let names = std::iter::once(&entry.id).chain(&entry.aliases);
            names.map(ToString::to_string).collect()
        });
        let asked = Asked {
            duration: Some(Duration::from_secs(u64::from(checked.seconds))),
            resolution: Some(checked.resolution.to_string()),
            aspect_ratio: checked.aspect_ratio.as_ref().map(ToString::to_string),
            fps: None,
            audio: Some(checked.audio),
            model: Some(checked.model.to_string()),
            model_aliases: aliases.unwrap_or_default(),
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
            plan: None,
            started: Instant::now(),
            picked_up: false,
        }
    }

    /// The same with what the planner did.
    pub(super) fn planned(mut self, plan: Planned) -> Self {
        self.plan = Some(plan);
        self
    }

    /// The sidecar of the finished clip.
    pub(super) fn into_record(
        self,
        client: &VideoClient,
        id: &JobId,
        name: &ClipId,
        finished: &Finished,
        verified: &Verified,
    ) -> ClipRecord {
        let created_at = name.millis().unwrap_or_else(now_millis);
        let cost = finished.cost.map(crate::money::UsdTicks::ticks);
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
        let mut warnings = self.warnings;
        warnings.extend(finished.warnings.iter().cloned());
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
        record.elapsed = (!self.picked_up).then(|| {
            // Thousandths are more than anybody needs, and read well.
            Seconds::from(Duration::from_millis(
                u64::try_from(self.started.elapsed().as_millis()).unwrap_or(0),
            ))
        });
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
            ..VideoFacts::default()
        });
        record.video_continuity = Some(Continuity::first(
            &name.file_name(),
            self.prompt.as_deref(),
            self.prompt.as_deref().unwrap_or_default(),
            created_at,
        ));
        record.reelkin = Some(ReelkinRecord {
            cost_usd_ticks: cost,
            operation: Some("generate".to_owned()),
            job_id: Some(id.to_string()),
            delivery: Some(DeliveryReport::compare(self.asked, delivered)),
            request: self.request,
            inputs: Some(self.inputs),
            warnings: Some(warnings),
            ..ReelkinRecord::new()
        });
        if let Some(plan) = self.plan {
            plan.write_into(&mut record);
        }
        record
    }
}

/// Milliseconds since 1970 UTC.
pub(super) fn now_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
