//! Resolves a chain request against the record of the chain, if there is one.
//!
//! A step that was sent must equal the step of the request. The other steps may change.

use crate::client::VideoClient;
use crate::client::pipeline::clip_source::{self, ClipSource, LocalClip};
use crate::error::{Error, Result};
use crate::host;
use crate::library::{ChainOrigin, ChainRecord, ChainStep, ChainStepState};
use crate::money::UsdTicks;
use crate::request::{
    ChainRequest, ChainStart, ContinueRequest, GenerateMode, GenerateRequest, MediaContent, MediaInput,
    SavedRequest,
};
use crate::storage::sha256_hex;

/// The request for one clip of a chain.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Generate(Box<GenerateRequest>),
    Continue(Box<ContinueRequest>),
}

/// A chain request with the id of its chain and the hashes of its steps.
pub(crate) struct HashedRequest {
    pub(crate) id: String,
    budget: Option<UsdTicks>,
    steps: RequestedSteps,
}

enum RequestedSteps {
    /// Every step of the chain.
    All {
        origin: ChainOrigin,
        start: Option<MediaInput>,
        steps: Vec<(Step, ChainStep)>,
    },
    /// The recorded steps, of which the unsent ones are replaced if `steps` is not empty.
    Recorded { steps: Vec<ContinueRequest> },
}

/// A chain that can be run: its record and the requests of its steps.
pub(crate) struct ResolvedChain {
    pub(crate) record: ChainRecord,
    /// The existing clip that the chain begins with.
    pub(crate) start: Option<MediaInput>,
    /// The requests of the steps. `None` for a request that the record could not keep.
    pub(crate) steps: Vec<Option<Step>>,
}

impl HashedRequest {
    /// Hashes a chain request.
    ///
    /// # Errors
    /// `InvalidRequest` for steps that cannot form a chain, and errors from reading their media.
    pub(crate) async fn new(client: &VideoClient, request: ChainRequest) -> Result<Self> {
        let ChainRequest {
            start,
            steps,
            budget,
            name,
        } = request;
        if steps.len() > ChainRequest::MAX_STEPS {
            return Err(Error::invalid(format!(
                "a chain of {} steps is out of range: use up to {}",
                steps.len(),
                ChainRequest::MAX_STEPS
            )));
        }
        let mut hashed = Vec::new();
        let (origin, start) = match start {
            ChainStart::Record(id) => {
                if name.is_some() {
                    return Err(Error::invalid(
                        "an existing chain has a name already: leave the name out",
                    ));
                }
                return Ok(Self {
                    id,
                    budget,
                    steps: RequestedSteps::Recorded { steps },
                });
            }
            ChainStart::Clip(input) => {
                if steps.is_empty() {
                    return Err(Error::invalid("a chain has no steps: add at least one"));
                }
                let origin = find_origin(client, &input).await?;
                (origin, Some(input))
            }
            ChainStart::Generate(request) => {
                hashed.push(generate_step(*request).await?);
                (ChainOrigin::Generated, None)
            }
        };
        hashed.extend(steps.into_iter().map(continue_step));
        let id = match name {
            Some(name) => name,
            None => hash_id(&origin, &hashed),
        };
        Ok(Self {
            id,
            budget,
            steps: RequestedSteps::All {
                origin,
                start,
                steps: hashed,
            },
        })
    }

    /// Returns whether the request names an existing chain, which must have a record.
    pub(crate) const fn names_existing(&self) -> bool {
        matches!(self.steps, RequestedSteps::Recorded { .. })
    }

