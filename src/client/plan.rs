//! Planning inside a verb: whether, with what, and what the clip's record keeps of it.

use std::borrow::Cow;

use futures_util::{StreamExt as _, TryStreamExt as _, future};
use serde_json::{Value, json};

use super::VideoClient;
use crate::error::Result;
use crate::library::{ClipRecord, PlannerRecord};
use crate::lineage::ContinuityEntry;
use crate::model::Mode;
use crate::planner::{self, Ancestor, Picture, PictureContent, PlanBrief};
use crate::request::{
    Checked, GenerateInputs, GenerateRequest, PlanChoice, PlanWhen, PlannerSettings, ResolvedMedia,
};

/// Longer side of a picture that a planner is shown: enough to see what is there, and cheap.
#[cfg(feature = "media")]
pub(super) const SHOWN_SIDE: u32 = 768;
/// From 90 up a JPEG keeps its colours at full resolution.
#[cfg(feature = "media")]
pub(super) const SHOWN_QUALITY: u8 = 90;
/// How many prompts of a series a planner sees.
const SERIES: usize = 4;
/// How many clips of the library are looked through for a series.
const SERIES_SEARCH: usize = 5000;

/// What a verb knows of the clip it is about to ask for.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    /// What the request says.
    pub(super) choice: &'a PlanChoice,
    /// The row of the model table; `Image` with a lineage is a continuation.
    pub(super) mode: Mode,
    pub(super) seconds: Option<u32>,
    pub(super) resolution: Option<&'a str>,
    pub(super) aspect_ratio: Option<&'a str>,
    pub(super) audio: Option<bool>,
    /// The user's own words.
    pub(super) prompt: Option<&'a str>,
    pub(super) voices: usize,
    /// What a picture is for, how prompts call it, and the picture.
    pub(super) pictures: Vec<(String, Option<String>, &'a ResolvedMedia)>,
    /// The branch that is gone on from, oldest first. The parent's sidecar is the authority on it.
    pub(super) lineage: &'a [ContinuityEntry],
    pub(super) topic: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// A clip of `generate`; with a lineage one of `continue_from`.
    pub(super) fn generate(
        request: &'a GenerateRequest,
        checked: &'a Checked,
        media: &'a GenerateInputs,
        lineage: &'a [ContinuityEntry],
    ) -> Self {
        Self {
            choice: &request.plan,
            mode: checked.mode,
            seconds: Some(checked.seconds),
            resolution: Some(checked.resolution.as_str()),
            aspect_ratio: checked.aspect_ratio.as_ref().map(|ratio| ratio.as_str()),
            audio: Some(checked.audio),
            prompt: checked.prompt.as_deref(),
            voices: request.voices.len(),
            pictures: pictures(media, checked.mode),
            lineage,
            topic: request.topic.as_deref(),
        }
    }
}

/// The pictures of a request in the order of its fields.
fn pictures(media: &GenerateInputs, mode: Mode) -> Vec<(String, Option<String>, &ResolvedMedia)> {
    let tagged = mode == Mode::References;
    let mut all = Vec::new();
    if let Some(image) = &media.image {
        let tag = tagged.then(|| "<IMAGE_0>".to_owned());
        all.push(("start picture, the first frame".to_owned(), tag, image));
    }
    for image in &media.references {
        let tag = format!("<IMAGE_{}>", all.len());
        all.push(("reference picture".to_owned(), Some(tag), image));
    }
    for keyframe in &media.keyframes {
        let role = format!("frame at {} s", keyframe.at_seconds);
        all.push((role, None, &keyframe.image));
    }
    if let Some(image) = &media.last_frame {
        all.push(("last frame".to_owned(), None, image));
    }
    all
}

/// What came of planning.
#[derive(Debug, Clone, Default)]
pub(super) struct Planned {
    /// What is sent.
    pub(super) prompt: Option<String>,
    /// What the user wrote.
    user_prompt: Option<String>,
    /// Missing where nothing was planned.
    planner: Option<PlannerRecord>,
    series: Option<Value>,
}

/// Plans the prompt of one clip where client and request want that, and finds the clip's place in its
/// series. Sends at most one paid question, and no create.
///
/// # Errors
/// Those of [`planner::plan`]; `Library` when the series cannot be read.
pub(super) async fn for_request(client: &VideoClient, wanted: Wanted<'_>) -> Result<Planned> {
    let series = match wanted.topic {
        Some(topic) => Some((topic.to_owned(), series(client, topic).await?)),
        None => None,
    };
    let mut planned = Planned {
        prompt: wanted.prompt.map(str::to_owned),
        user_prompt: wanted.prompt.map(str::to_owned),
        planner: None,
        series: series
            .as_ref()
            .map(|(topic, series)| json!({ "topic": topic, "chainIndex": series.next })),
    };
    let Some(settings) = settings(client, &wanted) else {
        return Ok(planned);
    };
    let brief = PlanBrief {
        mode: wanted.mode,
        seconds: wanted.seconds,
        resolution: wanted.resolution.map(str::to_owned),
        aspect_ratio: wanted.aspect_ratio.map(str::to_owned),
        audio: wanted.audio,
        words: wanted.prompt.map(str::to_owned),
        max_chars: client.inner.models.max_prompt_chars as usize,
        voices: wanted.voices,
        pictures: shown(wanted.pictures).await?,
        lineage: wanted.lineage.iter().map(ancestor).collect(),
        series: series.map(|(topic, series)| (topic, series.prompts)),
    };
    let plan = planner::plan(&*client.inner.provider, &settings, &brief).await?;
    tracing::info!(
        model = plan.model,
        fell_back = plan.fell_back.is_some(),
        "planned"
    );
    planned.prompt = plan.prompt;
    planned.planner = Some(PlannerRecord {
        model: Some(plan.model),
        cost_usd_ticks: plan.cost.map(crate::money::UsdTicks::ticks),
        web_searches: Some(plan.web_searches),
        fell_back: plan.fell_back,
        ..PlannerRecord::default()
    });
    Ok(planned)
}

