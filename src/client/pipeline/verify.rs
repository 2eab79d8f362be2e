//! Whether a downloaded file is a whole clip, and what is in it.

use std::path::Path;

use crate::client::VideoClient;
use crate::error::Result;
use crate::library::Delivered;
use crate::mutation::{Mutation, is_on};

/// What was found in a whole clip.
#[derive(Debug, Clone, Default)]
pub(crate) struct VerifiedClip {
    pub(crate) delivered: Delivered,
    /// What the user should know of the check.
    pub(crate) note: Option<String>,
}

/// What can be checked of a clip, which the service delivers as H.264.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verification {
    /// Its container, and that its first and last frame decode.
    #[cfg(feature = "media")]
    Frames,
    /// Its container only, for this reason.
    Container(&'static str),
}

impl Verification {
    /// What this build can check.
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
            Verification::Container(why) => self.inner.warned.call_once(|| {
                tracing::warn!("clips will be saved without being verified beyond their container: {why}");
            }),
        }
    }
}

/// Time for the check of one clip; the file is local.
#[cfg(feature = "media")]
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

/// Checks that a clip is whole: that its container is complete and, where that can be checked, that its first and
/// last frame decode.
///
/// # Errors
/// `Media`, naming what is wrong. The path is a temporary one, so the message says "the clip".
pub(crate) async fn clip(path: &Path, verification: Verification) -> Result<VerifiedClip> {
    match verification {
        _ if is_on(Mutation::SkipVerification) => Ok(VerifiedClip::default()),
        #[cfg(feature = "media")]
        Verification::Frames => frames(path).await,
        Verification::Container(why) => {
            let path = path.to_owned();
            let checked = crate::host::spawn_blocking(move || boxes::check(&path)).await;
            checked.unwrap_or_else(|_| Err(boxes::damaged("the check was broken off")))?;
            Ok(VerifiedClip {
                note: Some(format!("not verified: {why}; only its container was checked")),
                ..VerifiedClip::default()
            })
        }
    }
}

#[cfg(feature = "media")]
async fn frames(path: &Path) -> Result<VerifiedClip> {
    use crate::media::{MediaOptions, MediaSource, bridge};

    let source = MediaSource::from(path).with_name("the downloaded clip");
    let probe = bridge::check_whole(source, MediaOptions::default().with_deadline(DEADLINE)).await?;
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

mod boxes {
    use std::fs::File;
    use std::io::{Read, Seek, SeekFrom};
    use std::path::Path;

    use crate::error::{Error, ErrorKind, Result};

    pub(crate) fn damaged(what: &str) -> Error {
        Error::new(ErrorKind::Media, format!("check the downloaded clip: {what}"))
    }

    /// Walks the top-level boxes of an MP4.
    pub(crate) fn check(path: &Path) -> Result<()> {
        let io = |error| damaged("it cannot be read").with_source(error);
        let mut file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let (mut at, mut movie, mut media) = (0, false, false);
        while at < length {
            let mut head = [0; 16];
            let have = usize::try_from((length - at).min(16)).unwrap_or(16);
            file.read_exact(&mut head[..have]).map_err(io)?;
            let short = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
            let size = match short {
                0 => length - at,
                1 => u64::from_be_bytes([
                    head[8], head[9], head[10], head[11], head[12], head[13], head[14], head[15],
                ]),
                short => u64::from(short),
            };
            if have < 8 || size < 8 || size > length - at {
                return Err(damaged("it is cut off, or no MP4"));
            }
            movie |= &head[4..8] == b"moov";
            media |= &head[4..8] == b"mdat";
            at += size;
            file.seek(SeekFrom::Start(at)).map_err(io)?;
        }
        if movie && media {
            Ok(())
        } else {
            Err(damaged("it has no movie header or no media"))
        }
    }
}
