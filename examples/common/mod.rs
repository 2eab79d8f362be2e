//! A client on the sandbox, with a library of its own in the temporary folder: no key, no cost.

use std::path::PathBuf;
use std::time::Duration;

use reelkin::sandbox::Sandbox;
use reelkin::{PollPolicy, VideoClient};

/// The sandbox lives as long as its value is held.
pub(crate) async fn client() -> reelkin::Result<(Sandbox, VideoClient)> {
    let sandbox = Sandbox::builder().seconds_per_job(0.5).start().await?;
    let mut poll = PollPolicy::default();
    poll.first = Duration::from_millis(200); // the sandbox has no queue
    poll.shortest = Duration::from_millis(100);
    let client = VideoClient::builder()
        .base_url(sandbox.base_url())
        .api_key(sandbox.api_key())
        .library(folder())
        .poll(poll)
        .build()?;
    Ok((sandbox, client))
}

fn folder() -> PathBuf {
    std::env::temp_dir().join("reelkin-examples")
}
