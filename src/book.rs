//! Runs the Rust examples of the book as doctests. `docs/example.rs` starts the sandbox that the examples use.

#[doc = include_str!("../docs/src/guide/budgets.md")]
struct Budgets;

#[doc = include_str!("../docs/src/guide/continuing.md")]
struct Continuing;

#[doc = include_str!("../docs/src/guide/editing.md")]
struct Editing;

#[doc = include_str!("../docs/src/guide/first-clip.md")]
struct FirstClip;

#[doc = include_str!("../docs/src/guide/frames.md")]
struct Frames;

#[doc = include_str!("../docs/src/guide/libraries.md")]
struct Libraries;

#[doc = include_str!("../docs/src/guide/recovering.md")]
struct Recovering;

#[doc = include_str!("../docs/src/guide/testing.md")]
struct Testing;

#[doc = include_str!("../docs/src/reference/errors.md")]
struct Errors;
