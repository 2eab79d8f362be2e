//! Defines how values cross the boundary that are neither records nor enums.
//!
//! `UniFFI` reports a conversion that fails here as an internal error instead of a `VideoError`. Exported
//! functions therefore accept text that may be invalid as a `String` and parse it themselves. Names of the service,
//! such as models, are open sets and always convert.

use std::path::PathBuf;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::library::{ClipId, Seconds};
use crate::sandbox::Fault;
use crate::{AspectRatio, JobId, RecordId, Resolution, Timestamp, UsdTicks, VideoModel};

/// A JSON object, as text.
type JsonObject = Map<String, Value>;
/// Any JSON value, as text.
type Json = Value;
/// Minimum and maximum, in whole seconds.
type SecondsRange = [u32; 2];
/// Minimum and maximum, in seconds.
type ExactSecondsRange = [f64; 2];

uniffi::custom_type!(UsdTicks, u64, {
    lower: |amount| amount.ticks(),
    try_lift: |ticks| Ok(UsdTicks::new(ticks)),
});
// In milliseconds since the Unix epoch. UniFFI's own type for times has nanoseconds, which would not be equal after a
// round trip through JSON.
uniffi::custom_type!(Timestamp, u64, {
    lower: |time| time.as_millis(),
    try_lift: |millis| Ok(Timestamp::from_millis(millis)),
});
uniffi::custom_type!(VideoModel, String, {
    lower: |model| model.as_str().to_owned(),
    try_lift: |name| Ok(VideoModel::from(name)),
});
uniffi::custom_type!(Resolution, String, {
    lower: |resolution| resolution.as_str().to_owned(),
    try_lift: |name| Ok(Resolution::from(name)),
});
uniffi::custom_type!(AspectRatio, String, {
    lower: |ratio| ratio.as_str().to_owned(),
    try_lift: |name| Ok(AspectRatio::from(name)),
});
uniffi::custom_type!(ClipId, String, {
    lower: |id| id.as_str().to_owned(),
    try_lift: |id| Ok(ClipId::parse(&id)?),
});
uniffi::custom_type!(JobId, String, {
    lower: |id| id.as_str().to_owned(),
    try_lift: |id| Ok(JobId::parse(&id)?),
});
uniffi::custom_type!(RecordId, String, {
    lower: |id| id.into(),
    try_lift: |id| Ok(RecordId::parse(&id)?),
});
uniffi::custom_type!(Fault, String, {
    lower: |fault| fault.to_string(),
    try_lift: |text| Ok(text.parse()?),
});
uniffi::custom_type!(Seconds, f64, {
    lower: |seconds| seconds.as_f64(),
    try_lift: |seconds| Ok(serde_json::from_value(seconds.into())?),
});
// Lossy for paths that are not valid Unicode.
uniffi::custom_type!(PathBuf, String, {
    remote,
    lower: |path| path.to_string_lossy().into_owned(),
    try_lift: |text| Ok(PathBuf::from(text)),
});
uniffi::custom_type!(Bytes, Vec<u8>, {
    remote,
    lower: |bytes| bytes.into(),
    try_lift: |bytes| Ok(bytes.into()),
});
uniffi::custom_type!(JsonObject, String, {
    remote,
    lower: |object| serde_json::Value::Object(object).to_string(),
    try_lift: |text| Ok(serde_json::from_str(&text)?),
});
uniffi::custom_type!(Json, String, {
    remote,
    lower: |value| value.to_string(),
    try_lift: |text| Ok(serde_json::from_str(&text)?),
});
uniffi::custom_type!(SecondsRange, Vec<u32>, {
    remote,
    lower: |range| range.to_vec(),
    try_lift: |range| Ok(range.try_into().map_err(|_| not_a_range())?),
});
uniffi::custom_type!(ExactSecondsRange, Vec<f64>, {
    remote,
    lower: |range| range.to_vec(),
    try_lift: |range| Ok(range.try_into().map_err(|_| not_a_range())?),
});

fn not_a_range() -> std::io::Error {
    std::io::Error::new(
        std::io::ErrorKind::InvalidInput,
        "expected two values, a minimum and a maximum",
    )
}
