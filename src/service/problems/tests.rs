//! Facts in, problems out.

use uuid::Uuid;

use super::*;
use crate::model::{ConnectionId, MacAddr, NetworkId, text::Names};

const DOWN_SINCE: &str = "2026-11-27T09:00:00Z";
const HELD_SINCE: &str = "2026-11-27T08:00:00Z";

fn switch(name: &str, own: Vec<Reason>) -> SwitchStatus {
    let mut switch = SwitchStatus { physical_switch: format!("{name} of the vendor"), ..SwitchStatus::example(name) };
    for reason in own {
        let since = match reason {
            Reason::NoSession(_) => DOWN_SINCE.to_owned(),
            _ => String::new(),
        };
        switch.add_since(reason, since);
    }
    switch
}

/// A connection of gateway `g` with a binding for each of these: switch, port, reason.
fn connection(gateway: &str, rows: &[(&str, &str, Reason)]) -> ConnectionFact {
    let id = ConnectionId(Uuid::nil());
    let row = |(switch, port, reason): &(&str, &str, Reason)| BindingStatus {
        switch: (*switch).to_owned(),
        port: (*port).to_owned(),
        vlan: VlanId::try_from(5).unwrap(),
        status: reason.status(),
        reason: reason.clone(),
        rows_desired: 0,
        rows_actual: 0,
        since: String::new(),
        network_id: NetworkId(Uuid::nil()),
        connections: vec![id],
    };
    let switches: Vec<_> = rows.iter().map(row).collect();
    let status = switches.iter().map(|row| row.status).max().unwrap();
    ConnectionFact { gateway: gateway.to_owned(), status: ConnectionStatus { connection_id: id, status, switches } }
}

fn found(switches: &[SwitchStatus], connections: &[ConnectionFact]) -> Vec<Problem> {
    problems(&Facts {
        store: None,
        parts: Vec::new(),
        source: None,
        holds: &[],
        switches,
        connections,
        unreached: &[],
        endpoints: &Endpoints::default(),
    })
}

/// Status, name, impact.
fn shown(problems: &[Problem]) -> Vec<(Status, &str, &str)> {
    problems.iter().map(|problem| (problem.status, problem.name.as_str(), problem.impact.as_str())).collect()
}

#[test]
fn bindings_with_one_cause_are_one_problem_and_the_worst_comes_first() {
    let foreign = |name: &str| Reason::VniForeign { logical_switch: name.to_owned(), vni: 7_i64.try_into().unwrap() };
    let missing = Reason::PortMissing { port: "e9".to_owned(), switch: "t".to_owned(), present: Names::new(["e1"]) };
    let rows = [
        ("t", "e1", Reason::None),
        ("t", "e2", foreign("x")),
        ("t", "e3", foreign("x")),
        ("u", "e3", foreign("x")),
        ("t", "e9", missing),
        ("u", "e1", Reason::Standby { bound: "t".to_owned() }),
    ];
    let found = found(&[switch("t", vec![]), switch("u", vec![])], &[connection("g", &rows), connection("g", &rows)]);
    let expected = [
        (Status::Error, "t e9 VLAN 5", ""),
        (Status::Conflict, "t e2 VLAN 5 and 1 more", ""),
        (Status::Conflict, "u e3 VLAN 5", ""),
    ];
    assert_eq!(shown(&found), expected);
    assert_eq!(found[0].fix, "correct the gateway: l2gw gateway update");
}

#[test]
fn a_switch_that_is_down_is_one_problem_with_what_it_concerns() {
    let down = Reason::NoSession("no route".into());
    let rows = |twin: Reason| [("t", "e1", down.clone()), ("t", "e2", down.clone()), ("u", "e1", twin)];
    let connections = [
        connection("a", &rows(Reason::None)),
        connection("a", &rows(Reason::None)),
        connection("b", &rows(down.clone())[..1]),
    ];
    let found = found(&[switch("t", vec![down.clone()]), switch("u", vec![])], &connections);
    let impact = "gateway a (2 connections; u is there), gateway b (1 connection; no other switch carries them)";
    assert_eq!(shown(&found), [(Status::Down, "t", impact)]);
    assert_eq!(found[0].since, DOWN_SINCE);
    assert!(found[0].fix.contains("tcp:192.0.2.1:6640"), "{found:?}");
}

