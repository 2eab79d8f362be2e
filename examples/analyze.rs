//! Has a language model describe a clip from its frames.
//!
//! ```sh
//! cargo run --features sandbox --example analyze
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod common;

use reelkin::{GenerateRequest, secs};

#[tokio::main]
async fn main() -> reelkin::Result<()> {
    let (_sandbox, client) = common::client().await?;
    let clip = client
        .generate(GenerateRequest::text("a red kite over dunes").duration(secs(2)))
        .await?;
    let notes = client.analyze(&clip).frames(3).await?;
    println!(
        "motion  {}\nlight   {}\npalette {}",
        notes.motion,
        notes.light,
        notes.palette.join(", ")
    );
    println!("prompt  {}", notes.prompt);
    Ok(())
}
