//! Any text as any name, through every presentation.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    audit,
    output::{self, Column, Format, text},
    status, watch,
};
use crate::model::printable;

/// Any text; and, more often than chance would have it, what terminals and readers of YAML and CSV trip over.
fn name() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            "\u{1b}[2J",
            "\u{9b}31m",
            "\u{1b}]0;x\u{7}",
            "\n",
            "\r",
            "\r\n",
            "\t",
            "\0",
            "\u{7f}",
            "\u{85}",
            "\u{2028}",
            "\u{202e}",
            "\u{2066}",
            "\u{200b}",
            "\u{feff}",
            "\u{fdd2}",
            "\u{10ffff}",
            ",",
            ";",
            "\"",
            "'",
            ": ",
            " #",
            "- ",
            "yes",
            "null",
            "~",
            "1e3",
            "0x1f",
            "12:30",
            "---",
            "...",
            "{",
            "[",
            "&a",
            "*a",
            "!t",
            "%",
            "@",
            "`",
            "|",
            ">",
            "<<",
            "=",
            " ",
            "\\",
            "fa:16:3e:00:00:01",
            "2026-11-27",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// A row as the daemon answers it, with the name wherever a name can stand.
fn row(name: &str) -> Value {
    json!({
        "id": "8f1c2f6e-6f9c-4c29-9d3f-1de51de0a2f0",
        "name": name,
        "devices": [{"device_name": name, "interfaces": [{"name": name, "segmentation-id": [5]}]}],
        "reasons": [name, "fine"],
        name: {"inner": name},
    })
}

fn columns() -> Vec<Column> {
    vec![
        Column::member("id"),
        Column::member("name"),
        Column::member("reasons"),
        // Joined by line breaks, as the columns of gateways and switches are.
        Column::made("devices", |row| {
            let device = &row["devices"][0];
            format!(
                "{}: {}\n{}",
                text(&device["device_name"]),
                text(&device["interfaces"][0]["name"]),
                text(&row["name"])
            )
        }),
    ]
}

fn entry(kind: &str, name: &str) -> Value {
    let planned = json!({"action": "insert", "table": name, "row": name, "change": name, "reason": name});
    let details = match kind {
        "call" => json!({"params": {"body": {"name": name}}}),
        "plan" => json!({"inserts": 2, "updates": 0, "deletes": 0, "drifted": 1, "rows": [planned, planned]}),
        "drift" => json!({"seen": name, "put_back": name, "repair": planned}),
        _ => json!({"reason": name}),
    };
    json!({"at": "2026-11-27T10:00:00Z", "kind": kind, "who": name, "subject": name, "revision": 5, "result": name,
           "details": details})
}

/// Where colours begin and end in text for people.
const MARKS: [char; 4] = ['\u{fdd0}', '\u{fdd1}', '\u{fdd2}', '\u{fdd3}'];

/// What a terminal would receive: no control character but line breaks, and nothing that hides or turns text.
fn fits_a_terminal(text: &str) -> Result<(), TestCaseError> {
    let unfit = text.chars().find(|c| *c != '\n' && !printable::is_printable(*c));
    prop_assert!(unfit.is_none(), "{unfit:?} in {text:?}");
    Ok(())
}

proptest! {
    #[test]
    fn no_name_steers_a_terminal_or_forges_a_row(name in name()) {
        let (row, columns) = (row(&name), columns());
        let table = output::table(&columns, &[row.clone(), row.clone()]);
        fits_a_terminal(&table)?;
        // Titles, and two lines for each row.
        prop_assert_eq!(table.lines().count(), 5, "{}", table);
        let card = output::card(&columns, &row);
        fits_a_terminal(&card)?;
        prop_assert_eq!(card.lines().count(), 5, "{}", card);
        fits_a_terminal(&output::names(std::slice::from_ref(&row)))?;
        prop_assert_eq!(output::names(&[row]).lines().count(), 1);
        for kind in ["call", "plan", "drift", "session", "handover", "loss"] {
            let line = audit::line(&entry(kind, &name), false);
            // Colours are drawn by the writer, which knows them by marks.
            fits_a_terminal(&line.replace(MARKS, ""))?;
            prop_assert_eq!(line.matches('\n').count(), 1, "{}", line);
        }
        let problem = json!({"kind": "port", "status": "error", "name": name, "what": name, "since": name, "impact": name,
            "mend": name});
        let printed = status::print(&problem).replace(MARKS, "");
        fits_a_terminal(&printed)?;
        let lines = if name.is_empty() { 1 } else { 3 };
        prop_assert_eq!(printed.lines().count(), lines, "{}", printed);
    }

    /// `l2gw watch`, in each format.
    #[test]
    fn no_name_breaks_what_is_watched(name in name()) {
        for kind in ["call", "plan", "drift", "session", "loss"] {
            let event = entry(kind, &name);
            let shown = |format| watch::shown(format, &event).unwrap();
            for format in [Format::Table, Format::Name, Format::Json] {
                let line = shown(format).replace(MARKS, "");
                fits_a_terminal(&line)?;
                prop_assert_eq!(line.matches('\n').count(), 1, "{}", line);
            }
            prop_assert_eq!(&serde_json::from_str::<Value>(&shown(Format::Json)).unwrap(), &event);
            let yaml = shown(Format::Yaml);
            prop_assert_eq!(&serde_saphyr::from_str::<Value>(&yaml).unwrap(), &event, "{}", yaml);
            let csv = shown(Format::Csv);
            let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
            let read: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!((&read[0][2], &read[0][3]), (&*name, &*name));
        }
    }

    #[test]
    fn what_programs_read_is_the_same_value(name in name()) {
        let rows = [row(&name)];
        let whole = json!(rows);
        let json = output::json_document(&rows).unwrap();
        fits_a_terminal(&json)?;
        prop_assert_eq!(&serde_json::from_str::<Value>(&json).unwrap(), &whole);
        let yaml = output::yaml(&rows).unwrap();
        prop_assert_eq!(&serde_saphyr::from_str::<Value>(&yaml).unwrap(), &whole);
        let csv = output::csv_lines(&columns(), &rows).unwrap();
        let mut reader = ::csv::Reader::from_reader(csv.as_bytes());
        prop_assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), ["id", "name", "reasons", "devices"]);
        let read: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), 1);
        prop_assert_eq!((&read[0][1], &read[0][2]), (&*name, &*format!("{name}, fine")));
    }
}
