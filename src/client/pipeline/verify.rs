//! Verifies that a downloaded file is a complete clip, and measures it.

use std::path::Path;

use crate::client::VideoClient;
use crate::error::Result;
use crate::library::Delivered;
use crate::mutation::{Mutation, is_on};

/// The measured properties of a complete clip.
#[derive(Debug, Clone, Default)]
pub(crate) struct VerifiedClip {
    pub(crate) delivered: Delivered,
    /// A warning for the user, if the clip could not be verified fully.
    pub(crate) note: Option<String>,
}

/// The checks that this build can make on a clip, which the service delivers as H.264.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verification {
    /// The container is complete, and the first and the last frame decode.
    #[cfg(feature = "media")]
    Frames,
    /// The container is complete. The value is the reason why frames cannot be checked.
    Container(&'static str),
}

impl Verification {
    /// Returns the checks that this build can make.
    pub(crate) fn available() -> Self {
        #[cfg(feature = "media")]
        {
            let decodes = crate::media::libav().decoders.contains(&("h264", true));
            if decodes {
                Self::Frames
            } else {
                Self::Container("the libav in use has no decoder for H.264")
            }
        }
        #[cfg(not(feature = "media"))]
        {
            Self::Container("this build lacks the feature media")
        }
    }
}

impl VideoClient {
    /// Warns, before the first request of this client is paid for, when its clips cannot be verified.
    pub(crate) fn warn_if_unverified(&self) {
        match self.inner.verification {
            #[cfg(feature = "media")]
            Verification::Frames => {}
            Verification::Container(reason) => self.inner.warned.call_once(|| {
                tracing::warn!("clips will be saved without being verified beyond their container: {reason}");
            }),
        }
    }
}

/// Limits the time for the verification of a clip, whose file is local.
#[cfg(feature = "media")]
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

/// Verifies that a clip is complete and measures it.
///
/// # Errors
/// `Media`, with the defect. The message does not name the path, because the file is temporary.
pub(crate) async fn verify_clip(path: &Path, verification: Verification) -> Result<VerifiedClip> {
    match verification {
        _ if is_on(Mutation::SkipVerification) => Ok(VerifiedClip::default()),
        #[cfg(feature = "media")]
        Verification::Frames => check_frames(path).await,
        Verification::Container(reason) => {
            let path = path.to_owned();
            let checked = crate::host::spawn_blocking(move || boxes::check(&path)).await;
            checked.unwrap_or_else(|_| Err(boxes::damaged("the runtime was shut down")))?;
            Ok(VerifiedClip {
                note: Some(format!("not verified: {reason}; only its container was checked")),
                ..VerifiedClip::default()
            })
        }
    }
}

/// Checks the container and decodes the first and the last frame.
#[cfg(feature = "media")]
async fn check_frames(path: &Path) -> Result<VerifiedClip> {
    use crate::media::{MediaOptions, MediaSource, nonblocking};

    let source = MediaSource::from(path).named("the downloaded clip");
    let probe = nonblocking::check_whole(source, MediaOptions::default().deadline(DEADLINE)).await?;
    Ok(VerifiedClip {
        delivered: Delivered {
            duration: Some(probe.duration),
            width: Some(probe.video.width),
            height: Some(probe.video.height),
            fps: probe.video.fps,
            audio: Some(probe.audio.is_some()),
            model: None,
        },
        note: None,
    })
}

/// Checks the container of an MP4 without libav.
mod boxes {
    use std::fs::File;
    use std::io::{Read, Seek, SeekFrom};
    use std::path::Path;

    use crate::error::{Error, Result};

    pub(crate) fn damaged(defect: &str) -> Error {
        Error::media(format!("check the downloaded clip: {defect}"))
    }

    /// Walks the top-level boxes of an MP4, and checks that they end with the file and include `moov` and `mdat`.
    pub(crate) fn check(path: &Path) -> Result<()> {
        let io = |error| damaged("it cannot be read").with_source(error);
        let mut file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let (mut position, mut has_moov, mut has_mdat) = (0, false, false);
        while position < length {
            let mut head = [0; 16];
            let available = usize::try_from((length - position).min(16)).unwrap_or(16);
            file.read_exact(&mut head[..available]).map_err(io)?;
            let short = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
            let size = match short {
                0 => length - position,
                1 => u64::from_be_bytes([
                    head[8], head[9], head[10], head[11], head[12], head[13], head[14], head[15],
                ]),
                short => u64::from(short),
            };
            if available < 8 || size < 8 || size > length - position {
                return Err(damaged("it is truncated or not an MP4"));
            }
            has_moov |= &head[4..8] == b"moov";
            has_mdat |= &head[4..8] == b"mdat";
            position += size;
            file.seek(SeekFrom::Start(position)).map_err(io)?;
        }
        if has_moov && has_mdat {
            Ok(())
        } else {
            Err(damaged("it has no movie header or no media"))
        }
    }
}
