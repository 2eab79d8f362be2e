//! Parses arbitrary bytes as a job record and as a chain record, and checks that parsed records round-trip.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reelkin::{ChainRecord, JobRecord};

fuzz_target!(|data: &[u8]| {
    if let Ok(record) = JobRecord::from_json("1763829999123_a1b2c3d4", data) {
        let _ = (record.failure(), record.is_pickup(), record.is_query());
        let json = serde_json::to_vec(&record).expect("a record can be serialized");
        let again = JobRecord::from_json(&record.id, &json).expect("a serialized record can be parsed");
        assert_eq!(again, record);
    }
    let Ok(record) = serde_json::from_slice::<ChainRecord>(data) else {
        return;
    };
    let _ = (record.unfinished(), record.cost(), record.number(0));
    let json = serde_json::to_vec(&record).expect("a record can be serialized");
    let again: ChainRecord = serde_json::from_slice(&json).expect("a serialized record can be parsed");
    assert_eq!(again, record);
});
