//! Plans the prompt of a clip: decides whether to plan, collects the planner's input, and writes the result into the
//! sidecar.
//!
//! The query to the language model is in `crate::planner`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::client::VideoClient;
use crate::client::pipeline::clip_source::{ClipFacts, LocalClip};
use crate::error::Result;
use crate::journal::JobRecord;
use crate::library::{ClipRecord, PlannerRecord, VideoSeries};
use crate::lineage::ContinuityEntry;
use crate::model::{AspectRatio, Mode};
use crate::planner::{self, Ancestor, PlannerImage, PlannerInput, QueryCost};
use crate::provider::QueryPart;
use crate::request::{
    CheckedRequest, CheckedVideo, GenerateInputs, GenerateRequest, MediaContent, PlanChoice, PlanWhen,
    PlannerSettings, ResolvedMedia,
};
use crate::stop::StopSignal;

/// Longer side of an image for the planner: enough to recognize its content, at a low cost.
#[cfg(feature = "media")]
pub(crate) const PLANNER_PICTURE_SIDE: u32 = 768;
/// JPEG quality of an image for the planner. From 90 up a JPEG keeps its chroma at full resolution.
#[cfg(feature = "media")]
pub(crate) const PLANNER_PICTURE_QUALITY: u8 = 90;
/// Maximum number of earlier prompts of a series in the planner's input.
const MAX_SERIES_PROMPTS: usize = 4;

/// Describes the clip whose prompt is to be planned.
#[derive(Debug)]
pub(crate) struct PlanningRequest<'a> {
    /// The planning option of the request.
    choice: &'a PlanChoice,
    /// The input of the planner. [`plan_prompt`] adds the content of the images and the prompts of the series.
    input: PlannerInput,
    /// The images of the input, in the same order.
    pictures: Vec<PlannerPicture<'a>>,
}

/// An image for the planner.
#[derive(Debug)]
pub(crate) enum PlannerPicture<'a> {
    /// An input of the request.
    Media(&'a ResolvedMedia),
    /// The first or the last frame of a local clip.
    FrameOf {
        local: &'a LocalClip,
        name: &'a str,
        last: bool,
    },
}

/// Returns the planning option of a continuation, for which planning is on by default.
#[cfg(feature = "media")]
pub(crate) fn choice_for_continuation(client: &VideoClient, choice: &PlanChoice) -> PlanChoice {
    match choice {
        PlanChoice::Default if client.inner.planner.when == PlanWhen::Continuing => PlanChoice::On(None),
        choice => choice.clone(),
    }
}

impl<'a> PlanningRequest<'a> {
    /// Describes a clip of `generate` or `continue_from`. For the latter, `lineage` describes the clips before it.
    pub(crate) fn generate(
        client: &VideoClient,
        request: &'a GenerateRequest,
        checked: &CheckedRequest,
        media: &'a GenerateInputs,
        lineage: &[ContinuityEntry],
    ) -> Self {
        let (images, pictures) = pictures(media, checked.mode).into_iter().unzip();
        Self {
            choice: &request.plan,
            input: PlannerInput {
                mode: checked.mode,
                seconds: Some(checked.seconds),
                resolution: Some(checked.resolution.to_string()),
                aspect_ratio: checked.aspect_ratio.as_ref().map(AspectRatio::to_string),
                audio: Some(checked.audio),
                user_prompt: checked.prompt.clone(),
                max_chars: client.inner.models.max_prompt_chars as usize,
                voices: request.voices.len(),
                images,
                lineage: lineage.iter().map(ancestor).collect(),
                series: request.topic.clone().map(|topic| (topic, Vec::new())),
            },
            pictures,
        }
    }

