//! The language models: names, prices, and which words for the effort of reasoning each takes.
//!
//! Prices of `grok-4.3` are those of the contract; those of the others are what published usages with a
//! `cost_in_usd_ticks` come out at.

use serde_json::{Value, json};

use super::usage::Price;

/// How hard a model is to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    None,
    Low,
    Medium,
    High,
    XHigh,
}

impl Effort {
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Self::None,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" => Self::XHigh,
            _ => return None,
        })
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
        }
    }
}

/// A language model of the service.
#[derive(Debug)]
pub(super) struct Language {
    pub(super) id: &'static str,
    aliases: &'static [&'static str],
    created: i64,
    pub(super) price: Price,
    /// What `reasoning_effort` may be; empty = the parameter itself is refused.
    pub(super) efforts: &'static [Effort],
    /// Without the parameter.
    pub(super) usual: Effort,
}

/// Ticks a token.
const CHEAP: Price = Price {
    input: 12_500,
    cached: 2_000,
    output: 25_000,
};
const DEAR: Price = Price {
    input: 20_000,
    cached: 5_000,
    output: 60_000,
};

const LATER: [Effort; 5] = [
    Effort::None,
    Effort::Low,
    Effort::Medium,
    Effort::High,
    Effort::XHigh,
];

static MODELS: [Language; 6] = [
    Language {
        id: "grok-4.3",
        aliases: &["grok-4.3-latest"],
        created: 1_776_211_200,
        price: CHEAP,
        efforts: &[Effort::None, Effort::Low, Effort::Medium, Effort::High],
        usual: Effort::Low,
    },
    Language {
        id: "grok-4.5",
        aliases: &[],
        created: 1_780_272_000,
        price: DEAR,
        efforts: &LATER,
        usual: Effort::High,
    },
    Language {
        id: "grok-4.6",
        aliases: &[],
        created: 1_783_900_800,
        price: DEAR,
        efforts: &LATER,
        usual: Effort::High,
    },
    Language {
        id: "grok-4.7",
        aliases: &["grok-4.7-latest"],
        created: 1_788_220_800,
        price: DEAR,
        efforts: &[Effort::Low, Effort::Medium, Effort::High, Effort::XHigh],
        usual: Effort::High,
    },
    Language {
        id: "grok-4.20-0309-reasoning",
        aliases: &["grok-4.20-reasoning"],
        created: 1_773_014_400,
        price: DEAR,
        efforts: &[],
        usual: Effort::Medium,
    },
    Language {
        id: "grok-4.20-0309-non-reasoning",
        aliases: &["grok-4.20-non-reasoning"],
        created: 1_773_014_400,
        price: DEAR,
        efforts: &[],
        usual: Effort::None,
    },
];

impl Language {
    pub(super) fn all() -> &'static [Self] {
        &MODELS
    }

    pub(super) fn find(name: &str) -> Option<&'static Self> {
        MODELS
            .iter()
            .find(|model| model.id == name || model.aliases.contains(&name))
    }

    pub(super) fn short(&self) -> Value {
        json!({ "id": self.id, "created": self.created, "object": "model", "owned_by": "xai" })
    }

    /// As `GET /v1/language-models` lists it. Cents for 100 million tokens are the same number as ticks a token.
    pub(super) fn entry(&self) -> Value {
        json!({
            "id": self.id, "aliases": self.aliases, "created": self.created, "fingerprint": super::FINGERPRINT,
            "object": "model", "owned_by": "xai", "version": "1.0",
            "input_modalities": ["text", "image"], "output_modalities": ["text"],
            "prompt_text_token_price": self.price.input, "prompt_image_token_price": self.price.input,
            "cached_prompt_text_token_price": self.price.cached,
            "completion_text_token_price": self.price.output,
        })
    }
}
