//! The fields of an event as a line of text, each escaped: a name that a switch or a client gave can't write a line of its own,
//! nor steer the terminal.

use std::fmt;

use tracing::field::Field;
use tracing_subscriber::fmt::{
    FormatFields,
    format::{self, Writer},
};

use crate::model::printable::one_line;

/// `message name=value …`, as [`mod@tracing_subscriber::fmt`] writes it.
pub(super) fn escaped() -> impl for<'w> FormatFields<'w> + 'static {
    use tracing_subscriber::field::MakeExt as _;
    format::debug_fn(write).delimited(" ")
}

fn write(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let text = format!("{value:?}");
    let text = one_line(&text);
    match field.name() {
        "message" => writer.write_str(&text),
        // In italics and dimmed, as tracing's own format has it.
        name if writer.has_ansi_escapes() => write!(writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m{text}"),
        name => write!(writer, "{name}={text}"),
    }
}
