//! The client of the examples: a sandbox without a key and at no cost, and a library in the temporary folder.

use std::path::PathBuf;
use std::time::Duration;

use reelkin::sandbox::Sandbox;
use reelkin::{PollPolicy, VideoClient};

/// Returns a client and its sandbox, which stops when it is dropped. With the argument `--real` there is no sandbox: the
/// client uses the service, where every clip costs money.
pub(crate) async fn client() -> reelkin::Result<(Option<Sandbox>, VideoClient)> {
    let builder = VideoClient::builder().library(folder());
    if std::env::args().any(|argument| argument == "--real") {
        return Ok((None, builder.api_key_from_env().build()?));
    }
    let sandbox = Sandbox::builder()
        .min_job_duration(Duration::from_millis(500))
        .start()
        .await?;
    let mut poll = PollPolicy::default();
    // The sandbox has no queue, so jobs finish sooner.
    poll.first = Duration::from_millis(200);
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
