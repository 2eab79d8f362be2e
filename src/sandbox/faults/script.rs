//! The script: the faults in force, and which of them apply to a request.

use std::sync::{Mutex, MutexGuard};

use axum::http::Method;

use super::{Fault, FaultKind, FaultOperation, Stage};
use crate::sandbox::transport::byte_faults::RequestLimit;
use crate::sync::lock;

/// The faults in force, each with the number of requests that it has counted: those it skipped and those it applied to.
#[derive(Debug, Default)]
pub(crate) struct Script {
    faults: Mutex<Vec<(Fault, u32)>>,
}

impl Script {
    pub(crate) fn add(&self, faults: impl IntoIterator<Item = Fault>) {
        self.lock().extend(faults.into_iter().map(|fault| (fault, 0)));
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    /// Returns the faults that are still in force.
    pub(crate) fn list(&self) -> Vec<Fault> {
        self.lock().iter().map(|(fault, _)| fault.clone()).collect()
    }

    /// Returns the faults that apply to a request at a stage, delays first. Counts the request for them and for those
    /// that skip it.
    ///
    /// These are every delay and the first other fault that applies; at [`Stage::Render`], every fault that matches.
    pub(crate) fn trigger(
        &self,
        operation: FaultOperation,
        stage: Stage,
        prompt: Option<&str>,
    ) -> Vec<FaultKind> {
        let mut triggered: Vec<FaultKind> = Vec::new();
        let mut has_match = false;
        let mut faults = self.lock();
        for (fault, seen) in faults.iter_mut() {
            let is_delay = matches!(fault.kind, FaultKind::Delay(_));
            // Faults of rendering are combined: a size and a padding can both apply.
            if has_match && !is_delay && stage != Stage::Render {
                continue;
            }
            let matches = fault.kind.stage() == stage
                && fault.operation.is_none_or(|wanted| wanted == operation)
                && fault
                    .prompt
                    .as_deref()
                    .is_none_or(|words| prompt.is_some_and(|prompt| prompt.contains(words)));
            if !matches {
                continue;
            }
            *seen += 1;
            if *seen <= fault.after || fault.times == Some(0) {
                continue;
            }
            has_match |= !is_delay;
            triggered.push(fault.kind.clone());
        }
        triggered.sort_by_key(|kind| !matches!(kind, FaultKind::Delay(_)));
        faults.retain(|(fault, seen)| {
            fault
                .times
                .is_none_or(|times| *seen < fault.after.saturating_add(times))
        });
        triggered
    }

    /// Returns whether a fault needs the prompt before the request is carried out.
    pub(crate) fn needs_prompt(&self) -> bool {
        let needs = |fault: &Fault| fault.prompt.is_some() && fault.kind.stage() == Stage::Before;
        self.lock().iter().any(|(fault, _)| needs(fault))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Fault, u32)>> {
        lock(&self.faults)
    }
}

impl RequestLimit for Script {
    fn is_active(&self) -> bool {
        let limits = |fault: &Fault| fault.kind.stage() == Stage::Request;
        self.lock().iter().any(|(fault, _)| limits(fault))
    }

    fn limit_of(&self, request_line: &[u8]) -> Option<u64> {
        let mut words = request_line.split(|byte| *byte == b' ');
        let method = Method::from_bytes(words.next()?).ok()?;
        let target = std::str::from_utf8(words.next()?).ok()?;
        let operation = FaultOperation::of_request(&method, target.split('?').next()?)?;
        let triggered = self.trigger(operation, Stage::Request, None);
        triggered.iter().find_map(|kind| match kind {
            FaultKind::CutRequestAt(at) => Some(*at),
            _ => None,
        })
    }
}

impl FaultOperation {
    /// Returns the operation that a request is, or `None` for a path to which no fault applies.
    pub(crate) fn of_request(method: &Method, path: &str) -> Option<Self> {
        let rest = path.strip_prefix("/v1/");
        Some(match (method, rest) {
            (&Method::POST, Some("videos/generations" | "videos/edits" | "videos/extensions")) => {
                Self::Create
            }
            (&Method::GET, Some(rest)) if rest.starts_with("videos/") => Self::Poll,
            (&Method::POST, Some("files")) => Self::Upload,
            (&Method::POST, Some("responses" | "chat/completions")) => Self::Answer,
            (_, Some(_)) => Self::Other,
            (&Method::GET | &Method::HEAD, None) if path.starts_with("/vidgen/") => Self::Download,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_applies_as_often_as_asked_and_is_then_removed() {
        let script = Script::default();
        script.add(["create:reset,after=1,times=2".parse::<Fault>().unwrap()]);
        let trigger = || script.trigger(FaultOperation::Create, Stage::Before, None).len();
        assert_eq!(script.trigger(FaultOperation::Poll, Stage::Before, None).len(), 0);
        assert_eq!([trigger(), trigger(), trigger(), trigger()], [0, 1, 1, 0]);
        assert!(script.list().is_empty());
    }
}
