//! Events as entries of systemd's journal, each field as `VTEPD_<FIELD>` beside the readable message.

use std::fmt::{Debug, Write};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::prefixed::priority;
use crate::model::printable::one_line;

/// Longest name of a journal field (systemd.journal-fields(7)).
const LONGEST_NAME: usize = 64;

/// Hands entries over; a test takes them instead of the journal.
type Send = fn(&[&str]) -> systemd::Result<()>;

/// The layer.
pub(super) struct Journal {
    /// `SYSLOG_IDENTIFIER`.
    program: &'static str,
    send: Send,
}

impl Journal {
    pub(super) fn new(program: &'static str) -> Self {
        Self { program, send: systemd::journal::send }
    }

    #[cfg(test)]
    pub(super) fn to(program: &'static str, send: Send) -> Self {
        Self { program, send }
    }
}

/// The fields of an event or span.
#[derive(Default, Clone)]
struct Fields {
    message: String,
    /// `switch=tor-switch-1 …`, as it is appended to the message.
    text: String,
    /// `VTEPD_SWITCH=tor-switch-1`.
    entries: Vec<String>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = one_line(value).into_owned();
            return;
        }
        // Writing to a String can't fail.
        let _ = write!(self.text, " {}={}", field.name(), one_line(value));
        self.entries.push(format!("{}={value}", journal_name(field.name())));
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field, &value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

/// The journal takes upper-case letters, digits and underscores.
fn journal_name(field: &str) -> String {
    let name = field.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    "VTEPD_".chars().chain(name).take(LONGEST_NAME).collect()
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Journal {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.text.push_str(&of_span.text);
                fields.entries.extend(of_span.entries.iter().cloned());
            }
        }
        let metadata = event.metadata();
        let mut entry = vec![
            format!("MESSAGE={}{}", fields.message, fields.text),
            format!("PRIORITY={}", priority(*metadata.level())),
            format!("SYSLOG_IDENTIFIER={}", self.program),
            format!("TARGET={}", metadata.target()),
        ];
        entry.extend(metadata.file().map(|file| format!("CODE_FILE={file}")));
        entry.extend(metadata.line().map(|line| format!("CODE_LINE={line}")));
        entry.append(&mut fields.entries);
        let entry: Vec<&str> = entry.iter().map(String::as_str).collect();
        if let Err(error) = (self.send)(&entry) {
            // Never lose a message in silence: standard error is a stream of the journal, too.
            eprintln!("<{}>{} (journal: {error})", priority(*metadata.level()), entry.first().unwrap_or(&""));
        }
    }
}
