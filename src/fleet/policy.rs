//! What plumgrid.ini says of the sections of a session, in the plan's words.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    config::{BfdConfig, SwitchConfig},
    model::reason::Degradation,
    plan::{Bfd, Extras, Policy, Replication},
    vtep::Columns,
};

/// The policy of sections that share a database, given what its schema has.
#[must_use]
pub fn policy_of(sections: &[SwitchConfig], columns: Columns, schema: &BTreeMap<String, BTreeSet<String>>) -> Policy {
    let mut policy = policy(sections, false);
    extras(&mut policy, columns, schema, sections);
    policy
}

/// Before the schema is known.
pub(super) fn policy(sections: &[SwitchConfig], hold: bool) -> Policy {
    let strictest = sections.iter().map(|s| (s.guard_percent, s.guard_min_rows)).min();
    let (guard_percent, guard_min_rows) = strictest.unwrap_or((20, 10));
    // Sections of one session agree on what belongs to the session.
    let extras = sections.first().map(wanted).unwrap_or_default();
    Policy { columns: Columns::default(), guard_percent, guard_min_rows, hold, extras }
}

fn wanted(section: &SwitchConfig) -> Extras {
    let replication = match section.service_nodes.as_slice() {
        [] if section.vendor.profile().one_node => Replication::OneNode,
        [] => Replication::SourceNode,
        nodes => {
            let sorted: BTreeSet<_> = nodes.iter().copied().collect();
            Replication::ServiceNodes(sorted.into_iter().collect())
        }
    };
    Extras { replication, bfd: section.bfd.as_ref().map(bfd), managers: section.manager_targets.clone() }
}

/// The keys that we set; hardware_vtep(5) has their defaults.
fn bfd(config: &BfdConfig) -> Bfd {
    let milliseconds = |duration: &std::time::Duration| duration.as_millis().max(1).to_string();
    let params = [
        ("enable", Some("true".to_owned())),
        ("min_rx", config.min_rx.as_ref().map(milliseconds)),
        ("min_tx", config.min_tx.as_ref().map(milliseconds)),
    ];
    let remote = [("bfd_dst_mac", config.dst_mac.clone()), ("bfd_dst_ip", config.dst_ip.map(|ip| ip.to_string()))];
    let set = |pairs: &[(&str, Option<String>)]| {
        pairs.iter().filter_map(|(key, value)| Some(((*key).to_owned(), value.clone()?))).collect()
    };
    Bfd { params: set(&params), config_remote: set(&remote) }
}

/// Once the schema is known: what it can hold, and what is lost.
pub(super) fn extras(
    policy: &mut Policy,
    columns: Columns,
    schema: &BTreeMap<String, BTreeSet<String>>,
    sections: &[SwitchConfig],
) {
    let Extras { bfd, managers, replication } = &policy.extras;
    let mut columns = columns.with_extras(schema, bfd.is_some(), !managers.is_empty());
    match replication {
        Replication::SourceNode => {}
        // What an old schema can do is all that is asked for.
        Replication::ServiceNodes(_) => columns.degraded.retain(|lack| !lack.is_of_replication()),
        Replication::OneNode => {
            columns.degraded.retain(|lack| !lack.is_of_replication());
            let vendor = sections.first().map(|section| section.vendor.word()).unwrap_or_default();
            let cost = format!(
                "with vendor = {vendor}, the switch sends broadcasts to one member of the flood list only; set \
                 service_nodes to those that copy them"
            );
            columns.degraded.push(Degradation { table: "Logical_Switch", column: "replication_mode", cost });
        }
    }
    policy.columns = columns;
}
