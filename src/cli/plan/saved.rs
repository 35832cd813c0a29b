//! A saved hardware_vtep database: its own file (ovsdb(5): a log of a schema and transactions, which `ovsdb-client backup`
//! prints, too), or what `ovsdb-client dump --format=json` prints.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
    path::Path,
};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::cli::Failure;

/// Largest file, in bytes.
const LARGEST: u64 = 4 << 30;

/// Rows by their UUID, tables by their name.
type Tables = BTreeMap<String, BTreeMap<String, Map<String, Value>>>;

/// What was saved.
#[derive(Debug)]
pub(super) struct Saved {
    /// Columns of each table.
    pub(super) columns: BTreeMap<String, BTreeSet<String>>,
    /// All rows, as a monitor's first reply has them (RFC 7047 section 4.1.5).
    pub(super) rows: Vec<u8>,
}

/// A table of `ovsdb-client dump --format=json`.
#[derive(Debug, Deserialize)]
struct Printed {
    caption: String,
    headings: Vec<String>,
    data: Vec<Vec<Value>>,
}

impl Saved {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |source| Failure::File { path: path.to_owned(), source };
        let mut text = String::new();
        fs::File::open(path).map_err(failed)?.take(LARGEST).read_to_string(&mut text).map_err(failed)?;
        let parsed = match text.split_whitespace().take(2).collect::<Vec<_>>().as_slice() {
            ["OVSDB", "JSON"] => log(&text),
            ["OVSDB", _] => Err("is a clustered database: save it with 'ovsdb-client backup'".to_owned()),
            _ if text.trim_start().starts_with('{') => printed(&text),
            _ => Err("is neither an OVSDB file nor 'ovsdb-client dump --format=json'".to_owned()),
        };
        parsed.map_err(|why| Failure::Input(format!("{}: {why}", path.display())))
    }

    fn new(columns: BTreeMap<String, BTreeSet<String>>, tables: Tables) -> Self {
        let row = |(uuid, row): (String, Map<String, Value>)| (uuid, serde_json::json!({"new": row}));
        let table =
            |(name, rows): (String, BTreeMap<_, _>)| (name, rows.into_iter().map(row).collect::<Map<_, _>>().into());
        let updates: Map<String, Value> = tables.into_iter().map(table).collect();
        Self { columns, rows: Value::Object(updates).to_string().into_bytes() }
    }
}

/// Records `OVSDB JSON <length> <hash>` and the JSON of that length: first the schema, then a transaction each.
fn log(text: &str) -> Result<Saved, String> {
    let (mut schema, mut tables, mut rest) = (None, Tables::new(), text);
    while let Some((head, after)) = rest.split_once('\n').filter(|(head, _)| !head.is_empty()) {
        let length: usize = head
            .strip_prefix("OVSDB JSON ")
            .and_then(|head| head.split(' ').next()?.parse().ok())
            .ok_or_else(|| format!("'{head}' begins no record"))?;
        // A record that was being written when the file was copied.
        let Some(record) = after.get(..length) else { break };
        let record: Value = serde_json::from_str(record).map_err(|error| format!("a record is not JSON: {error}"))?;
        match &schema {
            None => schema = Some((columns(&record)?, record)),
            Some((_, schema)) => transaction(record, schema, &mut tables),
        }
        rest = after.get(length..).unwrap_or_default().trim_start_matches('\n');
    }
    let (columns, _) = schema.ok_or("holds no schema")?;
    Ok(Saved::new(columns, tables))
}

/// The columns of each table of a schema.
fn columns(schema: &Value) -> Result<BTreeMap<String, BTreeSet<String>>, String> {
    if schema["name"] != crate::vtep::DATABASE {
        return Err(format!("is a database {}, not {}", schema["name"], crate::vtep::DATABASE));
    }
    let tables = schema["tables"].as_object().ok_or("its schema has no tables")?;
    let columns =
        |table: &Value| table["columns"].as_object().into_iter().flat_map(|columns| columns.keys().cloned()).collect();
    Ok(tables.iter().map(|(name, table)| (name.clone(), columns(table))).collect())
}

