//! Answers as people or programs want them.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::Value;

use super::{Failure, csv, terminal, yaml};

/// `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Table,
    /// A bare array for lists, a bare object for one.
    Json,
    /// The same as YAML.
    Yaml,
    /// A line of names, then a line each.
    Csv,
    /// Names alone, or ids where there are none: what other commands take.
    Name,
}

/// A column of a table: its name in CSV, and what it shows of an object. Its title is the name in capitals.
pub(super) struct Column {
    name: &'static str,
    show: Box<dyn Fn(&Value) -> String>,
    alone: bool,
}

/// Where answers go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    format: Format,
}

// ===== impl Column =====

impl Column {
    /// A member of the object as it is.
    pub(super) fn member(name: &'static str) -> Self {
        Self::made(name, move |value| text(&value[name]))
    }

    /// Something made of the object.
    pub(super) fn made(name: &'static str, show: impl Fn(&Value) -> String + 'static) -> Self {
        Self { name, show: Box::new(show), alone: false }
    }

    /// Left out of lists that people read.
    pub(super) fn only_alone(self) -> Self {
        Self { alone: true, ..self }
    }

    fn title(&self) -> String {
        self.name.replace('_', " ").to_uppercase()
    }
}

// ===== impl Output =====

impl Output {
    pub(super) fn new(format: Format) -> Self {
        Self { format }
    }

    pub(super) fn format(self) -> Format {
        self.format
    }

    /// Whether people read it.
    pub(super) fn is_table(self) -> bool {
        self.format == Format::Table
    }

    /// A list.
    pub(super) fn list(self, columns: &[Column], rows: &[Value]) -> Result<(), Failure> {
        match self.format {
            Format::Json => print_json(&rows),
            Format::Yaml => print(&yaml::write(&Value::Array(rows.to_vec()))),
            Format::Csv => {
                let mut text = csv::line(columns.iter().map(|column| column.name));
                for row in rows {
                    text.push_str(&csv::line(columns.iter().map(|column| (column.show)(row))));
                }
                print(&text)
            }
            Format::Name => print(&names(rows)),
            Format::Table if rows.is_empty() => {
                terminal::remark(&"(none)");
                Ok(())
            }
            Format::Table => {
                let columns: Vec<&Column> = columns.iter().filter(|column| !column.alone).collect();
                print(&table(&columns, rows))
            }
        }
    }

    /// One object.
    pub(super) fn show(self, columns: &[Column], object: &Value) -> Result<(), Failure> {
        match self.format {
            Format::Json => print_json(object),
            Format::Yaml => print(&yaml::write(object)),
            Format::Csv | Format::Name => self.list(columns, std::slice::from_ref(object)),
            Format::Table => {
                let mut table = frame();
                for column in columns {
                    let shown = (column.show)(object);
                    table.add_row(vec![head(&column.title()), cell(&shown)]);
                }
                print(&trimmed(table))
            }
        }
    }

    /// Text as it is.
    pub(super) fn text(text: &str) -> Result<(), Failure> {
        print(text)
    }
}

/// JSON, indented for people who look at it on a terminal, too.
fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    print(&text)
}

/// A member for people: nothing for null, a list joined.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// What other commands take: the name where only one object bears it, else the id.
fn names(rows: &[Value]) -> String {
    let name = |row: &Value| row["name"].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    let mut count = std::collections::HashMap::new();
    for name in rows.iter().filter_map(name) {
        *count.entry(name).or_insert(0) += 1;
    }
    let mut all = String::new();
    for row in rows {
        // Only ports can't be named by their names.
        let unique = name(row).filter(|name| count.get(name) == Some(&1) && row.get("mac_address").is_none());
        let id = ["id", "connection_id", "host", "switch", "mac"].iter().find_map(|id| row[id].as_str());
        let shown = unique.or_else(|| id.map(str::to_owned)).unwrap_or_default();
        all.push_str(&shown);
        all.push('\n');
    }
    all
}

fn frame() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    if terminal::colours() {
        table.enforce_styling()
    } else {
        table.force_no_tty()
    };
    table
}

fn table(columns: &[&Column], rows: &[Value]) -> String {
    let mut table = frame();
    table.set_header(columns.iter().map(|column| head(&column.title())).collect::<Vec<_>>());
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|column| (column.show)(row)).collect()).collect();
    for row in &rows {
        table.add_row(row.iter().map(|text| cell(text)).collect::<Vec<_>>());
    }
    // A UUID in two halves can't be copied: only sentences are broken into lines.
    for (i, column) in table.column_iter_mut().enumerate() {
        if rows.iter().all(|row| !row[i].contains(' ')) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    trimmed(table)
}

fn head(title: &str) -> Cell {
    let cell = Cell::new(title);
    if terminal::colours() { cell.add_attribute(Attribute::Bold) } else { cell }
}

fn cell(text: &str) -> Cell {
    let cell = Cell::new(text);
    match terminal::colour(text) {
        Some(colour) if terminal::colours() => cell.fg(colour),
        _ => cell,
    }
}

/// Two blanks between columns, and none around: they only get into the way of those who copy.
fn trimmed(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

/// To standard output.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
