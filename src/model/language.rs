//! What language models cost: they plan prompts and describe clips.

use serde::{Deserialize, Serialize};

use super::price::dollars;
use crate::money::UsdTicks;

/// A language model of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct LanguageModel {
    /// Its name.
    pub id: String,
    /// Dollars for a million tokens that it reads.
    #[serde(rename = "usd_per_million_read", with = "dollars")]
    pub read: UsdTicks,
    /// Dollars for a million tokens that it writes, thoughts included.
    #[serde(rename = "usd_per_million_written", with = "dollars")]
    pub written: UsdTicks,
    /// The day the source was read, `YYYY-MM-DD`.
    pub date: String,
    /// Where the numbers come from.
    pub source: String,
}

impl LanguageModel {
    /// What so many tokens cost, rounded up to whole ticks.
    pub fn price(&self, read: u64, written: u64) -> UsdTicks {
        self.read.for_part(read, 1_000_000) + self.written.for_part(written, 1_000_000)
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
