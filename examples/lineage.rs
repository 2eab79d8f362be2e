//! Prints the lineage of a clip.
//!
//! ```sh
//! cargo run --features sandbox --example lineage
//! ```

#![expect(clippy::print_stdout, reason = "an example prints its results")]

mod common;

use reelkin::{ContinueRequest, GenerateRequest, secs};

#[tokio::main]
async fn main() -> reelkin::Result<()> {
    let (_sandbox, client) = common::client().await?;
    let mut clip = client
        .generate(GenerateRequest::text("a seed in dark soil").duration(secs(1)))
        .await?;
    for step in ["a shoot breaks through", "leaves unfold", "a flower opens"] {
        let request = ContinueRequest::new(step).duration(secs(1)).plan(false);
        clip = client.continue_from(&clip, request).await?;
    }
    let family = client.library().family(&clip).await?;
    for member in family.clips() {
        println!(
            "{}  {}",
            member.id,
            member.user_prompt.as_deref().unwrap_or_default()
        );
    }
    println!("{}", family.to_mermaid());
    Ok(())
}
