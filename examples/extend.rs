//! Extends a clip and prints where the added part starts.
//!
//! ```sh
//! cargo run --features sandbox --example extend
//! ```

#![expect(clippy::print_stdout, reason = "an example prints its results")]

mod common;

use reelkin::{ExtendRequest, GenerateRequest, secs};

#[tokio::main]
async fn main() -> reelkin::Result<()> {
    let (_sandbox, client) = common::client().await?;
    let short = client
        .generate(GenerateRequest::text("a harbor at noon").duration(secs(3)))
        .await?;
    let long = client
        .extend(ExtendRequest::new(&short, "the camera pulls back").duration(secs(2)))
        .await?;
    let report = long
        .record
        .and_then(|record| record.reelkin)
        .and_then(|fields| fields.delivery);
    if let Some(seam) = report.and_then(|report| report.seam) {
        println!(
            "{}: the added part starts at {:.3} s",
            long.file_name, seam.seconds
        );
    }
    Ok(())
}
