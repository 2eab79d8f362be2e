//! Any bytes as the record of a chain: what a crash, another version or another program left there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reelkin::ChainRecord;

fuzz_target!(|data: &[u8]| {
    let Ok(record) = serde_json::from_slice::<ChainRecord>(data) else {
        return;
    };
    let _ = (record.unfinished(), record.cost(), record.number(0));
    let json = serde_json::to_vec(&record).expect("a record can be written");
    let again: ChainRecord = serde_json::from_slice(&json).expect("what was written can be read");
    assert_eq!(again, record);
});
