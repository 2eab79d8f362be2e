//! Goes on where a clip ends, twice: two branches of one family.
//!
//! ```sh
//! cargo run --features sandbox --example continue_from
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod common;

use reelkin::{ContinueRequest, GenerateRequest, PlanChoice, secs};

#[tokio::main]
async fn main() -> reelkin::Result<()> {
    let (_sandbox, client) = common::client().await?;
    let start = client
        .generate(GenerateRequest::text("a lighthouse at dusk").duration(secs(2)))
        .await?;
    // Words are planned by a language model here unless told otherwise.
    let request = ContinueRequest::new("the lamp turns on").duration(secs(2));
    let lamp = client.continue_from(&start, request).await?;
    let request = ContinueRequest::new("a storm comes in")
        .duration(secs(2))
        .plan(PlanChoice::Off);
    let storm = client.continue_from(&start, request).await?;
    for clip in [lamp, storm] {
        let report = clip
            .record
            .and_then(|record| record.reelkin)
            .and_then(|ours| ours.delivery);
        if let Some(likeness) = report.and_then(|report| report.start) {
            println!(
                "{} starts {:.1} dB from the frame that was sent",
                clip.file_name, likeness.luma_db
            );
        }
    }
    Ok(())
}
