//! `cargo bench -p vtepd-hot`: how long each piece of the hot path takes.

use vtepd_hot::cases::{CASES, Case};

fn main() {
    divan::main();
}

fn names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|case| case.name)
}

#[divan::bench(args = names(), sample_count = 20, sample_size = 1)]
fn hot(bencher: divan::Bencher, name: &str) {
    let Some(Case { prepare, .. }) = CASES.iter().find(|case| case.name == name) else { return };
    bencher.with_inputs(prepare).bench_local_refs(|work| work());
}

/// A full audit pass over a switch on which all is right: at most 5 ms at 100,000 rows.
#[divan::bench(args = [10_000, 100_000, 1_000_000], sample_count = 20, sample_size = 1)]
fn audit_all_right(bencher: divan::Bencher, rows: u32) {
    bencher.with_inputs(|| vtepd_hot::cases::audit_of(rows)).bench_local_refs(|work| work());
}

/// A twin takes over what its neighbour has learned: one step of the supervisor.
#[divan::bench(args = [1000, 10_000, 100_000], sample_count = 20, sample_size = 1)]
fn takeover(bencher: divan::Bencher, macs: u32) {
    bencher.with_inputs(|| vtepd_hot::cases::takeover_of(macs)).bench_local_refs(|work| work());
}

/// The comparison alone where one row in a hundred is missing: at most 10 ms at 100,000 rows.
#[divan::bench(args = [10_000, 100_000], sample_count = 20, sample_size = 1)]
fn comparison_one_percent_missing(bencher: divan::Bencher, rows: u32) {
    bencher.with_inputs(|| vtepd_hot::cases::comparison_of(rows, rows / 100)).bench_local_refs(|work| work());
}
