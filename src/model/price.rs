//! A price row of the table.

use serde::{Deserialize, Serialize};

use super::Resolution;
use crate::money::UsdTicks;

/// What a price is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum PriceUnit {
    /// One second of the clip that is made, at the row's resolution.
    OutputSecond,
    /// One picture that goes in: a start image, a reference, a pinned frame.
    InputImage,
    /// One second of the clip that goes in.
    InputVideoSecond,
}

/// One row: so much for one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct Price {
    /// What is counted.
    pub unit: PriceUnit,
    /// The resolution of the output, for [`PriceUnit::OutputSecond`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// Dollars for one unit.
    #[serde(rename = "usd", with = "dollars")]
    pub amount: UsdTicks,
    /// The day the source was read, `YYYY-MM-DD`.
    pub date: String,
    /// Where the number comes from.
    pub source: String,
}

/// Prices are text in the table (`usd = "0.05"`): a float could not hold them.
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
