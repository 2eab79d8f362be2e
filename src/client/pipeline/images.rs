//! Reads and checks the images of a request before anything is paid.
//!
//! Also collects the sidecar's entries for the images. The provider encodes the images when it sends the request.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt as _;

use crate::client::VideoClient;
use crate::client::pipeline::input_context::InputContext;
use crate::client::pipeline::media_origin::MediaOrigin;
use crate::error::Result;
use crate::library::{InputRecord, InputTransport};
use crate::picture::PictureKind;
use crate::request::{
    GenerateInputs, GenerateMode, GenerateRequest, MediaContent, MediaInput, ResolvedKeyframe, ResolvedMedia,
};
use crate::storage::sha256_hex;

/// Maximum size of an image. The service documents no limit for the images of video requests. 20 MiB is its limit for
/// the images that its language models accept.
const MAX_PICTURE_BYTES: u64 = 20 << 20;
/// The role of the start image in records.
const START_ROLE: &str = "image";
/// Maximum number of pixels of an image: 8192 x 8192.
const MAX_PICTURE_PIXELS: u64 = 1 << 26;

/// The images of a request, ready to be sent, and their entries in the sidecar.
#[derive(Debug, Default)]
pub(crate) struct ReadImages {
    pub(crate) media: GenerateInputs,
    pub(crate) records: Vec<InputRecord>,
    pub(crate) transports: Vec<InputTransport>,
    /// The file name of the start image, if it is a file.
    pub(crate) source_image: Option<String>,
    /// Where the start image can be read again, to compare it with the first frame of the clip. `None` for a URL or a
    /// `file_id`.
    pub(crate) start: Option<MediaOrigin>,
}

/// Reads and checks all images of a request.
///
/// # Errors
/// `InvalidRequest` or `NotFound`, with the role of the input, the file and what would be valid.
pub(crate) async fn read_images(client: &VideoClient, request: &GenerateRequest) -> Result<ReadImages> {
    let mut images = ReadImages::default();
    let mut media = GenerateInputs {
        voices: request.voices.clone(),
        ..GenerateInputs::default()
    };
    match &request.mode {
        GenerateMode::Text => {}
        GenerateMode::Image { image } => media.image = Some(images.start_image(client, image).await?),
        GenerateMode::References {
            images: references,
            first_frame,
        } => {
            if let Some(image) = first_frame {
                media.image = Some(images.start_image(client, image).await?);
            }
            for (index, image) in references.iter().enumerate() {
                media.references.push(
                    images
                        .picture(client, &format!("reference {}", index + 1), image)
                        .await?,
                );
            }
        }
        GenerateMode::Frames {
            first,
            last,
            keyframes,
        } => {
            if let Some(image) = first {
                media.image = Some(images.start_image(client, image).await?);
            }
            if let Some(image) = last {
                media.last_frame = Some(images.picture(client, "last frame", image).await?);
            }
            for (index, keyframe) in keyframes.iter().enumerate() {
                let image = images
                    .picture(client, &format!("keyframe {}", index + 1), &keyframe.image)
                    .await?;
                media.keyframes.push(ResolvedKeyframe {
                    at_seconds: seconds_of(keyframe.at),
                    image,
                });
            }
        }
    }
    images.media = media;
    Ok(images)
}

/// Converts a time to seconds, and ignores fractions of a millisecond.
#[expect(clippy::cast_precision_loss, reason = "a clip is far shorter than 2^53 ms")]
fn seconds_of(at: Duration) -> f64 {
    at.as_millis() as f64 / 1000.0
}

impl ReadImages {
    async fn start_image(&mut self, client: &VideoClient, input: &MediaInput) -> Result<ResolvedMedia> {
        if let MediaInput::Path(path) = input {
            self.source_image = path.file_name().map(|name| name.to_string_lossy().into_owned());
        }
        self.picture(client, START_ROLE, input).await
    }

    /// Reads and checks an image, and adds its sidecar entries. `role` identifies the image in messages and entries.
    async fn picture(
        &mut self,
        client: &VideoClient,
        role: &str,
        input: &MediaInput,
    ) -> Result<ResolvedMedia> {
        let name = input.display_name();
        let context = InputContext::picture(role, &name);
        let (media, record) = match input {
            MediaInput::Path(path) => {
                let bytes = read_picture(context, path).await?;
                self.inline(role, &name, bytes, Some(path)).await?
            }
            MediaInput::Bytes { bytes, .. } => self.inline(role, &name, bytes.clone(), None).await?,
            MediaInput::DataUrl(url) => {
                let bytes = context.decode_data_url(url)?;
                self.inline(role, &name, bytes, None).await?
            }
            MediaInput::Url(url) => {
                context.check_url(client, url)?;
                (ResolvedMedia::Url(url.clone()), InputRecord::default())
            }
            MediaInput::FileId(id) => {
                context.check_file_id(id)?;
                (ResolvedMedia::FileId(id.clone()), InputRecord::default())
            }
            MediaInput::Clip(_) => {
                return Err(context.invalid("it is a clip, not a picture; give a frame of it"));
            }
        };
        self.records.push(InputRecord {
            kind: Some(role.to_owned()),
            ..record
        });
        self.transports.push(InputTransport {
            input: role.to_owned(),
            transport: media.transport(),
        });
        Ok(media)
    }

