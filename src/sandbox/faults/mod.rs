//! Scripted faults: what goes wrong, when, and how often.
//!
//! Owns the table of kinds (`kind`), the text form of faults (`spec`, `values`, `words`), the script in force
//! (`script`) and what a fault does to a reply (`effects`). Faults that concern one route only are applied by that
//! route.

pub(crate) mod effects;
mod kind;
pub(crate) mod script;
mod spec;
mod values;
mod words;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::kind::FaultKind;
pub(crate) use self::kind::Stage;
pub use self::words::{FaultOperation, ModerationShape, RateLimitCause};

/// A fault with its conditions.
///
/// As text: `[OPERATION:]KIND[=VALUE][,times=N][,after=N][,prompt=WORDS]`. Without `times` it applies every time;
/// `after` skips that many requests first; `prompt` limits it to jobs whose prompt contains these words.
/// [`Fault::HELP`] lists the kinds. In JSON a fault is the same text, as a string.
///
/// ```
/// # #[cfg(feature = "sandbox")] {
/// use reelkin::sandbox::{Fault, FaultKind, FaultOperation};
/// let fault: Fault = "create:lost-reply,times=1".parse().unwrap();
/// assert_eq!(fault, Fault::new(FaultKind::LostReply).on(FaultOperation::Create).times(1));
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    kind: FaultKind,
    operation: Option<FaultOperation>,
    times: Option<u32>,
    after: u32,
    prompt: Option<String>,
}

impl Fault {
    /// The syntax of a fault and all kinds, for the help of a program.
    pub const HELP: &str = kind::HELP;

    /// Returns a fault that applies every time, to the default operation of its kind or, if it has none, to all.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            operation: kind.default_operation(),
            kind,
            times: None,
            after: 0,
            prompt: None,
        }
    }

    /// Limits the fault to this kind of request.
    pub fn on(mut self, operation: FaultOperation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Removes the fault after it has applied this many times.
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Skips this many requests before the fault applies. A request to which an earlier fault applied, other than a
    /// delay, is not counted.
    pub fn after(mut self, requests: u32) -> Self {
        self.after = requests;
        self
    }

    /// Limits the fault to jobs whose prompt contains these words.
    pub fn prompt(mut self, words: impl Into<String>) -> Self {
        self.prompt = Some(words.into());
        self
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fault {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
