//! The verb `frame`: extracts a frame of a clip of the library.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use crate::client::VideoClient;
use crate::client::pipeline::clip_source::open_clip;
use crate::error::Result;
use crate::library::Clip;
use crate::media::{Frame, FramePosition, MediaOptions, MediaSource, nonblocking};
use crate::telemetry::{self, Verb};

/// A frame to extract; see [`VideoClient::frame`].
#[derive(Debug)]
#[must_use = "nothing is read until it is awaited"]
pub struct ExtractFrame {
    client: VideoClient,
    clip: Clip,
    position: FramePosition,
    options: MediaOptions,
}

impl VideoClient {
    /// Extracts a frame of a clip of the library. From a bucket it fetches little more than the index of the clip and
    /// the pictures around the frame.
    ///
    /// # Errors
    /// `NotFound` if the clip is gone, `Media` if it cannot be decoded or has no such frame.
    ///
    /// # Cancel safety
    /// Dropping the future interrupts the decoder.
    pub fn frame(&self, clip: &Clip, position: FramePosition) -> ExtractFrame {
        ExtractFrame {
            client: self.clone(),
            clip: clip.clone(),
            position,
            options: MediaOptions::default(),
        }
    }
}

impl ExtractFrame {
    /// Sets the limits of the decoder.
    pub fn options(mut self, options: MediaOptions) -> Self {
        self.options = options;
        self
    }
}

impl IntoFuture for ExtractFrame {
    type Output = Result<Frame>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Frame>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(telemetry::instrument(Verb::Frame.span(), async move {
            // Errors name a local clip by its path.
            let source = match &self.clip.path {
                Some(path) => MediaSource::from(path),
                None => open_clip(&self.client, &self.clip)
                    .await?
                    .media(&self.clip.file_name),
            };
            nonblocking::frame(source, self.position, self.options).await
        }))
    }
}
