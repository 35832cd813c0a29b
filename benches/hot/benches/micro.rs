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
