//! The prices in the model table.

use serde::{Deserialize, Serialize};

use super::Resolution;
use crate::money::UsdTicks;

/// The unit that a price is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum PriceUnit {
    /// One second of the output clip, at the resolution of the row.
    OutputSecond,
    /// One input image: a start image, a reference or a pinned frame.
    InputImage,
    /// One second of the input clip.
    InputVideoSecond,
}

/// The price of one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Price {
    /// The unit.
    pub unit: PriceUnit,
    /// The resolution of the output, for [`PriceUnit::OutputSecond`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// The price of one unit, in dollars.
    #[serde(rename = "usd", with = "dollars")]
    pub amount: UsdTicks,
    /// The date on which the source was read, `YYYY-MM-DD`.
    pub date: String,
    /// The source of the price.
    pub source: String,
}

/// Reads and writes prices as text (`usd = "0.05"`), because a float is not exact.
pub(super) mod dollars {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    use crate::money::UsdTicks;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field")]
    pub(in crate::model) fn serialize<S: Serializer>(amount: &UsdTicks, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(amount.to_string().trim_start_matches('$'))
    }

    pub(in crate::model) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<UsdTicks, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}
