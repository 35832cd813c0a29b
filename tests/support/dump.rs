//! What a switch's database holds, readable and comparable: UUIDs replaced by what they stand for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::rpc::{DB, Rpc};

type Row = BTreeMap<String, Value>;

/// The tables of a database, rows sorted, references by name, sets as arrays, maps as objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Dump(pub(crate) BTreeMap<String, Vec<Row>>);

/// A row of Ucast_Macs_Remote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mac {
    pub(crate) logical_switch: String,
    pub(crate) address: String,
    pub(crate) ip: String,
    pub(crate) vtep: String,
}

impl Dump {
    /// Reads the whole database in one transaction.
    pub(crate) fn read(rpc: &mut Rpc) -> Self {
        let schema = rpc.call("get_schema", &json!([DB]));
        let tables: Vec<String> = schema["tables"].as_object().expect("tables").keys().cloned().collect();
        let selects: Vec<Value> =
            tables.iter().map(|table| json!({"op": "select", "table": table, "where": []})).collect();
        let results = rpc.transact(&selects);
        let raw: BTreeMap<&str, &Vec<Value>> = tables
            .iter()
            .zip(&results)
            .map(|(table, result)| (table.as_str(), result["rows"].as_array().expect("rows")))
            .collect();
        let names = names(&raw);
        let mut dump = BTreeMap::new();
        for (table, rows) in raw {
            let columns = schema["tables"][table]["columns"].as_object().expect("columns");
            let mut rows: Vec<Row> = rows.iter().map(|row| normal_row(row, columns, &names)).collect();
            rows.sort_by_cached_key(|row| json!(row).to_string());
            dump.insert(table.to_owned(), rows);
        }
        Self(dump)
    }

    pub(crate) fn rows(&self, table: &str) -> &[Row] {
        self.0.get(table).map_or(&[], Vec::as_slice)
    }

    /// Logical_Switch: name -> VNI.
    pub(crate) fn logical_switches(&self) -> BTreeMap<String, Option<u64>> {
        self.rows("Logical_Switch").iter().map(|row| (text(&row["name"]), row["tunnel_key"].as_u64())).collect()
    }

    /// (port, VLAN) -> Logical_Switch.
    pub(crate) fn bindings(&self) -> BTreeMap<(String, u16), String> {
        let mut all = BTreeMap::new();
        for row in self.rows("Physical_Port") {
            for (vlan, switch) in row["vlan_bindings"].as_object().expect("a map") {
                all.insert((text(&row["name"]), vlan.parse().expect("a VLAN")), text(switch));
            }
        }
        all
    }

    /// Ucast_Macs_Remote, sorted; duplicates stay visible.
    pub(crate) fn macs(&self) -> Vec<Mac> {
        let mut macs: Vec<Mac> = self
            .rows("Ucast_Macs_Remote")
            .iter()
            .map(|row| Mac {
                logical_switch: text(&row["logical_switch"]),
                address: text(&row["MAC"]),
                ip: text(&row["ipaddr"]),
                vtep: text(&row["locator"]),
            })
            .collect();
        macs.sort();
        macs
    }

    /// `unknown-dst` rows of Mcast_Macs_Remote: (Logical_Switch, members), sorted; duplicates stay visible.
    pub(crate) fn floods(&self) -> Vec<(String, BTreeSet<String>)> {
        let mut floods: Vec<_> = self
            .rows("Mcast_Macs_Remote")
            .iter()
            .filter(|row| row["MAC"] == "unknown-dst")
            .map(|row| {
                let members = row["locator_set"].as_array().expect("a locator set");
                (text(&row["logical_switch"]), members.iter().map(text).collect())
            })
            .collect();
        floods.sort();
        floods
    }

    /// Without rows that the test itself, or the switch, may leave behind and that mean nothing to the comparison.
    pub(crate) fn without(mut self, tables: &[&str]) -> Self {
        for table in tables {
            self.0.remove(*table);
        }
        self
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What each UUID stands for: a name, an address, or the members of a set.
fn names(raw: &BTreeMap<&str, &Vec<Value>>) -> BTreeMap<String, Value> {
    let mut names = BTreeMap::new();
    // Locators come before the sets and tunnels that name them.
    for table in ["Physical_Switch", "Physical_Port", "Logical_Switch", "Logical_Router", "Physical_Locator"] {
        for row in raw.get(table).into_iter().copied().flatten() {
            let name = match table {
                "Physical_Locator" => match row["tunnel_key"].as_u64() {
                    Some(key) => json!(format!("{}/{key}", text(&row["dst_ip"]))),
                    None => row["dst_ip"].clone(),
                },
                _ => row["name"].clone(),
            };
            names.insert(text(&row["_uuid"][1]), name);
        }
    }
    for row in raw.get("Physical_Locator_Set").into_iter().copied().flatten() {
        let mut members: Vec<Value> = elements(&row["locators"]).iter().map(|v| refer(v, &names)).collect();
        members.sort_by_key(text);
        names.insert(text(&row["_uuid"][1]), Value::Array(members));
    }
    names
}

fn normal_row(row: &Value, columns: &Map<String, Value>, names: &BTreeMap<String, Value>) -> Row {
    let values = columns.iter().map(|(column, definition)| {
        let (value, kind) = (&row[column], &definition["type"]);
        let normal = if kind.get("value").is_some() {
            let pairs = value[1].as_array().expect("a map has pairs").iter();
            pairs.map(|pair| (text(&refer(&pair[0], names)), refer(&pair[1], names))).collect::<Map<_, _>>().into()
        } else if kind.get("max").is_some_and(|max| max != &json!(1)) {
            let mut members: Vec<Value> = elements(value).iter().map(|v| refer(v, names)).collect();
            members.sort_by_key(text);
            Value::Array(members)
        } else {
            elements(value).first().map_or(Value::Null, |v| refer(v, names))
        };
        (column.clone(), normal)
    });
    values.collect()
}

/// The members of a set; a bare value is a set of one (RFC 7047, section 5.1).
fn elements(value: &Value) -> Vec<Value> {
    if value[0] == "set" { value[1].as_array().expect("a set has members").clone() } else { vec![value.clone()] }
}

fn refer(value: &Value, names: &BTreeMap<String, Value>) -> Value {
    if value[0] == "uuid" {
        names.get(&text(&value[1])).cloned().unwrap_or_else(|| json!("row"))
    } else {
        value.clone()
    }
}
