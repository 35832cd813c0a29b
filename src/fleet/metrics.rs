//! The whole in figures, made from the statuses on request.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::model::{
    problem::{Notice, NoticeKind, Problem, ProblemKind},
    status::{SessionState, Status, Strangers, SwitchStatus, TunnelStatus},
    text,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    switch: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InState {
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InStatus {
    status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BindingsOf {
    switch: String,
    status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TunnelOf {
    switch: String,
    local: String,
    remote: String,
    host: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateOf {
    switch: String,
    certificate: &'static str,
}

const STATES: [SessionState; 6] = [
    SessionState::Connecting,
    SessionState::Identifying,
    SessionState::Syncing,
    SessionState::Up,
    SessionState::Backoff,
    SessionState::Refused,
];

const STATUSES: [Status; 8] = [
    Status::Active,
    Status::Draining,
    Status::Pending,
    Status::Degraded,
    Status::Held,
    Status::Down,
    Status::Conflict,
    Status::Error,
];

/// What the figures are made of.
#[derive(Debug, Clone, Copy)]
pub struct Figures<'a> {
    /// All switches.
    pub switches: &'a [SwitchStatus],
    /// The status of each connection.
    pub connections: &'a [Status],
    /// All that is wrong.
    pub problems: &'a [Problem],
    /// What happened and is not wrong.
    pub notices: &'a [Notice],
    /// Who dialled in and was refused.
    pub strangers: &'a Strangers,
}

/// The word that stands in the JSON.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn gauge<L>(registry: &mut Registry, name: &str, help: &str) -> Family<L, Gauge>
where
    L: EncodeLabelSet + Clone + std::hash::Hash + Eq + std::fmt::Debug + Send + Sync + 'static,
{
    let family = Family::<L, Gauge>::default();
    registry.register(name, help, family.clone());
    family
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Family<Of, Counter> {
    let family = Family::<Of, Counter>::default();
    registry.register(name, help, family.clone());
    family
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A registry with these figures.
#[must_use]
pub fn sample(Figures { switches, connections, problems, notices, strangers }: Figures<'_>) -> Registry {
    let mut registry = Registry::with_prefix("vtepd");
    let r = &mut registry;
    let sessions = gauge::<InState>(r, "sessions", "Switches by the state of their session");
    let up = gauge::<Of>(r, "switch_up", "Whether the session with the switch is up");
    let desired = gauge::<Of>(r, "switch_rows_desired", "Rows that the switch should have");
    let actual = gauge::<Of>(r, "switch_rows_actual", "Rows that it has, and that are right");
    let bindings = gauge::<BindingsOf>(r, "switch_bindings", "Bindings by status");
    let starts = counter(r, "switch_sessions", "Sessions that came to be");
    let transactions = counter(r, "switch_transactions", "Transactions that were sent");
    let failures = counter(r, "switch_transaction_failures", "Transactions that the switch refused");
    let help = "When the certificate expires, in seconds since 1970";
    let expiry = gauge::<CertificateOf>(r, "certificate_expiry_timestamp_seconds", help);
    let tunnels = gauge::<TunnelOf>(r, "tunnel_up", "Whether the tunnel carries traffic, as BFD sees it");
    let refused = Counter::<u64>::default();
    r.register("strangers", "Connections of switches that dialled in and were refused", refused.clone());
    refused.inc_by(strangers.count);
    of_the_whole(r, connections, problems, notices);
    for state in STATES {
        // A state without a switch is a zero, not a gap.
        sessions.get_or_create(&InState { state: word(state) }).set(0);
    }
    for status in switches {
        let of = Of { switch: status.name.clone() };
        sessions.get_or_create(&InState { state: word(status.session.state) }).inc();
        up.get_or_create(&of).set(i64::from(status.session.state == SessionState::Up));
        desired.get_or_create(&of).set(number(status.rows_desired));
        actual.get_or_create(&of).set(number(status.rows_actual));
        starts.get_or_create(&of).inc_by(status.counters.sessions);
        transactions.get_or_create(&of).inc_by(status.counters.transactions);
        failures.get_or_create(&of).inc_by(status.counters.failures);
        for row in &status.bindings {
            bindings.get_or_create(&BindingsOf { switch: of.switch.clone(), status: word(row.status) }).inc();
        }
        for TunnelStatus { local, remote, host, up, .. } in &status.tunnels {
            // Prometheus takes an empty label for none.
            let host = if host.is_empty() { "unknown".to_owned() } else { text::name(host) };
            let switch = of.switch.clone();
            let label = TunnelOf { switch, local: local.clone(), remote: remote.clone(), host };
            tunnels.get_or_create(&label).set(i64::from(*up));
        }
        for certificate in &status.session.certificates {
            let label = CertificateOf { switch: of.switch.clone(), certificate: certificate.of };
            expiry.get_or_create(&label).set(number(certificate.expires_unix));
        }
    }
    registry
}

/// Connections by status, and what is wrong by kind. What there is none of is a zero, not a gap.
fn of_the_whole(r: &mut Registry, connections: &[Status], problems: &[Problem], notices: &[Notice]) {
    let by_status = gauge::<InStatus>(r, "connections", "Connections by status");
    for status in STATUSES {
        let count = connections.iter().filter(|of| **of == status).count();
        by_status.get_or_create(&InStatus { status: word(status) }).set(number(count as u64));
    }
    let by_kind = gauge::<OfKind>(r, "problems", "What is wrong, by kind: as l2gw status lists it");
    for kind in ProblemKind::ALL {
        let count = problems.iter().filter(|problem| problem.kind == kind).count();
        by_kind.get_or_create(&OfKind { kind: word(kind) }).set(number(count as u64));
    }
    let by_kind = gauge::<OfKind>(r, "notices", "What happened a short while ago and is not wrong, by kind");
    for kind in NoticeKind::ALL {
        let count = notices.iter().filter(|notice| notice.kind == kind).count();
        by_kind.get_or_create(&OfKind { kind: word(kind) }).set(number(count as u64));
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use proptest::prelude::*;

    use super::*;
    use crate::model::printable::is_printable;

    fn switch(name: &str, host: &str) -> SwitchStatus {
        let tunnel = TunnelStatus {
            local: "192.0.2.1".to_owned(),
            remote: "192.0.2.2".to_owned(),
            host: host.to_owned(),
            state: "up".to_owned(),
            up: true,
            bfd_status: std::collections::BTreeMap::new(),
        };
        SwitchStatus { tunnels: vec![tunnel], ..SwitchStatus::example(name) }
    }

    /// The value of a label, as Prometheus reads it: `\\`, `\"` and `\n` are its escapes.
    fn label(line: &str, name: &str) -> Option<String> {
        let (_, rest) = line.split_once(&format!("{name}=\""))?;
        let (mut value, mut rest) = (String::new(), rest.chars());
        loop {
            match rest.next()? {
                '"' => return Some(value),
                '\\' => value.push(match rest.next()? {
                    'n' => '\n',
                    c => c,
                }),
                c => value.push(c),
            }
        }
    }

    proptest! {
        /// Prometheus reads the name that people read, in one line.
        #[test]
        fn any_name_is_a_label(host in any::<String>()) {
            let switches = [switch("t", &host)];
            let figures = Figures { switches: &switches, connections: &[], problems: &[], notices: &[], strangers: &Strangers::default() };
            let mut text = String::new();
            encode(&mut text, &sample(figures)).unwrap();
            prop_assert!(text.lines().all(|line| line.chars().all(is_printable)), "{:?}", text);
            let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("vtepd_tunnel_up{")).collect();
            prop_assert_eq!(lines.len(), 1);
            let expected = if host.is_empty() { "unknown".to_owned() } else { text::name(&host) };
            prop_assert_eq!(label(lines[0], "host"), Some(expected), "{}", lines[0]);
        }
    }
}
