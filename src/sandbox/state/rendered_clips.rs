//! A cache of rendered clips: a prompt without pictures always gives the same clip.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::blob::Blob;

/// What a clip without pictures depends on: width, height, frames, sound and prompt.
pub(crate) type ClipKey = (usize, usize, usize, bool, String);

/// The clips that were rendered last, with their number of frames.
#[derive(Debug, Default)]
pub(crate) struct RenderedClips(Mutex<VecDeque<(ClipKey, Blob, usize)>>);

impl RenderedClips {
    /// Maximum number of clips that are kept, with their files.
    const MAX: usize = 16;

    pub(crate) fn find(&self, key: &ClipKey) -> Option<(Blob, usize)> {
        let clips = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = clips.iter().find(|(known, ..)| known == key);
        found.map(|(_, clip, frames)| (clip.clone(), *frames))
    }

    pub(crate) fn add(&self, key: ClipKey, clip: Blob, frames: usize) {
        let mut clips = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clips.truncate(Self::MAX - 1);
        clips.push_front((key, clip, frames));
    }
}
