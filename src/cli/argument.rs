//! Arguments of several commands, read with our own words.

use std::time::Duration;

/// A VLAN; 0 is untagged.
pub(super) fn vlan(text: &str) -> Result<u16, String> {
    let found = text.trim().parse().ok().filter(|vlan| *vlan <= 4094);
    found.ok_or_else(|| format!("'{text}' is no VLAN: use 0 (untagged) to 4094"))
}

/// A name by which something is called later.
pub(super) fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("a name has at least one character".to_owned()) } else { Ok(text.to_owned()) }
}

/// A duration as plumgrid.ini has it.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    crate::config::duration(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_mistakes_named() {
        assert_eq!((vlan("0"), vlan(" 4094 ")), (Ok(0), Ok(4094)));
        for wrong in ["vlan60", "4095", "-1", ""] {
            assert_eq!(vlan(wrong), Err(format!("'{wrong}' is no VLAN: use 0 (untagged) to 4094")));
        }
        assert_eq!(name("x"), Ok("x".to_owned()));
        assert!(name("").is_err() && name(" ").is_err());
        assert_eq!(duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5"), Ok(Duration::from_secs(5)));
    }
}