/// Rows that came whole, changed in some columns, or went (null). With `_is_diff`, sets and maps of changed rows hold the
/// differences alone (ovsdb(5)).
fn transaction(record: Value, schema: &Value, tables: &mut Tables) {
    let is_diff = record["_is_diff"] == true;
    let Value::Object(changes) = record else { return };
    for (name, rows) in changes {
        // _date, _comment and the like.
        let (false, Value::Object(rows)) = (name.starts_with('_'), rows) else { continue };
        let columns = &schema["tables"][&name]["columns"];
        let table = tables.entry(name).or_default();
        for (uuid, row) in rows {
            let Value::Object(cells) = row else {
                table.remove(&uuid);
                continue;
            };
            let row = table.entry(uuid).or_default();
            for (column, value) in cells {
                let kind = &columns[&column]["type"];
                let several = kind["max"] == "unlimited" || kind["max"].as_u64().is_some_and(|max| max > 1);
                let value = match row.get(&column) {
                    Some(old) if is_diff && several => difference(old, &value),
                    _ => value,
                };
                row.insert(column, value);
            }
        }
    }
}

/// What a set or a map is after a difference: members and pairs that are in both go, other keys get the new value.
fn difference(old: &Value, diff: &Value) -> Value {
    let kind = if old[0] == "map" || diff[0] == "map" { "map" } else { "set" };
    let members = |value: &Value| match &value[1] {
        Value::Array(members) if value[0] == kind => members.clone(),
        _ => vec![value.clone()],
    };
    let mut all = members(old);
    for member in members(diff) {
        let same = |one: &Value| if kind == "map" { one[0] == member[0] } else { *one == member };
        match all.iter().position(same) {
            Some(at) if all[at] == member => drop(all.remove(at)),
            Some(at) => all[at] = member,
            None => all.push(member),
        }
    }
    serde_json::json!([kind, all])
}

/// A table a line.
fn printed(text: &str) -> Result<Saved, String> {
    let (mut columns, mut tables) = (BTreeMap::new(), Tables::new());
    for table in serde_json::Deserializer::from_str(text).into_iter::<Printed>() {
        let Printed { caption, headings, data } =
            table.map_err(|error| format!("is not what 'ovsdb-client dump --format=json' prints: {error}"))?;
        let name = caption.strip_suffix(" table").unwrap_or(&caption).to_owned();
        for values in data {
            let row: Map<String, Value> = headings.iter().cloned().zip(values).collect();
            let uuid = row
                .get("_uuid")
                .and_then(|uuid| uuid[1].as_str())
                .ok_or_else(|| format!("a row of {name} has no _uuid"))?;
            tables.entry(name.clone()).or_default().insert(uuid.to_owned(), row);
        }
        columns.insert(name, headings.into_iter().collect());
    }
    Ok(Saved::new(columns, tables))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str) -> String {
        format!("OVSDB JSON {} 0123\n{json}\n", json.len())
    }

    #[test]
    fn a_log_is_replayed() {
        let schema = r#"{"name":"hardware_vtep","tables":{"Logical_Switch":{"columns":{"name":{},"tunnel_key":{}}}}}"#;
        let uuid = "00000000-0000-4000-8000-000000000001";
        let text = record(schema)
            + &record(&format!(r#"{{"_date":1,"Logical_Switch":{{"{uuid}":{{"name":"a"}},"x":{{"name":"b"}}}}}}"#))
            + &record(&format!(r#"{{"Logical_Switch":{{"{uuid}":{{"tunnel_key":7}},"x":null}}}}"#))
            + "OVSDB JSON 500 0123\n{\"cut";
        let saved = log(&text).unwrap();
        assert!(saved.columns["Logical_Switch"].contains("tunnel_key"));
        let rows: Value = serde_json::from_slice(&saved.rows).unwrap();
        assert_eq!(rows, serde_json::json!({"Logical_Switch": {uuid: {"new": {"name": "a", "tunnel_key": 7}}}}));
    }

    #[test]
    fn differences_of_sets_and_maps_are_applied() {
        use serde_json::json;
        let (old, diff) = (json!(["map", [[50, "a"], [51, "b"]]]), json!(["map", [[50, "a"], [51, "c"], [52, "d"]]]));
        assert_eq!(difference(&old, &diff), json!(["map", [[51, "c"], [52, "d"]]]));
        assert_eq!(
            difference(&json!(["uuid", "x"]), &json!(["uuid", "y"])),
            json!(["set", [["uuid", "x"], ["uuid", "y"]]])
        );
        assert_eq!(difference(&json!(["set", ["p", "q"]]), &json!("p")), json!(["set", ["q"]]));
    }

    #[test]
    fn other_files_are_refused_by_name() {
        assert!(log(&record(r#"{"name":"Open_vSwitch","tables":{}}"#)).unwrap_err().contains("Open_vSwitch"));
        assert!(log("OVSDB JSON x\n").unwrap_err().contains("begins no record"));
        assert!(printed("{\"a\": 1}").unwrap_err().contains("ovsdb-client dump"));
    }
}
