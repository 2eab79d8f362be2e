//! The properties and the index of a stream, and the choice of the video stream.
//!
//! Contains the `unsafe` code that reads C structures of streams, one small function each.

use ff::{Rational, ffi};
use ffmpeg_next as ff;

use super::numbers::{self, CodecId, StreamKind};
use crate::error::Result;
use crate::media::libav;

/// The properties of a stream according to its container.
#[derive(Debug, Clone)]
pub(crate) struct StreamInfo {
    pub(crate) index: usize,
    pub(crate) kind: StreamKind,
    pub(crate) codec: CodecId,
    pub(crate) time_base: Rational,
    pub(crate) start: Option<i64>,
    pub(crate) duration: Option<i64>,
    /// Frames per second on average.
    pub(crate) rate: Option<Rational>,
    pub(crate) is_default: bool,
    /// Whether it is a cover picture.
    pub(crate) is_cover: bool,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) sample_aspect: Option<Rational>,
    pub(crate) sample_rate: u32,
    pub(crate) channels: u32,
    pub(crate) display_matrix: Option<[i32; 9]>,
}

/// A sample in the index of a container.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IndexEntry {
    pub(crate) timestamp: i64,
    /// The offset in the file where its data ends.
    pub(crate) end: u64,
    /// Whether an edit list does not hide it.
    pub(crate) is_shown: bool,
}

/// Chooses the video stream that a player would show: the default one, else the largest.
///
/// Cover pictures and streams of other codecs than the allowed ones are not considered. The error says what to give
/// instead.
pub(crate) fn choose_video(streams: &[StreamInfo]) -> Result<StreamInfo, String> {
    let videos = || streams.iter().filter(|s| s.kind == StreamKind::Video);
    let best = videos()
        .filter(|s| !s.is_cover && libav::decoders_for(s.codec).is_some())
        .max_by_key(|s| {
            (
                s.is_default,
                u64::from(s.width) * u64::from(s.height),
                std::cmp::Reverse(s.index),
            )
        });
    if let Some(best) = best {
        return Ok(best.clone());
    }
    let names =
        |of: &mut dyn Iterator<Item = &StreamInfo>| of.map(|s| s.codec.name()).collect::<Vec<_>>().join(", ");
    if let Some(video) = videos().find(|s| !s.is_cover) {
        return Err(format!(
            "its video is {}, which is not supported; give H.264, H.265, VP8, VP9, AV1, MPEG-4 or MJPEG",
            video.codec.name()
        ));
    }
    if streams.is_empty() {
        return Err("it has no streams; give a clip with a video stream".to_owned());
    }
    let cover = if videos().next().is_some() {
        " and a cover picture"
    } else {
        ""
    };
    Err(format!(
        "it has no video stream, only {}{cover}; give a clip with a picture",
        names(&mut streams.iter().filter(|s| s.kind != StreamKind::Video))
    ))
}

fn positive(rate: ffi::AVRational) -> Option<Rational> {
    (rate.num > 0 && rate.den > 0).then_some(Rational(rate.num, rate.den))
}

fn timestamp(value: i64) -> Option<i64> {
    (value != ffi::AV_NOPTS_VALUE).then_some(value)
}

/// Reads the properties of a stream.
#[expect(unsafe_code, reason = "sizes, channels and start of a stream are not wrapped")]
pub(crate) fn stream_info(stream: &ff::format::stream::Stream) -> StreamInfo {
    let display_matrix = stream
        .side_data()
        .find(numbers::is_display_matrix)
        .and_then(|data| parse_display_matrix(data.data()));
    let disposition = stream.disposition();
    let parameters = stream.parameters();
    // SAFETY: `codecpar` of an open stream is never null and lives as long as its context, which
    // `stream` borrows; the fields are plain integers that libav set while it read the header.
    let (width, height, aspect, sample_rate, channels) = unsafe {
        // No reference is made: other fields are C enums that may hold numbers the bindings' enums lack.
        let p = parameters.as_ptr();
        (
            (*p).width,
            (*p).height,
            (*p).sample_aspect_ratio,
            (*p).sample_rate,
            (*p).ch_layout.nb_channels,
        )
    };
    // SAFETY: the pointer is to a stream of the context that `stream` borrows.
    let stream_aspect = unsafe { (*stream.as_ptr()).sample_aspect_ratio };
    let unsigned = |n: i32| u32::try_from(n).unwrap_or(0);
    let rate = stream.avg_frame_rate();
    let (kind, codec) = numbers::kind_and_codec(&parameters);
    StreamInfo {
        index: stream.index(),
        kind,
        codec,
        time_base: stream.time_base(),
        start: timestamp(stream.start_time()),
        duration: timestamp(stream.duration()).filter(|&d| d > 0),
        rate: (rate.numerator() > 0 && rate.denominator() > 0).then_some(rate),
        is_default: disposition.contains(ff::format::stream::Disposition::DEFAULT),
        is_cover: disposition.contains(ff::format::stream::Disposition::ATTACHED_PIC),
        width: unsigned(width),
        height: unsigned(height),
        sample_aspect: positive(stream_aspect).or(positive(aspect)),
        sample_rate: unsigned(sample_rate),
        channels: unsigned(channels),
        display_matrix,
    }
}

/// Returns a copy of the codec configuration of a stream.
#[expect(unsafe_code, reason = "the extradata of a stream is not wrapped")]
pub(crate) fn extradata(stream: &ff::format::stream::Stream) -> Vec<u8> {
    let parameters = stream.parameters();
    // SAFETY: `codecpar` of an open stream is never null and lives as long as its context, which `stream`
    // borrows. Its extradata is null or has as many bytes as it says, and is copied here.
    unsafe {
        let (data, size) = (
            (*parameters.as_ptr()).extradata,
            (*parameters.as_ptr()).extradata_size,
        );
        match usize::try_from(size) {
            Ok(size) if !data.is_null() => std::slice::from_raw_parts(data, size).to_vec(),
            _ => Vec::new(),
        }
    }
}

/// Returns a copy of the index of a stream.
#[expect(unsafe_code, reason = "the index of a stream is not wrapped")]
pub(crate) fn index_entries(stream: &ff::format::stream::Stream) -> Vec<IndexEntry> {
    // SAFETY: the pointer is to a stream of the context that `stream` borrows. An entry's pointer is valid
    // until the next call that changes the context; each is copied out before the next is asked for, and
    // null is checked.
    unsafe {
        let stream = stream.as_ptr();
        let count = ffi::avformat_index_get_entries_count(stream);
        (0..count)
            .map_while(|i| ffi::avformat_index_get_entry(stream.cast_mut(), i).as_ref())
            .map(|entry| IndexEntry {
                timestamp: entry.timestamp,
                end: u64::try_from(entry.pos.saturating_add(i64::from(entry.size()))).unwrap_or(0),
                is_shown: entry.flags() & ffi::AVINDEX_DISCARD_FRAME == 0,
            })
            .collect()
    }
}

/// Parses the display matrix in side data, which is in native byte order.
pub(crate) fn parse_display_matrix(data: &[u8]) -> Option<[i32; 9]> {
    let (words, _) = data.as_chunks::<4>();
    let words: Vec<i32> = words
        .iter()
        .take(9)
        .map(|&word| i32::from_ne_bytes(word))
        .collect();
    words.try_into().ok()
}
