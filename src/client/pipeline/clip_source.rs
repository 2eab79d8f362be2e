//! Finds, measures and sends the source clip of an edit, an extension or a continuation.
//!
//! Also opens clips for other code that reads them. The callers decide what a clip is used for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

use crate::client::VideoClient;
use crate::client::pipeline::input_context::InputContext;
use crate::client::pipeline::media_origin::MediaOrigin;
use crate::error::{Error, ErrorKind, Result};
use crate::library::{Clip, InputRecord, InputTransport, SourceSummary};
use crate::provider::Upload;
use crate::request::{MediaContent, MediaInput, ResolvedMedia, TransportChoice};
use crate::storage::{ClipDigest, ClipReader, sha256_hex};
use tempfile::TempPath;

/// Maximum size of a clip that [`TransportChoice::Auto`] sends inline although an upload is possible: one exchange
/// instead of three. A larger clip of a bucket is fetched into a temporary file instead of memory.
const MAX_INLINE_BYTES: u64 = 8 << 20;
/// Documented maximum size of an upload to the service's Files API: the lower of the two limits that its pages state.
const MAX_UPLOAD_BYTES: u64 = 48_000_000;
/// Maximum size of a source clip.
const MAX_CLIP_BYTES: u64 = 2 << 30;
/// Lifetime of an uploaded clip. Longer than any job, and short enough that a crash leaves no upload for long.
const UPLOAD_TTL_SECONDS: u64 = 24 * 3600;

/// A source clip.
#[derive(Debug)]
pub(crate) struct ClipSource {
    /// The name of the clip in messages.
    pub(crate) name: String,
    /// The clip of the library, if the source is one.
    pub(crate) parent: Option<Clip>,
    /// The clip as this machine can read it; `None` for a URL or a `file_id`.
    pub(crate) local: Option<LocalClip>,
    /// The media to send for a URL or a `file_id`.
    remote: Option<ResolvedMedia>,
    /// What the sidecar says about the source.
    pub(crate) summary: SourceSummary,
}

/// A clip that can be read: a local file, bytes, or a clip of a library in a bucket.
#[derive(Debug, Clone)]
pub(crate) enum LocalClip {
    File(PathBuf),
    Memory(Bytes),
    Stored(ClipReader),
}

/// The measured properties of a local clip. All are `None` without the feature `media`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ClipFacts {
    pub(crate) length: Option<Duration>,
    /// The shorter side in pixels.
    pub(crate) lines: Option<u32>,
    pub(crate) audio: Option<bool>,
}

/// A source clip that is ready to be part of a request.
#[derive(Debug)]
pub(crate) struct SentClip {
    pub(crate) media: ResolvedMedia,
    pub(crate) transport: InputTransport,
    pub(crate) record: InputRecord,
    /// The id of an uploaded file to delete when the job is over.
    pub(crate) delete: Option<String>,
    pub(crate) warning: Option<String>,
    /// The temporary file that holds the media, removed on drop.
    pub(crate) temp_file: Option<TempPath>,
}

impl ClipSource {
    /// Finds a clip without sending anything.
    ///
    /// # Errors
    /// `NotFound` or `InvalidRequest`, with the name of the clip and what would be valid. `Library` if the library
    /// cannot be read.
    pub(crate) async fn find(client: &VideoClient, input: &MediaInput) -> Result<Self> {
        let name = input.display_name();
        let context = InputContext::clip(&name);
        let (parent, local, remote, summary) = match input {
            MediaInput::Clip(id) => {
                let clip = client.library().clip(id).await?;
                let local = open_clip(client, &clip).await?;
                let summary = SourceSummary::generated_file(&clip.file_name);
                (Some(clip), Some(local), None, summary)
            }
            MediaInput::Path(path) => {
                context.length(path).await?;
                match client.library().resolve(&path.to_string_lossy()).await {
                    Ok(clip) => {
                        let local = open_clip(client, &clip).await?;
                        let summary = SourceSummary::generated_file(&clip.file_name);
                        (Some(clip), Some(local), None, summary)
                    }
                    // Any file may be a source, but only a clip of the library has a lineage.
                    Err(error) if matches!(error.kind(), ErrorKind::InvalidRequest | ErrorKind::NotFound) => {
                        let file = path
                            .file_name()
                            .map_or_else(|| name.clone(), |name| name.to_string_lossy().into_owned());
                        let summary = SourceSummary::generated_file(&file);
                        (None, Some(LocalClip::File(path.clone())), None, summary)
                    }
                    Err(error) => return Err(error),
                }
            }
            MediaInput::Bytes { bytes, .. } => {
                let summary = SourceSummary::data_url(bytes.len() as u64);
                (None, Some(LocalClip::Memory(bytes.clone())), None, summary)
            }
            MediaInput::DataUrl(url) => {
                let bytes = context.decode_data_url(url)?;
                let summary = SourceSummary::data_url(bytes.len() as u64);
                (None, Some(LocalClip::Memory(bytes)), None, summary)
            }
            MediaInput::Url(url) => {
                let parsed = context.check_url(client, url)?;
                (
                    None,
                    None,
                    Some(ResolvedMedia::Url(url.clone())),
                    SourceSummary::url(&parsed),
                )
            }
            MediaInput::FileId(id) => {
                context.check_file_id(id)?;
                let remote = ResolvedMedia::FileId(id.clone());
                (None, None, Some(remote), SourceSummary::file_id())
            }
        };
        Ok(Self {
            name,
            parent,
            local,
            remote,
            summary,
        })
    }

