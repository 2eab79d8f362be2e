//! Properties of a clip or a picture, and the check that it is complete.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::container::clip::Clip;
use super::frames::converter::FrameConverter;
use super::frames::decoder::Decoder;
use super::frames::executor;
use super::frames::still_picture;
use super::libav::numbers::{self, StreamKind};
use super::libav::time_base::to_duration;
use super::limits::MediaOptions;
use super::pixels::color::ColorInfo;
use super::pixels::rotation::Rotation;
use super::source::{self, Format, MediaSource, OpenSource};
use super::worker;
use crate::error::Result;

/// The properties of a clip or a picture. Durations are seconds in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Probe {
    /// `mp4` (and MOV), `matroska` (and `WebM`), `png`, `jpeg` or `webp`.
    pub container: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// How long a player shows the video; 0 for a still picture.
    #[serde(serialize_with = "seconds")]
    pub duration: Duration,
    /// The duration of video and audio in the header of the container, if it has one.
    #[serde(serialize_with = "optional_seconds")]
    pub container_duration: Option<Duration>,
    /// The video stream, or the still picture.
    pub video: VideoProbe,
    /// The first audio stream, if there is one.
    pub audio: Option<AudioProbe>,
    /// The codecs of the other streams.
    pub other_streams: Vec<String>,
}

/// The properties of a video stream or a still picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct VideoProbe {
    /// `h264`, `hevc`, `vp8`, `vp9`, `av1`, `mpeg4`, `mjpeg`, `png`, `jpeg` or `webp`.
    pub codec: String,
    /// The profile of the codec, if it has one.
    pub profile: Option<String>,
    /// Width as shown, after rotation.
    pub width: u32,
    /// Height as shown, after rotation.
    pub height: u32,
    /// Width as coded.
    pub coded_width: u32,
    /// Height as coded.
    pub coded_height: u32,
    /// Average frames per second, if known.
    pub fps: Option<f64>,
    /// Whether all frames have the same duration, if the index has that information.
    pub fps_is_constant: Option<bool>,
    /// How many frames are shown, if that is known without decoding all of them.
    pub frames: Option<u64>,
    /// The pixel format by libav's name: `yuv420p`, `yuv420p10le`, …
    pub pixel_format: String,
    /// Bits per sample.
    pub bit_depth: Option<u32>,
    /// How the coded picture is rotated to be shown.
    pub rotation: Rotation,
    /// The width of a pixel divided by its height, if that is not 1.
    pub sample_aspect_ratio: Option<f64>,
    /// How the colors are converted to RGB.
    #[serde(rename = "colour")]
    pub color: ColorInfo,
}

/// The properties of an audio stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct AudioProbe {
    /// The codec, by libav's name.
    pub codec: String,
    /// Samples per second.
    pub sample_rate: u32,
    /// The number of channels.
    pub channels: u32,
    /// The duration, if the container has that information.
    #[serde(serialize_with = "optional_seconds")]
    pub duration: Option<Duration>,
}

/// Serializes a duration as seconds.
fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[expect(clippy::ref_option, reason = "serde passes the field")]
fn optional_seconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|d| d.as_secs_f64()).serialize(serializer)
}

/// Reads the properties of a clip or a picture.
///
/// It decodes one frame, which is the only reliable source for colors and bit depth.
///
/// # Errors
///
/// Returns the errors of [`frame`](super::frame()).
pub fn probe(source: impl Into<MediaSource>, options: &MediaOptions) -> Result<Probe> {
    worker::run(source.into(), options, |source, options| {
        let opened = source::open(source, options)?;
        if opened.format.is_picture() {
            return probe_picture(opened);
        }
        probe_clip(&mut Clip::open(opened)?)
    })
}

/// Checks that a clip is complete, and reads its properties.
///
/// A clip is complete if it has all bytes that the container and its index refer to, and its first and last frame decode
/// without an error. A picture must decode. This is the check after a download: frames between the first and the last are
/// not decoded, since the length or the hash of the download covers them.
///
/// # Errors
///
/// Returns the errors of [`frame`](super::frame()), and [`ErrorKind::Media`](crate::ErrorKind::Media) if something is
/// missing or damaged.
pub fn check_whole(source: impl Into<MediaSource>, options: &MediaOptions) -> Result<Probe> {
    worker::run(source.into(), options, check)
}

fn check(source: MediaSource, options: &MediaOptions) -> Result<Probe> {
    let opened = source::open(source, options)?;
    if opened.format.is_picture() {
        return probe_picture(opened);
    }
    let mut clip = Clip::open(opened)?;
    clip.check_complete()?;
    let probe = probe_clip(&mut clip)?;
    executor::check_last_frame(&mut clip)?;
    if clip.damaged() > 0 {
        return Err(clip.limits.error("check", "the container is damaged"));
    }
    Ok(probe)
}

