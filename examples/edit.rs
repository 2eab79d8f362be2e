//! Makes a changed copy of a clip.
//!
//! ```sh
//! cargo run --features sandbox --example edit
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod common;

use reelkin::{EditRequest, GenerateRequest, secs};

#[tokio::main]
async fn main() -> reelkin::Result<()> {
    let (_sandbox, client) = common::client().await?;
    let day = client
        .generate(GenerateRequest::text("a harbour at noon").duration(secs(2)))
        .await?;
    // The clip may have 8.7 s at the most; its length, shape and size are the result's.
    let night = client.edit(EditRequest::new(&day, "make it night")).await?;
    println!("{} -> {}", day.file_name, night.file_name);
    Ok(())
}