/// The settings to plan with; `None` where nothing is planned.
fn settings<'a>(client: &'a VideoClient, wanted: &Wanted<'a>) -> Option<Cow<'a, PlannerSettings>> {
    let own = Cow::Borrowed(&client.inner.planner);
    match wanted.choice {
        PlanChoice::Off => None,
        PlanChoice::On(Some(settings)) => Some(Cow::Borrowed(settings)),
        PlanChoice::On(None) => Some(own),
        PlanChoice::Default => match own.when {
            PlanWhen::Always => Some(own),
            PlanWhen::Continuing if !wanted.lineage.is_empty() => Some(own),
            PlanWhen::Continuing | PlanWhen::Never => None,
        },
    }
}

fn ancestor(entry: &ContinuityEntry) -> Ancestor {
    Ancestor {
        role: entry.role.as_str().to_owned(),
        file: entry.filename.clone(),
        revised_prompt: entry.revised_prompt.clone(),
        user_prompt: entry.user_prompt.clone(),
    }
}

async fn shown(pictures: Vec<(String, Option<String>, &ResolvedMedia)>) -> Result<Vec<Picture>> {
    let mut shown = Vec::with_capacity(pictures.len());
    for (role, tag, media) in pictures {
        let content = match media {
            ResolvedMedia::Inline { bytes, .. } => small(&role, bytes.clone()).await?,
            ResolvedMedia::Url(url) if url.starts_with("https://") => PictureContent::Link(url.clone()),
            // A file of the service, or a link on this machine.
            _ => PictureContent::Unseen,
        };
        shown.push(Picture { role, tag, content });
    }
    Ok(shown)
}

/// The picture, small. It is encoded anew, so nothing goes along that is not seen: a place, a name.
#[cfg(feature = "media")]
async fn small(role: &str, bytes: bytes::Bytes) -> Result<PictureContent> {
    use crate::media::{self, MediaOptions, MediaSource, bridge};

    let source = MediaSource::named_bytes(role, bytes);
    let jpeg = bridge::run(MediaOptions::default(), move |options| {
        media::picture(source, options)?
            .fit_within(SHOWN_SIDE)
            .to_jpeg(SHOWN_QUALITY)
    });
    Ok(PictureContent::Inline {
        mime: "image/jpeg",
        bytes: jpeg.await?.into(),
    })
}

/// Without libav no picture is made small, and a large one costs more than it tells.
#[cfg(not(feature = "media"))]
#[expect(clippy::unused_async, reason = "the other variant waits")]
async fn small(_role: &str, _bytes: bytes::Bytes) -> Result<PictureContent> {
    Ok(PictureContent::Unseen)
}

/// What a series holds so far.
#[derive(Debug, Default)]
struct Series {
    /// The newest prompts, oldest first.
    prompts: Vec<String>,
    /// The place of the next clip, from 0.
    next: u64,
}

/// Looks the series up in the library, newest clips first. A damaged sidecar belongs to no series.
async fn series(client: &VideoClient, topic: &str) -> Result<Series> {
    let entries = client.inner.library.entries().take(SERIES_SEARCH);
    let of_topic = entries.try_filter_map(|entry| {
        let record = entry.clip.ok().and_then(|clip| clip.record);
        let place = record.as_ref().and_then(|record| place_in(record, topic));
        future::ready(Ok(place.zip(record)))
    });
    let mut found: Vec<(u64, ClipRecord)> = of_topic.take(SERIES).try_collect().await?;
    found.reverse();
    let next = found.iter().map(|(place, _)| place + 1).max().unwrap_or(0);
    let prompts = found
        .into_iter()
        .filter_map(|(_, record)| record.revised_prompt.or(record.prompt));
    Ok(Series {
        prompts: prompts.collect(),
        next,
    })
}

/// The place of a clip in the series of that topic.
fn place_in(record: &ClipRecord, topic: &str) -> Option<u64> {
    let series = serde_json::to_value(record).ok()?.get_mut("videoSeries")?.take();
    let same = series.get("topic").and_then(Value::as_str) == Some(topic);
    same.then(|| series.get("chainIndex").and_then(Value::as_u64).unwrap_or(0))
}

impl Planned {
    /// Puts into a finished clip's record what planning knows: both prompts, the planner, the series.
    pub(super) fn write_into(self, record: &mut ClipRecord) {
        record.user_prompt.clone_from(&self.user_prompt);
        // The last entry of the branch is the clip itself.
        let continuity = record.video_continuity.as_mut();
        if let Some(entry) = continuity.and_then(|continuity| continuity.entries.last_mut()) {
            entry.user_prompt = self.user_prompt;
        }
        if let Some(series) = self.series {
            record.extra.insert("videoSeries".to_owned(), series);
        }
        let Some(planner) = self.planner else { return };
        record.web_search_calls = planner.web_searches;
        let Some(block) = record.reelkin.as_mut() else {
            return;
        };
        if let Some(reason) = &planner.fell_back {
            let warning = format!("the prompt is the user's own words, because there was no plan: {reason}");
            block.warnings.get_or_insert_default().push(warning);
        }
        block.planner = Some(planner);
    }
}
