//! Names that the service defines. The sets are open: an unknown name is kept and sent.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! open_name {
    ($(#[$doc:meta])* $name:ident { $($(#[$const_doc:meta])* $constant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Cow<'static, str>);

        impl $name {
            $($(#[$const_doc])* pub const $constant: Self = Self(Cow::Borrowed($text));)*

            /// Creates a name, which need not be known to this crate.
            pub fn new(name: impl Into<String>) -> Self {
                Self(Cow::Owned(name.into()))
            }

            /// Returns the name as the service spells it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self::new(name)
            }
        }
    };
}

open_name! {
    /// The name of a video model. Aliases are sent unchanged; the service resolves them.
    VideoModel {
        /// `grok-imagine-video`, the classic model: the only one that supports every operation.
        CLASSIC = "grok-imagine-video",
        /// `grok-imagine-video-1.5`: supports 1080p, voices and pinned frames, but neither edit nor extend.
        V1_5 = "grok-imagine-video-1.5",
        /// `grok-imagine-video-1.5-lite`: text and image to video, at a lower price.
        V1_5_LITE = "grok-imagine-video-1.5-lite",
    }
}

open_name! {
    /// A resolution class, such as `720p`. The number is roughly the length of the shorter side in pixels.
    Resolution {
        /// `480p`
        P480 = "480p",
        /// `720p`
        P720 = "720p",
        /// `1080p`
        P1080 = "1080p",
    }
}

impl Resolution {
    /// Returns the nominal number of lines: 720 for `720p`. Returns `None` if the name does not have this form.
    pub fn lines(&self) -> Option<u32> {
        self.as_str().strip_suffix('p')?.parse().ok()
    }
}

open_name! {
    /// A ratio of width to height, such as `16:9`.
    AspectRatio {
        /// `16:9`
        WIDE = "16:9",
        /// `9:16`
        TALL = "9:16",
        /// `1:1`
        SQUARE = "1:1",
    }
}

impl AspectRatio {
    /// Returns width divided by height, or `None` if the name does not have the form `16:9`.
    pub fn value(&self) -> Option<f64> {
        let (width, height) = self.as_str().split_once(':')?;
        let (width, height): (u32, u32) = (width.parse().ok()?, height.parse().ok()?);
        (width > 0 && height > 0).then(|| f64::from(width) / f64::from(height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_kept() {
        assert_eq!(Resolution::from("2160p").lines(), Some(2160));
        assert_eq!(Resolution::from("cinema").lines(), None);
        assert_eq!(AspectRatio::from("21:9").value(), Some(21.0 / 9.0));
        assert_eq!(AspectRatio::from("auto").value(), None);
        assert_eq!(AspectRatio::from("1:0").value(), None);
        assert_eq!(
            VideoModel::from("grok-imagine-video-9").to_string(),
            "grok-imagine-video-9"
        );
    }
}
