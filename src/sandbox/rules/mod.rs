//! What the service accepts, what it charges, and how it words a refusal: the sandbox's own copy of its contract.
//!
//! Shares nothing with the client's tables on purpose: a wrong limit in the client must fail against this one. Knows no
//! job, no file and no connection. State of the contract: October 2026.

pub(crate) mod clip_size;
pub(crate) mod limits;
pub(crate) mod prices;
pub(crate) mod refusal;
pub(crate) mod validation;
pub(crate) mod video_body;
pub(crate) mod video_model;
pub(crate) mod video_request;
