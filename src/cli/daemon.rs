//! The daemon itself: `l2gw reload`, `l2gw log-level`, `l2gw schema`.

use clap::Args;
use serde_json::{Value, json};

use super::{
    CommandOutcome, Done, Output, Session,
    output::{Column, Format, escaped, text},
    terminal,
};

#[derive(Debug, Args)]
pub(super) struct LogLevel {
    /// A level (error, warn, info, debug, trace), and levels of single modules: info,vtepd::fleet=debug.
    levels: String,
}

impl LogLevel {
    pub(super) async fn run(self, session: &Session) -> Done {
        let _: Value = session.call("log_level", &json!({"levels": self.levels})).await?;
        Ok(CommandOutcome::Fine)
    }
}

pub(super) async fn reload(session: &Session) -> Done {
    let reload: Value = session.call("reload", &json!({})).await?;
    if session.output.is_table() {
        let reload = escaped(&reload);
        let mut any = false;
        for what in ["added", "changed", "dropped"] {
            let names = text(&reload[what]);
            if !names.is_empty() {
                any = true;
                Output::text(&format!("{what}: {names}\n"))?;
            }
        }
        if !any {
            Output::text("no switch changed\n")?;
        }
        for warning in reload["warnings"].as_array().into_iter().flatten() {
            terminal::remark(&format!("l2gw: note: {}", text(warning)));
        }
    } else {
        session.output.show(&["added", "changed", "dropped", "warnings"].map(Column::member), &reload)?;
    }
    Ok(CommandOutcome::Fine)
}

pub(super) async fn schema(session: &Session) -> Done {
    let schema: Value = session.call("schema", &json!({})).await?;
    match session.output.format() {
        Format::Json | Format::Yaml => session.output.show(&[], &schema)?,
        _ => {
            let columns = [
                Column::member("name"),
                Column::made("params", |method| {
                    let params = method["params"].as_array().into_iter().flatten();
                    let shown = params.map(|param| {
                        let name = text(&param["name"]);
                        if param["required"] == true { name } else { format!("[{name}]") }
                    });
                    shown.collect::<Vec<_>>().join(" ")
                }),
                Column::member("summary"),
            ];
            session.output.list(&columns, schema["methods"].as_array().map_or(&[], Vec::as_slice))?;
        }
    }
    Ok(CommandOutcome::Fine)
}
