//! Encoding of pictures and audio as an MP4 file, for the sandbox.
//!
//! Chooses the encoders, the color tags and the layout of the file. Knows nothing about what the pictures show. The verbs
//! of the client never encode video.

use std::path::Path;

use ffmpeg_next as libav;
use libav::{ChannelLayout, Dictionary, Packet, Rational, codec, color, encoder, format, frame};

use super::yuv_picture::YuvPicture;
use crate::error::{Error, Result};
use crate::media::libav::init;

/// Audio samples per second.
pub(crate) const SAMPLE_RATE: u32 = 48_000;

/// Writes an MP4 with the index in front. Video is H.264, or MPEG-4 if libav has no encoder for H.264; audio is AAC.
pub(crate) struct ClipWriter {
    output: format::context::Output,
    video: encoder::video::Encoder,
    audio: Option<AudioTrack>,
    frame_rate: u32,
    frames: i64,
    width: usize,
    height: usize,
}

/// The sound track of a clip, and the samples that are not encoded yet.
struct AudioTrack {
    encoder: encoder::audio::Encoder,
    /// Samples of one frame of the encoder.
    chunk: usize,
    left: Vec<f32>,
    right: Vec<f32>,
    samples: i64,
}

const VIDEO: usize = 0;
const AUDIO: usize = 1;

impl ClipWriter {
    /// Creates or replaces the file at `path`, for pictures of this size. `sound` adds a stereo track.
    pub(crate) fn create(
        path: &Path,
        width: usize,
        height: usize,
        frame_rate: u32,
        sound: bool,
    ) -> Result<Self> {
        Self::create_with(&ENCODERS, path, width, height, frame_rate, sound)
    }

    fn create_with(
        encoders: &[EncoderChoice],
        path: &Path,
        width: usize,
        height: usize,
        frame_rate: u32,
        sound: bool,
    ) -> Result<Self> {
        init();
        let mut output =
            format::output_as(path, "mp4").map_err(|e| failed("open the clip for writing", e))?;
        let global_header = output.format().flags().contains(format::Flags::GLOBAL_HEADER);
        let video = open_video(encoders, width, height, frame_rate, global_header)?;
        let mut stream = output
            .add_stream(video.codec())
            .map_err(|e| failed("add the video track", e))?;
        stream.set_parameters(&video);
        stream.set_time_base(Rational(1, as_i32(frame_rate)));
        stream.set_avg_frame_rate(Rational(as_i32(frame_rate), 1));
        let audio = if sound {
            let track = AudioTrack::open(global_header)?;
            let mut stream = output
                .add_stream(track.encoder.codec())
                .map_err(|e| failed("add the sound track", e))?;
            stream.set_parameters(&track.encoder);
            stream.set_time_base(Rational(1, as_i32(SAMPLE_RATE)));
            Some(track)
        } else {
            None
        };
        let options = Dictionary::from_iter([("movflags", "+faststart")]);
        output
            .write_header_with(options)
            .map_err(|e| failed("write the clip's header", e))?;
        Ok(Self {
            output,
            video,
            audio,
            frame_rate,
            frames: 0,
            width,
            height,
        })
    }

    /// Appends one picture, which must have the size given to [`create`](Self::create).
    pub(crate) fn picture(&mut self, picture: &YuvPicture) -> Result<()> {
        if (picture.width, picture.height) != (self.width, self.height) {
            return Err(Error::media(
                "encode a picture: its size differs from that of the clip",
            ));
        }
        let mut raw = frame::Video::new(format::Pixel::YUV420P, as_u32(self.width), as_u32(self.height));
        for (plane, data) in [&picture.y, &picture.u, &picture.v].into_iter().enumerate() {
            let width = if plane == 0 { self.width } else { self.width / 2 };
            let stride = raw.stride(plane);
            let target = raw.data_mut(plane);
            for (row, line) in data.chunks_exact(width).enumerate() {
                target[row * stride..row * stride + width].copy_from_slice(line);
            }
        }
        raw.set_color_space(color::Space::BT709);
        raw.set_color_range(color::Range::MPEG);
        raw.set_pts(Some(self.frames));
        self.frames += 1;
        self.video
            .send_frame(&raw)
            .map_err(|e| failed("encode a picture", e))?;
        self.drain_video()
    }

