//! The bodies of the two routes as they come in.
//!
//! Types only: what does not fit is 422 in the words of the JSON reader. Unknown fields are let pass, as the
//! service does; `rules` judges what fits.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// `POST /v1/chat/completions`
#[derive(Debug, Deserialize)]
pub(super) struct ChatBody {
    pub(super) model: String,
    pub(super) messages: Vec<ChatMessage>,
    pub(super) tools: Option<Vec<ChatTool>>,
    pub(super) tool_choice: Option<ChatChoice>,
    pub(super) response_format: Option<ChatFormat>,
    pub(super) max_completion_tokens: Option<u64>,
    pub(super) max_tokens: Option<u64>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) stream: Option<bool>,
    pub(super) stream_options: Option<StreamOptions>,
    pub(super) reasoning_effort: Option<String>,
    pub(super) deferred: Option<bool>,
    pub(super) n: Option<i64>,
    pub(super) stop: Option<Value>,
    pub(super) presence_penalty: Option<f64>,
    pub(super) frequency_penalty: Option<f64>,
    /// This and the rest are typed for their 422 alone.
    #[serde(rename = "service_tier")]
    pub(super) _service_tier: Option<String>,
    #[serde(rename = "parallel_tool_calls")]
    pub(super) _parallel_tool_calls: Option<bool>,
    #[serde(rename = "parallel_function_calling")]
    pub(super) _parallel_function_calling: Option<bool>,
    #[serde(rename = "user")]
    pub(super) _user: Option<String>,
    #[serde(rename = "prompt_cache_key")]
    pub(super) _prompt_cache_key: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StreamOptions {
    pub(super) include_usage: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Function,
}

#[derive(Debug, Deserialize)]
pub(super) struct ChatMessage {
    pub(super) role: Role,
    pub(super) content: Option<ChatContent>,
    pub(super) tool_calls: Option<Vec<ChatCall>>,
    pub(super) tool_call_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ChatContent {
    Text(String),
    Parts(Vec<ChatPart>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ChatPart {
    Text { text: String },
    ImageUrl { image_url: ImageUrl },
    File { file: FileId },
}

#[derive(Debug, Deserialize)]
pub(super) struct ImageUrl {
    pub(super) url: String,
    #[serde(rename = "detail")]
    pub(super) _detail: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FileId {
    pub(super) file_id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ChatCall {
    pub(super) id: String,
    pub(super) function: CalledFunction,
}

#[derive(Debug, Deserialize)]
pub(super) struct CalledFunction {
    pub(super) name: String,
    pub(super) arguments: String,
}

/// In Chat Completions a function is nested.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ChatTool {
    Function { function: FunctionTool },
}

#[derive(Debug, Deserialize)]
pub(super) struct FunctionTool {
    pub(super) name: String,
    pub(super) parameters: Option<Map<String, Value>>,
    #[serde(rename = "description")]
    pub(super) _description: Option<String>,
    #[serde(rename = "strict")]
    pub(super) _strict: Option<bool>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ChoiceWord {
    Auto,
    None,
    Required,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ChatChoice {
    Word(ChoiceWord),
    Named(ChatNamed),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ChatNamed {
    Function { function: Name },
}

#[derive(Debug, Deserialize)]
pub(super) struct Name {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ChatFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: NamedSchema },
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedSchema {
    pub(super) name: String,
    pub(super) schema: Map<String, Value>,
    #[serde(rename = "description")]
    pub(super) _description: Option<String>,
    #[serde(rename = "strict")]
    pub(super) _strict: Option<bool>,
}

/// `POST /v1/responses`
#[derive(Debug, Deserialize)]
pub(super) struct ResponsesBody {
    pub(super) model: String,
    pub(super) input: Input,
    pub(super) instructions: Option<String>,
    pub(super) tools: Option<Vec<Tool>>,
    pub(super) tool_choice: Option<Choice>,
    pub(super) reasoning: Option<Reasoning>,
    pub(super) text: Option<TextOptions>,
    pub(super) max_output_tokens: Option<u64>,
    pub(super) max_turns: Option<i64>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) store: Option<bool>,
    pub(super) include: Option<Vec<String>>,
    pub(super) previous_response_id: Option<String>,
    pub(super) stream: Option<bool>,
    pub(super) metadata: Option<Map<String, Value>>,
    pub(super) user: Option<String>,
    pub(super) parallel_tool_calls: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Input {
    Text(String),
    Items(Vec<Item>),
}

/// An item of the input; which fields it needs depends on its type.
#[derive(Debug, Deserialize)]
pub(super) struct Item {
    #[serde(rename = "type", default)]
    pub(super) kind: ItemKind,
    pub(super) role: Option<Role>,
    pub(super) content: Option<Content>,
    pub(super) call_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) arguments: Option<String>,
    pub(super) output: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ItemKind {
    #[default]
    Message,
    FunctionCall,
    FunctionCallOutput,
    Reasoning,
    ItemReference,
    WebSearchCall,
    XSearchCall,
    CodeInterpreterCall,
    FileSearchCall,
    McpCall,
    CustomToolCall,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part {
    InputText {
        text: String,
    },
    OutputText {
        text: String,
    },
    /// Here the picture is a bare string, unlike in Chat Completions.
    InputImage {
        image_url: Option<String>,
        file_id: Option<String>,
        #[serde(rename = "detail")]
        _detail: Option<IgnoredAny>,
    },
    InputFile {
        file_id: Option<String>,
        file_url: Option<String>,
    },
    Refusal {
        refusal: String,
    },
}

/// In Responses a function is flat.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Tool {
    Function(FunctionTool),
    WebSearch(Map<String, Value>),
    XSearch(IgnoredAny),
    CodeInterpreter(IgnoredAny),
    FileSearch(IgnoredAny),
    Mcp(IgnoredAny),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Choice {
    Word(ChoiceWord),
    Named(Named),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Named {
    Function { name: String },
}

#[derive(Debug, Deserialize)]
pub(super) struct Reasoning {
    pub(super) effort: Option<String>,
    #[serde(rename = "summary")]
    pub(super) _summary: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TextOptions {
    pub(super) format: Option<Format>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Format {
    Text,
    JsonObject,
    JsonSchema(NamedSchema),
}
