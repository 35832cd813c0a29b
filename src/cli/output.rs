//! Answers as people or programs want them.

use std::{borrow::Cow, collections::HashMap, fmt::Write as _};

use clap::ValueEnum;
use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;
use serde_json::Value;

use super::{Failure, csv, terminal};
use crate::model::printable::{escape, is_printable, lines, one_line};

/// Longest word that keeps its column so wide that it isn't broken: a UUID behind a deployment's name has fewer characters.
const LONGEST_WORD: usize = 64;
/// Blanks behind each column.
const PADDING: usize = 2;

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

    /// What it shows of an object.
    pub(super) fn shown(&self, object: &Value) -> String {
        (self.show)(object)
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
            Format::Table if rows.is_empty() => {
                terminal::remark(&"(none)");
                Ok(())
            }
            Format::Table => terminal::table(&table(columns, rows)),
            Format::Json => terminal::programs(&json_document(&rows)?),
            Format::Yaml => terminal::programs(&yaml(&rows)?),
            Format::Csv => terminal::programs(&csv_lines(columns, rows)?),
            Format::Name => terminal::programs(&names(rows)),
        }
    }

    /// One object.
    pub(super) fn show(self, columns: &[Column], object: &Value) -> Result<(), Failure> {
        match self.format {
            Format::Json => terminal::programs(&json_document(object)?),
            Format::Yaml => terminal::programs(&yaml(object)?),
            Format::Csv | Format::Name => self.list(columns, std::slice::from_ref(object)),
            Format::Table => terminal::table(&card(columns, object)),
        }
    }

    /// Text for people: what isn't printable is escaped, lines stay.
    pub(super) fn text(text: &str) -> Result<(), Failure> {
        terminal::people(text)
    }
}

/// JSON, indented for people who look at it on a terminal, too.
pub(super) fn json_document(value: &impl Serialize) -> Result<String, Failure> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(json(&text).into_owned())
}

/// The same JSON with all that isn't printable in escapes: nothing else but strings holds such characters (RFC 8259 section 7).
pub(super) fn json(text: &str) -> Cow<'_, str> {
    let units = |escaped: &mut String, c: char| {
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String can't fail.
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    };
    escape(text, |c| c == '\n' || is_printable(c), units)
}

/// A YAML document.
pub(super) fn yaml(value: &impl Serialize) -> Result<String, Failure> {
    serde_saphyr::to_string(value).map_err(|error| Failure::Output(std::io::Error::other(error.to_string())))
}

/// A line of the columns' names, then a line a row.
pub(super) fn csv_lines(columns: &[Column], rows: &[Value]) -> Result<String, Failure> {
    let mut text = csv::line(columns.iter().map(|column| column.name))?;
    for row in rows {
        text.push_str(&csv::line(columns.iter().map(|column| column.shown(row)))?);
    }
    Ok(text)
}

/// The same value for people: each string in one line, and printable. A column may put line breaks between them.
pub(super) fn escaped(value: &Value) -> Cow<'_, Value> {
    let is_clean = |text: &str| matches!(one_line(text), Cow::Borrowed(_));
    match value {
        Value::String(text) if !is_clean(text) => Cow::Owned(Value::String(one_line(text).into_owned())),
        Value::Array(items) => {
            let shown: Vec<Cow<'_, Value>> = items.iter().map(escaped).collect();
            if shown.iter().all(|item| matches!(item, Cow::Borrowed(_))) {
                return Cow::Borrowed(value);
            }
            Cow::Owned(shown.into_iter().map(Cow::into_owned).collect())
        }
        Value::Object(members) => {
            let shown: Vec<(&String, Cow<'_, Value>)> =
                members.iter().map(|(name, member)| (name, escaped(member))).collect();
            if shown.iter().all(|(name, member)| is_clean(name) && matches!(member, Cow::Borrowed(_))) {
                return Cow::Borrowed(value);
            }
            let member = |(name, member): (&String, Cow<'_, Value>)| (one_line(name).into_owned(), member.into_owned());
            Cow::Owned(Value::Object(shown.into_iter().map(member).collect()))
        }
        _ => Cow::Borrowed(value),
    }
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

/// What other commands take: the name where only one object bears it and a line can hold it, else the id.
pub(super) fn names(rows: &[Value]) -> String {
    let is_line = |name: &&str| !name.is_empty() && name.chars().all(is_printable);
    let name = |row: &Value| row["name"].as_str().filter(is_line).map(str::to_owned);
    let mut count = HashMap::new();
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

/// A line of titles, then a line a row.
pub(super) fn table(columns: &[Column], rows: &[Value]) -> String {
    let columns: Vec<&Column> = columns.iter().filter(|column| !column.alone).collect();
    let mut table = frame();
    table.set_header(columns.iter().map(|column| head(&column.title())).collect::<Vec<_>>());
    let cells = |row: &Value| -> Vec<String> {
        let row = escaped(row);
        columns.iter().map(|column| column.shown(&row)).collect()
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    for row in &rows {
        table.add_row(row.iter().map(|text| cell(text)).collect::<Vec<_>>());
    }
    keep_words(&mut table, &rows);
    trimmed(table)
}

/// One object, a line a column.
pub(super) fn card(columns: &[Column], object: &Value) -> String {
    let object = escaped(object);
    let rows: Vec<[String; 2]> = columns.iter().map(|column| [column.title(), column.shown(&object)]).collect();
    let mut table = frame();
    for [title, shown] in &rows {
        table.add_row(vec![head(title), cell(shown)]);
    }
    keep_words(&mut table, &rows);
    trimmed(table)
}

/// Half a UUID or half a MAC can't be copied: only sentences are broken into lines, and between words.
fn keep_words<R: AsRef<[String]>>(table: &mut Table, rows: &[R]) {
    for (i, column) in table.column_iter_mut().enumerate() {
        let cells = || rows.iter().filter_map(|row| row.as_ref().get(i));
        if cells().all(|text| !text.contains(' ')) {
            column.set_constraint(ColumnConstraint::ContentWidth);
            continue;
        }
        let words = cells().flat_map(|text| text.split_whitespace()).map(|word| word.chars().count());
        let longest = words.filter(|length| *length <= LONGEST_WORD).max().unwrap_or(0);
        let width = u16::try_from(longest + PADDING).unwrap_or(u16::MAX);
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
    }
}

fn head(title: &str) -> Cell {
    let cell = Cell::new(title);
    if terminal::colours() { cell.add_attribute(Attribute::Bold) } else { cell }
}

fn cell(text: &str) -> Cell {
    // A column may join names that it took from elsewhere.
    let cell = Cell::new(lines(text));
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
