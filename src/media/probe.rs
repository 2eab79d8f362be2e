//! What a clip or a picture is, and whether it is whole.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::container::clip::Clip;
use super::frames::converter::Presenter;
use super::frames::decoder::Decoder;
use super::frames::frame::Frame;
use super::frames::locate;
use super::frames::picture;
use super::libav::numbers::{self, StreamKind};
use super::libav::time_base::to_duration;
use super::limits::MediaOptions;
use super::pixels::color::ColourInfo;
use super::pixels::rotation::Rotation;
use super::source::{self, MediaSource, OpenSource};
use super::worker;
use crate::error::Result;

/// What a clip or a picture is. Times are seconds in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Probe {
    /// `mp4` (and MOV), `matroska` (and `WebM`), `png`, `jpeg` or `webp`.
    pub container: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// How long a player shows the picture; 0 for a still one.
    #[serde(serialize_with = "seconds")]
    pub duration: Duration,
    /// How long the container says the clip is, with its sound, where it says so.
    #[serde(serialize_with = "maybe_seconds")]
    pub container_duration: Option<Duration>,
    /// The picture.
    pub video: VideoProbe,
    /// The first sound, where there is one.
    pub audio: Option<AudioProbe>,
    /// Streams beside these two: their codecs.
    pub other_streams: Vec<String>,
}

/// The picture of a clip.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct VideoProbe {
    /// `h264`, `hevc`, `vp8`, `vp9`, `av1`, `mpeg4`, `mjpeg`, `png`, `jpeg` or `webp`.
    pub codec: String,
    /// The codec's profile, where it names one.
    pub profile: Option<String>,
    /// Width as shown, after rotation.
    pub width: u32,
    /// Height as shown, after rotation.
    pub height: u32,
    /// Width as coded.
    pub coded_width: u32,
    /// Height as coded.
    pub coded_height: u32,
    /// Frames a second on average, where known.
    pub fps: Option<f64>,
    /// Whether all frames last equally long, where the index tells.
    pub fps_is_constant: Option<bool>,
    /// How many frames are shown, where that is known without decoding all of them.
    pub frames: Option<u64>,
    /// How libav calls the layout of the pixels: `yuv420p`, `yuv420p10le`, …
    pub pixel_format: String,
    /// Bits a sample.
    pub bit_depth: Option<u32>,
    /// How the coded picture is turned to be shown.
    pub rotation: Rotation,
    /// Width of a pixel over its height, where that is not 1.
    pub sample_aspect_ratio: Option<f64>,
    /// How the colours are read.
    pub colour: ColourInfo,
}

/// The sound of a clip.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct AudioProbe {
    /// The codec, as libav calls it.
    pub codec: String,
    /// Samples a second.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u32,
    /// How long it plays, where the container says so.
    #[serde(serialize_with = "maybe_seconds")]
    pub duration: Option<Duration>,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[expect(clippy::ref_option, reason = "serde passes the field")]
fn maybe_seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|d| d.as_secs_f64()).serialize(serializer)
}

/// Tells what a clip or a picture is. Decodes one frame, since only that knows colours and depth for
/// certain.
///
/// # Errors
///
/// As [`frame`](super::frame()).
pub fn probe(source: impl Into<MediaSource>, options: &MediaOptions) -> Result<Probe> {
    worker::run(source.into(), options, |source, options| {
        let opened = source::open(source, options)?;
        if opened.format.is_picture() {
            return probe_picture(opened);
        }
        probe_clip(&mut Clip::open(opened)?)
    })
}

/// Checks that a clip is whole, and tells what it is: every byte that the container and its index promise
/// is there, and the first and the last frame decode without an error. A picture has to decode.
///
/// For what was downloaded, before it is passed off as a clip. What lies between first and last frame is
/// not decoded; the server's length or hash covers that.
///
/// # Errors
///
/// As [`frame`](super::frame()); [`ErrorKind::Media`](crate::ErrorKind::Media) says what is missing.
pub fn check_whole(source: impl Into<MediaSource>, options: &MediaOptions) -> Result<Probe> {
    worker::run(source.into(), options, check)
}

fn check(source: MediaSource, options: &MediaOptions) -> Result<Probe> {
    let opened = source::open(source, options)?;
    if opened.format.is_picture() {
        return probe_picture(opened);
    }
    let mut clip = Clip::open(opened)?;
    if let Some(promised) = clip.missing() {
        return Err(clip.cut_off(promised));
    }
    let probe = probe_clip(&mut clip)?;
    locate::check_end(&mut clip)?;
    if clip.damaged() > 0 {
        return Err(clip.watch.fail("check", "the container is damaged"));
    }
    Ok(probe)
}