    /// Appends samples from -1.0 to 1.0, as many for the left as for the right channel. Ignored without a sound track.
    pub(crate) fn sound(&mut self, left: &[f32], right: &[f32]) -> Result<()> {
        let Some(track) = &mut self.audio else {
            return Ok(());
        };
        track.left.extend_from_slice(left);
        track.right.extend_from_slice(right);
        while track.left.len() >= track.chunk && track.right.len() >= track.chunk {
            track.encode(track.chunk)?;
            track.drain(&mut self.output)?;
        }
        Ok(())
    }

    /// Writes the remaining output of the encoders, and the index.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.video
            .send_eof()
            .map_err(|e| failed("end the video track", e))?;
        self.drain_video()?;
        if let Some(track) = &mut self.audio {
            let rest = track.left.len().min(track.right.len());
            if rest > 0 {
                track.encode(rest)?;
            }
            track
                .encoder
                .send_eof()
                .map_err(|e| failed("end the sound track", e))?;
            track.drain(&mut self.output)?;
        }
        self.output
            .write_trailer()
            .map_err(|e| failed("write the clip's index", e))
    }

    fn drain_video(&mut self) -> Result<()> {
        let from = Rational(1, as_i32(self.frame_rate));
        let to = self
            .output
            .stream(VIDEO)
            .map_or(from, |stream| stream.time_base());
        let mut packet = Packet::empty();
        while self.video.receive_packet(&mut packet).is_ok() {
            packet.set_stream(VIDEO);
            if packet.duration() == 0 {
                packet.set_duration(1);
            }
            packet.rescale_ts(from, to);
            packet
                .write_interleaved(&mut self.output)
                .map_err(|e| failed("write a picture", e))?;
        }
        Ok(())
    }
}

impl AudioTrack {
    fn open(global_header: bool) -> Result<Self> {
        let codec = encoder::find(codec::Id::AAC)
            .ok_or_else(|| Error::media("encode sound: this libav has no AAC encoder"))?;
        let mut encoder = codec::context::Context::new_with_codec(codec)
            .encoder()
            .audio()
            .map_err(|e| failed("set up the sound encoder", e))?;
        encoder.set_rate(as_i32(SAMPLE_RATE));
        encoder.set_channel_layout(ChannelLayout::STEREO);
        encoder.set_format(format::Sample::F32(format::sample::Type::Planar));
        encoder.set_bit_rate(96_000);
        encoder.set_time_base(Rational(1, as_i32(SAMPLE_RATE)));
        if global_header {
            encoder.set_flags(codec::Flags::GLOBAL_HEADER);
        }
        let encoder = encoder.open().map_err(|e| failed("open the sound encoder", e))?;
        let chunk = usize::try_from(encoder.frame_size()).unwrap_or(1024).max(1);
        Ok(Self {
            encoder,
            chunk,
            left: Vec::new(),
            right: Vec::new(),
            samples: 0,
        })
    }

    fn encode(&mut self, count: usize) -> Result<()> {
        let mut raw = frame::Audio::new(
            format::Sample::F32(format::sample::Type::Planar),
            count,
            ChannelLayout::STEREO,
        );
        raw.set_rate(SAMPLE_RATE);
        raw.plane_mut::<f32>(0).copy_from_slice(&self.left[..count]);
        raw.plane_mut::<f32>(1).copy_from_slice(&self.right[..count]);
        self.left.drain(..count);
        self.right.drain(..count);
        raw.set_pts(Some(self.samples));
        self.samples += i64::try_from(count).unwrap_or_default();
        self.encoder
            .send_frame(&raw)
            .map_err(|e| failed("encode sound", e))
    }

    fn drain(&mut self, output: &mut format::context::Output) -> Result<()> {
        let from = Rational(1, as_i32(SAMPLE_RATE));
        let to = output.stream(AUDIO).map_or(from, |stream| stream.time_base());
        let mut packet = Packet::empty();
        while self.encoder.receive_packet(&mut packet).is_ok() {
            packet.set_stream(AUDIO);
            packet.rescale_ts(from, to);
            packet
                .write_interleaved(output)
                .map_err(|e| failed("write sound", e))?;
        }
        Ok(())
    }
}

