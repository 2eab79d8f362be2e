//! Edits a clip.
//!
//! ```sh
//! cargo run --features sandbox --example edit
//! ```

#![expect(clippy::print_stdout, reason = "an example prints its results")]

mod common;

use reelkin::{EditRequest, GenerateRequest, secs};

#[tokio::main]
async fn main() -> reelkin::Result<()> {
    let (_sandbox, client) = common::client().await?;
    let day = client
        .generate(GenerateRequest::text("a harbor at noon").duration(secs(2)))
        .await?;
    // The input can be up to 8.7 s long. The result has its duration, aspect ratio and resolution.
    let night = client.edit(EditRequest::new(&day, "make it night")).await?;
    println!("{} -> {}", day.file_name, night.file_name);
    Ok(())
}
