//! A video request that has passed every check that is made before the answer.

use super::video_body::WireAspectRatio;
use super::video_model::{Resolution, VideoModel};

/// Where an input picture or clip is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MediaRef {
    Url(String),
    FileId(String),
}

/// A checked create request.
#[derive(Debug)]
pub(crate) struct VideoRequest {
    pub(crate) model: VideoModel,
    pub(crate) kind: RequestKind,
    pub(crate) prompt: String,
    /// The caller's bucket, for a team with zero data retention.
    pub(crate) upload_url: Option<String>,
    pub(crate) storage: Option<StorageRequest>,
}

#[derive(Debug)]
pub(crate) enum RequestKind {
    Generate(Generation),
    Edit { video: MediaRef },
    Extend { video: MediaRef, seconds: u32 },
}

/// What only a generation has.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) seconds: u32,
    pub(crate) aspect_ratio: WireAspectRatio,
    pub(crate) resolution: Resolution,
    pub(crate) sound: bool,
    pub(crate) first: Option<MediaRef>,
    pub(crate) last: Option<MediaRef>,
    /// Each with its position, in units of [`KEYFRAMES_PER_SECOND`](super::limits::KEYFRAMES_PER_SECOND).
    pub(crate) keyframes: Vec<(u32, MediaRef)>,
    pub(crate) references: Vec<MediaRef>,
    pub(crate) voices: usize,
}

/// How the result is to be stored in the Files API.
#[derive(Debug, Clone)]
pub(crate) struct StorageRequest {
    pub(crate) filename: String,
    pub(crate) expires_after: Option<i64>,
    pub(crate) public_url: PublicUrl,
}

/// Whether a stored result gets a public URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublicUrl {
    No,
    /// For this many seconds; `None` is as long as the file.
    For(Option<i64>),
}

impl VideoRequest {
    /// Returns the name of the mode that the sandbox's state shows.
    pub(crate) fn mode(&self) -> &'static str {
        match &self.kind {
            RequestKind::Edit { .. } => "edit",
            RequestKind::Extend { .. } => "extend",
            RequestKind::Generate(made) if !made.references.is_empty() || made.voices > 0 => "references",
            RequestKind::Generate(made) if made.last.is_some() || !made.keyframes.is_empty() => "frames",
            RequestKind::Generate(made) if made.first.is_some() => "image",
            RequestKind::Generate(_) => "text",
        }
    }

    /// Returns every input picture and clip.
    pub(crate) fn inputs(&self) -> Vec<&MediaRef> {
        match &self.kind {
            RequestKind::Edit { video } | RequestKind::Extend { video, .. } => vec![video],
            RequestKind::Generate(made) => made
                .first
                .iter()
                .chain(&made.last)
                .chain(made.keyframes.iter().map(|(_, input)| input))
                .chain(&made.references)
                .collect(),
        }
    }
}
