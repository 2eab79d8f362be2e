//! `/v1/responses` and `/v1/chat/completions` without a language model: plans and descriptions are computed.
//!
//! Owns the way from a request body to an answer. `question` refuses what the service refuses, `answer_text`
//! computes the text from the words and pixels of the question, `schema_values` brings it into a requested JSON
//! schema, and `chat` and `responses` give the answer the form of their route. Knows no job, no file and no
//! connection.

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
