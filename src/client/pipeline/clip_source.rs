//! The clip that an edit, an extension or a continuation starts from: found, measured, and put on its way.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::client::VideoClient;
use crate::client::pipeline::content_checks::MediaOrigin;
use crate::client::pipeline::input_context::{InputContext, NoContent, decode_data_url};
use crate::error::{Error, ErrorKind, Result};
use crate::library::{Clip, InputRecord, InputTransport, SourceSummary};
use crate::provider::Upload;
use crate::request::{MediaContent, MediaInput, ResolvedMedia, Transport, TransportChoice};
use crate::storage::{ClipReader, to_hex};
use tempfile::TempPath;

/// Up to this a clip goes inside the request: one exchange instead of three.
const MAX_INLINE_BYTES: u64 = 8 << 20;
/// What every source agrees a file of the service's Files may have.
const MAX_UPLOAD_BYTES: u64 = 48_000_000;
/// Most bytes of a clip that goes in.
const MAX_CLIP_BYTES: u64 = 2 << 30;
/// Life of an uploaded clip: longer than any job, short enough that a crash leaves nothing for long.
const UPLOAD_TTL_SECONDS: u64 = 24 * 3600;

/// A clip that goes in.
#[derive(Debug)]
pub(crate) struct ClipSource {
    /// How messages call it.
    pub(crate) name: String,
    /// The clip of the library that it is, where it is one.
    pub(crate) parent: Option<Clip>,
    /// What can be looked at here; `None` for a URL and a `file_id`.
    pub(crate) local: Option<LocalClip>,
    /// For a URL and a `file_id`: what is sent.
    remote: Option<ResolvedMedia>,
    /// What the record says of it.
    pub(crate) summary: SourceSummary,
}

/// A clip that can be looked at: of this machine, or of a library in a bucket.
#[derive(Debug, Clone)]
pub(crate) enum LocalClip {
    File(PathBuf),
    Memory(Bytes),
    Stored(ClipReader),
}

/// What was measured of a local clip.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ClipFacts {
    pub(crate) length: Option<Duration>,
    /// The short side.
    pub(crate) lines: Option<u32>,
    pub(crate) audio: Option<bool>,
}

/// A clip on its way.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) media: ResolvedMedia,
    pub(crate) transport: InputTransport,
    pub(crate) record: InputRecord,
    /// A file at the service that is to be deleted when the job is over.
    pub(crate) delete: Option<String>,
    pub(crate) warning: Option<String>,
    /// What is sent may lie in this file, which is removed with it.
    pub(crate) fetched: Option<TempPath>,
}