fn probe_clip(clip: &mut Clip) -> Result<Probe> {
    let head = Head::read(clip)?;
    clip.read_index_of_fragments()?;
    let index = clip.index(clip.video.index);
    let shown: Vec<i64> = index.iter().filter(|e| e.is_shown).map(|e| e.timestamp).collect();
    let constant = (shown.len() > 1).then(|| {
        let steps = || shown.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?));
        let (least, most) = (steps().min().unwrap_or(0), steps().max().unwrap_or(0));
        // Time bases that do not divide evenly, milliseconds mostly, alternate by a tick.
        most - least <= 1
    });
    let duration = locate::video_duration(clip, constant.unwrap_or(shown.len() == 1))?;
    let frames = clip.frame_count();
    #[expect(clippy::cast_precision_loss, reason = "a clip has fewer than 2^53 frames")]
    let average = frames
        .filter(|&n| n > 1 && !duration.is_zero())
        .map(|n| n as f64 / duration.as_secs_f64())
        .or(clip.video.rate.map(f64::from));
    let audio = clip.streams.iter().find(|s| s.kind == StreamKind::Audio);
    let used = [Some(clip.video.index), audio.map(|s| s.index)];
    Ok(Probe {
        container: clip.format.name().to_owned(),
        size: clip.len,
        duration,
        container_duration: clip.container_duration(),
        video: VideoProbe {
            codec: clip.video.codec.name(),
            profile: head.profile,
            width: head.width,
            height: head.height,
            coded_width: head.coded_width,
            coded_height: head.coded_height,
            fps: average,
            fps_is_constant: constant,
            frames,
            pixel_format: head.pixel_format,
            bit_depth: head.bit_depth,
            rotation: head.rotation,
            sample_aspect_ratio: clip
                .video
                .sample_aspect
                .map(f64::from)
                .filter(|r| (r - 1.0).abs() > 1e-9),
            colour: head.colour,
        },
        audio: audio.map(|s| AudioProbe {
            codec: s.codec.name(),
            sample_rate: s.sample_rate,
            channels: s.channels,
            duration: s.duration.map(|d| to_duration(d, s.time_base)),
        }),
        other_streams: clip
            .streams
            .iter()
            .filter(|s| !used.contains(&Some(s.index)))
            .map(|s| s.codec.name())
            .collect(),
    })
}

/// What the first frame tells.
struct Head {
    profile: Option<String>,
    width: u32,
    height: u32,
    coded_width: u32,
    coded_height: u32,
    pixel_format: String,
    bit_depth: Option<u32>,
    rotation: Rotation,
    colour: ColourInfo,
}

impl Head {
    fn read(clip: &mut Clip) -> Result<Self> {
        clip.rewind()?;
        let mut decoder = Decoder::open(clip, 1)?;
        loop {
            let packet = clip.next_packet()?;
            match &packet {
                Some(packet) => decoder.send(packet)?,
                None => decoder.drain(),
            }
            if decoder.receive()?.is_some() {
                break;
            }
            if packet.is_none() {
                return Err(clip.nothing());
            }
        }
        let picture = &decoder.picture;
        let rotation = Presenter::of(clip).rotation(picture);
        let (coded_width, coded_height) = (picture.width(), picture.height());
        let (width, height) = rotation.shown(coded_width, coded_height);
        let pixel_format = numbers::pixel_format_name(picture);
        let profile = format!("{:?}", decoder.profile());
        let profile = profile
            .rsplit('(')
            .next()
            .unwrap_or_default()
            .trim_end_matches(')')
            .to_lowercase();
        Ok(Self {
            profile: Some(profile).filter(|p| p != "unknown" && p != "reserved" && !p.is_empty()),
            width,
            height,
            coded_width,
            coded_height,
            bit_depth: bit_depth(&pixel_format),
            pixel_format,
            rotation,
            colour: ColourInfo::of(picture),
        })
    }
}

/// libav spells depths over 8 at the end of the name: `yuv420p10le`, `gray12le`.
fn bit_depth(format: &str) -> Option<u32> {
    let bare = format.trim_end_matches("le").trim_end_matches("be");
    ["9", "10", "12", "14", "16"]
        .into_iter()
        .find(|d| {
            bare.strip_suffix(d)
                .is_some_and(|rest| rest.ends_with(['p', 'y']))
        })
        .map_or(Some(8), |d| d.parse().ok())
}

fn probe_picture(opened: OpenSource) -> Result<Probe> {
    let (size, format) = (opened.len, opened.format);
    let Frame {
        width,
        height,
        colour,
        rotation,
        ..
    } = picture::decode(opened)?;
    let (coded_width, coded_height) = rotation.shown(width, height);
    Ok(Probe {
        container: format.name().to_owned(),
        size,
        duration: Duration::ZERO,
        container_duration: None,
        video: VideoProbe {
            codec: format.name().to_owned(),
            profile: None,
            width,
            height,
            coded_width,
            coded_height,
            fps: None,
            fps_is_constant: None,
            frames: Some(1),
            pixel_format: "rgb24".to_owned(),
            bit_depth: Some(8),
            rotation,
            sample_aspect_ratio: None,
            colour,
        },
        audio: None,
        other_streams: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_read_from_the_name() {
        for (name, depth) in [
            ("yuv420p", 8),
            ("yuv420p10le", 10),
            ("gray12le", 12),
            ("gray", 8),
            ("rgb24", 8),
            ("gbrp10be", 10),
        ] {
            assert_eq!(bit_depth(name), Some(depth), "{name}");
        }
    }
}
