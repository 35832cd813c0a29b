//! Hand-overs of `single-active` in words: one notice for all networks of a gateway that moved the same way.

use std::{collections::BTreeMap, time::SystemTime};

use crate::{
    model::{
        GatewayId,
        problem::{Notice, NoticeKind},
        text,
    },
    relay::Moved,
};

/// `names` knows the gateways by name.
pub(super) fn notices<'a>(moved: &'a [Moved], names: impl Fn(GatewayId) -> Option<&'a str>) -> Vec<Notice> {
    let mut ways: BTreeMap<(GatewayId, &str, &str), Vec<&Moved>> = BTreeMap::new();
    for one in moved {
        ways.entry((one.gateway, &one.from, &one.to)).or_default().push(one);
    }
    ways.into_iter()
        .map(|((gateway, from, to), moved)| {
            let networks = match moved.as_slice() {
                [one] => format!("network {}", one.network),
                [one, ..] => format!("network {} and {} more", one.network, moved.len() - 1),
                [] => String::new(),
            };
            let latest = moved.iter().map(|one| one.at).max().unwrap_or(SystemTime::UNIX_EPOCH);
            let (from, to) = (text::name(from), text::name(to));
            Notice {
                kind: NoticeKind::Handover,
                name: text::name(names(gateway).unwrap_or("a gateway that was deleted")),
                what: format!("{networks} moved from {from} to {to} (single-active)"),
                since: humantime::format_rfc3339_seconds(latest).to_string(),
                fix: format!(
                    "flush the MAC tables of the bridges between {from} and {to}: until they have forgotten, they send frames to \
                     {from}, where they are lost"
                ),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::model::NetworkId;

    #[test]
    fn networks_that_moved_the_same_way_are_one_notice() {
        let gateway = GatewayId(Uuid::from_u128(1));
        let moved = |network: u128, from: &str, to: &str, seconds: u64| Moved {
            gateway,
            network: NetworkId(Uuid::from_u128(network)),
            from: from.to_owned(),
            to: to.to_owned(),
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        };
        let all = [moved(1, "a", "b", 10), moved(2, "a", "b", 20), moved(3, "b", "a", 5)];
        let found = notices(&all, |_| Some("gw"));
        let told: Vec<_> = found.iter().map(|notice| (notice.what.as_str(), notice.since.as_str())).collect();
        let one = Uuid::from_u128(1);
        let three = Uuid::from_u128(3);
        assert_eq!(
            told,
            [
                (
                    format!("network {one} and 1 more moved from a to b (single-active)").as_str(),
                    "1970-01-01T00:00:20Z"
                ),
                (format!("network {three} moved from b to a (single-active)").as_str(), "1970-01-01T00:00:05Z"),
            ]
        );
        assert!(found[0].fix.contains("flush the MAC tables of the bridges between a and b"), "{}", found[0].fix);
        assert_eq!(notices(&[], |_| None), []);
    }
}
