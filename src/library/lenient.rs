//! How a sidecar's objects are read leniently and written strictly.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Takes `key` out of `map` if its value has the type asked for. Anything else (null too) stays.
pub(super) fn take<T: DeserializeOwned>(map: &mut Map<String, Value>, key: &str) -> Option<T> {
    let value = map.get(key).filter(|value| !value.is_null())?;
    let taken = T::deserialize(value).ok()?;
    map.remove(key);
    Some(taken)
}

/// Declares an object of the sidecar: every field optional, each with its name in the JSON.
///
/// Reading never fails on a field: what a field cannot hold (null, another type) and what has no
/// field stays in `extra` under its own name. Writing goes in the order of the declaration, then the
/// rest of `extra` by name; a field that is set wins over its name in `extra`. So a file that is read
/// and written back holds what it held, nulls included.
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
            /// What else the object held: names that are not known here, nulls, and known names with
            /// a value of another type. Written back as it is.
            pub extra: ::serde_json::Map<String, ::serde_json::Value>,
        }

        impl $name {
            const NAMES: &'static [&'static str] = &[$($key),*];

            /// The known names that held a value of an unexpected type. The value itself is in
            /// `extra`.
            pub fn unreadable(&self) -> Vec<&'static str> {
                let held = |name: &&str| self.extra.get(*name).is_some_and(|value| !value.is_null());
                Self::NAMES.iter().copied().filter(held).collect()
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