fn probe_clip(clip: &mut Clip) -> Result<Probe> {
    let video = probe_first_frame(clip)?;
    clip.complete_fragment_index()?;
    let index = clip.index(clip.video.index);
    let shown: Vec<i64> = index.iter().filter(|e| e.is_shown).map(|e| e.timestamp).collect();
    let constant = (shown.len() > 1).then(|| {
        let steps = || shown.windows(2).filter_map(|w| Some(w.get(1)? - w.first()?));
        let (min, max) = (steps().min().unwrap_or(0), steps().max().unwrap_or(0));
        // Steps differ by one tick if the frame duration is no multiple of the time base, such as milliseconds.
        max - min <= 1
    });
    let duration = video_duration(clip, constant.unwrap_or(shown.len() == 1))?;
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
            fps: average,
            fps_is_constant: constant,
            frames,
            ..video
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

/// Computes how long a player shows the video: from the start of its clock to the end of the last frame.
///
/// The duration in the header is reliable only if the frame rate is constant. Otherwise the last packets are read.
fn video_duration(clip: &mut Clip, is_constant_rate: bool) -> Result<Duration> {
    if clip.outline.fragmented {
        clip.complete_fragment_index()?;
        return Ok(clip.end().unwrap_or_default());
    }
    let in_header = match (clip.format, clip.video.start, clip.video.duration) {
        (Format::Mov, Some(start), Some(duration)) => clip.time_of(start.saturating_add(duration)),
        _ => Duration::ZERO,
    };
    if is_constant_rate && !in_header.is_zero() {
        return Ok(in_header);
    }
    let end = clip.find_video_end()?;
    Ok(in_header.max(clip.time_of(end)))
}

/// Reads the properties of a video that do not depend on its duration. Decodes the first frame.
fn probe_first_frame(clip: &mut Clip) -> Result<VideoProbe> {
    clip.rewind()?;
    let mut decoder = Decoder::open(clip, 1)?;
    loop {
        let packet = clip.next_packet()?;
        let has_picture = !decoder.feed(packet.as_ref(), |_, _| Ok(false))?;
        if has_picture {
            break;
        }
        if packet.is_none() {
            return Err(clip.no_frame_error());
        }
    }
    let picture = &decoder.picture;
    let rotation = FrameConverter::new(clip).rotation(picture);
    let (coded_width, coded_height) = (picture.width(), picture.height());
    let (width, height) = rotation.shown_size(coded_width, coded_height);
    let pixel_format = numbers::pixel_format_name(picture);
    // The name in the `Debug` output of the bindings, which nests it: `H264(High)`.
    let profile = format!("{:?}", decoder.profile());
    let profile = profile
        .rsplit('(')
        .next()
        .unwrap_or_default()
        .trim_end_matches(')')
        .to_lowercase();
    let aspect = clip.video.sample_aspect.map(f64::from);
    Ok(VideoProbe {
        codec: clip.video.codec.name(),
        profile: Some(profile).filter(|p| p != "unknown" && p != "reserved" && !p.is_empty()),
        width,
        height,
        coded_width,
        coded_height,
        fps: None,
        fps_is_constant: None,
        frames: None,
        bit_depth: bit_depth(&pixel_format),
        pixel_format,
        rotation,
        sample_aspect_ratio: aspect.filter(|ratio| (ratio - 1.0).abs() > 1e-9),
        color: ColorInfo::of(picture),
    })
}

/// Parses the bit depth at the end of the name of a pixel format: `yuv420p10le`, `gray12le`. Without one, it is 8.
fn bit_depth(format: &str) -> Option<u32> {
    let name = format.trim_end_matches("le").trim_end_matches("be");
    ["9", "10", "12", "14", "16"]
        .into_iter()
        .find(|d| {
            name.strip_suffix(d)
                .is_some_and(|rest| rest.ends_with(['p', 'y']))
        })
        .map_or(Some(8), |d| d.parse().ok())
}

fn probe_picture(opened: OpenSource) -> Result<Probe> {
    let (size, format) = (opened.len, opened.format);
    let frame = still_picture::decode(opened)?;
    let (width, height) = (frame.width(), frame.height());
    let (coded_width, coded_height) = frame.rotation().shown_size(width, height);
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
            rotation: frame.rotation(),
            sample_aspect_ratio: None,
            color: frame.color().clone(),
        },
        audio: None,
        other_streams: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_depth_is_parsed_from_the_name() {
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
