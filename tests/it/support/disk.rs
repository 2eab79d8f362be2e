//! A small file system for one test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A small file system, on machines that allow to mount one.
pub(crate) struct Disk(PathBuf);

impl Disk {
    #[expect(clippy::print_stderr, reason = "reports a skipped test")]
    /// Mounts a file system of 1 MiB, or reports that the test is skipped.
    pub(crate) fn mount(at: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "reelkin-test"])
            .arg(at)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_owned()));
        }
        eprintln!("skipped: no right to mount a small disk");
        None
    }

    /// Mounts the file system read-only or writable.
    pub(crate) fn set_read_only(&self, read_only: bool) {
        let option = if read_only { "remount,ro" } else { "remount,rw" };
        // The mount is busy while a child of another test holds our files, between fork and exec.
        let done = (0..6000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            let remount = Command::new("mount").args(["-o", option]).arg(&self.0).output();
            remount.is_ok_and(|output| output.status.success())
        });
        assert!(done, "mount -o {option}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
