//! Encoding: pictures and sound in, an MP4 file out; and the frames of a clip that is to be encoded anew.
//!
//! Owns the choice of encoders, the colour tags and the layout of the file. Refuses to know what is
//! drawn. This is the only place in the crate that encodes video; the crate's own verbs never do, so
//! it is there for the sandbox alone.

use std::path::Path;
use std::time::Duration;

use ffmpeg_next as libav;
use libav::{ChannelLayout, Dictionary, Packet, Rational, codec, color, encoder, format, frame};

use super::clip::Clip;
use super::frame::Frame;
use super::limits::MediaOptions;
use super::present::Presenter;
use super::walk::walk;
use crate::error::{Error, ErrorKind, Result};

/// Samples a second of the sound track.
pub(crate) const SAMPLE_RATE: u32 = 48_000;

/// A picture in planar `Y'CbCr` 4:2:0, BT.709, limited range: what H.264 takes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct YuvPicture {
    /// Even.
    pub(crate) width: usize,
    /// Even.
    pub(crate) height: usize,
    pub(crate) y: Vec<u8>,
    pub(crate) u: Vec<u8>,
    pub(crate) v: Vec<u8>,
}

impl YuvPicture {
    /// A black picture. Odd sizes are rounded down to even ones.
    pub(crate) fn black(width: usize, height: usize) -> Self {
        let (width, height) = (width.max(2) & !1, height.max(2) & !1);
        Self {
            width,
            height,
            y: vec![16; width * height],
            u: vec![128; width * height / 4],
            v: vec![128; width * height / 4],
        }
    }

    /// From packed RGB24, whose size must be `width * height * 3`.
    ///
    /// Colour samples lie on the left pixel of each pair and between the two rows, where players take
    /// them to be: half a pixel beside it costs 10 dB at every edge.
    pub(crate) fn from_rgb(width: usize, height: usize, rgb: &[u8]) -> Self {
        let mut out = Self::black(width, height);
        let (w, h) = (out.width, out.height);
        let stride = width * 3;
        // Sums of a column of two pixels; one more at each end, a copy of the outermost.
        let mut sums = vec![[0i32; 3]; w + 2];
        for (row, two) in rgb.chunks_exact(stride * 2).take(h / 2).enumerate() {
            let (top, bottom) = two.split_at(stride);
            let (above, below) = out.y[row * 2 * w..(row + 1) * 2 * w].split_at_mut(w);
            let pixels = top.chunks_exact(3).zip(bottom.chunks_exact(3));
            let lumas = above.iter_mut().zip(below);
            for (((upper, lower), (y_upper, y_lower)), sum) in pixels.zip(lumas).zip(&mut sums[1..=w]) {
                let upper = [upper[0], upper[1], upper[2]].map(i32::from);
                let lower = [lower[0], lower[1], lower[2]].map(i32::from);
                *y_upper = luma(upper);
                *y_lower = luma(lower);
                *sum = [upper[0] + lower[0], upper[1] + lower[1], upper[2] + lower[2]];
            }
            sums[0] = sums[1];
            let chroma_row = row * (w / 2)..(row + 1) * (w / 2);
            let planes = out.u[chroma_row.clone()].iter_mut().zip(&mut out.v[chroma_row]);
            for ((u, v), three) in planes.zip(sums.windows(3).step_by(2)) {
                (*u, *v) = chroma([0, 1, 2].map(|c| three[0][c] + 2 * three[1][c] + three[2][c]));
            }
        }
        out
    }
}

// BT.709 limited range in 16-bit fixed point: Kr = 0.2126, Kb = 0.0722 (ITU-R BT.709-6, 3.2 to 3.5).
fn luma([r, g, b]: [i32; 3]) -> u8 {
    clamp8(16 + ((11_966 * r + 40_254 * g + 4_064 * b + 32_768) >> 16))
}

/// Takes sums over eight pixels.
fn chroma([r, g, b]: [i32; 3]) -> (u8, u8) {
    let cb = 128 + ((-6_596 * r - 22_189 * g + 28_785 * b + 262_144) >> 19);
    let cr = 128 + ((28_785 * r - 26_145 * g - 2_640 * b + 262_144) >> 19);
    (clamp8(cb), clamp8(cr))
}