    /// Merges the request with the record of the chain.
    ///
    /// # Errors
    /// `InvalidRequest` if the request differs from a step that was sent.
    pub(crate) fn merge(self, recorded: Option<ChainRecord>) -> Result<ResolvedChain> {
        let Self { id, budget, steps } = self;
        let conflict = |reason: String| {
            Error::invalid(format!(
                "continue chain {id:?}: {reason}; resume it by its id, or give the new chain another name"
            ))
        };
        match steps {
            RequestedSteps::All { origin, start, steps } => {
                let (requests, mut steps): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
                if let Some(recorded) = &recorded {
                    if !is_same_start(&recorded.start, &origin) {
                        return Err(conflict("it begins with another clip".to_owned()));
                    }
                    for (index, before) in recorded.steps.iter().enumerate() {
                        let is_same = steps
                            .get(index)
                            .is_some_and(|step| step.request_sha256 == before.request_sha256);
                        if is_same {
                            steps[index] = before.clone();
                        } else if is_sent(before) {
                            return Err(conflict(format!(
                                "its clip {} was requested in other words",
                                recorded.number(index)
                            )));
                        } else if let Some(step) = steps.get_mut(index) {
                            step.lost = before.lost;
                        }
                    }
                }
                let created_at = recorded
                    .as_ref()
                    .map_or_else(host::now, |recorded| recorded.created_at);
                let mut record = ChainRecord::new(id, created_at, origin, steps);
                record.budget = budget.or(recorded.and_then(|recorded| recorded.budget));
                Ok(ResolvedChain {
                    record,
                    start,
                    steps: requests.into_iter().map(Some).collect(),
                })
            }
            RequestedSteps::Recorded { steps } => {
                let Some(mut record) = recorded else {
                    return Err(conflict("there is no such chain".to_owned()));
                };
                record.budget = budget.or(record.budget);
                if !steps.is_empty() {
                    replace_unsent(&mut record, steps)?;
                }
                let requests = record.steps.iter().map(|step| {
                    let saved = step.request.as_ref()?;
                    saved.to_continue().map(Box::new).map(Step::Continue).or_else(|| {
                        let request = saved.to_generate()?;
                        Some(Step::Generate(Box::new(request)))
                    })
                });
                let requests = requests.collect();
                let start = match &record.start {
                    ChainOrigin::Clip(id) => Some(MediaInput::clip(id.as_str())),
                    ChainOrigin::File { path, .. } => Some(MediaInput::Path(path.into())),
                    _ => None,
                };
                Ok(ResolvedChain {
                    record,
                    start,
                    steps: requests,
                })
            }
        }
    }
}

/// Returns whether the step was sent and may have a clip, so that its request must not change.
pub(crate) const fn is_sent(step: &ChainStep) -> bool {
    !matches!(step.state, ChainStepState::Open | ChainStepState::Failed)
}

/// Replaces the steps of a record that were not sent. What was lost on the old steps still counts as spent.
fn replace_unsent(record: &mut ChainRecord, steps: Vec<ContinueRequest>) -> Result<()> {
    let sent = record.steps.iter().filter(|step| is_sent(step)).count();
    if sent == 0 && record.start == ChainOrigin::Generated {
        return Err(Error::invalid(format!(
            "replace the steps of chain {:?}: it has no clip 0 yet; begin a new chain instead",
            record.id
        )));
    }
    let replaced = record.steps.split_off(sent);
    for (index, request) in steps.into_iter().enumerate() {
        let (_, mut step) = continue_step(request);
        match replaced.get(index) {
            Some(old) if old.request_sha256 == step.request_sha256 => step = old.clone(),
            Some(old) => step.lost = old.lost,
            None => {}
        }
        record.steps.push(step);
    }
    // The losses of removed steps move to the last step.
    let lost = replaced
        .iter()
        .skip(record.steps.len() - sent)
        .map(|step| step.lost)
        .sum();
    if let Some(last) = record.steps.last_mut() {
        last.lost += lost;
    }
    Ok(())
}

/// Returns whether two origins are the same clip. Files and bytes are compared by their hashes.
fn is_same_start(one: &ChainOrigin, other: &ChainOrigin) -> bool {
    let hash = |origin: &ChainOrigin| match origin {
        ChainOrigin::File { sha256, .. } | ChainOrigin::Bytes { sha256 } => Some(sha256.clone()),
        _ => None,
    };
    one == other || (hash(one).is_some() && hash(one) == hash(other))
}