#[test]
fn a_twin_that_is_down_too_carries_nothing() {
    let down = || Reason::NoSession("no route".into());
    let connections = [connection("a", &[("t", "e1", down()), ("u", "e1", down())])];
    let found = found(&[switch("t", vec![down()]), switch("u", vec![down()])], &connections);
    let impact = "gateway a (1 connection; no other switch carries them)";
    assert_eq!(shown(&found), [(Status::Down, "t", impact), (Status::Down, "u", impact)]);
}

#[test]
fn what_the_network_causes_is_one_problem_over_all_its_switches() {
    let network = NetworkId(Uuid::nil());
    let gone = || Reason::NetworkDeleted { network, draining: false };
    let looped = || Reason::Loop { mac: MacAddr::new([2, 0, 0, 0, 0, 1]), more: 0 };
    let rows = [("t", "e1", gone()), ("u", "e1", gone()), ("t", "e2", looped()), ("u", "e2", looped())];
    let found = found(&[switch("t", vec![]), switch("u", vec![])], &[connection("g", &rows)]);
    let expected = [(Status::Error, "t e1 VLAN 5 and 1 more", ""), (Status::Conflict, "t e2 VLAN 5 and 1 more", "")];
    assert_eq!(shown(&found), expected);
}

#[test]
fn a_hold_is_shown_once_whether_deletions_wait_or_not() {
    let holds = ["t", "u"].map(|name| (name.to_owned(), HELD_SINCE.to_owned()));
    let switches = [switch("t", vec![Reason::HeldByOperator]), switch("u", vec![])];
    let held = [connection("g", &[("t", "e1", Reason::HeldByOperator)])];
    let found = problems(&Facts {
        store: Some(("the disk is full", DOWN_SINCE.to_owned())),
        parts: Vec::new(),
        source: None,
        holds: &holds,
        switches: &switches,
        connections: &held,
        unreached: &[vec![("compute-9".into(), 2)], vec![("compute-9".into(), 1), ("compute-8".into(), 1)]],
        endpoints: &Endpoints::default(),
    });
    let of = |ports: &str| format!("switches don't reach {ports}");
    let (nine, eight) = (of("3 ports of 2 networks"), of("1 port of 1 network"));
    let expected = [
        (Status::Error, "store", "no change is accepted; what the switches hold stays"),
        (Status::Held, "t", ""),
        (Status::Held, "u", ""),
        (Status::Degraded, "compute-8", &eight),
        (Status::Degraded, "compute-9", &nine),
    ];
    assert_eq!(shown(&found), expected);
    let since: Vec<&str> = found.iter().map(|problem| problem.since.as_str()).collect();
    assert_eq!(since, [DOWN_SINCE, HELD_SINCE, HELD_SINCE, "", ""]);
}

/// Reasons that no server can be made to keep: they pass as soon as the worker has taken its news.
#[test]
fn what_passes_at_once_is_pending() {
    let busy = || Reason::Busy { at: "2026-11-27T10:00:00Z".to_owned() };
    let rows = [("t", "e1", Reason::NotDelivered), ("t", "e2", Reason::NetworkUnknown), ("u", "e1", busy())];
    let found = found(&[switch("t", vec![]), switch("u", vec![busy()])], &[connection("g", &rows)]);
    let expected =
        [(Status::Pending, "t e1 VLAN 5", ""), (Status::Pending, "t e2 VLAN 5", ""), (Status::Pending, "u", "")];
    let mut shown = shown(&found);
    shown.sort_unstable();
    assert_eq!(shown, expected);
    assert!(found.iter().all(|problem| problem.kind == ProblemKind::Pending && problem.fix.contains("look again")));
}
