//! Lists the video models that the API key can use.

use serde_json::Value;

use super::lenient_json;

use super::error_reply::ErrorReply;
use crate::error::{Error, Result};
use crate::http::{Http, SendError};
use crate::model::VideoModel;
use crate::provider::VisibleModel;

const ACTION: &str = "list the models";

pub(super) async fn list(http: &Http) -> Result<Vec<VisibleModel>> {
    let reply = http
        .get(&["video-generation-models"])
        .await
        .map_err(SendError::into_error)?;
    if reply.status != 200 {
        return Err(ErrorReply::parse(&reply).into_error(ACTION));
    }
    read_list(&reply.body)
        .ok_or_else(|| Error::protocol(format!("{ACTION}: the reply is not a list of models")))
}

/// Reads the list of models. Returns `None` unless each model has an id; aliases are optional.
pub(super) fn read_list(body: &[u8]) -> Option<Vec<VisibleModel>> {
    let list = lenient_json::parse(body)?;
    let read_model = |model: &Value| {
        Some(VisibleModel {
            id: VideoModel::from(model["id"].as_str()?),
            aliases: serde_json::from_value(model["aliases"].clone()).unwrap_or_default(),
        })
    };
    list["models"].as_array()?.iter().map(read_model).collect()
}
