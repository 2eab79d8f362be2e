//! Planning inside a verb: whether, with what, and what the clip's record keeps of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::VideoClient;
use super::source::{Local, Measured};
use crate::error::Result;
use crate::journal::JobRecord;
use crate::library::{ClipRecord, PlannerRecord, VideoSeries};
use crate::lineage::ContinuityEntry;
use crate::model::{AspectRatio, Mode};
use crate::money::UsdTicks;
use crate::planner::{self, Ancestor, PlannerImage, PlannerInput, QueryCost};
use crate::provider::QueryPart;
use crate::request::{
    Checked, CheckedVideo, GenerateInputs, GenerateRequest, MediaContent, PlanChoice, PlanWhen,
    PlannerSettings, ResolvedMedia,
};

/// Longer side of a picture that a planner is shown: enough to see what is there, and cheap.
#[cfg(feature = "media")]
pub(super) const SHOWN_SIDE: u32 = 768;
/// From 90 up a JPEG keeps its colours at full resolution.
#[cfg(feature = "media")]
pub(super) const SHOWN_QUALITY: u8 = 90;
/// How many prompts of a series a planner sees.
const SERIES: usize = 4;

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
    pub(super) pictures: Vec<(String, Option<String>, Shown<'a>)>,
    /// The branch that is gone on from, oldest first. The parent's sidecar is the authority on it.
    pub(super) lineage: &'a [ContinuityEntry],
    pub(super) topic: Option<&'a str>,
}

/// A picture that is to be shown.
#[derive(Debug)]
pub(super) enum Shown<'a> {
    /// One that goes into the request.
    Media(&'a ResolvedMedia),
    /// The first or the last frame of a clip of this machine.
    FrameOf {
        local: &'a Local,
        name: &'a str,
        last: bool,
    },
}

/// The choice of a clip that goes on from another: there the planner is on unless told otherwise.
#[cfg(feature = "media")]
pub(super) fn continuing(client: &VideoClient, choice: &PlanChoice) -> PlanChoice {
    match choice {
        PlanChoice::Default if client.inner.planner.when == PlanWhen::Continuing => PlanChoice::On(None),
        choice => choice.clone(),
    }
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
            aspect_ratio: checked.aspect_ratio.as_ref().map(AspectRatio::as_str),
            audio: Some(checked.audio),
            prompt: checked.prompt.as_deref(),
            voices: request.voices.len(),
            pictures: pictures(media, checked.mode),
            lineage,
            topic: request.topic.as_deref(),
        }
    }

    /// An edit or an extension.
    pub(super) fn video(
        choice: &'a PlanChoice,
        checked: &'a CheckedVideo,
        local: Option<&'a Local>,
        name: &'a str,
        measured: Measured,
        lineage: &'a [ContinuityEntry],
    ) -> Self {
        let last = checked.added_seconds.is_some();
        let role = if last {
            "the clip's last frame"
        } else {
            "the clip's first frame"
        };
        let frame = local.map(|local| (role.to_owned(), None, Shown::FrameOf { local, name, last }));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clips of the service last seconds, and a length is never negative"
        )]
        let whole = measured.length.map(|length| length.as_secs_f64().round() as u32);
        Self {
            choice,
            mode: checked.mode,
            seconds: checked.added_seconds.or(whole),
            resolution: None,
            aspect_ratio: None,
            audio: None,
            prompt: Some(&checked.prompt),
            voices: 0,
            pictures: frame.into_iter().collect(),
            lineage,
            topic: None,
        }
    }
}

/// The pictures of a request in the order of its fields.
fn pictures(media: &GenerateInputs, mode: Mode) -> Vec<(String, Option<String>, Shown<'_>)> {
    let tagged = mode == Mode::References;
    let mut all = Vec::new();
    if let Some(image) = &media.image {
        let tag = tagged.then(|| "<IMAGE_0>".to_owned());
        all.push((
            "start picture, the first frame".to_owned(),
            tag,
            Shown::Media(image),
        ));
    }
    for image in &media.references {
        let tag = format!("<IMAGE_{}>", all.len());
        all.push(("reference picture".to_owned(), Some(tag), Shown::Media(image)));
    }
    for keyframe in &media.keyframes {
        let role = format!("frame at {} s", keyframe.at_seconds);
        all.push((role, None, Shown::Media(&keyframe.image)));
    }
    if let Some(image) = &media.last_frame {
        all.push(("last frame".to_owned(), None, Shown::Media(image)));
    }
    all
}

/// What came of planning.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Planned {
    /// What is sent.
    pub(super) prompt: Option<String>,
    /// What the user wrote.
    user_prompt: Option<String>,
    /// Missing where nothing was planned.
    planner: Option<PlannerRecord>,
    series: Option<VideoSeries>,
}

