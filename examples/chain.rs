//! Makes three clips, each going on from the one before, and shows how far they drift.
//!
//! ```sh
//! cargo run --features sandbox --example chain               # the sandbox: no key, no cost
//! XAI_API_KEY=… cargo run --features sandbox --example chain -- --real   # the service: at most $1.20
//! ```

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod common;

use reelkin::{ChainEvent, ChainRequest, ContinueRequest, GenerateRequest, secs, usd};

#[tokio::main]
async fn main() -> reelkin::Result<()> {
    let (_sandbox, client) = common::client().await?;
    let first = GenerateRequest::text("a lighthouse at dusk, waves below")
        .duration(secs(5))
        .resolution("720p");
    let request = ChainRequest::generate(first)
        .then(ContinueRequest::new("the lamp turns on"))
        .then(ContinueRequest::new("a ship answers with its horn"))
        .budget(usd("1.20")?);
    // Run it again, or break it off and run it again: no clip is paid twice.
    let chain = client.chain(request).start().await?;
    println!("chain {}", chain.id());
    let mut events = chain.events();
    while let Some(event) = events.next().await {
        if let ChainEvent::StepFinished {
            clip, of, id, drift, ..
        } = event
        {
            let drift = drift.map_or("the anchor".to_owned(), |drift| format!("{drift:?}"));
            println!("clip {clip} of {of}: {id}, {drift}");
        }
    }
    println!("{} in all", chain.wait().await?.cost);
    Ok(())
}
