//! What a chain is asked to make, held against what its record says was made.

use sha2::{Digest as _, Sha256};

use crate::client::VideoClient;
use crate::client::pipeline::clip_source::{self, ClipSource, LocalClip};
use crate::error::{Error, Result};
use crate::host::now_millis;
use crate::library::{ChainOrigin, ChainRecord, ChainStep, ChainStepState};
use crate::money::UsdTicks;
use crate::request::{
    ChainRequest, ChainStart, ContinueRequest, GenerateMode, GenerateRequest, MediaContent, MediaInput,
    SavedRequest,
};
use crate::storage::to_hex;

/// What one clip is made of.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Generate(Box<GenerateRequest>),
    Continue(Box<ContinueRequest>),
}

/// A chain as it is asked for.
pub(crate) struct Plan {
    pub(crate) id: String,
    budget: Option<UsdTicks>,
    asked: Asked,
}

enum Asked {
    /// All of it.
    Whole {
        origin: ChainOrigin,
        start: Option<MediaInput>,
        steps: Vec<(Step, ChainStep)>,
    },
    /// The rest of what the record says, or other steps for it.
    Rest { steps: Vec<ContinueRequest> },
}

/// A chain to work on.
pub(crate) struct ResolvedChain {
    pub(crate) record: ChainRecord,
    /// The clip that it begins with, where it is not made.
    pub(crate) start: Option<MediaInput>,
    /// `None` for a request that is not at hand.
    pub(crate) steps: Vec<Option<Step>>,
}

impl Plan {
    pub(crate) async fn of(client: &VideoClient, request: ChainRequest) -> Result<Self> {
        let ChainRequest {
            start,
            steps,
            budget,
            name,
        } = request;
        if steps.len() > ChainRequest::MOST_STEPS {
            return Err(Error::invalid(format!(
                "a chain of {} steps is out of range: use up to {}",
                steps.len(),
                ChainRequest::MOST_STEPS
            )));
        }
        let mut planned = Vec::new();
        let (origin, start) = match start {
            ChainStart::Record(id) => {
                if name.is_some() {
                    return Err(Error::invalid(
                        "a chain that was begun has its name: leave the name out",
                    ));
                }
                return Ok(Self {
                    id,
                    budget,
                    asked: Asked::Rest { steps },
                });
            }
            ChainStart::Clip(input) => {
                if steps.is_empty() {
                    return Err(Error::invalid("a chain without steps: add what happens next"));
                }
                let origin = origin(client, &input).await?;
                (origin, Some(input))
            }
            ChainStart::Generate(request) => {
                planned.push(generate_step(*request).await?);
                (ChainOrigin::Generated, None)
            }
        };
        planned.extend(steps.into_iter().map(continue_step));
        let id = match name {
            Some(name) => name,
            None => hash_id(&origin, &planned),
        };
        Ok(Self {
            id,
            budget,
            asked: Asked::Whole {
                origin,
                start,
                steps: planned,
            },
        })
    }

    /// Whether the chain must have a record already.
    pub(crate) const fn is_rest(&self) -> bool {
        matches!(self.asked, Asked::Rest { .. })
    }

