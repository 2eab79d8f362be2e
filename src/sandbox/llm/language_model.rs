//! The language models: names, prices, and the reasoning efforts that each accepts.
//!
//! The prices of `grok-4.3` are those of the API documentation. The others were computed from published replies that
//! contain `cost_in_usd_ticks`.

use serde_json::{Value, json};

use super::token_usage::TokenPrice;

/// The `system_fingerprint` of every answer.
pub(super) const FINGERPRINT: &str = "fp_5a4d0b0c5b";

/// The reasoning effort of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    None,
    Low,
    Medium,
    High,
    XHigh,
}

impl Effort {
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
pub(crate) struct LanguageModel {
    pub(crate) id: &'static str,
    aliases: &'static [&'static str],
    created_unix_seconds: i64,
    pub(super) price: TokenPrice,
    /// The accepted values of `reasoning_effort`. If empty, a request with the parameter is rejected.
    pub(super) efforts: &'static [Effort],
    /// The effort of a request without the parameter.
    pub(super) default_effort: Effort,
}

const PRICE_4_3: TokenPrice = TokenPrice {
    input: 12_500,
    cached: 2_000,
    output: 25_000,
};
const PRICE_DEFAULT: TokenPrice = TokenPrice {
    input: 20_000,
    cached: 5_000,
    output: 60_000,
};

const ALL_EFFORTS: [Effort; 5] = [
    Effort::None,
    Effort::Low,
    Effort::Medium,
    Effort::High,
    Effort::XHigh,
];

static MODELS: [LanguageModel; 6] = [
    LanguageModel {
        id: "grok-4.3",
        aliases: &["grok-4.3-latest"],
        created_unix_seconds: 1_776_211_200,
        price: PRICE_4_3,
        efforts: &[Effort::None, Effort::Low, Effort::Medium, Effort::High],
        default_effort: Effort::Low,
    },
    LanguageModel {
        id: "grok-4.5",
        aliases: &[],
        created_unix_seconds: 1_780_272_000,
        price: PRICE_DEFAULT,
        efforts: &ALL_EFFORTS,
        default_effort: Effort::High,
    },
    LanguageModel {
        id: "grok-4.6",
        aliases: &[],
        created_unix_seconds: 1_783_900_800,
        price: PRICE_DEFAULT,
        efforts: &ALL_EFFORTS,
        default_effort: Effort::High,
    },
    LanguageModel {
        id: "grok-4.7",
        aliases: &["grok-4.7-latest"],
        created_unix_seconds: 1_788_220_800,
        price: PRICE_DEFAULT,
        efforts: &[Effort::Low, Effort::Medium, Effort::High, Effort::XHigh],
        default_effort: Effort::High,
    },
    LanguageModel {
        id: "grok-4.20-0309-reasoning",
        aliases: &["grok-4.20-reasoning"],
        created_unix_seconds: 1_773_014_400,
        price: PRICE_DEFAULT,
        efforts: &[],
        default_effort: Effort::Medium,
    },
    LanguageModel {
        id: "grok-4.20-0309-non-reasoning",
        aliases: &["grok-4.20-non-reasoning"],
        created_unix_seconds: 1_773_014_400,
        price: PRICE_DEFAULT,
        efforts: &[],
        default_effort: Effort::None,
    },
];

impl LanguageModel {
    pub(crate) fn all() -> &'static [Self] {
        &MODELS
    }

    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        MODELS
            .iter()
            .find(|model| model.id == name || model.aliases.contains(&name))
    }

    /// Returns the entry of `GET /v1/models`.
    pub(crate) fn short_entry(&self) -> Value {
        json!({ "id": self.id, "created": self.created_unix_seconds, "object": "model", "owned_by": "xai" })
    }

    /// Returns the entry of `GET /v1/language-models`. The service states prices in cents per 100
    /// million tokens, which equal ticks per token.
    pub(crate) fn entry(&self) -> Value {
        json!({
            "id": self.id, "aliases": self.aliases, "created": self.created_unix_seconds, "fingerprint": FINGERPRINT,
            "object": "model", "owned_by": "xai", "version": "1.0",
            "input_modalities": ["text", "image"], "output_modalities": ["text"],
            "prompt_text_token_price": self.price.input, "prompt_image_token_price": self.price.input,
            "cached_prompt_text_token_price": self.price.cached,
            "completion_text_token_price": self.price.output,
        })
    }
}
