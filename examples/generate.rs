//! Generates a clip from a prompt and prints its progress.
//!
//! ```sh
//! cargo run --features sandbox --example generate               # the sandbox: no key, no cost
//! XAI_API_KEY=… cargo run --features sandbox --example generate -- --real   # the service: costs $0.25
//! ```

#![expect(clippy::print_stdout, reason = "an example prints its results")]

mod common;

use reelkin::{GenerateRequest, JobEvent, secs};

#[tokio::main]
async fn main() -> reelkin::Result<()> {
    let (_sandbox, client) = common::client().await?;
    let request = GenerateRequest::text("a paper boat drifts down a rainy street, close to the water")
        .duration(secs(5));
    if let Some(cost) = client.estimate(&request).await?.cost {
        println!("estimated cost: {cost}");
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
            println!("{:3.0}% after {:.1} s", fraction * 100.0, elapsed.as_secs_f64());
        }
    }
    let clip = job.wait().await?;
    println!("{}", clip.path.unwrap_or_else(|| clip.file_name.into()).display());
    Ok(())
}
