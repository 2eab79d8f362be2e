//! Answers of language models that can be fetched later: stored responses and deferred completions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use crate::sandbox::llm::picture_stats::PictureStats;

/// Maximum number of answers that are kept of each kind. The oldest are removed first.
const MAX_ANSWERS: usize = 1_000;

#[derive(Debug, Default)]
pub(crate) struct StoredAnswers {
    pub(crate) responses: AnswerTable<StoredResponse>,
    pub(crate) deferred: AnswerTable<DeferredCompletion>,
}

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

/// A bounded table by id.
#[derive(Debug)]
pub(crate) struct AnswerTable<T>(Mutex<(BTreeMap<Uuid, T>, VecDeque<Uuid>)>);

impl<T> Default for AnswerTable<T> {
    fn default() -> Self {
        Self(Mutex::new((BTreeMap::new(), VecDeque::new())))
    }
}

impl<T: Clone> AnswerTable<T> {
    pub(crate) fn add(&self, id: Uuid, value: T) {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.0.insert(id, value);
        table.1.push_back(id);
        if table.1.len() > MAX_ANSWERS
            && let Some(oldest) = table.1.pop_front()
        {
            table.0.remove(&oldest);
        }
    }

    pub(crate) fn find(&self, id: &str) -> Option<T> {
        let id = Uuid::try_parse(id).ok()?;
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.0.get(&id).cloned()
    }

    pub(crate) fn remove(&self, id: &str) -> Option<T> {
        let id = Uuid::try_parse(id).ok()?;
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.1.retain(|other| *other != id);
        table.0.remove(&id)
    }
}
