//! Passes an arbitrary status and body to every parser of service responses.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&first, body)) = data.split_first() else {
        return;
    };
    let statuses = [200, 202, 204, 301, 400, 401, 403, 404, 408, 422, 429, 500, 503, 522];
    let status = statuses[usize::from(first) % statuses.len()];
    reelkin::fuzzing::replies(status, body);
});
