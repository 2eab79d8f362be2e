//! A frame of a clip, in the process.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use crate::client::VideoClient;
use crate::client::pipeline::clip_source::local_of;
use crate::error::Result;
use crate::library::Clip;
use crate::media::{Frame, FramePosition, MediaOptions, MediaSource, bridge};
use crate::telemetry::{self, Verb};

/// A frame to be taken; see [`VideoClient::frame`].
#[derive(Debug)]
#[must_use = "nothing is read until it is awaited"]
pub struct ExtractFrame {
    client: VideoClient,
    clip: Clip,
    position: FramePosition,
    options: MediaOptions,
}

impl VideoClient {
    /// A frame of a clip of the library. Of a clip in a bucket little more than its index and the pictures
    /// around the frame is fetched.
    ///
    /// # Errors
    /// `NotFound` when the clip is gone, `Media` when it cannot be decoded or has no such frame.
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
    /// Other bounds than the default ones.
    pub fn with_options(mut self, options: MediaOptions) -> Self {
        self.options = options;
        self
    }
}

impl IntoFuture for ExtractFrame {
    type Output = Result<Frame>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Frame>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(telemetry::instrument(Verb::Frame.span(), async move {
            // A file is called by its path.
            let source = match &self.clip.path {
                Some(path) => MediaSource::from(path),
                None => local_of(&self.client, &self.clip)
                    .await?
                    .media(&self.clip.file_name),
            };
            bridge::frame(source, self.position, self.options).await
        }))
    }
}
