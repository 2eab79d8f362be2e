//! Planning inside a verb: whether, with what, and what the clip's record keeps of it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::client::VideoClient;
use crate::client::pipeline::clip_source::{ClipFacts, LocalClip};
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
pub(crate) const PLANNER_PICTURE_SIDE: u32 = 768;
/// From 90 up a JPEG keeps its colours at full resolution.
#[cfg(feature = "media")]
pub(crate) const PLANNER_PICTURE_QUALITY: u8 = 90;
/// How many prompts of a series a planner sees.
const MAX_SERIES_PROMPTS: usize = 4;

/// What a verb knows of the clip it is about to ask for.
#[derive(Debug)]
pub(crate) struct PlanningRequest<'a> {
    /// What the request says.
    pub(crate) choice: &'a PlanChoice,
    /// The row of the model table; `Image` with a lineage is a continuation.
    pub(crate) mode: Mode,
    pub(crate) seconds: Option<u32>,
    pub(crate) resolution: Option<&'a str>,
    pub(crate) aspect_ratio: Option<&'a str>,
    pub(crate) audio: Option<bool>,
    /// The user's own words.
    pub(crate) prompt: Option<&'a str>,
    pub(crate) voices: usize,
    /// What a picture is for, how prompts call it, and the picture.
    pub(crate) pictures: Vec<(String, Option<String>, PlannerPicture<'a>)>,
    /// The branch that is gone on from, oldest first. The parent's sidecar is the authority on it.
    pub(crate) lineage: &'a [ContinuityEntry],
    pub(crate) topic: Option<&'a str>,
}

/// A picture that is to be shown.
#[derive(Debug)]
pub(crate) enum PlannerPicture<'a> {
    /// One that goes into the request.
    Media(&'a ResolvedMedia),
    /// The first or the last frame of a clip of this machine.
    FrameOf {
        local: &'a LocalClip,
        name: &'a str,
        last: bool,
    },
}

/// The choice of a clip that goes on from another: there the planner is on unless told otherwise.
#[cfg(feature = "media")]
pub(crate) fn continuing(client: &VideoClient, choice: &PlanChoice) -> PlanChoice {
    match choice {
        PlanChoice::Default if client.inner.planner.when == PlanWhen::Continuing => PlanChoice::On(None),
        choice => choice.clone(),
    }
}