    /// Describes an edit or an extension.
    pub(crate) fn video(
        client: &VideoClient,
        choice: &'a PlanChoice,
        checked: &CheckedVideo,
        local: Option<&'a LocalClip>,
        name: &'a str,
        facts: ClipFacts,
        lineage: &[ContinuityEntry],
    ) -> Self {
        let last = checked.added_seconds.is_some();
        let role = if last {
            "the clip's last frame"
        } else {
            "the clip's first frame"
        };
        let frame = local.map(|local| (image(role, None), PlannerPicture::FrameOf { local, name, last }));
        let (images, pictures) = frame.into_iter().unzip();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a clip is seconds long, and its length is never negative"
        )]
        let whole_seconds = facts.length.map(|length| length.as_secs_f64().round() as u32);
        Self {
            choice,
            input: PlannerInput {
                mode: checked.mode,
                seconds: checked.added_seconds.or(whole_seconds),
                resolution: None,
                aspect_ratio: None,
                audio: None,
                user_prompt: Some(checked.prompt.clone()),
                max_chars: client.inner.models.max_prompt_chars as usize,
                voices: 0,
                images,
                lineage: lineage.iter().map(ancestor).collect(),
                series: None,
            },
            pictures,
        }
    }
}

/// Describes an image whose content is read later.
fn image(role: impl Into<String>, tag: Option<String>) -> PlannerImage {
    PlannerImage {
        role: role.into(),
        tag,
        content: None,
    }
}

/// Returns the images of a request in the order of its fields.
fn pictures(media: &GenerateInputs, mode: Mode) -> Vec<(PlannerImage, PlannerPicture<'_>)> {
    let tagged = mode == Mode::References;
    let mut all = Vec::new();
    if let Some(media) = &media.image {
        let tag = tagged.then(|| "<IMAGE_0>".to_owned());
        all.push((
            image("start picture, the first frame", tag),
            PlannerPicture::Media(media),
        ));
    }
    for media in &media.references {
        let tag = format!("<IMAGE_{}>", all.len());
        all.push((
            image("reference picture", Some(tag)),
            PlannerPicture::Media(media),
        ));
    }
    for keyframe in &media.keyframes {
        let role = format!("frame at {} s", keyframe.at_seconds);
        all.push((image(role, None), PlannerPicture::Media(&keyframe.image)));
    }
    if let Some(media) = &media.last_frame {
        all.push((image("last frame", None), PlannerPicture::Media(media)));
    }
    all
}

/// The result of planning: the prompt to send, and the fields of the sidecar that describe it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct PromptPlan {
    /// The prompt that is sent.
    pub(crate) prompt: Option<String>,
    /// The prompt that the user wrote.
    user_prompt: Option<String>,
    /// `None` if nothing was planned.
    planner: Option<PlannerRecord>,
    series: Option<VideoSeries>,
}

/// Plans the prompt of a clip if the options of the client and the request enable planning, and reads the earlier
/// prompts of the clip's series. Sends at most one paid query to a language model, and no create request.
///
/// # Errors
/// Those of [`planner::plan`]; `Library` if the series cannot be read.
pub(crate) async fn plan_prompt(
    client: &VideoClient,
    mut request: PlanningRequest<'_>,
    stop: &StopSignal,
    cost: &mut QueryCost,
) -> Result<PromptPlan> {
    let series = match &request.input.series {
        Some((topic, _)) => Some(client.inner.library.series(topic, MAX_SERIES_PROMPTS).await?),
        None => None,
    };
    let mut planned = PromptPlan {
        prompt: request.input.user_prompt.clone(),
        user_prompt: request.input.user_prompt.clone(),
        planner: None,
        series: series.as_ref().map(crate::library::Series::next),
    };
    let Some(settings) = settings(client, &request) else {
        return Ok(planned);
    };
    let PlanningRequest { input, pictures, .. } = &mut request;
    read_pictures(&mut input.images, pictures).await?;
    input.series = series.map(|series| (series.topic, series.prompts));
    let plan = planner::plan(&*client.inner.provider, &settings, input, stop, cost).await?;
    tracing::info!(
        model = plan.model,
        fell_back = plan.fell_back.is_some(),
        "planned"
    );
    planned.prompt = plan.prompt;
    planned.planner = Some(PlannerRecord {
        model: Some(plan.model),
        cost: plan.cost,
        web_searches: Some(plan.web_searches),
        fell_back: plan.fell_back,
        ..PlannerRecord::default()
    });
    Ok(planned)
}

