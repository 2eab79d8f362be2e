//! Adds seconds at the end of a clip, and says where they begin.
//!
//! ```sh
//! cargo run --features sandbox --example extend
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod common;

use reelkin::{ExtendRequest, GenerateRequest, secs};

#[tokio::main]
async fn main() -> reelkin::Result<()> {
    let (_sandbox, client) = common::client().await?;
    let short = client
        .generate(GenerateRequest::text("a harbour at noon").duration(secs(3)))
        .await?;
    let long = client
        .extend(ExtendRequest::new(&short, "the camera pulls back").duration(secs(2)))
        .await?;
    let report = long
        .record
        .and_then(|record| record.reelkin)
        .and_then(|ours| ours.delivery);
    if let Some(seam) = report.and_then(|report| report.seam) {
        println!("{}: the new part begins at {:.3} s", long.file_name, seam.seconds);
    }
    Ok(())
}
