//! No index: on this system it cannot be told whether one would be right, and all names are read each time.

#![expect(dead_code, reason = "what only an index makes")]

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ClipId;

pub(super) const INDEX: &str = ".index";

#[derive(Debug)]
pub(super) struct Index;

#[derive(Debug)]
pub(super) struct Parts {
    pub(super) clip: bool,
    pub(super) sidecar: bool,
}

#[derive(Debug)]
pub(super) struct Scan {
    pub(super) listing: Listing,
}

#[derive(Debug)]
pub(super) struct Listing;

#[derive(Debug)]
pub(super) struct Clock;

#[derive(Debug, Clone, Copy)]
pub(super) struct Tick;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp;

#[expect(clippy::unused_self, reason = "the face of the index that other systems have")]
impl Index {
    pub(super) fn new(_: &Path, _: bool) -> Self {
        Self
    }

    pub(super) fn create(&self, _: usize) {}

    pub(super) fn newest(&self, _: Option<&ClipId>, _: usize) -> Option<Vec<ClipId>> {
        None
    }

    pub(super) fn all(&self) -> Option<Vec<(ClipId, Parts)>> {
        None
    }

    pub(super) fn scan(&self) -> Option<Scan> {
        None
    }

    pub(super) fn clock(&self) -> Option<Clock> {
        None
    }

    pub(super) fn stamp(&self, _: &str) -> Option<Stamp> {
        None
    }

    pub(super) fn load(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    pub(super) fn watch(&self) {}

    pub(super) fn follow(&self) {}
}

impl Scan {
    pub(super) fn keep(self) {}
}

impl Listing {
    #[expect(clippy::unused_self, reason = "the face of the index that other systems have")]
    pub(super) fn add(&mut self, _: &str) {}
}

#[expect(clippy::unused_self, reason = "the face of the index that other systems have")]
impl Clock {
    pub(super) fn tick(&self) -> io::Result<Tick> {
        Ok(Tick)
    }

    pub(super) fn keep(self, _: &str, _: &[u8]) {}
}

#[expect(clippy::unused_self, reason = "the face of the index that other systems have")]
impl Stamp {
    pub(super) fn is_before(&self, _: Tick) -> bool {
        false
    }
}