/// The Y', Cb and Cr of one RGB colour.
pub(crate) fn yuv_of(r: u8, g: u8, b: u8) -> [u8; 3] {
    let rgb = [r, g, b].map(i32::from);
    let (cb, cr) = chroma(rgb.map(|value| value * 8));
    [luma(rgb), cb, cr]
}

fn clamp8(value: i32) -> u8 {
    u8::try_from(value.clamp(0, 255)).unwrap_or(u8::MAX)
}

/// Writes one MP4: H.264 where libav has an encoder for it (else MPEG-4), AAC, index in front.
pub(crate) struct ClipWriter {
    output: format::context::Output,
    video: encoder::video::Encoder,
    audio: Option<AudioTrack>,
    frame_rate: u32,
    frames: i64,
    width: usize,
    height: usize,
}

struct AudioTrack {
    encoder: encoder::audio::Encoder,
    chunk: usize,
    left: Vec<f32>,
    right: Vec<f32>,
    samples: i64,
}

const VIDEO: usize = 0;
const AUDIO: usize = 1;

impl ClipWriter {
    /// Opens `path` (replacing what is there) for pictures of this size. `sound` adds a stereo track.
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
        super::libav::init();
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
            return Err(Error::new(
                ErrorKind::Media,
                "encode a picture of another size than the clip's",
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

    /// Appends sound: as many samples left as right, within -1.0 to 1.0. Ignored without a sound track.
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

    /// Writes what is still in the encoders, and the index.
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
            .ok_or_else(|| Error::new(ErrorKind::Media, "encode sound: this libav has no AAC encoder"))?;
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

/// A name of libav's, and options for it.
type EncoderChoice = (&'static str, &'static [(&'static str, &'static str)]);

/// Best first: x264 is quick and good, `OpenH264` is what LGPL builds have, MPEG-4 is always there.
const ENCODERS: [EncoderChoice; 3] = [
    (
        "libx264",
        &[("preset", "superfast"), ("crf", "15"), ("profile", "high")],
    ),
    // Left to itself it spares bits on a first picture of many details, whatever the bit rate. One bound of the
    // quantiser without the other it ignores.
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
            // Six bits a pixel and second would starve a moving picture; eight do not.
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
        None => Error::new(
            ErrorKind::Media,
            "encode video: this libav has no H.264 and no MPEG-4 encoder",
        ),
    })
}

/// Hands out a clip's frames at a constant rate, `total` of them: a frame stays until the next is due. The
/// last that is handed out is the clip's last, whatever its own rate. One is held at a time, however long the clip is.
pub(crate) fn each_frame(
    path: &Path,
    rate: u32,
    total: usize,
    options: &MediaOptions,
    mut take: impl FnMut(&Frame) -> Result<()>,
) -> Result<()> {
    let mut clip = Clip::open(super::source::open(path.into(), options)?)?;
    let presenter = Presenter::of(&clip);
    #[expect(clippy::cast_precision_loss, reason = "a clip has fewer than 2^52 frames")]
    let due = |number: usize| Duration::from_secs_f64(number as f64 / f64::from(rate));
    // Half a millisecond: time bases round.
    let slack = Duration::from_micros(500);
    let mut held: Option<Frame> = None;
    let mut given = 0;
    walk(&mut clip, usize::MAX, |picture, pts, _| {
        let frame = presenter.frame(picture, pts, None)?;
        while let Some(shown) = &held
            && given + 1 < total
            && due(given) + slack < frame.time()
        {
            take(shown)?;
            given += 1;
        }
        held = Some(frame);
        Ok(true)
    })?;
    let last = held.ok_or_else(|| clip.nothing())?;
    while given < total {
        take(&last)?;
        given += 1;
    }
    Ok(())
}

fn failed(doing: &str, error: libav::Error) -> Error {
    Error::new(ErrorKind::Media, doing).with_source(error)
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

    #[test]
    fn every_encoder_that_is_there_makes_a_clip_with_all_its_frames() {
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

    #[test]
    fn the_ends_of_the_range_are_the_limits_of_bt709() {
        assert_eq!(yuv_of(0, 0, 0), [16, 128, 128]);
        assert_eq!(yuv_of(255, 255, 255), [235, 128, 128]);
        let [_, cb, cr] = yuv_of(0, 0, 255);
        assert!((239..=240).contains(&cb), "{cb}");
        assert!((116..=120).contains(&cr), "{cr}");
    }
}
