//! Imports between rooms run one way only (ARCHITECTURE.md).

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The rooms, lowest floor first. A room imports from the floors below its own; rooms of one floor don't know each
/// other.
const FLOORS: &[&[&str]] = &[
    // `ovsdb` is a crate of its own, which knows nothing of ours.
    &["model", "ovsdb"],
    &["config", "telemetry", "vtep"],
    &["topology"],
    &["intent"],
    &["plan"],
    &["store"],
    &["source", "relay"],
    &["fleet"],
    &["cluster"],
    &["service"],
    &["api", "admin"],
    &["cli", "hostd", "daemon"],
    &["bin"],
];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// All Rust files under a directory.
pub(crate) fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("the directory is readable") {
        let path = entry.expect("the directory is readable").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The room of a file below `src`: `src/fleet/worker.rs` and `src/fleet.rs` are of `fleet`.
fn room(below_src: &Path) -> String {
    let first = below_src.iter().next().expect("a file has a name").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a text imports from: whatever follows `crate::` (in a binary, `vtepd::`) or a chain of `super::` that
/// leaves the room. `depth` counts the modules above the text's own, the crate's root included.
fn imports(text: &str, depth: usize) -> BTreeSet<String> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or(line)).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for root in ["crate::", "vtepd::"] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                found.extend(first_names(&code[at + root.len()..]));
            }
        }
    }
    let up = "super::".repeat(depth);
    for (at, _) in code.match_indices(&up) {
        let names = first_names(&code[at + up.len()..]);
        found.extend(names.into_iter().filter(|name| floor(name).is_some()));
    }
    found
}

/// `a::b` -> a; `{a::{b, c}, d}` -> a, d.
fn first_names(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else { return ident(path).into_iter().collect() };
    let (mut depth, mut at_name, mut found) = (0_usize, true, Vec::new());
    for (index, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_name = true,
            c if at_name && (c.is_alphanumeric() || c == '_') => {
                found.extend(ident(&group[index..]));
                at_name = false;
            }
            _ => {}
        }
    }
    found
}

fn ident(text: &str) -> Option<String> {
    let ident: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!ident.is_empty()).then_some(ident)
}

/// What a file of one room must not import.
fn violations(room: &str, imports: &BTreeSet<String>) -> Vec<String> {
    let own = floor(room);
    let mut found = Vec::new();
    for import in imports.iter().filter(|import| *import != room) {
        // What begins in upper case, or is a macro, is no room; `bin` sees the library's root alone.
        match (own, floor(import)) {
            (None, _) => found.push(format!("the room '{room}' has no floor: give it one in tests/house/arrows.rs")),
            (_, None) => found.push(format!("'{import}' is no room: give it a floor in tests/house/arrows.rs")),
            (Some(own), Some(other)) if other >= own => {
                found.push(format!("{room} imports {import}, which stands on no lower floor"));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn imports_run_one_way() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    // Both crates have rooms. Cargo itself keeps the core from the root package, and `ovsdb` from everything.
    for src in ["src", "crates/core/src"] {
        let directory = top.join(src);
        for path in sources(&directory) {
            let below = path.strip_prefix(&directory).expect("it was found below");
            if below == Path::new("lib.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("sources are UTF-8");
            for violation in violations(&room(below), &imports(&text, below.iter().count())) {
                found.push(format!("{src}/{}: {violation}", below.display()));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_check_sees_what_it_should() {
    let text = "use crate::{\n    model::{Vni, status::Status},\n    store::Store, // crate::api\n};\n\
                /// See [`crate::admin`].\nfn x() { let a = crate::fleet::y(); super::super::service::z(); other_crate::api(); }";
    let names: Vec<String> = imports(text, 2).into_iter().collect();
    assert_eq!(names, ["fleet", "model", "service", "store"]);
    let wrong = violations("plan", &imports(text, 2));
    assert_eq!(
        wrong,
        [
            "plan imports fleet, which stands on no lower floor",
            "plan imports service, which stands on no lower floor",
            "plan imports store, which stands on no lower floor",
        ]
    );
    assert!(violations("service", &["store", "service"].map(str::to_owned).into()).is_empty());
    assert_eq!(violations("api", &["admin".to_owned()].into()).len(), 1, "rooms of one floor don't know each other");
    assert_eq!(violations("ovsdb", &["model".to_owned()].into()).len(), 1, "ovsdb could be published alone");
    assert_eq!(violations("attic", &["model".to_owned()].into()).len(), 1);
    assert_eq!(violations("api", &["attic".to_owned()].into()).len(), 1);
    assert_eq!(room(Path::new("fleet/worker.rs")), "fleet");
    assert_eq!(room(Path::new("fleet.rs")), "fleet");
}
