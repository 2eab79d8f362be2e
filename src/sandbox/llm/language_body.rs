//! The request bodies of Responses and Chat Completions as the service parses them.
//!
//! Owns names and types only: a body that does not match is rejected with status 422 and the message of the JSON parser.
//! Unknown fields are ignored, as the service does; `question` checks the values. The names of the types are part
//! of those messages, so renaming one changes the wire format.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// `POST /v1/chat/completions`
#[derive(Debug, Deserialize)]
pub(crate) struct ChatBody {
    pub(crate) model: String,
    pub(crate) messages: Vec<ChatMessage>,
    pub(crate) tools: Option<Vec<ChatTool>>,
    pub(crate) tool_choice: Option<ChatChoice>,
    pub(crate) response_format: Option<ChatFormat>,
    pub(crate) max_completion_tokens: Option<u64>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) stream: Option<bool>,
    pub(crate) stream_options: Option<StreamOptions>,
    pub(crate) reasoning_effort: Option<String>,
    pub(crate) deferred: Option<bool>,
    pub(crate) n: Option<i64>,
    pub(crate) stop: Option<Value>,
    pub(crate) presence_penalty: Option<f64>,
    pub(crate) frequency_penalty: Option<f64>,
    // The fields with an underscore are parsed only so that a wrong type is rejected.
    #[serde(rename = "service_tier")]
    pub(crate) _service_tier: Option<String>,
    #[serde(rename = "parallel_tool_calls")]
    pub(crate) _parallel_tool_calls: Option<bool>,
    #[serde(rename = "parallel_function_calling")]
    pub(crate) _parallel_function_calling: Option<bool>,
    #[serde(rename = "user")]
    pub(crate) _user: Option<String>,
    #[serde(rename = "prompt_cache_key")]
    pub(crate) _prompt_cache_key: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StreamOptions {
    pub(crate) include_usage: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
    Function,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChatMessage {
    pub(crate) role: Role,
    pub(crate) content: Option<ChatContent>,
    pub(crate) tool_calls: Option<Vec<ChatCall>>,
    pub(crate) tool_call_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum ChatContent {
    Text(String),
    Parts(Vec<ChatPart>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ChatPart {
    Text { text: String },
    ImageUrl { image_url: ImageUrl },
    File { file: FileId },
}

#[derive(Debug, Deserialize)]
pub(crate) struct ImageUrl {
    pub(crate) url: String,
    #[serde(rename = "detail")]
    pub(crate) _detail: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FileId {
    pub(crate) file_id: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ChatCall {
    pub(crate) id: String,
    pub(crate) function: CalledFunction,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CalledFunction {
    pub(crate) name: String,
    pub(crate) arguments: String,
}

/// A tool of Chat Completions. The function is an object in the field `function`.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ChatTool {
    Function { function: FunctionTool },
}

#[derive(Debug, Deserialize)]
pub(crate) struct FunctionTool {
    pub(crate) name: String,
    pub(crate) parameters: Option<Map<String, Value>>,
    #[serde(rename = "description")]
    pub(crate) _description: Option<String>,
    #[serde(rename = "strict")]
    pub(crate) _strict: Option<bool>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChoiceWord {
    Auto,
    None,
    Required,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum ChatChoice {
    Word(ChoiceWord),
    Named(ChatNamed),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ChatNamed {
    Function { function: Name },
}

#[derive(Debug, Deserialize)]
pub(crate) struct Name {
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ChatFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: NamedSchema },
}

#[derive(Debug, Deserialize)]
pub(crate) struct NamedSchema {
    pub(crate) name: String,
    pub(crate) schema: Map<String, Value>,
    #[serde(rename = "description")]
    pub(crate) _description: Option<String>,
    #[serde(rename = "strict")]
    pub(crate) _strict: Option<bool>,
}

/// `POST /v1/responses`
#[derive(Debug, Deserialize)]
pub(crate) struct ResponsesBody {
    pub(crate) model: String,
    pub(crate) input: Input,
    pub(crate) instructions: Option<String>,
    pub(crate) tools: Option<Vec<Tool>>,
    pub(crate) tool_choice: Option<Choice>,
    pub(crate) reasoning: Option<Reasoning>,
    pub(crate) text: Option<TextOptions>,
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) max_turns: Option<i64>,
    pub(crate) temperature: Option<f64>,
    pub(crate) top_p: Option<f64>,
    pub(crate) store: Option<bool>,
    pub(crate) include: Option<Vec<String>>,
    pub(crate) previous_response_id: Option<String>,
    pub(crate) stream: Option<bool>,
    pub(crate) metadata: Option<Map<String, Value>>,
    pub(crate) user: Option<String>,
    pub(crate) parallel_tool_calls: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Input {
    Text(String),
    Items(Vec<Item>),
}

/// An item of the input. Its type determines which fields it needs.
#[derive(Debug, Deserialize)]
pub(crate) struct Item {
    #[serde(rename = "type", default)]
    pub(crate) kind: ItemKind,
    pub(crate) role: Option<Role>,
    pub(crate) content: Option<Content>,
    pub(crate) call_id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) arguments: Option<String>,
    pub(crate) output: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ItemKind {
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
pub(crate) enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Part {
    InputText {
        text: String,
    },
    OutputText {
        text: String,
    },
    /// `image_url` is a string here, and an object in Chat Completions.
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

/// A tool of Responses. The fields of a function are those of the tool itself.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Tool {
    Function(FunctionTool),
    WebSearch(Map<String, Value>),
    XSearch(IgnoredAny),
    CodeInterpreter(IgnoredAny),
    FileSearch(IgnoredAny),
    Mcp(IgnoredAny),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Choice {
    Word(ChoiceWord),
    Named(Named),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Named {
    Function { name: String },
}

#[derive(Debug, Deserialize)]
pub(crate) struct Reasoning {
    pub(crate) effort: Option<String>,
    #[serde(rename = "summary")]
    pub(crate) _summary: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TextOptions {
    pub(crate) format: Option<Format>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Format {
    Text,
    JsonObject,
    JsonSchema(NamedSchema),
}
