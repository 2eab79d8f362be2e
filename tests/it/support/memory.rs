//! The memory use of a child process.

#![cfg(all(feature = "cli", target_os = "linux"))]

use std::process::Child;

/// Returns the largest resident size that a process has had, in KiB; `None` when it is gone.
pub(crate) fn peak_kib(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
