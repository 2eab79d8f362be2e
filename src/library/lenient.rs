//! Reads the objects of a sidecar leniently, and writes back everything that was read.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Removes `key` from `map` and returns its value if it has the type `T`. Null and other types remain in the map.
pub(super) fn take<T: DeserializeOwned>(map: &mut Map<String, Value>, key: &str) -> Option<T> {
    let value = map.get(key).filter(|value| !value.is_null())?;
    let taken = T::deserialize(value).ok()?;
    map.remove(key);
    Some(taken)
}

/// Declares an object of the sidecar with optional fields, each with its name in the JSON.
///
/// Reading never fails because of a field: null, values of another type and unknown names are kept in `extra`. Writing
/// follows the order of the declaration, then the rest of `extra` by name; a field that is set takes precedence over
/// its name in `extra`. A file that is read and written back has the same content, including nulls.
macro_rules! lenient {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$about:meta])* $field:ident: $type:ty = $key:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        #[non_exhaustive]
        #[cfg_attr(feature = "ffi", derive(uniffi::Record))]
        pub struct $name {
            $( $(#[$about])* pub $field: Option<$type>, )*
            /// The other fields: unknown names, nulls, and known names with a value of another type. Written back
            /// unchanged.
            pub extra: ::serde_json::Map<String, ::serde_json::Value>,
        }

        impl $name {
            const NAMES: &'static [&'static str] = &[$($key),*];

            /// Returns the known names whose value has an unexpected type. The values are in `extra`.
            pub fn unreadable(&self) -> Vec<&'static str> {
                let is_unreadable =
                    |name: &&str| self.extra.get(*name).is_some_and(|value| !value.is_null());
                Self::NAMES.iter().copied().filter(is_unreadable).collect()
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let mut extra = ::serde_json::Map::deserialize(deserializer)?;
                $( let $field = $crate::library::lenient::take(&mut extra, $key); )*
                Ok(Self { $($field,)* extra })
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use ::serde::ser::SerializeMap as _;
                let mut map = serializer.serialize_map(None)?;
                $(
                    if let Some(value) = &self.$field {
                        map.serialize_entry($key, value)?;
                    } else if let Some(value) = self.extra.get($key) {
                        map.serialize_entry($key, value)?;
                    }
                )*
                for (name, value) in &self.extra {
                    if !Self::NAMES.contains(&name.as_str()) {
                        map.serialize_entry(name, value)?;
                    }
                }
                map.end()
            }
        }
    };
}

pub(super) use lenient;
