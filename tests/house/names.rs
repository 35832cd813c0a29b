//! One name, one meaning: public types of the library don't share names (docs/glossary.md).

use std::{collections::BTreeMap, fs, path::Path};

use crate::arrows::sources;

/// Names that several public types still share. A line goes when its types get names of their own; no line is added without
/// a reason.
const SHARED: [(&str, &str); 1] =
    [("Connection", "of OVSDB, and l2-gateway-connection: both are their protocols' own terms")];

/// The public types that a text declares.
fn public_types(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let mut words = line.trim_start().strip_prefix("pub ")?.split_whitespace();
        let kind = words.next()?;
        let name = words.next()?;
        let end = name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len());
        // A macro declares `$name`.
        let is_type = matches!(kind, "struct" | "enum" | "trait" | "type" | "union") && end > 0;
        is_type.then_some(&name[..end])
    })
}

#[test]
fn a_public_type_has_a_name_of_its_own() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut declared: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for root in ["src", "crates"] {
        for path in sources(&top.join(root)) {
            let text = fs::read_to_string(&path).expect("sources are UTF-8");
            let file = path.strip_prefix(top).expect("it was found below").display().to_string();
            for name in public_types(&text) {
                declared.entry(name.to_owned()).or_default().push(file.clone());
            }
        }
    }
    assert!(declared.len() > 100, "the check reads declarations");
    let shared = |name: &str| SHARED.iter().any(|(allowed, _)| *allowed == name);
    let found: Vec<String> = declared
        .iter()
        .filter(|(name, files)| files.len() > 1 && !shared(name))
        .map(|(name, files)| format!("{name} is declared in {}: give each a name of its own", files.join(" and ")))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    let unused: Vec<&str> = SHARED
        .iter()
        .filter(|(name, _)| declared.get(*name).is_none_or(|files| files.len() < 2))
        .map(|(name, _)| *name)
        .collect();
    assert!(unused.is_empty(), "no longer shared, so their lines go: {}", unused.join(", "));
}

/// What only plumgrid.ini and vtepd call so: an error of the client doesn't, the fleet adds the advice (`fleet/advice.rs`).
const FOREIGN_TO_OVSDB: [&str; 8] = [
    "plumgrid",
    "l2gateway",
    "management_ip",
    "peer_verify",
    "peer_fingerprint",
    "host_key_fingerprint",
    "ovsdb_socket",
    "transport = ",
];

#[test]
fn the_ovsdb_client_names_no_key_of_the_configuration() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/ovsdb/src");
    let mut found = Vec::new();
    for path in sources(&top) {
        let text = fs::read_to_string(&path).expect("sources are UTF-8");
        let named = FOREIGN_TO_OVSDB.iter().filter(|word| text.contains(**word));
        found.extend(named.map(|word| format!("{}: {word}", path.display())));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let advice = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fleet/advice.rs")).expect("UTF-8");
    assert!(advice.contains("peer_fingerprint"), "the check looks for words that are in use");
}

#[test]
fn the_check_of_names_sees_declarations() {
    let text = "pub struct Row<T> {\n    pub enum Kind {\npub(crate) struct Hidden;\npub trait Named: Sized {\npub fn struct_of()\npub struct $Row";
    assert_eq!(public_types(text).collect::<Vec<_>>(), ["Row", "Kind", "Named"]);
}
