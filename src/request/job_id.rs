//! What an id of a job may look like: the provider reads such ids, and a person may give one to the journal.

use crate::error::{Error, Result};

/// Longest id taken, in bytes.
const MAX_BYTES: usize = 200;

/// Checks that a text can be the service's id of a job.
///
/// # Errors
/// `InvalidRequest` when it is empty, longer than 200 bytes, or has other characters than letters, digits and `-_.:`.
pub(crate) fn check_job_id(id: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    if id.is_empty() || id.len() > MAX_BYTES || !id.bytes().all(plain) || id.bytes().all(|b| b == b'.') {
        return Err(Error::invalid(
            "read the job id: it is not one; it looks like 1f0e6b0a-3c7d-4f6e-9a51-0d9c2b7e8a44",
        ));
    }
    Ok(())
}
