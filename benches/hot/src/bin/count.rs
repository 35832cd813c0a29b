//! Counts the instructions of each piece of the hot path with callgrind, and holds them against `instructions.txt`.
//!
//! ```text
//! count [FILE]            fails where one has grown by more than 5 %
//! count --write [FILE]    writes what they are now
//! ```
//!
//! Instructions, not seconds: the count is the same whatever else the machine does. It changes with the compiler, so
//! a new one is a reason to write the file anew.

use std::{collections::BTreeMap, error::Error, fs, hint::black_box, path::Path, process::Command};

use vtepd_hot::cases::CASES;

/// The first argument that has a case run, under callgrind.
const RUN: &str = "run";
/// How much more is too much.
const TOLERANCE: f64 = 0.05;

fn main() -> Result<(), Box<dyn Error>> {
    // The same in every run.
    vtepd_core::model::indexed::fix_seed();
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if let [run, name] = args.as_slice()
        && run == RUN
    {
        let case = CASES.iter().find(|case| case.name == name).ok_or("no such case")?;
        measured(&mut *(case.prepare)());
        return Ok(());
    }
    let write = args.first().is_some_and(|arg| arg == "--write");
    if write {
        args.remove(0);
    }
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt").to_owned();
    let file = args.pop().unwrap_or(default);
    let now =
        CASES.iter().map(|case| Ok((case.name, count(case.name)?))).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    if write {
        let lines: String = now.iter().map(|(name, count)| format!("{count:>12}  {name}\n")).collect();
        return Ok(fs::write(file, lines)?);
    }
    let kept = read(Path::new(&file))?;
    let mut grown = Vec::new();
    for (name, count) in &now {
        let Some(before) = kept.get(*name) else { return Err(format!("{name}: not in {file}; see --write").into()) };
        #[allow(clippy::cast_precision_loss)] // Far below 2^52.
        let change = *count as f64 / *before as f64 - 1.0;
        println!("{count:>12} {:>+7.1} %  {name}", change * 100.0);
        if change > TOLERANCE {
            grown.push(*name);
        }
    }
    if let Some(gone) = kept.keys().find(|name| CASES.iter().all(|case| case.name != name.as_str())) {
        return Err(format!("{file} counts {gone:?}, which is no case any more").into());
    }
    if grown.is_empty() {
        return Ok(());
    }
    Err(format!("more instructions than {file} allows: {}. If they are worth it: count --write", grown.join("; "))
        .into())
}

/// What callgrind looks at: the name is its `--toggle-collect`.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
    black_box(());
}

fn count(name: &str) -> Result<u64, Box<dyn Error>> {
    let out = std::env::temp_dir().join(format!("vtepd-hot.{}.callgrind", std::process::id()));
    let run = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--toggle-collect=*measured*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .args([RUN, name])
        .output()
        .map_err(|error| format!("valgrind can't be run ({error}): apt-get install valgrind"))?;
    if !run.status.success() {
        return Err(format!("{name}: {}", String::from_utf8_lossy(&run.stderr)).into());
    }
    let profile = fs::read_to_string(&out)?;
    fs::remove_file(out)?;
    let summary = profile.lines().find_map(|line| line.strip_prefix("summary: ")).unwrap_or_default();
    match summary.trim().parse() {
        Ok(0) | Err(_) => Err(format!("{name}: callgrind counted nothing").into()),
        Ok(count) => Ok(count),
    }
}

fn read(file: &Path) -> Result<BTreeMap<String, u64>, Box<dyn Error>> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let line = |line: &str| {
        let (count, name) = line.trim().split_once("  ")?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    text.lines().map(|text| line(text).ok_or_else(|| format!("{}: {text:?}", file.display()).into())).collect()
}
