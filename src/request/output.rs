//! Where the service keeps or uploads a result, besides its own CDN.

use std::fmt;
use std::time::Duration;

/// Keeps the result in the service's Files API, in addition to the download.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct StorageOptions {
    /// The file name in the Files API.
    pub filename: String,
    /// Time until the file expires: one hour to 30 days, in whole seconds. `None` keeps the file forever.
    pub expires_after: Option<Duration>,
    /// A public link to the file; `None` creates no link.
    pub public_url: Option<PublicUrl>,
}

impl StorageOptions {
    /// Creates options for a file that never expires and has no public link.
    pub fn new(filename: impl Into<String>) -> Self {
        Self {
            filename: filename.into(),
            expires_after: None,
            public_url: None,
        }
    }

    /// Sets the time until the file expires.
    pub const fn expires_after(mut self, life: Duration) -> Self {
        self.expires_after = Some(life);
        self
    }

    /// Requests a link that anyone can open.
    pub const fn public_url(mut self, link: PublicUrl) -> Self {
        self.public_url = Some(link);
        self
    }
}

/// When a public link expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Enum))]
pub enum PublicUrl {
    /// The link expires with the file.
    LikeTheFile,
    /// The link expires after one hour to 30 days.
    ExpiresAfter(Duration),
}

/// Where the service uploads the finished clip, and where the client downloads it from afterwards.
///
/// Both are signed URLs, so neither is shown: `Debug` prints only their hosts.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(feature = "ffi", derive(uniffi::Record))]
pub struct UploadTarget {
    /// A signed URL that accepts an HTTP `PUT` of `video/mp4`. It must stay valid until the clip is generated.
    pub upload_url: String,
    /// A signed URL that returns the uploaded object. Without it the client cannot download the clip, and waiting for
    /// the job ends with an error that says so.
    pub fetch_url: Option<String>,
}

impl UploadTarget {
    /// Creates a target from a signed URL for `PUT`.
    pub fn new(upload_url: impl Into<String>) -> Self {
        Self {
            upload_url: upload_url.into(),
            fetch_url: None,
        }
    }

    /// Sets the signed URL to download the clip from.
    pub fn fetch_url(mut self, url: impl Into<String>) -> Self {
        self.fetch_url = Some(url.into());
        self
    }
}

impl fmt::Debug for UploadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadTarget")
            .field("upload_url", &crate::error::redact_url(&self.upload_url))
            .field(
                "fetch_url",
                &self.fetch_url.as_deref().map(crate::error::redact_url),
            )
            .finish()
    }
}
