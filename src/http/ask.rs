//! POST requests that take as long as a language model thinks.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderValue;

use super::{Http, Lane, Reply, SendFailure};

impl Http {
    /// One POST of JSON on a connection of its own, sent once, with a deadline of the caller's.
    pub(crate) async fn post_within(
        &self,
        segments: &[&str],
        body: Bytes,
        timeout: Duration,
    ) -> Result<Reply, SendFailure> {
        // Not the lane of creates: that has the pace of the video models.
        let _sending = self.turn_to_pay(Lane::Read).await?;
        let json = HeaderValue::from_static("application/json");
        self.post(segments, json, body.into(), timeout, None).await
    }
}
