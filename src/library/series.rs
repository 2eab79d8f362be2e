//! A series: clips that share a topic and no frame.

use futures_util::stream::{self, StreamExt as _};

use super::{ClipRecord, Library, VideoSeries};
use crate::error::Result;

/// How many sidecars are read at once.
const AT_ONCE: usize = 16;

/// By how much a clip's `createdAt` may be earlier than the time in its name. ima2-gen reads the clock
/// for each; a clip made in the meantime must not be passed over.
const SLACK_MILLIS: u64 = 60_000;

/// What the library holds of a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Series {
    /// The topic, without the space around it.
    pub topic: String,
    /// The newest prompts that were really sent, oldest first.
    pub prompts: Vec<String>,
}

impl Series {
    /// The block `videoSeries` of the next clip. Its index is the number of prompts the planner is
    /// told, as ima2-gen counts it: once there are four, it stays four.
    pub fn next(&self) -> VideoSeries {
        VideoSeries {
            topic: Some(self.topic.clone()),
            chain_index: Some(self.prompts.len() as u64),
            ..VideoSeries::default()
        }
    }
}

impl Library {
    /// The newest `limit` prompts of a topic, 4 for what ima2-gen tells its planner. For a clip that has
    /// no parent; one that has a parent is told its branch instead.
    ///
    /// Sidecars are read from the newest on, until enough of the topic are found; those whose names have
    /// no time are all read. Sidecars that cannot be read are passed over, and those whose clip is gone
    /// count.
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
            .sidecar_ids()
            .await?
            .into_iter()
            .partition(|id| id.millis().is_some());
        let mut newest: Vec<(u64, String)> = Vec::new();
        // Those without a time first: whether the others are new enough is then known.
        for ids in untimed.chunks(AT_ONCE).chain(timed.chunks(AT_ONCE)) {
            let full = newest.len() == limit;
            let oldest = newest.last().map_or(0, |(at, _)| *at);
            let time = ids.first().and_then(super::ClipId::millis);
            if full && time.is_some_and(|time| time.saturating_add(SLACK_MILLIS) < oldest) {
                break;
            }
            // Owned ids: with borrowed ones the compiler cannot tell that the future may be sent.
            let read = stream::iter(ids.to_vec())
                .map(|id| async move { self.record(&id).await })
                .buffered(AT_ONCE);
            let mut records = std::pin::pin!(read);
            while let Some(record) = records.next().await {
                if let Ok(Some(record)) = record
                    && let Some(found) = of_topic(record, topic)
                {
                    newest.push(found);
                }
            }
            // Stable: of one instant the newer name stays in front.
            newest.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
            newest.truncate(limit);
        }
        series.prompts = newest.into_iter().rev().map(|(_, prompt)| prompt).collect();
        Ok(series)
    }
}

fn of_topic(record: ClipRecord, topic: &str) -> Option<(u64, String)> {
    let same = record.video_series?.topic.as_deref() == Some(topic);
    let prompt = record
        .revised_prompt
        .filter(|prompt| same && !prompt.is_empty())?;
    Some((record.created_at.unwrap_or_default(), prompt))
}