    /// Prepares the clip for a request: inline, or by uploading it to the service's Files API.
    ///
    /// # Errors
    /// `NotFound` or `InvalidRequest` if the clip cannot be read, `Library` if it cannot be fetched from its bucket, or
    /// the error of the upload. The create request has not been sent in any of these cases.
    pub(crate) async fn send(self, client: &VideoClient, choice: TransportChoice) -> Result<SentClip> {
        let Some(local) = self.local else {
            let media = self
                .remote
                .ok_or_else(|| InputContext::clip(&self.name).invalid("there is no clip"))?;
            return Ok(SentClip::new(media, InputRecord::default()));
        };
        let (content, temp_file) = local.content(client, &self.name).await?;
        let length = content.len();
        let record = InputRecord {
            sha256: Some(hash(&content).await?),
            bytes: Some(length),
            ..InputRecord::default()
        };
        let upload = match choice {
            TransportChoice::Inline => false,
            TransportChoice::Upload | TransportChoice::UploadAndKeep => true,
            TransportChoice::Auto => (MAX_INLINE_BYTES + 1..=MAX_UPLOAD_BYTES).contains(&length),
        };
        let mime = "video/mp4";
        if !upload {
            return Ok(SentClip {
                temp_file,
                ..SentClip::new(ResolvedMedia::Inline { mime, content }, record)
            });
        }
        let name = Path::new(&self.name)
            .file_name()
            .map_or("clip.mp4".into(), |name| name.to_string_lossy().into_owned());
        let upload = Upload {
            name,
            mime,
            content,
            expires_after: UPLOAD_TTL_SECONDS,
        };
        let id = client.inner.provider.upload(&upload).await?;
        Ok(SentClip {
            delete: (choice != TransportChoice::UploadAndKeep).then(|| id.clone()),
            warning: (length > MAX_UPLOAD_BYTES).then(|| {
                format!(
                    "{} is {length} bytes long: the service documents uploads of up to 48 MB",
                    self.name
                )
            }),
            ..SentClip::new(ResolvedMedia::FileId(id), record)
        })
    }
}

impl SentClip {
    fn new(media: ResolvedMedia, record: InputRecord) -> Self {
        Self {
            transport: InputTransport {
                input: "video".to_owned(),
                transport: media.transport(),
            },
            media,
            record: InputRecord {
                kind: Some("video".to_owned()),
                ..record
            },
            delete: None,
            warning: None,
            temp_file: None,
        }
    }
}

