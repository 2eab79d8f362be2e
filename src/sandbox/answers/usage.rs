//! Tokens and what they cost, in ticks of 1e-10 USD. Integers only.

use serde_json::{Value, json};

/// Tokens that the service puts before every question; they are always in its cache.
const PREAMBLE: u64 = 128;
/// Tokens around every message.
const PER_MESSAGE: u64 = 4;
/// Above so many tokens of input everything costs twice.
const LONG: u64 = 200_000;
/// One web search: 5 USD a thousand.
const SEARCH_TICKS: u64 = 50_000_000;

/// Ticks a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Price {
    pub(super) input: u64,
    pub(super) cached: u64,
    pub(super) output: u64,
}

/// What a question and its answer used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Everything that went in.
    pub(super) input: u64,
    pub(super) image: u64,
    pub(super) cached: u64,
    /// What came out, without the reasoning.
    pub(super) visible: u64,
    pub(super) reasoning: u64,
    pub(super) searches: u64,
}

impl Usage {
    /// The input's part.
    pub(super) fn of_input(texts: u64, messages: u64, image: u64, earlier: u64) -> Self {
        Self {
            input: PREAMBLE + texts + messages * PER_MESSAGE + image + earlier,
            image,
            cached: PREAMBLE + earlier,
            ..Self::default()
        }
    }

    pub(super) fn ticks(&self, price: Price) -> u64 {
        let input = (self.input - self.cached) * price.input + self.cached * price.cached;
        let output = (self.visible + self.reasoning) * price.output;
        let twice = if self.input > LONG { 2 } else { 1 };
        (input + output) * twice + self.searches * SEARCH_TICKS
    }

    /// As Chat Completions names it: reasoning is not part of `completion_tokens`.
    pub(super) fn chat(&self, price: Price) -> Value {
        json!({
            "prompt_tokens": self.input,
            "completion_tokens": self.visible,
            "total_tokens": self.input + self.visible + self.reasoning,
            "prompt_tokens_details": {
                "text_tokens": self.input - self.image, "audio_tokens": 0,
                "image_tokens": self.image, "cached_tokens": self.cached,
            },
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
            "num_sources_used": 0,
            "cost_in_usd_ticks": self.ticks(price),
        })
    }

    /// As Responses names it: reasoning is part of `output_tokens`.
    pub(super) fn responses(&self, price: Price) -> Value {
        let output = self.visible + self.reasoning;
        json!({
            "input_tokens": self.input,
            "input_tokens_details": { "cached_tokens": self.cached },
            "output_tokens": output,
            "output_tokens_details": { "reasoning_tokens": self.reasoning },
            "total_tokens": self.input + output,
            "num_sources_used": 0,
            "num_server_side_tools_used": self.searches,
            "cost_in_usd_ticks": self.ticks(price),
            "server_side_tool_usage_details": {
                "web_search_calls": self.searches, "x_search_calls": 0, "code_interpreter_calls": 0,
                "file_search_calls": 0, "mcp_calls": 0, "document_search_calls": 0,
                "image_generation_calls": 0,
            },
        })
    }
}

/// Tokens of a text. Four characters of ASCII make one, any other letter or ideograph is one of its own, and what lies
/// beyond the first 65,536 characters, emoji among it, falls apart into its bytes: what such tokenizers do with
/// what they have rarely seen.
pub(super) fn of_text(text: &str) -> u64 {
    let (mut ascii, mut others) = (0_u64, 0_u64);
    for letter in text.chars() {
        match letter.len_utf8() {
            1 => ascii += 1,
            4 => others += 4,
            _ => others += 1,
        }
    }
    ascii.div_ceil(4) + others
}

/// Tokens of a picture: 256 for every tile of 448 pixels and one more, 1,792 at most.
pub(super) fn of_picture(width: usize, height: usize) -> u64 {
    let tiles = (width.div_ceil(448) * height.div_ceil(448)) as u64;
    (tiles * 256).clamp(256, 1_792)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_those_of_published_answers() {
        // grok-4.3: 197 in, 192 of them cached, 1 out, 146 reasoning.
        let price = Price {
            input: 12_500,
            cached: 2_000,
            output: 25_000,
        };
        let usage = Usage {
            input: 197,
            cached: 192,
            visible: 1,
            reasoning: 146,
            ..Usage::default()
        };
        assert_eq!(usage.ticks(price), 4_121_500);
        // grok-4.6 with one search: 5,165 in, 1,152 cached, 891 out with 860 of reasoning.
        let price = Price {
            input: 20_000,
            cached: 5_000,
            output: 60_000,
        };
        let usage = Usage {
            input: 5_165,
            cached: 1_152,
            visible: 31,
            reasoning: 860,
            searches: 1,
            ..Usage::default()
        };
        assert_eq!(usage.ticks(price), 189_480_000);
    }

    #[test]
    fn every_script_has_its_tokens() {
        assert_eq!(of_text("four letters"), 3);
        assert_eq!(of_text("\u{706f}\u{53f0}"), 2);
        assert_eq!(of_text("\u{1f3ae}"), 4);
        assert_eq!(of_text("a\u{e9}\u{1f3ae}"), 1 + 1 + 4);
    }

    #[test]
    fn long_inputs_cost_twice() {
        let price = Price {
            input: 10,
            cached: 1,
            output: 100,
        };
        let usage = |input| Usage {
            input,
            visible: 1,
            ..Usage::default()
        };
        assert_eq!(usage(200_000).ticks(price), 2_000_100);
        assert_eq!(usage(200_001).ticks(price), 2 * 2_000_110);
    }

    #[test]
    fn pictures_cost_256_to_1792() {
        assert_eq!(of_picture(1, 1), 256);
        assert_eq!(of_picture(448, 449), 512);
        assert_eq!(of_picture(4000, 3000), 1_792);
    }
}