/// Plans the prompt of one clip where client and request want that, and finds the clip's place in its
/// series. Sends at most one paid question, and no create.
///
/// # Errors
/// Those of [`planner::plan`]; `Library` when the series cannot be read.
pub(super) async fn for_request(
    client: &VideoClient,
    mut wanted: Wanted<'_>,
    bill: &mut QueryCost,
) -> Result<Planned> {
    let series = match wanted.topic {
        Some(topic) => Some(client.inner.library.series(topic, SERIES).await?),
        None => None,
    };
    let mut planned = Planned {
        prompt: wanted.prompt.map(str::to_owned),
        user_prompt: wanted.prompt.map(str::to_owned),
        planner: None,
        series: series.as_ref().map(crate::library::Series::next),
    };
    let Some(settings) = settings(client, &wanted) else {
        return Ok(planned);
    };
    let pictures = shown(std::mem::take(&mut wanted.pictures)).await?;
    let series = series.map(|series| (series.topic, series.prompts));
    let brief = brief(client, &wanted, pictures, series);
    let plan = planner::plan(&*client.inner.provider, &settings, &brief, bill).await?;
    tracing::info!(
        model = plan.model,
        fell_back = plan.fell_back.is_some(),
        "planned"
    );
    planned.prompt = plan.prompt;
    planned.planner = Some(PlannerRecord {
        model: Some(plan.model),
        cost_usd_ticks: plan.cost.map(UsdTicks::ticks),
        web_searches: Some(plan.web_searches),
        fell_back: plan.fell_back,
        ..PlannerRecord::default()
    });
    Ok(planned)
}

/// Reserves the most that planning can cost, where something is planned.
pub(super) fn reserve(client: &VideoClient, wanted: &Wanted<'_>, record: &mut JobRecord) {
    if let Some(settings) = settings(client, wanted) {
        let unseen = |(role, tag, _): &(String, Option<String>, Shown<'_>)| PlannerImage {
            role: role.clone(),
            tag: tag.clone(),
            content: None,
        };
        let pictures = wanted.pictures.iter().map(unseen).collect();
        // The prompts of the series are read later: they count as long as they can be.
        let series = wanted.topic.map(|topic| (topic.to_owned(), Vec::new()));
        let size = planner::plan_query_size(&brief(client, wanted, pictures, series), SERIES);
        let most = planner::max_query_cost(&client.inner.models, &settings.model, size, settings.web_search);
        (record.questions, record.unpriced_question) = (most, most.is_none());
    }
}

/// What the planner is told.
fn brief(
    client: &VideoClient,
    wanted: &Wanted<'_>,
    images: Vec<PlannerImage>,
    series: Option<(String, Vec<String>)>,
) -> PlannerInput {
    PlannerInput {
        mode: wanted.mode,
        seconds: wanted.seconds,
        resolution: wanted.resolution.map(str::to_owned),
        aspect_ratio: wanted.aspect_ratio.map(str::to_owned),
        audio: wanted.audio,
        user_prompt: wanted.prompt.map(str::to_owned),
        max_chars: client.inner.models.max_prompt_chars as usize,
        voices: wanted.voices,
        images,
        lineage: wanted.lineage.iter().map(ancestor).collect(),
        series,
    }
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

async fn shown(pictures: Vec<(String, Option<String>, Shown<'_>)>) -> Result<Vec<PlannerImage>> {
    let mut all = Vec::with_capacity(pictures.len());
    for (role, tag, picture) in pictures {
        let content = match picture {
            Shown::Media(ResolvedMedia::Inline {
                content: MediaContent::Memory(bytes),
                ..
            }) => small::picture(&role, bytes.clone()).await?,
            Shown::FrameOf { local, name, last } => small::frame(local, name, last).await?,
            Shown::Media(ResolvedMedia::Url(url)) if url.starts_with("https://") => {
                Some(QueryPart::ImageUrl(url.clone()))
            }
            // A file of the service, or a link on this machine.
            Shown::Media(_) => None,
        };
        all.push(PlannerImage { role, tag, content });
    }
    Ok(all)
}

/// Pictures made small. They are encoded anew, so nothing goes along that is not seen: a place, a name.
#[cfg(feature = "media")]
mod small {
    use bytes::Bytes;

    use super::{Local, QueryPart, SHOWN_QUALITY, SHOWN_SIDE};
    use crate::error::Result;
    use crate::media::{self, Frame, FramePosition, MediaOptions, MediaSource, bridge};

    pub(super) async fn picture(role: &str, bytes: Bytes) -> Result<Option<QueryPart>> {
        let source = MediaSource::named_bytes(role, bytes);
        let work = move |options: &MediaOptions| encode(media::picture(source, options)?);
        bridge::run(MediaOptions::default(), work).await
    }

    pub(super) async fn frame(local: &Local, name: &str, last: bool) -> Result<Option<QueryPart>> {
        let source = local.media(name);
        let position = if last {
            FramePosition::Last
        } else {
            FramePosition::First
        };
        let work = move |options: &MediaOptions| encode(media::frame(source, position, options)?);
        bridge::run(MediaOptions::default(), work).await
    }

    fn encode(frame: Frame) -> Result<Option<QueryPart>> {
        Ok(Some(QueryPart::Image {
            mime: "image/jpeg",
            bytes: frame.fit_within(SHOWN_SIDE).to_jpeg(SHOWN_QUALITY)?.into(),
        }))
    }
}

/// Without libav no picture is made small, and a large one costs more than it tells.
#[cfg(not(feature = "media"))]
#[expect(clippy::unused_async, reason = "the other variant waits")]
mod small {
    use super::{Local, QueryPart};
    use crate::error::Result;

    pub(super) async fn picture(_role: &str, _bytes: bytes::Bytes) -> Result<Option<QueryPart>> {
        Ok(None)
    }

    pub(super) async fn frame(_local: &Local, _name: &str, _last: bool) -> Result<Option<QueryPart>> {
        Ok(None)
    }
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
            record.video_series = Some(series);
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
