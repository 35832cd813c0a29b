//! The daemon against the switch's own limit: `make bench`, or `cargo bench --bench load [-- --rows 100000 --runs 3]`.
//!
//! Each case runs on fresh ovsdb-servers: once by a bare client that only writes prepared bytes with the same monitor open
//! (the limit that ovsdb-server sets on this machine, now), once by the daemon, and by such peers as are installed. What
//! counts is the ratio of the two in one run; absolute figures depend on the machine and its mood.

#[path = "../../tests/support/support.rs"]
mod support;

mod bare;
mod cases;
mod peers;
mod plot;
mod site;
mod table;
mod usage;

use std::process::ExitCode;

use cases::Case;
use table::Outcome;

const USAGE: &str =
    "usage: cargo bench --bench load -- [--rows N] [--runs N] [--only CASE] [--large] [--strict] [--plot FILE]
  --rows N     rows of the switch (100000)
  --runs N     of each case; medians are shown (3)
  --only CASE  the cases whose name contains this
  --large      a million rows, hundreds of switches, a thousand sessions instead: gigabytes of memory
  --strict     fails where a target is missed
  --plot FILE  an SVG of load and first synchronisation at sizes up to --rows";

/// What the command line asks for.
#[derive(Debug)]
struct Options {
    rows: u32,
    runs: usize,
    only: Option<String>,
    large: bool,
    strict: bool,
    plot: Option<String>,
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
            eprintln!("{complaint}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    if let Some(file) = &options.plot {
        return match plot::draw(options.rows, options.runs, file.as_ref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{file}: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let cases = if options.large { cases::large() } else { cases::all(options.rows) };
    let chosen = |case: &&dyn Case| options.only.as_ref().is_none_or(|only| case.name().contains(only.as_str()));
    let cases = cases.iter().map(AsRef::as_ref).filter(chosen);
    let outcomes: Vec<Outcome> = cases.map(|case| cases::measure(case, options.runs)).collect();
    table::print(&outcomes);
    if options.strict && outcomes.iter().any(Outcome::missed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn parse(args: &[String]) -> Result<Options, String> {
    let mut options = Options { rows: 100_000, runs: 3, only: None, large: false, strict: false, plot: None };
    let mut args = args.iter().filter(|arg| *arg != "--bench");
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--rows" => options.rows = value()?.parse().map_err(|e| format!("--rows: {e}"))?,
            "--runs" => options.runs = value()?.parse().map_err(|e| format!("--runs: {e}"))?,
            "--only" => options.only = Some(value()?.clone()),
            "--plot" => options.plot = Some(value()?.clone()),
            "--large" => options.large = true,
            "--strict" => options.strict = true,
            _ => return Err(format!("unknown argument {arg}")),
        }
    }
    if options.runs == 0 { Err("--runs: at least one".to_owned()) } else { Ok(options) }
}
