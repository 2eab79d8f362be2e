//! Bounds the cost of a query before it is sent, and adds up what queries cost.

use crate::error::{Charge, Result};
use crate::model::ModelTable;
use crate::money::UsdTicks;
use crate::provider::ModelAnswer;

/// Maximum tokens of an answer. A prompt of 4,096 characters is about 1,000 tokens; the rest is for reasoning and
/// searches.
pub(super) const MAX_OUTPUT_TOKENS: u32 = 16_384;
/// Maximum tokens that the service adds to a query: before it, around each message and around the schema. In
/// published answers to short queries it adds fewer than 200.
const MAX_ADDED_TOKENS: u64 = 2_000;
/// Maximum tokens of an image, from the documentation of the service.
pub(super) const MAX_IMAGE_TOKENS: u64 = 1_792;
/// Above this number of input tokens the service doubles the price of the query and its answer.
const LONG_QUERY_TOKENS: u64 = 200_000;

/// The size of a query before it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuerySize {
    /// The UTF-8 length of all texts, with the instructions and the schema.
    pub(super) text_bytes: u64,
    images: u64,
}

impl QuerySize {
    pub(super) fn new(
        instructions: &str,
        schema: &serde_json::Value,
        text_bytes: u64,
        images: usize,
    ) -> Self {
        let fixed = instructions.len() + schema.to_string().len();
        Self {
            text_bytes: text_bytes.saturating_add(fixed as u64),
            images: images as u64,
        }
    }

    /// Returns an upper bound of the number of input tokens.
    ///
    /// The smallest token of a text is a byte, so a text has at most as many tokens as it has bytes in UTF-8. English
    /// has about a quarter of that, Chinese and Japanese a third to a half, rare characters and emoji up to all of it.
    pub(super) fn max_tokens(self) -> u64 {
        MAX_IMAGE_TOKENS
            .saturating_mul(self.images)
            .saturating_add(self.text_bytes)
            .saturating_add(MAX_ADDED_TOKENS)
    }
}

/// Returns the maximum cost of one query.
///
/// Returns `None` if the table has no price for the model, or if the model may search the web, because the price of a
/// search depends on what it finds.
pub(crate) fn max_query_cost(
    table: &ModelTable,
    model: &str,
    size: QuerySize,
    web_search: bool,
) -> Option<UsdTicks> {
    let row = table.language_model(model).filter(|_| !web_search)?;
    let tokens = size.max_tokens();
    let price = row.price(tokens, MAX_OUTPUT_TOKENS.into());
    Some(if tokens > LONG_QUERY_TOKENS {
        price * 2
    } else {
        price
    })
}

/// The cost of queries, whether they succeeded or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct QueryCost {
    /// The sum of the costs that the service reported.
    pub(crate) cost: UsdTicks,
    /// Whether a query was or may have been charged an amount that the service did not report.
    pub(crate) unpriced: bool,
}

impl QueryCost {
    pub(super) fn add(&mut self, answer: &Result<ModelAnswer>) {
        match answer {
            Ok(ModelAnswer { cost: Some(cost), .. }) => self.cost += *cost,
            Ok(_) => self.unpriced = true,
            Err(error) => self.unpriced |= error.may_have_been_charged() != Charge::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_query_costs_twice() {
        let table = ModelTable::built_in().unwrap();
        let cost = |text_bytes| {
            let size = QuerySize {
                text_bytes,
                images: 0,
            };
            max_query_cost(table, "grok-4.3", size, false).unwrap().ticks()
        };
        let output = 25_000 * u64::from(MAX_OUTPUT_TOKENS);
        assert_eq!(cost(198_000), 200_000 * 12_500 + output);
        assert_eq!(cost(198_001), 2 * (200_001 * 12_500 + output));
        assert_eq!(cost(u64::MAX), u64::MAX);
        let size = QuerySize {
            text_bytes: 1,
            images: 2,
        };
        assert_eq!(size.max_tokens(), 1 + 2 * 1_792 + 2_000);
        assert_eq!(max_query_cost(table, "grok-4.3", size, true), None);
    }
}
