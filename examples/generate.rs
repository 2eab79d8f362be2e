//! Makes a clip from words and shows its progress.
//!
//! ```sh
//! cargo run --features sandbox --example generate               # the sandbox: no key, no cost
//! XAI_API_KEY=… cargo run --features sandbox --example generate -- --real   # the service: costs $0.25
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use reelkin::sandbox::Sandbox;
use reelkin::{GenerateRequest, JobEvent, PollPolicy, VideoClient, secs};

#[tokio::main]
async fn main() -> reelkin::Result<()> {
    let folder = std::env::temp_dir().join("reelkin-example");
    let builder = VideoClient::builder().library(&folder);
    let real = std::env::args().any(|argument| argument == "--real");
    let sandbox = if real {
        None
    } else {
        Some(Sandbox::builder().seconds_per_job(1.0).start().await?)
    };
    let client = match &sandbox {
        Some(sandbox) => {
            let mut poll = PollPolicy::default();
            poll.first = Duration::from_millis(200);
            poll.shortest = Duration::from_millis(100);
            builder
                .base_url(sandbox.base_url())
                .api_key(sandbox.api_key())
                .poll(poll)
                .build()?
        }
        None => builder.api_key_from_env().build()?,
    };

    let request = GenerateRequest::text("a paper boat drifts down a rainy street, close to the water")
        .duration(secs(5));
    if let Some(cost) = client.estimate(&request)?.estimate {
        println!("this costs {cost}");
    }
    let job = client.generate(request).start().await?;
    let mut events = job.events();
    while let Some(event) = events.next().await {
        if let JobEvent::Progress {
            fraction: Some(fraction),
            elapsed,
            ..
        } = event
        {
            println!("{:3.0} % after {:.1} s", fraction * 100.0, elapsed.as_secs_f64());
        }
    }
    let clip = job.wait().await?;
    println!("{}", clip.path.unwrap_or_else(|| clip.file_name.into()).display());
    Ok(())
}
