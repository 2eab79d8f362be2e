//! `/v1/responses` and `/v1/chat/completions` without a language model: plans and descriptions are computed.
//!
//! Computes the answer to a request body. `question` contains the checks that both routes share, `answer_text` computes
//! the text from the words and pixels of the question, and `schema_values` generates values for a requested JSON
//! schema. `chat` and `responses` parse the request and write the response of their route. Independent of jobs, files
//! and connections.

pub(crate) mod answer;
mod answer_text;
pub(crate) mod chat;
pub(crate) mod event_stream;
pub(crate) mod language_body;
pub(crate) mod language_model;
mod picture_change;
pub(crate) mod picture_stats;
pub(crate) mod question;
pub(crate) mod responses;
mod schema_check;
mod schema_values;
mod token_usage;
mod user_words;
