//! A library by its URL.

use std::path::Path;

use url::Url;

use super::Library;
use crate::error::{Error, ErrorKind, Result};

/// What a person writes for a bucket where a folder is asked for.
pub(super) fn written_in(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let (scheme, _) = text.split_once("://")?;
    // One letter is a drive.
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(known);
    is_scheme.then_some(text)
}

impl Library {
    /// A library in a bucket, `s3://bucket/prefix` (with the feature `s3`), or in the folder of a
    /// `file` URL. Amazon's own `https` addresses of a bucket are understood as well.
    ///
    /// Key, region, endpoint and the like are read from the environment, as every tool for S3 reads
    /// them: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`,
    /// `AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`; else the role of the machine is used. Files in `~/.aws` are
    /// not. Nothing is asked of the bucket yet; [`writable`](Self::writable) does that, and every verb
    /// calls it before anything is paid.
    ///
    /// Every wait is bounded: 5 s for a connection, 60 s for a request, at most 3 repeats of one that
    /// failed in a way that may pass, none of them begun later than 30 s after the first.
    ///
    /// Use a library with one runtime: its connections live there.
    ///
    /// # Errors
    /// `Config` for what is no such URL, holds a user, a password or a query, or needs a feature that
    /// this build lacks; and for settings in the environment that cannot be right.
    pub fn open_url(url: &str) -> Result<Self> {
        let wrong =
            |what: &str, why: &str| Error::new(ErrorKind::Config, format!("open library {what}: {why}"));
        // Until it is known to hold no password, not a letter of it is shown.
        let parsed =
            Url::parse(url).map_err(|_| wrong("by its url", "it is none; write it as s3://bucket/prefix"))?;
        let secret = !parsed.username().is_empty() || parsed.password().is_some();
        if secret || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(wrong(
                "by its url",
                "it has a user, a query or a fragment; credentials are read from the environment",
            ));
        }
        let shown = parsed.as_str().trim_end_matches('/');
        match parsed.scheme() {
            "file" => match parsed.to_file_path() {
                Ok(folder) => Self::open(folder),
                Err(()) => Err(wrong(shown, "it names no folder of this machine")),
            },
            "s3" | "s3a" | "https" => s3(&parsed, shown),
            _ => Err(wrong(
                shown,
                "this kind is not known; open the store with object_store, and give it to Library::on_store",
            )),
        }
    }
}

#[cfg(not(feature = "s3"))]
fn s3(_: &Url, shown: &str) -> Result<Library> {
    Err(Error::new(
        ErrorKind::Config,
        format!("open library {shown}: this build has no buckets: it lacks the feature s3"),
    ))
}

#[cfg(feature = "s3")]
fn s3(url: &Url, shown: &str) -> Result<Library> {
    use std::sync::Arc;
    use std::time::Duration;

    use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key, S3CopyIfNotExists};
    use object_store::{BackoffConfig, ClientConfigKey, ObjectStoreScheme, RetryConfig};

    let wrong = |why: &str| Error::new(ErrorKind::Config, format!("open library {shown}: {why}"));
    let Ok((ObjectStoreScheme::AmazonS3, prefix)) = ObjectStoreScheme::parse(url) else {
        return Err(wrong("it names no bucket; write it as s3://bucket/prefix"));
    };
    // Another part of the program may have chosen a provider already; then theirs is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = |key, value: &str| (Key::Client(key), value.to_owned());
    let bounds = [
        client(ClientConfigKey::ConnectTimeout, "5 seconds"),
        client(ClientConfigKey::Timeout, "60 seconds"),
    ];
    let mut builder = AmazonS3Builder::from_env()
        .with_url(url.as_str())
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(2),
                base: 2.0,
            },
            max_retries: 3,
            retry_timeout: Duration::from_secs(30),
        });
    for (key, value) in bounds {
        builder = builder.with_config(key, value);
    }
    // Amazon's way to copy without overwriting. A store with a header for it is told so by
    // AWS_COPY_IF_NOT_EXISTS.
    if builder.get_config_value(&Key::CopyIfNotExists).is_none() {
        builder = builder.with_copy_if_not_exists(S3CopyIfNotExists::Multipart);
    }
    let is_http = |key| {
        builder
            .get_config_value(&key)
            .is_some_and(|url| url.starts_with("http://"))
    };
    let allowed = builder.get_config_value(&Key::Client(ClientConfigKey::AllowHttp));
    if (is_http(Key::Endpoint) || is_http(Key::S3Endpoint))
        && !allowed.is_some_and(|allowed| is_yes(&allowed))
    {
        return Err(wrong(
            "its endpoint is http; set AWS_ALLOW_HTTP=true if the way there can be trusted",
        ));
    }
    // What was wrong may be a setting with a secret in it, and is not shown.
    let store = builder
        .build()
        .map_err(|_| wrong("the AWS_ settings in the environment do not fit together; look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL"))?;
    Library::on_named_store(Arc::new(store), prefix.as_ref(), Some(shown.to_owned()))
}

/// As `object_store` reads a setting.
#[cfg(feature = "s3")]
fn is_yes(text: &str) -> bool {
    ["1", "true", "on", "yes", "y"].contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(url: &str) -> String {
        let error = Library::open(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        format!("{error} {error:?}")
    }

    #[test]
    fn what_is_no_url_of_a_library_is_refused_and_no_secret_shown() {
        for (url, words) in [
            (
                "s3://user:hidden@films/team",
                "credentials are read from the environment",
            ),
            (
                "s3://films/team?token=hidden",
                "credentials are read from the environment",
            ),
            ("s3://[hidden", "write it as s3://bucket/prefix"),
            ("gs://films/team", "this kind is not known"),
            ("memory:///", "this kind is not known"),
            ("s3+https://films/team", "this kind is not known"),
        ] {
            let said = refused(url);
            assert!(said.contains(words) && !said.contains("hidden"), "{url}: {said}");
        }
        assert_eq!(written_in(Path::new("clips")), None);
        assert_eq!(written_in(Path::new("C://clips")), None);
        assert_eq!(written_in(Path::new("..://clips")), None);
    }

    #[test]
    fn a_file_url_is_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let url = Url::from_file_path(folder.path()).unwrap();
        let library = Library::open(url.as_str()).unwrap();
        assert_eq!(library.folder(), Some(&*folder.path().canonicalize().unwrap()));
    }

    #[cfg(not(feature = "s3"))]
    #[test]
    fn a_bucket_without_the_feature_says_which_is_missing() {
        assert!(refused("s3://films/team").contains("it lacks the feature s3"));
    }

    #[cfg(feature = "s3")]
    #[test]
    fn what_names_no_bucket_is_refused() {
        assert!(refused("https://example.com/films").contains("it names no bucket"));
    }
}