impl LocalClip {
    /// Returns the content to send. A large clip of a bucket is fetched into a temporary file, which is also returned.
    async fn content(&self, client: &VideoClient, name: &str) -> Result<(MediaContent, Option<TempPath>)> {
        let context = InputContext::clip(name);
        let length = match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(path) => context.length(path).await?,
            Self::Stored(reader) => reader.size(),
        };
        if length == 0 {
            return Err(context.invalid("it is empty; give an MP4"));
        }
        if length > MAX_CLIP_BYTES {
            return Err(context.invalid(format_args!(
                "it is {length} bytes long; the limit is {MAX_CLIP_BYTES}"
            )));
        }
        Ok(match self {
            Self::Memory(bytes) => (MediaContent::Memory(bytes.clone()), None),
            Self::File(path) => {
                let path = path.clone();
                (MediaContent::File { path, length }, None)
            }
            Self::Stored(reader) if length <= MAX_INLINE_BYTES => {
                (MediaContent::Memory(reader.read_all().await?), None)
            }
            Self::Stored(reader) => {
                let temp_file = client.library().fetch(reader).await?;
                let path = temp_file.to_path_buf();
                (MediaContent::File { path, length }, Some(temp_file))
            }
        })
    }

    /// Returns the clip as an input of the media module.
    #[cfg(feature = "media")]
    pub(crate) fn media(&self, name: &str) -> crate::media::MediaSource {
        use crate::media::MediaSource;
        match self {
            Self::File(path) => MediaSource::from(path).named(name),
            Self::Memory(bytes) => MediaSource::named_bytes(name, bytes.clone()),
            Self::Stored(reader) => {
                let (reader, stop) = reader.stoppable();
                MediaSource::reader(name, reader).on_stop(stop)
            }
        }
    }

    /// Measures the clip.
    ///
    /// # Errors
    /// `InvalidRequest` if the clip is not an MP4, which edits and extensions require.
    #[cfg(feature = "media")]
    pub(crate) async fn measure(&self, name: &str) -> Result<ClipFacts> {
        use crate::media::{MediaOptions, nonblocking};

        let probe = nonblocking::probe(self.media(name), MediaOptions::default()).await?;
        if probe.container != "mp4" {
            return Err(InputContext::clip(name).invalid(format_args!(
                "it is {}; the service accepts MP4 only",
                probe.container
            )));
        }
        Ok(ClipFacts {
            length: Some(probe.duration),
            lines: Some(probe.video.width.min(probe.video.height)),
            audio: Some(probe.audio.is_some()),
        })
    }

    /// Checks that the last frame of the clip decodes. An extension starts on that frame, and the service would charge
    /// for the extension even if the frame is damaged.
    #[cfg(feature = "media")]
    pub(crate) async fn check_end(&self, name: &str) -> Result<()> {
        use crate::media::{FramePosition, MediaOptions, nonblocking};

        let end = nonblocking::frame(self.media(name), FramePosition::Last, MediaOptions::default());
        end.await.map(drop)
    }

    #[cfg(not(feature = "media"))]
    #[expect(clippy::unused_async, reason = "the variant with libav is async")]
    pub(crate) async fn check_end(&self, _name: &str) -> Result<()> {
        Ok(())
    }

    /// Hashes the clip and returns its origin.
    #[cfg(feature = "media")]
    pub(crate) async fn hashed_origin(&self, client: &VideoClient, name: &str) -> Result<MediaOrigin> {
        let (content, _temp_file) = self.content(client, name).await?;
        self.origin(Some(&hash(&content).await?))
            .ok_or_else(|| InputContext::clip(name).invalid("it cannot be read again"))
    }

    /// Returns where the clip can be read again after the job. `None` for a file without a hash, and for a clip in a
    /// bucket, which is found by its id.
    pub(crate) fn origin(&self, sha256: Option<&str>) -> Option<MediaOrigin> {
        Some(match self {
            Self::File(path) => MediaOrigin::File {
                path: path.clone(),
                sha256: sha256?.to_owned(),
            },
            Self::Memory(bytes) => MediaOrigin::Memory { bytes: bytes.clone() },
            Self::Stored(_) => return None,
        })
    }

    #[cfg(not(feature = "media"))]
    #[expect(clippy::unused_async, reason = "the variant with libav is async")]
    pub(crate) async fn measure(&self, _name: &str) -> Result<ClipFacts> {
        Ok(ClipFacts::default())
    }
}

/// Opens a clip of the library. From a bucket, only the parts that are read will be fetched.
pub(crate) async fn open_clip(client: &VideoClient, clip: &Clip) -> Result<LocalClip> {
    match &clip.path {
        Some(path) => Ok(LocalClip::File(path.clone())),
        None => Ok(LocalClip::Stored(client.library().reader(&clip.id).await?)),
    }
}

/// Returns the SHA-256 of an input as hexadecimal digits.
///
/// # Errors
/// As for [`hash_file`].
pub(crate) async fn hash(content: &MediaContent) -> Result<String> {
    match content {
        MediaContent::Memory(bytes) => {
            let bytes = bytes.clone();
            hash_blocking(move || Ok(sha256_hex(bytes))).await
        }
        MediaContent::File { path, .. } => hash_file(path).await,
    }
}

/// Returns the SHA-256 of a file as hexadecimal digits, reading it in pieces.
///
/// # Errors
/// `InvalidRequest` if the file cannot be read, `Stopped` if the runtime was shut down.
pub(crate) async fn hash_file(path: &Path) -> Result<String> {
    let path = path.to_owned();
    hash_blocking(move || match ClipDigest::read(&path) {
        Ok(digest) => Ok(digest.sha256),
        Err(error) => Err(Error::invalid(format!("read {}", path.display())).with_source(error)),
    })
    .await
}

async fn hash_blocking(work: impl FnOnce() -> Result<String> + Send + 'static) -> Result<String> {
    crate::host::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Error::stopped("read an input: the runtime was shut down")))
}
