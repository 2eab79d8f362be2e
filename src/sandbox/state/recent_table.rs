//! A bounded table, from which the oldest entries are removed first.

use std::collections::VecDeque;
use std::sync::Mutex;

use uuid::Uuid;

use crate::sync::lock;

#[derive(Debug)]
pub(crate) struct RecentTable<K, V> {
    max: usize,
    entries: Mutex<VecDeque<(K, V)>>,
}

impl<K: PartialEq, V: Clone> RecentTable<K, V> {
    pub(crate) const fn new(max: usize) -> Self {
        Self {
            max,
            entries: Mutex::new(VecDeque::new()),
        }
    }

    pub(crate) fn add(&self, key: K, value: V) {
        let mut entries = lock(&self.entries);
        entries.push_back((key, value));
        if entries.len() > self.max {
            entries.pop_front();
        }
    }

    pub(crate) fn find(&self, key: &K) -> Option<V> {
        let entries = lock(&self.entries);
        let (_, value) = entries.iter().find(|(known, _)| known == key)?;
        Some(value.clone())
    }
}

impl<V: Clone> RecentTable<Uuid, V> {
    pub(crate) fn find_id(&self, id: &str) -> Option<V> {
        self.find(&Uuid::try_parse(id).ok()?)
    }

    /// Removes an entry and returns whether it was there.
    pub(crate) fn remove(&self, id: &str) -> bool {
        let Ok(id) = Uuid::try_parse(id) else { return false };
        let mut entries = lock(&self.entries);
        let before = entries.len();
        entries.retain(|(known, _)| *known != id);
        entries.len() < before
    }
}