    /// Checks an image that is sent inside the request, and returns the media to send and the record of the image.
    async fn inline(
        &mut self,
        role: &str,
        name: &str,
        bytes: Bytes,
        path: Option<&PathBuf>,
    ) -> Result<(ResolvedMedia, InputRecord)> {
        let mime = check_picture(role, name, &bytes).await?;
        let sha256 = sha256_hex(&bytes);
        if role == START_ROLE {
            self.start = Some(match path {
                Some(path) => MediaOrigin::File {
                    path: path.clone(),
                    sha256: sha256.clone(),
                },
                None => MediaOrigin::Memory { bytes: bytes.clone() },
            });
        }
        let record = InputRecord {
            sha256: Some(sha256),
            bytes: Some(bytes.len() as u64),
            ..InputRecord::default()
        };
        let content = MediaContent::Memory(bytes);
        Ok((ResolvedMedia::Inline { mime, content }, record))
    }
}

/// Reads a local image. Stops one byte after the size limit, so that the check of the size fails for a larger image.
async fn read_picture(context: InputContext<'_>, path: &Path) -> Result<Bytes> {
    context.length(path).await?;
    let mut bytes = Vec::new();
    let read = async {
        let file = tokio::fs::File::open(path).await?;
        file.take(MAX_PICTURE_BYTES + 1).read_to_end(&mut bytes).await
    };
    read.await.map_err(|error| context.unreadable(error))?;
    Ok(bytes.into())
}

/// Checks that the service accepts an image, and returns the media type that was detected from the content.
async fn check_picture(role: &str, name: &str, bytes: &Bytes) -> Result<&'static str> {
    let invalid = |reason: String| InputContext::picture(role, name).invalid(reason);
    if bytes.is_empty() {
        return Err(invalid(
            "it is empty; give a PNG, JPEG or WebP picture".to_owned(),
        ));
    }
    if bytes.len() as u64 > MAX_PICTURE_BYTES {
        return Err(invalid(format!(
            "it is larger than {} MiB; scale the picture down",
            MAX_PICTURE_BYTES >> 20
        )));
    }
    let Some(kind) = PictureKind::detect(bytes) else {
        return Err(invalid(
            "it is not a picture the service accepts; give a PNG, JPEG or WebP".to_owned(),
        ));
    };
    let (width, height) = kind
        .read_size(bytes)
        .ok_or_else(|| invalid("it is truncated or damaged: its header has no size".to_owned()))?;
    let pixels = width.saturating_mul(height);
    if pixels == 0 {
        return Err(invalid(format!(
            "it has {width} x {height} pixels; give a picture with a width and a height"
        )));
    }
    if pixels > MAX_PICTURE_PIXELS {
        return Err(invalid(format!(
            "it has {width} x {height} pixels; the limit is {MAX_PICTURE_PIXELS} pixels (8192 x 8192)"
        )));
    }
    // The service accepts a request with a truncated image and charges for it, and then the job fails.
    let whole = {
        let bytes = bytes.clone();
        crate::host::spawn_blocking(move || kind.check_whole(&bytes)).await
    };
    whole
        .map_err(|_| invalid("it could not be checked: the runtime is shutting down".to_owned()))?
        .map_err(|reason| invalid(format!("it is {reason}; save or download it again")))?;
    decode(name, bytes)
        .await
        .map_err(|error| invalid("it does not decode".to_owned()).with_source(error))?;
    Ok(kind.mime())
}

/// Checks that an image decodes.
#[cfg(feature = "media")]
async fn decode(name: &str, bytes: &Bytes) -> Result<()> {
    use crate::media::{MediaOptions, MediaSource, nonblocking};

    let options = MediaOptions::default().max_pixels(MAX_PICTURE_PIXELS);
    let picture = MediaSource::named_bytes(name, bytes.clone());
    nonblocking::picture(picture, options).await.map(drop)
}

#[cfg(not(feature = "media"))]
#[expect(clippy::unused_async, reason = "the variant with libav is async")]
async fn decode(_name: &str, _bytes: &Bytes) -> Result<()> {
    Ok(())
}
