//! For each status word, kind of problem and reason: the scenario in which `l2gw status`, REST, `/metrics` and `/readyz`
//! show the same. No match has a default arm, so that a new variant doesn't compile before it has a scenario.

use vtepd::model::{
    problem::ProblemKind,
    reason::{CertificateOwner, Ignored, Reason, RowName},
    status::{SessionState, Status},
};

use super::{reasons, states};

/// Where something is shown.
#[derive(Clone, Copy)]
enum Shown {
    /// By this test, against real servers.
    By(fn(), &'static str),
    /// It passes within milliseconds, and no server can be made to keep it: by this unit test of `src/`.
    Unit(&'static str),
}

macro_rules! by {
    ($($test:ident)::+) => {
        Shown::By($($test)::+, stringify!($($test)::+))
    };
}

/// A word of `status`.
fn of_status(status: Status) -> Shown {
    match status {
        Status::Active => by!(reasons::the_twins_of_single_active),
        Status::Draining => by!(states::what_comes_and_goes_by_itself),
        Status::Pending => by!(states::what_is_on_its_way),
        Status::Held => by!(states::what_the_guard_holds),
        Status::Down => by!(super::a_switch_that_is_down),
        Status::Degraded | Status::Conflict => by!(super::what_others_write_and_what_a_switch_reports),
        Status::Error => by!(super::what_a_gateway_names_and_no_switch_has),
    }
}

/// A state of a switch's session.
fn of_session(state: SessionState) -> Shown {
    match state {
        SessionState::Up => by!(states::what_is_on_its_way),
        SessionState::Connecting => by!(states::switches_that_are_not_as_they_should_be),
        SessionState::Refused => by!(reasons::switches_that_can_not_be_spoken_to),
        SessionState::Backoff => by!(super::a_switch_that_is_down),
        // As long as an answer takes.
        SessionState::Identifying | SessionState::Syncing => Shown::Unit("service::problems"),
    }
}

fn of_kind(kind: ProblemKind) -> Shown {
    match kind {
        ProblemKind::Store | ProblemKind::Authentication => by!(states::what_is_wrong_with_the_daemon_itself),
        ProblemKind::Source => by!(reasons::a_source_that_is_away),
        ProblemKind::Configuration => by!(reasons::a_reload_that_failed),
        ProblemKind::Certificate => by!(reasons::the_certificate_of_the_api),
        ProblemKind::Session => by!(super::a_switch_that_is_down),
        ProblemKind::Refused => by!(reasons::switches_that_can_not_be_spoken_to),
        ProblemKind::Lock => by!(super::what_an_operator_or_another_controller_holds),
        ProblemKind::Device | ProblemKind::Port => by!(super::what_a_gateway_names_and_no_switch_has),
        ProblemKind::Network => by!(reasons::a_network_that_neutron_deleted),
        ProblemKind::Conflict | ProblemKind::Fault | ProblemKind::TunnelIp => {
            by!(super::what_others_write_and_what_a_switch_reports)
        }
        ProblemKind::Row | ProblemKind::Observed => by!(states::rows_that_are_refused_and_rows_that_are_only_observed),
        ProblemKind::Held => by!(states::what_the_guard_holds),
        ProblemKind::Pending => by!(states::what_is_on_its_way),
        ProblemKind::Draining | ProblemKind::Tunnel | ProblemKind::Flapping | ProblemKind::LearnedMacs => {
            by!(states::what_comes_and_goes_by_itself)
        }
        ProblemKind::Budget => by!(reasons::a_switch_that_is_read_more_slowly),
        ProblemKind::Schema => by!(states::switches_that_are_not_as_they_should_be),
        ProblemKind::Loop | ProblemKind::Host | ProblemKind::Endpoint => by!(super::compute_nodes_and_learned_macs),
    }
}

fn of_reason(reason: &Reason) -> Shown {
    match reason {
        Reason::None | Reason::Standby { .. } | Reason::AwaitsRelease | Reason::HeldByOperator => {
            by!(reasons::the_twins_of_single_active)
        }
        Reason::NotDelivered | Reason::NetworkUnknown | Reason::Busy { .. } => {
            Shown::Unit("service::problems::tests::what_passes_at_once_is_pending")
        }
        Reason::Writing => by!(states::what_is_on_its_way),
        Reason::VniInUse { .. } => by!(reasons::a_vni_that_another_network_has_not_given_back),
        Reason::Observed => by!(states::rows_that_are_refused_and_rows_that_are_only_observed),
        Reason::Locked { .. } => by!(super::what_an_operator_or_another_controller_holds),
        Reason::Unwritable(_) => by!(reasons::a_database_that_takes_no_writes),
        Reason::Draining | Reason::TunnelDown { .. } | Reason::Flapping { .. } | Reason::LearnedOverflow { .. } => {
            by!(states::what_comes_and_goes_by_itself)
        }
        Reason::NoSession(_) => by!(super::a_switch_that_is_down),
        Reason::PeerRefused { .. } | Reason::SwitchMissing { .. } | Reason::Degraded(_) => {
            by!(states::switches_that_are_not_as_they_should_be)
        }
        Reason::NoSection { .. } | Reason::PortMissing { .. } => by!(super::what_a_gateway_names_and_no_switch_has),
        Reason::NetworkDeleted { .. } => by!(reasons::a_network_that_neutron_deleted),
        Reason::NoSegment { .. } | Reason::VlanTaken { .. } => {
            by!(reasons::a_network_without_a_segment_and_a_vlan_that_two_networks_want)
        }
        Reason::VlanForeign { .. } | Reason::VniForeign { .. } | Reason::Faults(_) | Reason::NoTunnelIp { .. } => {
            by!(super::what_others_write_and_what_a_switch_reports)
        }
        Reason::RowRefused { row, .. } => of_refused(row),
        Reason::RowContested { .. } => by!(reasons::a_row_that_somebody_keeps_changing),
        Reason::HeldByGuard => by!(states::what_the_guard_holds),
        Reason::Loop { .. } | Reason::HostsUnreached(_) | Reason::EndpointIsSwitch { .. } => {
            by!(super::compute_nodes_and_learned_macs)
        }
        Reason::Throttled { .. } => by!(reasons::a_switch_that_is_read_more_slowly),
        Reason::Ignored { first: Ignored::Mac(..) | Ignored::Ip { .. } | Ignored::Vtep { .. }, .. }
        | Reason::LearnedRate { .. } => by!(reasons::what_a_switch_says_and_is_not_believed),
        Reason::Certificate { of: CertificateOwner::Ours, .. } => by!(states::switches_that_are_not_as_they_should_be),
        Reason::Refused(_) | Reason::Certificate { of: CertificateOwner::Switch, .. } => {
            by!(reasons::switches_that_can_not_be_spoken_to)
        }
    }
}

fn of_refused(row: &RowName) -> Shown {
    match row {
        RowName::Mac(_) | RowName::Binding { .. } => by!(states::rows_that_are_refused_and_rows_that_are_only_observed),
        RowName::Network | RowName::Tunnel | RowName::Setting(_) => by!(reasons::rows_of_each_kind_that_are_refused),
    }
}

/// What is named above is a test, or a room with tests.
#[test]
fn each_status_kind_and_reason_has_a_scenario() {
    let statuses = [
        Status::Active,
        Status::Draining,
        Status::Pending,
        Status::Degraded,
        Status::Held,
        Status::Down,
        Status::Conflict,
        Status::Error,
    ];
    let sessions = [
        SessionState::Connecting,
        SessionState::Identifying,
        SessionState::Syncing,
        SessionState::Up,
        SessionState::Backoff,
        SessionState::Refused,
    ];
    let few = [
        Reason::None,
        Reason::NetworkUnknown,
        Reason::RowRefused { row: RowName::Setting("manager_targets"), error: "".into(), more: 0 },
    ];
    let all = statuses.map(of_status).into_iter().chain(sessions.map(of_session));
    let all = all.chain(ProblemKind::ALL.map(of_kind)).chain(few.iter().map(of_reason));
    let sources = [include_str!("../view.rs"), include_str!("reasons.rs"), include_str!("states.rs")].concat();
    let units = include_str!("../../../src/service/problems/tests.rs");
    for shown in all {
        let (name, source) = match shown {
            Shown::By(test, name) => {
                // That it is a function is the compiler's to say.
                let _: fn() = test;
                (name, sources.as_str())
            }
            Shown::Unit("service::problems") => continue,
            Shown::Unit(name) => (name, units),
        };
        let name = name.rsplit("::").next().unwrap_or(name).trim();
        let is_test = ["fn", "pub(super) fn"].iter().any(|word| source.contains(&format!("#[test]\n{word} {name}()")));
        assert!(is_test, "{name} is no test");
    }
}
