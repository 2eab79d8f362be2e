//! Decoding of a clip from its start, frame by frame.

use ffmpeg_next as ff;

use super::converter::FrameConverter;
use super::decode_plan::Target;
use super::decoder::Decoder;
use super::frame::Frame;
use super::position::FramePosition;
use crate::error::Result;
use crate::media::container::clip::Clip;

/// Decodes a clip from its start and calls `visit` with each picture, its timestamp and its number, until `visit` returns
/// `false`. Returns the number of pictures.
///
/// `expected_packets` is about how many packets will be decoded.
pub(super) fn scan(
    clip: &mut Clip,
    expected_packets: usize,
    mut visit: impl FnMut(&mut ff::frame::Video, i64, u64) -> Result<bool>,
) -> Result<u64> {
    clip.rewind()?;
    let mut decoder = Decoder::open(clip, expected_packets)?;
    let mut count = 0;
    loop {
        let packet = clip.next_packet()?;
        let continues = decoder.feed(packet.as_ref(), |picture, pts| {
            count += 1;
            visit(picture, pts, count - 1)
        })?;
        if !continues || packet.is_none() {
            return Ok(count);
        }
    }
}

/// Decodes the frames at all positions in one pass from the start.
pub(super) fn scan_positions(clip: &mut Clip, positions: &[FramePosition]) -> Result<Vec<Frame>> {
    let targets: Vec<Option<Target>> = positions.iter().map(|position| position.target(clip)).collect();
    let converter = FrameConverter::new(clip);
    let limits = clip.limits.clone();
    let mut frames: Vec<Option<Frame>> = vec![None; positions.len()];
    let mut previous: Option<(ff::frame::Video, i64, u64)> = None;
    let count = scan(clip, usize::MAX, |picture, pts, number| {
        limits.check_result_size(picture.width(), picture.height(), positions.len())?;
        let requests = positions.iter().zip(&targets).zip(&mut frames);
        for ((position, target), frame) in requests.filter(|(_, frame)| frame.is_none()) {
            let (picture, pts, number) = match (position, target) {
                (FramePosition::First, _) => (&*picture, pts, number),
                (FramePosition::Number(n), _) if *n == number => (&*picture, pts, number),
                // The frame before this one was the last at or before the time. If there is none, the first is shown.
                (FramePosition::At(_), Some(target)) if !target.allows(pts) => match &previous {
                    Some((picture, pts, number)) => (picture, *pts, *number),
                    None => (&*picture, pts, number),
                },
                _ => continue,
            };
            *frame = Some(converter.convert(picture, pts, Some(number))?);
        }
        previous = Some((std::mem::replace(picture, ff::frame::Video::empty()), pts, number));
        Ok(frames.iter().any(Option::is_none))
    })?;
    let at_end = |position: FramePosition| match (position, &previous) {
        (_, None) => Err(position.no_frame_error(clip)),
        (FramePosition::Number(_), Some(_)) => Err(clip.limits.error(
            &format!("decode {position} of"),
            format!(
                "past the end: it has {count} frames, the last is number {}",
                count - 1
            ),
        )),
        (_, Some((picture, pts, number))) => {
            position.check_not_past_end(clip, *pts)?;
            converter.convert(picture, *pts, Some(*number))
        }
    };
    let frames = positions.iter().zip(frames);
    frames
        .map(|(&position, frame)| frame.map_or_else(|| at_end(position), Ok))
        .collect()
}
