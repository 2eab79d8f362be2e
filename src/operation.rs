//! What a request makes or asks for.
//!
//! Owns the names of the operations in records, sidecars and messages. Does not know how an operation is performed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a request makes or asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Operation {
    /// Makes a new clip from a prompt, images and voices.
    Generate,
    /// Makes a new clip that begins with a frame of another one. For the service this is a generation.
    Continue,
    /// Makes a changed copy of a clip.
    Edit,
    /// Adds seconds to the end of a clip.
    Extend,
    /// Asks a language model to describe a clip.
    Analyze,
    /// Saves the clip of a job that is known by its id alone.
    Pickup,
}

impl Operation {
    /// Returns the name in records, sidecars and JSON: `generate`, `continue`, `edit`, `extend`, `analyze` or `pickup`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Continue => "continue",
            Self::Edit => "edit",
            Self::Extend => "extend",
            Self::Analyze => "analyze",
            Self::Pickup => "pickup",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
