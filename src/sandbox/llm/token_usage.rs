//! Counts tokens and calculates their price, in ticks of 1e-10 USD. Calculates with integers only.

use serde_json::{Value, json};

/// Tokens that the service prepends to every question. They are always cached.
const PREAMBLE: u64 = 128;
/// Tokens around every message.
const PER_MESSAGE: u64 = 4;
/// Above this many input tokens every token costs twice as much.
const LONG_INPUT: u64 = 200_000;
/// The price of a web search: 5 USD per thousand.
const SEARCH_TICKS: u64 = 50_000_000;

/// Prices in ticks per token.
#[derive(Debug, Clone, Copy)]
pub(super) struct TokenPrice {
    pub(super) input: u64,
    pub(super) cached: u64,
    pub(super) output: u64,
}

/// The tokens and searches of a question and its answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TokenUsage {
    /// All input tokens, including pictures and cached ones.
    pub(super) input: u64,
    pub(super) image: u64,
    pub(super) cached: u64,
    /// Output tokens without the reasoning.
    pub(super) visible: u64,
    pub(super) reasoning: u64,
    pub(super) searches: u64,
}

impl TokenUsage {
    /// Returns the usage of a question that has no answer yet. `earlier` is the size of the conversation before it.
    pub(super) fn of_input(texts: u64, messages: u64, image: u64, earlier: u64) -> Self {
        Self {
            input: PREAMBLE + texts + messages * PER_MESSAGE + image + earlier,
            image,
            cached: PREAMBLE + earlier,
            ..Self::default()
        }
    }

    pub(super) fn ticks(&self, price: TokenPrice) -> u64 {
        let input = (self.input - self.cached) * price.input + self.cached * price.cached;
        let output = (self.visible + self.reasoning) * price.output;
        let factor = if self.input > LONG_INPUT { 2 } else { 1 };
        (input + output) * factor + self.searches * SEARCH_TICKS
    }

    /// Returns `usage` of Chat Completions, where reasoning is not part of `completion_tokens`.
    pub(super) fn chat(&self, price: TokenPrice) -> Value {
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

    /// Returns `usage` of Responses, where reasoning is part of `output_tokens`.
    pub(super) fn responses(&self, price: TokenPrice) -> Value {
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

/// Counts the tokens of a text: one per four ASCII characters, one per other character of the Basic Multilingual Plane,
/// and four per character beyond it, such as an emoji, which tokenizers split into bytes.
pub(super) fn text_tokens(text: &str) -> u64 {
    let (mut ascii, mut others) = (0_u64, 0_u64);
    for character in text.chars() {
        match character.len_utf8() {
            1 => ascii += 1,
            4 => others += 4,
            _ => others += 1,
        }
    }
    ascii.div_ceil(4) + others
}

/// Counts the tokens of a picture: 256 per started tile of 448x448 pixels, at most 1,792.
pub(super) fn picture_tokens(width: usize, height: usize) -> u64 {
    let tiles = (width.div_ceil(448) * height.div_ceil(448)) as u64;
    (tiles * 256).clamp(256, 1_792)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_match_published_answers() {
        // grok-4.3: 197 in, 192 of them cached, 1 out, 146 reasoning.
        let price = TokenPrice {
            input: 12_500,
            cached: 2_000,
            output: 25_000,
        };
        let usage = TokenUsage {
            input: 197,
            cached: 192,
            visible: 1,
            reasoning: 146,
            ..TokenUsage::default()
        };
        assert_eq!(usage.ticks(price), 4_121_500);
        // grok-4.6 with one search: 5,165 in, 1,152 cached, 891 out with 860 of reasoning.
        let price = TokenPrice {
            input: 20_000,
            cached: 5_000,
            output: 60_000,
        };
        let usage = TokenUsage {
            input: 5_165,
            cached: 1_152,
            visible: 31,
            reasoning: 860,
            searches: 1,
            ..TokenUsage::default()
        };
        assert_eq!(usage.ticks(price), 189_480_000);
    }

    #[test]
    fn tokens_depend_on_the_characters() {
        assert_eq!(text_tokens("four letters"), 3);
        assert_eq!(text_tokens("\u{706f}\u{53f0}"), 2);
        assert_eq!(text_tokens("\u{1f3ae}"), 4);
        assert_eq!(text_tokens("a\u{e9}\u{1f3ae}"), 1 + 1 + 4);
    }

    #[test]
    fn long_inputs_cost_twice_as_much() {
        let price = TokenPrice {
            input: 10,
            cached: 1,
            output: 100,
        };
        let usage = |input| TokenUsage {
            input,
            visible: 1,
            ..TokenUsage::default()
        };
        assert_eq!(usage(200_000).ticks(price), 2_000_100);
        assert_eq!(usage(200_001).ticks(price), 2 * 2_000_110);
    }

    #[test]
    fn pictures_cost_256_to_1792() {
        assert_eq!(picture_tokens(1, 1), 256);
        assert_eq!(picture_tokens(448, 449), 512);
        assert_eq!(picture_tokens(4000, 3000), 1_792);
    }
}
