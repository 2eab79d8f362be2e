//! The prices of language models, which plan prompts and describe clips.

use serde::{Deserialize, Serialize};

use super::price::dollars;
use crate::money::UsdTicks;

/// A row of the model table for a language model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct LanguageModel {
    /// The name of the model.
    pub id: String,
    /// The price of a million input tokens, in dollars.
    #[serde(rename = "usd_per_million_read", with = "dollars")]
    pub read: UsdTicks,
    /// The price of a million output tokens, reasoning included, in dollars.
    #[serde(rename = "usd_per_million_written", with = "dollars")]
    pub written: UsdTicks,
    /// The date on which the source was read, `YYYY-MM-DD`.
    pub date: String,
    /// The source of the prices.
    pub source: String,
}

impl LanguageModel {
    /// Returns the price of input and output tokens, rounded up to whole ticks.
    pub fn price(&self, read: u64, written: u64) -> UsdTicks {
        self.read.prorate(read, 1_000_000) + self.written.prorate(written, 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::UsdTicks;
    use crate::model::ModelTable;

    #[test]
    fn tokens_cost_what_the_table_says() {
        let table = ModelTable::built_in().unwrap();
        let model = table.language_model("grok-4.3").unwrap();
        assert_eq!(model.price(1_000_000, 0).to_string(), "$1.25");
        assert_eq!(model.price(0, 2_000_000).to_string(), "$5.00");
        assert_eq!(model.price(1, 1).ticks(), 12_500 + 25_000);
        assert!(table.language_model("grok-9").is_none());
    }

    #[test]
    fn a_price_that_is_too_large_is_not_cheap() {
        let mut model = ModelTable::built_in()
            .unwrap()
            .language_model("grok-4.3")
            .unwrap()
            .clone();
        model.read = UsdTicks::new(u64::MAX);
        assert_eq!(model.price(1_000_000, 0).ticks(), u64::MAX);
        assert_eq!(model.price(2_000_000, 1).ticks(), u64::MAX);
        assert_eq!(model.price(500_000, 0).ticks(), u64::MAX / 2 + 1);
    }
}
