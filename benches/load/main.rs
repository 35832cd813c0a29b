//! The daemon against the switch's own limit: `cargo bench --bench load [-- --rows 100000 --runs 3]`.
//!
//! Each case runs twice on fresh ovsdb-servers: once by a bare client that only writes prepared bytes with the same
//! monitor open (the limit that ovsdb-server sets on this machine, now), and once by the daemon. What counts is the
//! ratio of the two in one run; absolute figures depend on the machine and its mood.

#[path = "../../tests/support/support.rs"]
mod support;

mod bare;
mod cases;
mod table;
mod usage;

use std::process::ExitCode;

use cases::Case;
use table::Outcome;

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    rows: u32,
    runs: usize,
    only: Option<String>,
    strict: bool,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == bare::SUBCOMMAND) {
        bare::main(&args[1..]);
        return ExitCode::SUCCESS;
    }
    // `cargo test --all-targets` starts benches without `--bench`: this one is no test.
    if !args.iter().any(|arg| arg == "--bench") {
        println!("not measured: run it with cargo bench --bench load");
        return ExitCode::SUCCESS;
    }
    let options = match parse(&args) {
        Ok(options) => options,
        Err(complaint) => {
            eprintln!("{complaint}\nusage: cargo bench --bench load -- [--rows N] [--runs N] [--only CASE] [--strict]");
            return ExitCode::FAILURE;
        }
    };
    let outcomes: Vec<Outcome> = cases::all(options.rows)
        .iter()
        .filter(|case| options.only.as_ref().is_none_or(|only| case.name().contains(only.as_str())))
        .map(|case| measure(case.as_ref(), options.runs))
        .collect();
    table::print(&outcomes);
    let missed = outcomes.iter().filter(|outcome| !outcome.met()).count();
    if options.strict && missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Bare client and daemon turn by turn, so that a slow minute of the machine hits both.
fn measure(case: &dyn Case, runs: usize) -> Outcome {
    let mut outcome = Outcome::new(case.name(), case.limit());
    for run in 1..=runs {
        eprintln!("{}: run {run} of {runs}: the bare client", case.name());
        let bare = case.bare();
        eprintln!("  {:?}\n{}: run {run} of {runs}: the daemon", bare.wall, case.name());
        let daemon = case.daemon();
        eprintln!("  {:?}", daemon.wall);
        outcome.add(bare, daemon);
    }
    outcome
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options { rows: 100_000, runs: 3, only: None, strict: false };
    let mut args = args.iter().filter(|arg| *arg != "--bench");
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--rows" => options.rows = value()?.parse().map_err(|e| format!("--rows: {e}"))?,
            "--runs" => options.runs = value()?.parse().map_err(|e| format!("--runs: {e}"))?,
            "--only" => options.only = Some(value()?.clone()),
            "--strict" => options.strict = true,
            _ => return Err(format!("unknown argument {arg}")),
        }
    }
    Ok(options)
}
