//! Which Physical_Switches are behind a connection: a question that changes nothing, and the names in its answer.

use super::DATABASE;
use ovsdb::json::{Cursor, JsonError};

/// Parameters of `transact` (RFC 7047 section 4.1.3).
#[must_use]
pub fn question() -> String {
    format!(r#"["{DATABASE}",{{"op":"select","table":"Physical_Switch","where":[],"columns":["name"]}}]"#)
}

/// The names in the answer.
pub fn names(answer: &mut Cursor<'_>) -> Result<Vec<String>, JsonError> {
    let mut names = Vec::new();
    answer.array(|result| {
        result.object(|member, rows| match member {
            "rows" => rows.array(|row| {
                row.object(|column, value| match column {
                    "name" => value.string().map(|name| names.push(name.into_owned())),
                    _ => value.skip(),
                })
            }),
            _ => rows.skip(),
        })
    })?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_select() {
        let read = |text: &str| names(&mut Cursor::new(text.as_bytes()));
        assert_eq!(read(r#"[{"rows":[{"name":"a"},{"name":"b"}]}]"#).unwrap(), ["a", "b"]);
        assert_eq!(read(r#"[{"error":"unknown table"}]"#).unwrap(), [""; 0]);
        assert!(read(r#"[{"rows":[{"name":7}]}]"#).is_err());
    }
}