    /// Joins what is asked with what is recorded. What was sent must be what is asked; the rest may differ.
    ///
    /// # Errors
    /// `InvalidRequest` where the two do not go together.
    pub(crate) fn adopt(self, found: Option<ChainRecord>) -> Result<ResolvedChain> {
        let Self { id, budget, asked } = self;
        let differs = |what: String| {
            Error::invalid(format!(
                "go on with chain {id:?}: {what}; resume it by its id, or give the new chain another name"
            ))
        };
        match asked {
            Asked::Whole { origin, start, steps } => {
                let (requests, mut asked): (Vec<_>, Vec<_>) = steps.into_iter().unzip();
                if let Some(found) = &found {
                    if !same_start(&found.start, &origin) {
                        return Err(differs("it begins with another clip".to_owned()));
                    }
                    for (index, had) in found.steps.iter().enumerate() {
                        let same = asked
                            .get(index)
                            .is_some_and(|step| step.request_sha256 == had.request_sha256);
                        if same {
                            asked[index] = had.clone();
                        } else if is_settled(had) {
                            return Err(differs(format!(
                                "its clip {} was asked for in other words",
                                found.number(index)
                            )));
                        } else if let Some(step) = asked.get_mut(index) {
                            step.lost = had.lost;
                        }
                    }
                }
                let created_at = found.as_ref().map_or_else(now_millis, |found| found.created_at);
                let mut record = ChainRecord::new(id, created_at, origin, asked);
                record.budget = budget.or(found.and_then(|found| found.budget));
                Ok(ResolvedChain {
                    record,
                    start,
                    steps: requests.into_iter().map(Some).collect(),
                })
            }
            Asked::Rest { steps } => {
                let Some(mut record) = found else {
                    return Err(differs("there is no such chain".to_owned()));
                };
                record.budget = budget.or(record.budget);
                if !steps.is_empty() {
                    replace_rest(&mut record, steps)?;
                }
                let requests = record.steps.iter().map(|step| {
                    let kept = step.request.as_ref()?;
                    kept.to_continue().map(Box::new).map(Step::Continue).or_else(|| {
                        let request = kept.to_generate()?;
                        Some(Step::Generate(Box::new(request)))
                    })
                });
                let requests = requests.collect();
                let start = match &record.start {
                    ChainOrigin::Clip(id) => Some(MediaInput::clip(id)),
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

/// Whether something was sent of which a clip may come, so that its request stands.
const fn is_settled(step: &ChainStep) -> bool {
    !matches!(step.state, ChainStepState::Open | ChainStepState::Failed)
}

fn replace_rest(record: &mut ChainRecord, steps: Vec<ContinueRequest>) -> Result<()> {
    let kept = record.steps.iter().filter(|step| is_settled(step)).count();
    if kept == 0 && record.start == ChainOrigin::Generated {
        return Err(Error::invalid(format!(
            "give other steps to chain {:?}: its clip 0 is not there, so nothing is lost; begin a new chain",
            record.id
        )));
    }
    let had = record.steps.split_off(kept);
    for (index, request) in steps.into_iter().enumerate() {
        let (_, mut step) = continue_step(request);
        match had.get(index) {
            Some(had) if had.request_sha256 == step.request_sha256 => step = had.clone(),
            Some(had) => step.lost = had.lost,
            None => {}
        }
        record.steps.push(step);
    }
    // What was lost on steps that are no more was paid all the same.
    let lost = had
        .iter()
        .skip(record.steps.len() - kept)
        .map(|step| step.lost)
        .sum();
    if let Some(last) = record.steps.last_mut() {
        last.lost += lost;
    }
    Ok(())
}

fn same_start(one: &ChainOrigin, other: &ChainOrigin) -> bool {
    let hash = |origin: &ChainOrigin| match origin {
        ChainOrigin::File { sha256, .. } | ChainOrigin::Bytes { sha256 } => Some(sha256.clone()),
        _ => None,
    };
    one == other || (hash(one).is_some() && hash(one) == hash(other))
}

async fn origin(client: &VideoClient, input: &MediaInput) -> Result<ChainOrigin> {
    let found = ClipSource::find(client, input).await?;
    if let Some(clip) = found.parent {
        return Ok(ChainOrigin::Clip(clip.id.to_string()));
    }
    match found.local {
        Some(LocalClip::File(path)) => {
            let path = std::path::absolute(&path).unwrap_or(path);
            let content = MediaContent::File {
                path: path.clone(),
                length: 0,
            };
            Ok(ChainOrigin::File {
                sha256: clip_source::hash(&content).await?,
                path: path.to_string_lossy().into_owned(),
            })
        }
        Some(LocalClip::Memory(bytes)) => Ok(ChainOrigin::Bytes {
            sha256: clip_source::hash(&MediaContent::Memory(bytes)).await?,
        }),
        // In a bucket lie only clips of the library, which are done with above.
        Some(LocalClip::Stored(_)) | None => Err(Error::invalid(format!(
            "continue {}: its last frame is taken on this machine; give the file or a clip of the library",
            found.name
        ))),
    }
}

fn continue_step(request: ContinueRequest) -> (Step, ChainStep) {
    let kept = SavedRequest::from_continue(&request);
    let step = ChainStep::new(digest(&kept, &[]), Some(kept));
    (Step::Continue(Box::new(request)), step)
}

async fn generate_step(request: GenerateRequest) -> Result<(Step, ChainStep)> {
    let kept = SavedRequest::from_generate(&request);
    let mut media = Vec::new();
    for (role, input) in media_of(&request) {
        media.push(format!("{role} {}", fingerprint(input).await?));
    }
    let sha256 = digest(&kept, &media);
    // Media, and addresses with signatures, are in the request only.
    let whole = media.is_empty() && request.output.is_none();
    let step = ChainStep::new(sha256, whole.then_some(kept));
    Ok((Step::Generate(Box::new(request)), step))
}

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

/// What a picture is known by, wherever it lies.
async fn fingerprint(input: &MediaInput) -> Result<String> {
    let of_text = |text: &str| to_hex(&Sha256::digest(text.as_bytes()));
    Ok(match input {
        MediaInput::Path(path) => {
            let content = MediaContent::File {
                path: path.clone(),
                length: 0,
            };
            clip_source::hash(&content).await?
        }
        MediaInput::Bytes { bytes, .. } => clip_source::hash(&MediaContent::Memory(bytes.clone())).await?,
        MediaInput::Url(text) | MediaInput::DataUrl(text) => of_text(text),
        MediaInput::FileId(id) | MediaInput::Clip(id) => id.clone(),
    })
}

fn digest(kept: &SavedRequest, media: &[String]) -> String {
    // A struct of plain fields is always JSON.
    let json = serde_json::to_vec(&(kept, media)).unwrap_or_default();
    to_hex(&Sha256::digest(json))
}

fn hash_id(origin: &ChainOrigin, steps: &[(Step, ChainStep)]) -> String {
    let mut hasher = Sha256::new();
    match origin {
        ChainOrigin::Generated => hasher.update("generated"),
        ChainOrigin::Clip(id) => hasher.update(id),
        ChainOrigin::File { sha256, .. } | ChainOrigin::Bytes { sha256 } => hasher.update(sha256),
    }
    for (_, step) in steps {
        hasher.update(&step.request_sha256);
    }
    to_hex(&hasher.finalize())[..16].to_owned()
}