impl<'a> PlanningRequest<'a> {
    /// A clip of `generate`; with a lineage one of `continue_from`.
    pub(crate) fn generate(
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
    pub(crate) fn video(
        choice: &'a PlanChoice,
        checked: &'a CheckedVideo,
        local: Option<&'a LocalClip>,
        name: &'a str,
        measured: ClipFacts,
        lineage: &'a [ContinuityEntry],
    ) -> Self {
        let last = checked.added_seconds.is_some();
        let role = if last {
            "the clip's last frame"
        } else {
            "the clip's first frame"
        };
        let frame = local.map(|local| {
            (
                role.to_owned(),
                None,
                PlannerPicture::FrameOf { local, name, last },
            )
        });
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
fn pictures(media: &GenerateInputs, mode: Mode) -> Vec<(String, Option<String>, PlannerPicture<'_>)> {
    let tagged = mode == Mode::References;
    let mut all = Vec::new();
    if let Some(image) = &media.image {
        let tag = tagged.then(|| "<IMAGE_0>".to_owned());
        all.push((
            "start picture, the first frame".to_owned(),
            tag,
            PlannerPicture::Media(image),
        ));
    }
    for image in &media.references {
        let tag = format!("<IMAGE_{}>", all.len());
        all.push((
            "reference picture".to_owned(),
            Some(tag),
            PlannerPicture::Media(image),
        ));
    }
    for keyframe in &media.keyframes {
        let role = format!("frame at {} s", keyframe.at_seconds);
        all.push((role, None, PlannerPicture::Media(&keyframe.image)));
    }
    if let Some(image) = &media.last_frame {
        all.push(("last frame".to_owned(), None, PlannerPicture::Media(image)));
    }
    all
}

/// What came of planning.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct PromptPlan {
    /// What is sent.
    pub(crate) prompt: Option<String>,
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
pub(crate) async fn for_request(
    client: &VideoClient,
    mut wanted: PlanningRequest<'_>,
    bill: &mut QueryCost,
) -> Result<PromptPlan> {
    let series = match wanted.topic {
        Some(topic) => Some(client.inner.library.series(topic, MAX_SERIES_PROMPTS).await?),
        None => None,
    };
    let mut planned = PromptPlan {
        prompt: wanted.prompt.map(str::to_owned),
        user_prompt: wanted.prompt.map(str::to_owned),
        planner: None,
        series: series.as_ref().map(crate::library::Series::next),
    };
    let Some(settings) = settings(client, &wanted) else {
        return Ok(planned);
    };
    let pictures = read_pictures(std::mem::take(&mut wanted.pictures)).await?;
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
pub(crate) fn reserve(client: &VideoClient, wanted: &PlanningRequest<'_>, record: &mut JobRecord) {
    if let Some(settings) = settings(client, wanted) {
        let unseen = |(role, tag, _): &(String, Option<String>, PlannerPicture<'_>)| PlannerImage {
            role: role.clone(),
            tag: tag.clone(),
            content: None,
        };
        let pictures = wanted.pictures.iter().map(unseen).collect();
        // The prompts of the series are read later: they count as long as they can be.
        let series = wanted.topic.map(|topic| (topic.to_owned(), Vec::new()));
        let size = planner::plan_query_size(&brief(client, wanted, pictures, series), MAX_SERIES_PROMPTS);
        let most = planner::max_query_cost(&client.inner.models, &settings.model, size, settings.web_search);
        (record.questions, record.unpriced_question) = (most, most.is_none());
    }
}

/// What the planner is told.
fn brief(
    client: &VideoClient,
    wanted: &PlanningRequest<'_>,
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
fn settings<'a>(client: &'a VideoClient, wanted: &PlanningRequest<'a>) -> Option<Cow<'a, PlannerSettings>> {
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

async fn read_pictures(
    pictures: Vec<(String, Option<String>, PlannerPicture<'_>)>,
) -> Result<Vec<PlannerImage>> {
    let mut all = Vec::with_capacity(pictures.len());
    for (role, tag, picture) in pictures {
        let content = match picture {
            PlannerPicture::Media(ResolvedMedia::Inline {
                content: MediaContent::Memory(bytes),
                ..
            }) => small::picture(&role, bytes.clone()).await?,
            PlannerPicture::FrameOf { local, name, last } => small::frame(local, name, last).await?,
            PlannerPicture::Media(ResolvedMedia::Url(url)) if url.starts_with("https://") => {
                Some(QueryPart::ImageUrl(url.clone()))
            }
            // A file of the service, or a link on this machine.
            PlannerPicture::Media(_) => None,
        };
        all.push(PlannerImage { role, tag, content });
    }
    Ok(all)
}

/// Pictures made small. They are encoded anew, so nothing goes along that is not seen: a place, a name.
#[cfg(feature = "media")]
mod small {
    use bytes::Bytes;

    use super::{LocalClip, PLANNER_PICTURE_QUALITY, PLANNER_PICTURE_SIDE, QueryPart};
    use crate::error::Result;
    use crate::media::{self, Frame, FramePosition, MediaOptions, MediaSource, bridge};

    pub(crate) async fn picture(role: &str, bytes: Bytes) -> Result<Option<QueryPart>> {
        let source = MediaSource::named_bytes(role, bytes);
        let work = move |options: &MediaOptions| encode(media::picture(source, options)?);
        bridge::run(MediaOptions::default(), work).await
    }

    pub(crate) async fn frame(local: &LocalClip, name: &str, last: bool) -> Result<Option<QueryPart>> {
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
            bytes: frame
                .fit_within(PLANNER_PICTURE_SIDE)
                .to_jpeg(PLANNER_PICTURE_QUALITY)?
                .into(),
        }))
    }
}

/// Without libav no picture is made small, and a large one costs more than it tells.
#[cfg(not(feature = "media"))]
#[expect(clippy::unused_async, reason = "the other variant waits")]
mod small {
    use super::{LocalClip, QueryPart};
    use crate::error::Result;

    pub(crate) async fn picture(_role: &str, _bytes: bytes::Bytes) -> Result<Option<QueryPart>> {
        Ok(None)
    }

    pub(crate) async fn frame(_local: &LocalClip, _name: &str, _last: bool) -> Result<Option<QueryPart>> {
        Ok(None)
    }
}

impl PromptPlan {
    /// Puts into a finished clip's record what planning knows: both prompts, the planner, the series.
    pub(crate) fn write_into(self, record: &mut ClipRecord) {
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
