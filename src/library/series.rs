//! The clips of a series, which share a topic but no frame.

use futures_util::stream::{self, StreamExt as _};

use super::{ClipRecord, Library, VideoSeries};
use crate::error::Result;
use crate::ids::ClipId;
use crate::timestamp::Timestamp;

/// The maximum number of concurrent reads of sidecars.
const CONCURRENT_READS: usize = 16;

/// The maximum difference between the time in a clip's name and its `createdAt`. They differ because ima2-gen reads the
/// clock twice.
const MAX_TIME_DIFFERENCE_MILLIS: u64 = 60_000;

/// The clips of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Series {
    /// The topic, trimmed.
    pub topic: String,
    /// The newest prompts that were sent to the video model, oldest first.
    pub prompts: Vec<String>,
}

impl Series {
    /// Returns the block `videoSeries` of the next clip. As in ima2-gen, its index is the number of prompts that the
    /// planner is given, at most four.
    pub fn next(&self) -> VideoSeries {
        VideoSeries {
            topic: Some(self.topic.clone()),
            chain_index: Some(self.prompts.len() as u64),
            ..VideoSeries::default()
        }
    }
}

impl Library {
    /// Returns the newest `limit` prompts of a topic; ima2-gen passes 4 to its planner. Meant for a clip without a
    /// parent: a clip with a parent continues the parent's branch instead.
    ///
    /// Reads the sidecars whose names contain a time from the newest to the oldest, until enough of the topic are
    /// found. Reads all other sidecars. Skips sidecars that cannot be read, and includes those whose clip was removed.
    ///
    /// # Errors
    /// `Library` if the library cannot be listed.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn series(&self, topic: &str, limit: usize) -> Result<Series> {
        let topic = topic.trim();
        let mut series = Series {
            topic: topic.to_owned(),
            prompts: Vec::new(),
        };
        if topic.is_empty() || limit == 0 {
            return Ok(series);
        }
        let (timed, untimed): (Vec<_>, Vec<_>) = self
            .backend
            .sidecars()
            .await?
            .into_iter()
            .partition(|id| id.millis().is_some());
        let mut newest: Vec<(Timestamp, String)> = Vec::new();
        // Sidecars without a time come first, so that the loop can stop at the first sidecar that is too old.
        for ids in untimed
            .chunks(CONCURRENT_READS)
            .chain(timed.chunks(CONCURRENT_READS))
        {
            let is_full = newest.len() == limit;
            let oldest = newest.last().map_or(0, |(created_at, _)| created_at.as_millis());
            let time = ids.first().and_then(ClipId::millis);
            if is_full && time.is_some_and(|time| time.saturating_add(MAX_TIME_DIFFERENCE_MILLIS) < oldest) {
                break;
            }
            // Owned ids, because with borrowed ones the compiler cannot prove that the future is `Send`.
            let read = stream::iter(ids.to_vec())
                .map(|id| async move { self.record(&id).await })
                .buffered(CONCURRENT_READS);
            let mut records = std::pin::pin!(read);
            while let Some(record) = records.next().await {
                if let Ok(Some(record)) = record
                    && let Some(entry) = time_and_prompt(record, topic)
                {
                    newest.push(entry);
                }
            }
            // The sort is stable: of two clips with the same time, the one with the newer name comes first.
            newest.sort_by_key(|(created_at, _)| std::cmp::Reverse(*created_at));
            newest.truncate(limit);
        }
        series.prompts = newest.into_iter().rev().map(|(_, prompt)| prompt).collect();
        Ok(series)
    }
}

/// Returns the time and the prompt of a clip, or `None` if it has another topic or no prompt.
fn time_and_prompt(record: ClipRecord, topic: &str) -> Option<(Timestamp, String)> {
    let has_topic = record.video_series?.topic.as_deref() == Some(topic);
    let prompt = record
        .revised_prompt
        .filter(|prompt| has_topic && !prompt.is_empty())?;
    Some((record.created_at.unwrap_or_default(), prompt))
}
