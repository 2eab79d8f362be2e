//! Creates three clips, each starting where the previous one ends, and prints how far they drift.
//!
//! ```sh
//! cargo run --features sandbox --example chain               # the sandbox: no key, no cost
//! XAI_API_KEY=… cargo run --features sandbox --example chain -- --real   # the service: at most $1.20
//! ```

#![expect(clippy::print_stdout, reason = "an example prints its results")]

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
    // Running the example again, even after an interruption, pays for no clip twice.
    let chain = client.chain(request).start().await?;
    println!("chain {}", chain.id());
    let mut events = chain.events();
    while let Some(event) = events.next().await {
        if let ChainEvent::StepFinished {
            clip, of, id, drift, ..
        } = event
        {
            let drift = drift.map_or("the reference for drift".to_owned(), |drift| format!("{drift:?}"));
            println!("clip {clip} of {of}: {id}, {drift}");
        }
    }
    println!("total cost: {}", chain.wait().await?.cost);
    Ok(())
}
