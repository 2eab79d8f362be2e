//! No index: on this system it cannot be told whether one would be right, and all names are read each time.

#![expect(
    clippy::unnecessary_wraps,
    clippy::unused_self,
    clippy::trivially_copy_pass_by_ref,
    reason = "the face of the index that other systems have"
)]

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ClipId;
use super::list::Parts;

pub(super) const INDEX: &str = ".index";

#[derive(Debug)]
pub(super) struct Index;

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

    pub(super) fn stamps(&self, of: &[ClipId]) -> Vec<Option<Stamp>> {
        vec![None; of.len()]
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
    pub(super) fn add(&mut self, _: &str) {}
}

impl Clock {
    pub(super) fn tick(&self) -> io::Result<Tick> {
        Ok(Tick)
    }

    pub(super) fn keep(self, _: &str, _: &[u8]) {}
}

impl Stamp {
    pub(super) fn is_before(&self, _: Tick) -> bool {
        false
    }
}
