//! Answers of language models that can be fetched later: stored responses and deferred completions.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use crate::sandbox::llm::picture_stats::PictureStats;

/// Maximum number of answers that are kept of each kind. The oldest are removed first.
const MAX_ANSWERS: usize = 1_000;

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

/// A bounded table by id, oldest first.
#[derive(Debug)]
pub(crate) struct AnswerTable<T>(Mutex<VecDeque<(Uuid, T)>>);

impl<T> Default for AnswerTable<T> {
    fn default() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }
}

impl<T: Clone> AnswerTable<T> {
    pub(crate) fn add(&self, id: Uuid, value: T) {
        let mut table = self.lock();
        table.push_back((id, value));
        if table.len() > MAX_ANSWERS {
            table.pop_front();
        }
    }

    pub(crate) fn find(&self, id: &str) -> Option<T> {
        let id = Uuid::try_parse(id).ok()?;
        let table = self.lock();
        let (_, value) = table.iter().find(|(known, _)| *known == id)?;
        Some(value.clone())
    }

    /// Removes an answer and returns whether it was there.
    pub(crate) fn remove(&self, id: &str) -> bool {
        let Ok(id) = Uuid::try_parse(id) else { return false };
        let mut table = self.lock();
        let before = table.len();
        table.retain(|(known, _)| *known != id);
        table.len() < before
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Uuid, T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
