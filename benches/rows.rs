//! The rows that benchmarks print, each a line of JSON as described in benches/README.md.
//!
//! Benchmarks include this file with `#[path]`.
#![allow(dead_code, reason = "not every benchmark uses every item")]
#![allow(unreachable_pub, reason = "a module of several programs")]
#![allow(clippy::print_stdout, reason = "prints the rows")]

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

/// Returns whether to run the short form of a benchmark.
pub fn is_short() -> bool {
    std::env::var_os("REELKIN_BENCH_SHORT").is_some()
}

/// A measured figure. Its `value` is `ours`, or `ours / theirs` if there is a peer.
pub struct Row(Map<String, Value>);

impl Row {
    pub fn new(group: &str, case: &str, figure: &str, unit: &str, ours: f64) -> Self {
        let mut row = Self(Map::new());
        for (name, value) in [
            ("group", group),
            ("case", case),
            ("figure", figure),
            ("unit", unit),
        ] {
            row.0.insert(name.to_owned(), json!(value));
        }
        row.0.insert("ours".to_owned(), json!(ours));
        row.with("value", json!(ours))
    }

    /// Returns the medians of alternating runs. The first value of each pair is ours.
    pub fn of_pairs(
        group: &str,
        case: &str,
        figure: &str,
        unit: &str,
        peer: &str,
        pairs: &[(f64, f64)],
    ) -> Self {
        let ours = median(pairs.iter().map(|pair| pair.0).collect());
        let theirs = median(pairs.iter().map(|pair| pair.1).collect());
        let mut ratios: Vec<f64> = pairs.iter().map(|pair| pair.0 / pair.1).collect();
        ratios.sort_by(f64::total_cmp);
        let quarter = |n: usize| ratios.get(ratios.len() * n / 4).copied().unwrap_or(f64::NAN);
        let spread = (quarter(3) - quarter(1)) / 2.0 / quarter(2);
        Self::new(group, case, figure, unit, ours)
            .beside(peer, theirs)
            .with("spread", json!(spread))
    }

    pub fn beside(self, peer: &str, theirs: f64) -> Self {
        let ours = self.0.get("ours").and_then(Value::as_f64).unwrap_or(f64::NAN);
        self.with("peer", json!(peer))
            .with("theirs", json!(theirs))
            .with("value", json!(ours / theirs))
    }

    pub fn at_most(self, limit: f64) -> Self {
        self.with("limit", json!(limit))
    }

    /// Marks a figure that is counted or simulated, and therefore the same in every run.
    pub fn exact(self) -> Self {
        self.with("exact", json!(true))
    }

    pub fn note(self, note: &str) -> Self {
        self.with("note", json!(note))
    }

    pub fn print(self) {
        println!("{}", Value::Object(self.0));
    }

    fn with(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs `work`. Returns its result, the wall time and the CPU time of all threads of this process, in milliseconds.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, f64, f64) {
    let (cpu, start) = (processor_time(), Instant::now());
    let result = work();
    let wall = start.elapsed();
    (
        result,
        milliseconds(wall),
        milliseconds(processor_time().saturating_sub(cpu)),
    )
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Returns the user and system CPU time of this process, with a resolution of 10 ms.
pub fn processor_time() -> Duration {
    // Fields 14 and 15, in ticks of 10 ms. The name of the program, field 2, is in parentheses and may contain spaces.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|n| n.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Returns the current and the peak resident memory of this process, in KiB.
pub fn resident() -> (f64, f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .unwrap_or(f64::NAN)
    };
    (of("VmRSS:"), of("VmHWM:"))
}