/// Adds the maximum cost of planning to a reservation, if the prompt is to be planned.
pub(crate) fn add_max_query_cost(
    client: &VideoClient,
    request: &PlanningRequest<'_>,
    record: &mut JobRecord,
) {
    if let Some(settings) = settings(client, request) {
        // The prompts of the series are read later, so their maximum length is reserved.
        let size = planner::plan_query_size(&request.input, MAX_SERIES_PROMPTS);
        let max_cost =
            planner::max_query_cost(&client.inner.models, &settings.model, size, settings.web_search);
        (record.query_cost, record.has_unpriced_query) = (max_cost, max_cost.is_none());
    }
}

/// Returns the settings of the planner, or `None` if the prompt is not to be planned.
fn settings<'a>(client: &'a VideoClient, request: &PlanningRequest<'a>) -> Option<Cow<'a, PlannerSettings>> {
    let default = Cow::Borrowed(&client.inner.planner);
    match request.choice {
        PlanChoice::Off => None,
        PlanChoice::On(Some(settings)) => Some(Cow::Borrowed(settings)),
        PlanChoice::On(None) => Some(default),
        PlanChoice::Default => match default.when {
            PlanWhen::Always => Some(default),
            PlanWhen::Continuing | PlanWhen::Never => None,
        },
    }
}

/// Converts an entry of the lineage into an ancestor for the planner's input.
fn ancestor(entry: &ContinuityEntry) -> Ancestor {
    Ancestor {
        role: entry.role.as_str().to_owned(),
        file: entry.filename.clone(),
        revised_prompt: entry.revised_prompt.clone(),
        user_prompt: entry.user_prompt.clone(),
    }
}

/// Reads and shrinks the images for the planner.
async fn read_pictures(images: &mut [PlannerImage], pictures: &[PlannerPicture<'_>]) -> Result<()> {
    for (image, picture) in images.iter_mut().zip(pictures) {
        image.content = match picture {
            PlannerPicture::Media(ResolvedMedia::Inline {
                content: MediaContent::Memory(bytes),
                ..
            }) => shrink::picture(&image.role, bytes.clone()).await?,
            PlannerPicture::FrameOf { local, name, last } => shrink::frame(local, name, *last).await?,
            PlannerPicture::Media(ResolvedMedia::Url(url)) if url.starts_with("https://") => {
                Some(QueryPart::ImageUrl(url.clone()))
            }
            // Without content: a local file, a file of the Files API, and a URL that is not https.
            PlannerPicture::Media(_) => None,
        };
    }
    Ok(())
}

/// Shrinks images. They are encoded again, which drops metadata such as places and names.
#[cfg(feature = "media")]
mod shrink {
    use bytes::Bytes;

    use super::{LocalClip, PLANNER_PICTURE_QUALITY, PLANNER_PICTURE_SIDE, QueryPart};
    use crate::error::Result;
    use crate::media::{self, Frame, FramePosition, MediaOptions, MediaSource, nonblocking};

    /// Shrinks an input image.
    pub(crate) async fn picture(role: &str, bytes: Bytes) -> Result<Option<QueryPart>> {
        let source = MediaSource::named_bytes(role, bytes);
        let work = move |options: &MediaOptions| encode(media::picture(source, options)?);
        nonblocking::run(MediaOptions::default(), work).await
    }

    /// Shrinks the first or the last frame of a clip.
    pub(crate) async fn frame(local: &LocalClip, name: &str, last: bool) -> Result<Option<QueryPart>> {
        let source = local.media(name);
        let position = if last {
            FramePosition::Last
        } else {
            FramePosition::First
        };
        let work = move |options: &MediaOptions| encode(media::frame(source, position, options)?);
        nonblocking::run(MediaOptions::default(), work).await
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

/// Omits all images, because without libav they cannot be shrunk, and large images cost more than they help.
#[cfg(not(feature = "media"))]
#[expect(clippy::unused_async, reason = "the variant with libav is async")]
mod shrink {
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
    /// Writes the prompts, the planner and the series into the sidecar of a finished clip.
    pub(crate) fn write_into(self, record: &mut ClipRecord) {
        record.user_prompt.clone_from(&self.user_prompt);
        // The last entry of `video_continuity` is the clip itself.
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
            let warning = format!("the prompt is the user's own words, because planning failed: {reason}");
            block.warnings.get_or_insert_default().push(warning);
        }
        block.planner = Some(planner);
    }
}
