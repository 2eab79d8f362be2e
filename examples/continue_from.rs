//! Continues a clip twice: two branches with the same parent.
//!
//! ```sh
//! cargo run --features sandbox --example continue_from
//! ```

#![expect(clippy::print_stdout, reason = "an example prints its results")]

mod common;

use reelkin::{ContinueRequest, GenerateRequest, PlanChoice, secs};

#[tokio::main]
async fn main() -> reelkin::Result<()> {
    let (_sandbox, client) = common::client().await?;
    let start = client
        .generate(GenerateRequest::text("a lighthouse at dusk").duration(secs(2)))
        .await?;
    // By default, a language model rewrites the prompt of a continuation.
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
            .and_then(|fields| fields.delivery);
        if let Some(similarity) = report.and_then(|report| report.start) {
            println!(
                "{}: the first frame matches the frame that was sent by {:.1} dB",
                clip.file_name, similarity.luma_db
            );
        }
    }
    Ok(())
}
