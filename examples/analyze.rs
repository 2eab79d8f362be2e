//! Describes a clip with a language model that sees its frames.
//!
//! ```sh
//! cargo run --features sandbox --example analyze
//! ```

#![expect(clippy::print_stdout, reason = "an example prints its results")]

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
