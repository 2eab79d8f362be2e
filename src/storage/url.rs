//! Parses the URL of a library.

use std::path::{Path, PathBuf};

use url::Url;

use super::Bucket;
use crate::error::{Error, Result};

/// The location of a library.
pub(crate) enum Location {
    Folder(PathBuf),
    Bucket(Bucket),
}

/// Returns the text of a path if it is a URL.
pub(crate) fn url_in(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let (scheme, _) = text.split_once("://")?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    // A single letter is a Windows drive.
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(is_allowed);
    is_scheme.then_some(text)
}

/// Parses the URL of a library, without connecting to it.
pub(crate) fn locate(url: &str) -> Result<Location> {
    let invalid = |what: &str, why: &str| Error::config(format!("open library {what}: {why}"));
    // A message may show the URL only after it is known to contain no password.
    let parsed = Url::parse(url)
        .map_err(|_| invalid("by its URL", "it does not parse; write it as s3://bucket/prefix"))?;
    let has_secret = !parsed.username().is_empty() || parsed.password().is_some();
    if has_secret || parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(invalid(
            "by its URL",
            "it has a user name or password, a query or a fragment; credentials are read from the environment",
        ));
    }
    let display_url = parsed.as_str().trim_end_matches('/');
    match parsed.scheme() {
        "file" => match parsed.to_file_path() {
            Ok(folder) => Ok(Location::Folder(folder)),
            Err(()) => Err(invalid(display_url, "it is not a folder of this machine")),
        },
        "s3" | "s3a" | "https" => s3(&parsed, display_url).map(Location::Bucket),
        _ => Err(invalid(
            display_url,
            "this kind of URL is not supported; open the store with object_store, and pass it to Library::on_store",
        )),
    }
}

#[cfg(not(feature = "s3"))]
fn s3(_: &Url, display_url: &str) -> Result<Bucket> {
    Err(Error::config(format!(
        "open library {display_url}: this build cannot open buckets, because it lacks the feature s3"
    )))
}

#[cfg(feature = "s3")]
fn s3(url: &Url, display_url: &str) -> Result<Bucket> {
    use std::sync::Arc;
    use std::time::Duration;

    use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key, S3CopyIfNotExists};
    use object_store::{BackoffConfig, ClientConfigKey, ObjectStoreScheme, RetryConfig};

    let invalid = |why: &str| Error::config(format!("open library {display_url}: {why}"));
    let Ok((ObjectStoreScheme::AmazonS3, prefix)) = ObjectStoreScheme::parse(url) else {
        return Err(invalid(
            "it does not name a bucket; write it as s3://bucket/prefix",
        ));
    };
    // Fails if the program has installed a crypto provider already. Then that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = |key, value: &str| (Key::Client(key), value.to_owned());
    let timeouts = [
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
    for (key, value) in timeouts {
        builder = builder.with_config(key, value);
    }
    // This is how Amazon S3 copies without overwriting. Other stores need a header, set in AWS_COPY_IF_NOT_EXISTS.
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
        return Err(invalid(
            "its endpoint is http; set AWS_ALLOW_HTTP=true if the network can be trusted",
        ));
    }
    // The error is not shown, since it may quote a setting that is a secret.
    let store = builder
        .build()
        .map_err(|_| invalid("the AWS_ settings in the environment are not valid together; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL"))?;
    Ok(Bucket::new(Arc::new(store), prefix, Some(display_url.to_owned())))
}

/// Parses a setting as `object_store` does.
#[cfg(feature = "s3")]
fn is_yes(text: &str) -> bool {
    ["1", "true", "on", "yes", "y"].contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    /// Returns the text of the error for a URL.
    fn rejected(url: &str) -> String {
        let Err(error) = locate(url) else {
            panic!("{url} was accepted")
        };
        assert_eq!(error.kind(), ErrorKind::Config, "{url}");
        format!("{error} {error:?}")
    }

    #[test]
    fn an_invalid_url_is_rejected_without_showing_a_secret() {
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
            ("gs://films/team", "this kind of URL is not supported"),
            ("memory:///", "this kind of URL is not supported"),
            ("s3+https://films/team", "this kind of URL is not supported"),
        ] {
            let error = rejected(url);
            assert!(
                error.contains(words) && !error.contains("hidden"),
                "{url}: {error}"
            );
        }
        assert_eq!(url_in(Path::new("clips")), None);
        assert_eq!(url_in(Path::new("C://clips")), None);
        assert_eq!(url_in(Path::new("..://clips")), None);
    }

    #[test]
    fn a_file_url_is_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let url = Url::from_file_path(folder.path()).unwrap();
        assert!(matches!(locate(url.as_str()).unwrap(), Location::Folder(path) if path == folder.path()));
    }

    #[cfg(not(feature = "s3"))]
    #[test]
    fn a_bucket_is_rejected_without_the_feature() {
        assert!(rejected("s3://films/team").contains("it lacks the feature s3"));
    }

    #[cfg(feature = "s3")]
    #[test]
    fn a_url_without_a_bucket_is_rejected() {
        assert!(rejected("https://example.com/films").contains("it does not name a bucket"));
    }
}