impl ClipSource {
    /// Finds a clip. Nothing is sent.
    ///
    /// # Errors
    /// `NotFound` or `InvalidRequest`, naming the clip and what would be right.
    pub(crate) async fn find(client: &VideoClient, input: &MediaInput) -> Result<Self> {
        let name = input.display_name();
        let given = InputContext::clip(&name);
        let (parent, local, remote, summary) = match input {
            MediaInput::Clip(id) => {
                let clip = client.library().clip(id).await?;
                let local = local_of(client, &clip).await?;
                let summary = SourceSummary::generated_file(&clip.file_name);
                (Some(clip), Some(local), None, summary)
            }
            MediaInput::Path(path) => {
                given.length(path).await?;
                match client.library().resolve(&path.to_string_lossy()).await {
                    Ok(clip) => {
                        let local = local_of(client, &clip).await?;
                        let summary = SourceSummary::generated_file(&clip.file_name);
                        (Some(clip), Some(local), None, summary)
                    }
                    // Any file may be a source; only one in the library has a family.
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
                let bytes = decode_data_url(url).map_err(|why| {
                    given.bad(match why {
                        NoContent::Garbled => "it holds no valid base64",
                        _ => "it is no base64 data URL; write it as data:video/mp4;base64,…",
                    })
                })?;
                let summary = SourceSummary::data_url(bytes.len() as u64);
                (None, Some(LocalClip::Memory(bytes)), None, summary)
            }
            MediaInput::Url(url) => {
                let parsed = given.link(client, url)?;
                (
                    None,
                    None,
                    Some(ResolvedMedia::Url(url.clone())),
                    SourceSummary::url(&parsed),
                )
            }
            MediaInput::FileId(id) => {
                given.file_id(id)?;
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

    /// Puts the clip on its way: into the request, or through the service's Files.
    ///
    /// # Errors
    /// `InvalidRequest` when it cannot be read, `Network` when an upload failed. Nothing is paid.
    pub(crate) async fn send(self, client: &VideoClient, choice: TransportChoice) -> Result<Sent> {
        let label = |transport| InputTransport {
            input: "video".to_owned(),
            transport,
        };
        let record = InputRecord {
            kind: Some("video".to_owned()),
            ..InputRecord::default()
        };
        let Some(local) = self.local else {
            let media = self
                .remote
                .ok_or_else(|| InputContext::clip(&self.name).bad("there is none"))?;
            let transport = label(media.transport());
            return Ok(Sent {
                media,
                transport,
                record,
                delete: None,
                warning: None,
                fetched: None,
            });
        };
        let (content, fetched) = local.content(client, &self.name).await?;
        let length = content.len();
        let record = InputRecord {
            sha256: Some(hash(&content).await?),
            bytes: Some(length),
            ..record
        };
        let upload = match choice {
            TransportChoice::Inline => false,
            TransportChoice::Upload | TransportChoice::UploadAndKeep => true,
            TransportChoice::Auto => (MAX_INLINE_BYTES + 1..=MAX_UPLOAD_BYTES).contains(&length),
        };
        if !upload {
            let media = ResolvedMedia::Inline {
                mime: "video/mp4",
                content,
            };
            return Ok(Sent {
                media,
                transport: label(Transport::Inline),
                record,
                delete: None,
                warning: None,
                fetched,
            });
        }
        let warning = (length > MAX_UPLOAD_BYTES).then(|| {
            format!(
                "{} has {length} bytes: the service's files are documented up to 48 MB",
                self.name
            )
        });
        let name = Path::new(&self.name)
            .file_name()
            .map_or("clip.mp4".into(), |name| name.to_string_lossy().into_owned());
        let upload = Upload {
            name,
            mime: "video/mp4",
            content,
            expires_after: UPLOAD_TTL_SECONDS,
        };
        let id = client.inner.provider.upload(&upload).await?;
        let keep = choice == TransportChoice::UploadAndKeep;
        Ok(Sent {
            media: ResolvedMedia::FileId(id.clone()),
            transport: label(Transport::FileId),
            record,
            delete: (!keep).then_some(id),
            warning,
            fetched: None,
        })
    }
}

impl LocalClip {
    /// What is sent, and the file that holds it, where it had to be fetched into one.
    async fn content(&self, client: &VideoClient, name: &str) -> Result<(MediaContent, Option<TempPath>)> {
        let given = InputContext::clip(name);
        let length = match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(path) => given.length(path).await?,
            Self::Stored(reader) => reader.size(),
        };
        if length == 0 {
            return Err(given.bad("it is empty; give an MP4"));
        }
        if length > MAX_CLIP_BYTES {
            return Err(given.bad(format_args!(
                "it has {length} bytes; the limit is {MAX_CLIP_BYTES}"
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
                let fetched = client.library().fetch(reader).await?;
                let path = fetched.to_path_buf();
                (MediaContent::File { path, length }, Some(fetched))
            }
        })
    }

    #[cfg(feature = "media")]
    pub(crate) fn media(&self, name: &str) -> crate::media::MediaSource {
        use crate::media::MediaSource;
        match self {
            Self::File(path) => MediaSource::from(path).with_name(name),
            Self::Memory(bytes) => MediaSource::named_bytes(name, bytes.clone()),
            Self::Stored(reader) => {
                let (reader, stop) = reader.stoppable();
                MediaSource::reader(name, reader).with_stop(stop)
            }
        }
    }

    /// Looks at the clip. An edit or extension takes MP4 only.
    #[cfg(feature = "media")]
    pub(crate) async fn measure(&self, name: &str) -> Result<ClipFacts> {
        use crate::media::{MediaOptions, bridge};

        let probe = bridge::probe(self.media(name), MediaOptions::default()).await?;
        if probe.container != "mp4" {
            return Err(InputContext::clip(name).bad(format_args!(
                "it is {}, and the service takes MP4",
                probe.container
            )));
        }
        Ok(ClipFacts {
            length: Some(probe.duration),
            lines: Some(probe.video.width.min(probe.video.height)),
            audio: Some(probe.audio.is_some()),
        })
    }

    /// Checks that the last frame decodes, where an extension is to begin: found out later, it is paid.
    #[cfg(feature = "media")]
    pub(crate) async fn check_end(&self, name: &str) -> Result<()> {
        use crate::media::{FramePosition, MediaOptions, bridge};

        let end = bridge::frame(self.media(name), FramePosition::Last, MediaOptions::default());
        end.await.map(drop)
    }

    #[cfg(not(feature = "media"))]
    #[expect(clippy::unused_async, reason = "the other variant waits")]
    pub(crate) async fn check_end(&self, _name: &str) -> Result<()> {
        Ok(())
    }

    /// The same for a clip whose hash is not known yet.
    #[cfg(feature = "media")]
    pub(crate) async fn origin_now(&self, client: &VideoClient, name: &str) -> Result<MediaOrigin> {
        let (content, _fetched) = self.content(client, name).await?;
        self.origin(Some(&hash(&content).await?))
            .ok_or_else(|| InputContext::clip(name).bad("it cannot be found again"))
    }

    /// How to read it again, when the clip that is made of it is there.
    pub(crate) fn origin(&self, sha256: Option<&str>) -> Option<MediaOrigin> {
        Some(match self {
            Self::File(path) => MediaOrigin::File {
                path: path.clone(),
                sha256: sha256?.to_owned(),
            },
            Self::Memory(bytes) => MediaOrigin::Memory { bytes: bytes.clone() },
            // A clip of the library, which is found by its id.
            Self::Stored(_) => return None,
        })
    }

    #[cfg(not(feature = "media"))]
    #[expect(clippy::unused_async, reason = "the other variant waits")]
    pub(crate) async fn measure(&self, _name: &str) -> Result<ClipFacts> {
        Ok(ClipFacts::default())
    }
}

/// A clip of the library. Of one in a bucket only what is looked at will be fetched.
pub(crate) async fn local_of(client: &VideoClient, clip: &Clip) -> Result<LocalClip> {
    match &clip.path {
        Some(path) => Ok(LocalClip::File(path.clone())),
        None => Ok(LocalClip::Stored(client.library().reader(&clip.id).await?)),
    }
}

/// The hash by which the record knows the clip, read in pieces.
pub(crate) async fn hash(content: &MediaContent) -> Result<String> {
    let content = content.clone();
    let work = move || match content {
        MediaContent::Memory(bytes) => Ok(to_hex(&Sha256::digest(&bytes))),
        MediaContent::File { path, .. } => {
            let failed = |error: std::io::Error| {
                Error::new(
                    ErrorKind::InvalidRequest,
                    format!("read video {}", path.display()),
                )
                .with_source(error)
            };
            let mut hasher = Sha256::new();
            let mut file = std::fs::File::open(&path).map_err(failed)?;
            let mut buffer = vec![0; 256 * 1024];
            loop {
                match file.read(&mut buffer).map_err(failed)? {
                    0 => break,
                    read => hasher.update(&buffer[..read]),
                }
            }
            Ok(to_hex(&hasher.finalize()))
        }
    };
    crate::host::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::Stopped, "read the video: broken off")))
}
