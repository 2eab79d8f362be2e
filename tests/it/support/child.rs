//! Child processes of this test binary.

use std::process::Command;

/// Runs one of the ignored tests in a process of its own. `test` is its full path.
pub(crate) fn child_process(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored"]);
    command
}
