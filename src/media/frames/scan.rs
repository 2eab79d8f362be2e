//! Decoding a clip from its start, frame by frame.

use ffmpeg_next as ff;

use super::converter::Presenter;
use super::decoder::Decoder;
use super::frame::Frame;
use super::{FramePosition, check_result, check_within, limit_of, none};
use crate::error::Result;
use crate::media::container::clip::Clip;

/// Decodes from the start and shows every frame with its time and number, until `visit` says `false`.
/// Returns how many there were.
pub(crate) fn walk(
    clip: &mut Clip,
    expected: usize,
    mut visit: impl FnMut(&mut ff::frame::Video, i64, u64) -> Result<bool>,
) -> Result<u64> {
    clip.rewind()?;
    let mut decoder = Decoder::open(clip, expected)?;
    let mut number = 0;
    loop {
        let packet = clip.next_packet()?;
        match &packet {
            Some(packet) => decoder.send(packet)?,
            None => decoder.drain(),
        }
        while let Some(pts) = decoder.receive()? {
            if !visit(&mut decoder.picture, pts, number)? {
                return Ok(number + 1);
            }
            number += 1;
        }
        if packet.is_none() {
            return Ok(number);
        }
    }
}

/// All positions in one pass.
pub(crate) fn walk_to(clip: &mut Clip, positions: &[FramePosition]) -> Result<Vec<Frame>> {
    if positions.contains(&FramePosition::Last)
        && let Some(promised) = clip.missing()
    {
        return Err(clip.cut_off(promised));
    }
    if positions.iter().any(|p| matches!(p, FramePosition::At(_))) {
        clip.read_index_of_fragments()?;
    }
    let mut wanted = Vec::with_capacity(positions.len());
    for &position in positions {
        let limit = match position {
            FramePosition::At(time) => limit_of(clip, time),
            _ => i64::MAX,
        };
        wanted.push((position, limit, None::<Frame>));
    }
    let mut held: Option<(ff::frame::Video, i64, u64)> = None;
    let presenter = Presenter::of(clip);
    let watch = clip.watch.clone();
    let count = walk(clip, usize::MAX, |picture, pts, number| {
        check_result(&watch, picture.width(), picture.height(), positions.len())?;
        let mut open = false;
        for (position, limit, slot) in wanted.iter_mut().filter(|(.., slot)| slot.is_none()) {
            let here = match *position {
                FramePosition::First => true,
                FramePosition::Number(n) => n == number,
                // Before the first frame, the first is what is shown.
                FramePosition::At(_) => pts > *limit && held.is_none(),
                FramePosition::Last => false,
            };
            if here {
                *slot = Some(presenter.frame(picture, pts, Some(number))?);
            } else if let (FramePosition::At(_), Some((before, pts_before, number))) = (*position, &held)
                && pts > *limit
            {
                *slot = Some(presenter.frame(before, *pts_before, Some(*number))?);
            }
            open |= slot.is_none();
        }
        held = Some((std::mem::replace(picture, ff::frame::Video::empty()), pts, number));
        Ok(open)
    })?;
    wanted
        .into_iter()
        .map(|(position, _, slot)| match (slot, position, &held) {
            (Some(frame), ..) => Ok(frame),
            (None, FramePosition::Number(_), Some(_)) => Err(clip.watch.fail(
                &format!("decode {position} of"),
                format!(
                    "past the end: it has {} frames, the last is number {}",
                    count,
                    count - 1
                ),
            )),
            (None, _, Some((picture, pts, number))) => {
                if let FramePosition::At(time) = position {
                    check_within(clip, position, time, *pts)?;
                }
                presenter.frame(picture, *pts, Some(*number))
            }
            (None, _, None) => Err(none(clip, position)),
        })
        .collect()
}