/// libav's name of an encoder, and options for it.
type EncoderChoice = (&'static str, &'static [(&'static str, &'static str)]);

/// The encoders to try, best first. x264 is fast and good, LGPL builds have `OpenH264`, and MPEG-4 is always available.
const ENCODERS: [EncoderChoice; 3] = [
    (
        "libx264",
        &[("preset", "superfast"), ("crf", "15"), ("profile", "high")],
    ),
    // By default it saves bits on a detailed first picture, whatever the bit rate. It ignores one bound of the quantizer
    // without the other.
    (
        "libopenh264",
        &[
            ("allow_skip_frames", "0"),
            ("profile", "high"),
            ("qmin", "12"),
            ("qmax", "18"),
        ],
    ),
    ("mpeg4", &[("q", "2")]),
];

/// Opens the first of the encoders that is available and works.
fn open_video(
    encoders: &[EncoderChoice],
    width: usize,
    height: usize,
    frame_rate: u32,
    global_header: bool,
) -> Result<encoder::video::Encoder> {
    let mut last = None;
    for (name, options) in encoders {
        let Some(codec) = encoder::find_by_name(name) else {
            continue;
        };
        let mut video = codec::context::Context::new_with_codec(codec)
            .encoder()
            .video()
            .map_err(|e| failed("set up the video encoder", e))?;
        video.set_width(as_u32(width));
        video.set_height(as_u32(height));
        video.set_format(format::Pixel::YUV420P);
        video.set_time_base(Rational(1, as_i32(frame_rate)));
        video.set_frame_rate(Some(Rational(as_i32(frame_rate), 1)));
        video.set_gop(frame_rate * 2);
        video.set_colorspace(color::Space::BT709);
        video.set_color_primaries(color::Primaries::BT709);
        video.set_color_transfer_characteristic(color::TransferCharacteristic::BT709);
        video.set_color_range(color::Range::MPEG);
        if *name != "libx264" {
            // Six bits per pixel and second are too few for moving pictures; eight are enough.
            video.set_bit_rate(width * height * 8);
        }
        if global_header {
            video.set_flags(codec::Flags::GLOBAL_HEADER);
        }
        match video.open_with(options.iter().copied().collect()) {
            Ok(open) => return Ok(open),
            Err(error) => last = Some(error),
        }
    }
    Err(match last {
        Some(error) => failed("open a video encoder", error),
        None => Error::media("encode video: this libav has no H.264 and no MPEG-4 encoder"),
    })
}

fn failed(doing: &str, error: libav::Error) -> Error {
    Error::media(doing).with_source(error)
}

fn as_i32(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn as_u32(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::frames::constant_rate::each_frame;
    use crate::media::limits::MediaOptions;

    #[test]
    fn every_available_encoder_writes_all_frames() {
        let folder = tempfile::tempdir().unwrap();
        let mut made = 0;
        for choice in ENCODERS {
            if encoder::find_by_name(choice.0).is_none() {
                continue;
            }
            let path = folder.path().join(choice.0).with_extension("mp4");
            let mut writer = ClipWriter::create_with(&[choice], &path, 320, 180, 24, true).unwrap();
            let mut picture = YuvPicture::black(320, 180);
            for number in 0..24 {
                picture.y.fill(100 + number * 2);
                writer.picture(&picture).unwrap();
                writer.sound(&[0.1; 2000], &[0.1; 2000]).unwrap();
            }
            writer.finish().unwrap();
            let mut seen = Vec::new();
            each_frame(&path, 24, 24, &MediaOptions::new(), |frame| {
                seen.push(frame.rgb()[0]);
                Ok(())
            })
            .unwrap();
            assert_eq!(seen.len(), 24, "{}", choice.0);
            assert!(
                seen.is_sorted() && seen[23] > seen[0] + 40,
                "{}: {seen:?}",
                choice.0
            );
            made += 1;
        }
        assert!(made > 0, "this libav encodes no video");
    }
}