/// Returns the origin of a chain that begins with an existing clip.
async fn find_origin(client: &VideoClient, input: &MediaInput) -> Result<ChainOrigin> {
    let source = ClipSource::find(client, input).await?;
    if let Some(clip) = source.parent {
        return Ok(ChainOrigin::Clip(clip.id));
    }
    match source.local {
        Some(LocalClip::File(path)) => {
            let path = std::path::absolute(&path).unwrap_or(path);
            let sha256 = clip_source::hash_file(&path).await?;
            Ok(match path.into_os_string().into_string() {
                Ok(path) => ChainOrigin::File { path, sha256 },
                // JSON cannot contain this path. The chain is resumed like one that begins with bytes.
                Err(_) => ChainOrigin::Bytes { sha256 },
            })
        }
        Some(LocalClip::Memory(bytes)) => Ok(ChainOrigin::Bytes {
            sha256: clip_source::hash(&MediaContent::Memory(bytes)).await?,
        }),
        // A bucket has only clips of the library, which are handled above.
        Some(LocalClip::Stored(_)) | None => Err(Error::invalid(format!(
            "continue {}: its last frame must be extracted on this machine; give a local file or a clip of the library",
            source.name
        ))),
    }
}

/// Hashes a step that continues the clip before it.
fn continue_step(request: ContinueRequest) -> (Step, ChainStep) {
    let saved = SavedRequest::from_continue(&request);
    let step = ChainStep::new(digest(&saved, &[]), Some(saved));
    (Step::Continue(Box::new(request)), step)
}

/// Hashes a step that generates clip 0.
async fn generate_step(request: GenerateRequest) -> Result<(Step, ChainStep)> {
    let saved = SavedRequest::from_generate(&request);
    let mut media = Vec::new();
    for (role, input) in media_of(&request) {
        media.push(format!("{role} {}", fingerprint(input).await?));
    }
    let sha256 = digest(&saved, &media);
    // The record keeps no media and no signed URLs, so a request with either is not saved.
    let can_be_saved = media.is_empty() && request.output.is_none();
    let step = ChainStep::new(sha256, can_be_saved.then_some(saved));
    Ok((Step::Generate(Box::new(request)), step))
}

/// Returns the images of a request with their roles.
fn media_of(request: &GenerateRequest) -> Vec<(String, &MediaInput)> {
    let mut media = Vec::new();
    match &request.mode {
        GenerateMode::Text => {}
        GenerateMode::Image { image } => media.push(("image".to_owned(), image)),
        GenerateMode::References { images, first_frame } => {
            media.extend(first_frame.iter().map(|image| ("first".to_owned(), image)));
            media.extend(images.iter().map(|image| ("reference".to_owned(), image)));
        }
        GenerateMode::Frames {
            first,
            last,
            keyframes,
        } => {
            media.extend(first.iter().map(|image| ("first".to_owned(), image)));
            media.extend(last.iter().map(|image| ("last".to_owned(), image)));
            let keyframes = keyframes.iter();
            media.extend(keyframes.map(|frame| (format!("at {:?}", frame.at), &frame.image)));
        }
    }
    media
}

/// Returns a value that identifies an image: the hash of its content or of its URL, or its id.
async fn fingerprint(input: &MediaInput) -> Result<String> {
    let hash_text = |text: &str| sha256_hex(text.as_bytes());
    Ok(match input {
        MediaInput::Path(path) => clip_source::hash_file(path).await?,
        MediaInput::Bytes { bytes, .. } => clip_source::hash(&MediaContent::Memory(bytes.clone())).await?,
        MediaInput::Url(text) | MediaInput::DataUrl(text) => hash_text(text),
        MediaInput::FileId(id) | MediaInput::Clip(id) => id.clone(),
    })
}

/// Returns the hash of a step.
fn digest(saved: &SavedRequest, media: &[String]) -> String {
    // A struct of plain fields always serializes.
    let json = serde_json::to_vec(&(saved, media)).unwrap_or_default();
    sha256_hex(json)
}

/// Derives the id of a chain from its origin and its steps.
fn hash_id(origin: &ChainOrigin, steps: &[(Step, ChainStep)]) -> String {
    let mut text = match origin {
        ChainOrigin::Generated => "generated".to_owned(),
        ChainOrigin::Clip(id) => id.to_string(),
        ChainOrigin::File { sha256, .. } | ChainOrigin::Bytes { sha256 } => sha256.clone(),
    };
    text.extend(steps.iter().map(|(_, step)| step.request_sha256.as_str()));
    sha256_hex(text)[..16].to_owned()
}
