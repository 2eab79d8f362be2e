//! Frames of many clips, decoded in parallel.

use std::collections::VecDeque;
use std::fmt;
use std::iter::Fuse;
use std::sync::Arc;

use super::frame::Frame;
use super::{FramePosition, decode};
use crate::error::Result;
use crate::media::limits::{Interrupt, MediaOptions};
use crate::media::source::MediaSource;
use crate::media::worker::{self, Pending};

/// Decodes the frames at `positions` of each clip, several clips in parallel, and returns them in the order of the
/// clips.
///
/// Clips are opened as the iterator advances. At most two clips per core are in progress, or finished and not yet
/// returned. An error concerns one clip only; the iterator continues with the next.
///
/// The limits of `options` apply to each clip, and each deadline counts from the start of its work. Dropping the
/// iterator stops the work on clips that were not returned yet.
///
/// ```no_run
/// # fn main() -> reelkin::Result<()> {
/// use reelkin::media::{self, FramePosition, MediaOptions};
///
/// let clips = ["a.mp4", "b.mp4"].map(std::path::PathBuf::from);
/// let ends = [FramePosition::First, FramePosition::Last];
/// for frames in media::frames_of_clips(clips, &ends, &MediaOptions::new()) {
///     println!("{:?}", frames?);
/// }
/// # Ok(())
/// # }
/// ```
pub fn frames_of_clips<I>(
    clips: I,
    positions: &[FramePosition],
    options: &MediaOptions,
) -> FramesOfClips<I::IntoIter>
where
    I: IntoIterator,
    I::Item: Into<MediaSource>,
{
    let stop = Interrupt::new();
    FramesOfClips {
        clips: clips.into_iter().fuse(),
        positions: positions.into(),
        options: options.clone().interrupt(stop.clone()),
        stop,
        running: VecDeque::new(),
        max_running: worker::cores() * 2,
    }
}

/// An iterator over the frames of clips, returned by [`frames_of_clips`].
///
/// Each item has the frames of one clip, in the order of the positions.
pub struct FramesOfClips<I> {
    clips: Fuse<I>,
    positions: Arc<[FramePosition]>,
    options: MediaOptions,
    stop: Interrupt,
    running: VecDeque<Result<Pending<Vec<Frame>>>>,
    max_running: usize,
}

impl<I> Iterator for FramesOfClips<I>
where
    I: Iterator,
    I::Item: Into<MediaSource>,
{
    type Item = Result<Vec<Frame>>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.running.len() < self.max_running
            && let Some(clip) = self.clips.next()
        {
            let positions = Arc::clone(&self.positions);
            let work = move |source, options: &MediaOptions| decode(source, &positions, options);
            self.running
                .push_back(worker::start(clip.into(), &self.options, work));
        }
        Some(self.running.pop_front()?.and_then(Pending::wait))
    }
}

impl<I> Drop for FramesOfClips<I> {
    fn drop(&mut self) {
        self.stop.raise();
        // Each wait is short: the work ends at its next packet, or is abandoned after a grace period.
        for pending in self.running.drain(..).flatten() {
            let _ = pending.wait();
        }
    }
}

impl<I> fmt::Debug for FramesOfClips<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FramesOfClips")
            .field("positions", &self.positions)
            .field("options", &self.options)
            .field("running", &self.running.len())
            .finish_non_exhaustive()
    }
}
