//! The syntax of job ids. The provider reads job ids, and the journal accepts them from users.

use crate::error::{Error, Result};

/// Maximum length of an id in bytes.
const MAX_BYTES: usize = 200;

/// Checks that a string can be a job id of the service.
///
/// # Errors
/// `InvalidRequest` if it is empty, longer than 200 bytes, consists of dots only, or contains other characters than
/// letters, digits and `-_.:`.
pub(crate) fn check_job_id(id: &str) -> Result<()> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    if id.is_empty() || id.len() > MAX_BYTES || !id.bytes().all(is_allowed) || id.bytes().all(|b| b == b'.') {
        return Err(Error::invalid(
            "read the job id: it is invalid; a job id looks like 1f0e6b0a-3c7d-4f6e-9a51-0d9c2b7e8a44",
        ));
    }
    Ok(())
}
