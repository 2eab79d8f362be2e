//! Answers of language models that can be fetched later: stored responses and deferred completions.

use serde_json::Value;
use tokio::time::Instant;

use crate::sandbox::llm::picture_stats::PictureStats;

/// Maximum number of answers that are kept of each kind.
pub(crate) const MAX_ANSWERS: usize = 1_000;

/// A response that can be fetched and continued.
#[derive(Debug, Clone)]
pub(crate) struct StoredResponse {
    pub(crate) body: Value,
    pub(crate) pictures: Vec<PictureStats>,
    /// The size of the conversation, this response included.
    pub(crate) tokens: u64,
}

/// A completion that can be fetched from a point in time on.
#[derive(Debug, Clone)]
pub(crate) struct DeferredCompletion {
    pub(crate) ready_at: Instant,
    pub(crate) body: Value,
}
