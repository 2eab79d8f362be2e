//! Why a request has no reply, and whether the service may have received it.

use crate::error::Error;

/// Why a request has no reply.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The service cannot have received the request: it was not sent, or not completely.
    NotSent(Error),
    /// The service may have received the request.
    Unknown(Error),
}

impl SendError {
    /// Decides whether a request that failed may have been sent.
    pub(super) fn from_reqwest(doing: &str, error: reqwest::Error) -> Self {
        if error.is_connect() || error.is_builder() {
            Self::NotSent(network_error(doing, error))
        } else {
            Self::Unknown(network_error(doing, error))
        }
    }

    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::NotSent(error) | Self::Unknown(error) => error,
        }
    }
}

/// Describes a network failure in one line. Unless it is a timeout, uses only the innermost cause, because the outer
/// ones are generic.
pub(super) fn network_error(doing: &str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let what = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        let mut cause: &dyn std::error::Error = &error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        cause.to_string().to_lowercase()
    };
    Error::network(format!("{doing}: {what}"))
}
