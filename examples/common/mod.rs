//! A client on the sandbox, with a library of its own in the temporary folder: no key, no cost unless asked for.

use std::path::PathBuf;
use std::time::Duration;

use reelkin::sandbox::Sandbox;
use reelkin::{PollPolicy, VideoClient};

/// The sandbox lives as long as its value is held. With the argument `--real` there is none, and the client is
/// on the service, where every clip costs money.
pub(crate) async fn client() -> reelkin::Result<(Option<Sandbox>, VideoClient)> {
    let builder = VideoClient::builder().library(folder());
    if std::env::args().any(|argument| argument == "--real") {
        return Ok((None, builder.api_key_from_env().build()?));
    }
    let sandbox = Sandbox::builder().seconds_per_job(0.5).start().await?;
    let mut poll = PollPolicy::default();
    poll.first = Duration::from_millis(200); // the sandbox has no queue
    poll.shortest = Duration::from_millis(100);
    let client = builder
        .base_url(sandbox.base_url())
        .api_key(sandbox.api_key())
        .poll(poll)
        .build()?;
    Ok((Some(sandbox), client))
}

fn folder() -> PathBuf {
    std::env::temp_dir().join("reelkin-examples")
}
