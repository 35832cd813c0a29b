//! `l2gw watch`: what happens, as it happens, until Ctrl-C.

use clap::Args;
use serde_json::Value;

use super::{
    CommandOutcome, Done, Failure, Output, Session,
    audit::{self, Kind},
    csv,
    output::{Format, json, text, yaml},
    terminal,
};
use crate::{admin::client::AdminClientError, model::printable::one_line};

#[derive(Debug, Args)]
pub(super) struct Watch {
    /// Only events of this kind; repeat the option for more.
    #[arg(long, value_enum)]
    kind: Vec<Kind>,
    /// Ends after this number of events.
    #[arg(long, value_name = "NUMBER")]
    count: Option<u64>,
}

impl Watch {
    pub(super) async fn run(self, session: &Session) -> Done {
        let mut events = session.client.watch(&audit::words(&self.kind)).await?;
        if session.output.is_table() {
            terminal::remark(&"watching; Ctrl-C ends it");
        }
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 {
            let event = match events.next().await {
                Some(Ok(event)) => event,
                Some(Err(error)) => return Err(Failure::Answer(error)),
                None => return Err(AdminClientError::Lost("vtepd has ended".to_owned()).into()),
            };
            let format = session.output.format();
            let shown = shown(format, &event)?;
            if format == Format::Table {
                Output::text(&shown)?;
            } else {
                terminal::programs(&shown)?;
            }
            left -= 1;
        }
        Ok(CommandOutcome::Fine)
    }
}

/// An event a line (YAML: a document).
pub(super) fn shown(format: Format, event: &Value) -> Result<String, Failure> {
    let member = |name: &str| text(&event[name]);
    Ok(match format {
        Format::Json => json(&format!("{event}\n")).into_owned(),
        Format::Yaml => format!("---\n{}", yaml(event)?),
        Format::Csv => {
            let details = audit::details(event, false);
            csv::line([member("at"), member("kind"), member("subject"), member("result"), details])?
        }
        Format::Name => format!("{}\n", one_line(&member("subject"))),
        Format::Table => audit::line(event, false),
    })
}
