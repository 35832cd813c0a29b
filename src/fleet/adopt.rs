//! The supervisor's half of switches that dial in: sections that one session serves have one worker, and a live session
//! is not disturbed by a second one.

use tokio::{sync::oneshot, time::Instant};

use super::{
    Command, Database,
    passive::{self, Arrival, KEPT},
    query::Query,
    supervisor::{Running, Supervisor},
};
use crate::config::{SwitchConfig, Transport};

/// An arrival, once it is known that no section of it has a live session.
#[derive(Debug)]
pub(crate) struct Adoption {
    arrival: Arrival,
    sections: Vec<String>,
    /// Those of them that have a live session.
    alive: Vec<String>,
}

// ===== impl Supervisor =====

impl Supervisor {
    /// A server dialled in: is it one of ours, and does it have a session already?
    pub(super) fn arrived(&mut self, arrival: Arrival) {
        let sections = self.workers.values().flat_map(|running| &running.sections);
        let claimed = match passive::claim(&arrival, sections) {
            Ok(claimed) => claimed,
            Err(reason) => {
                let certificate = arrival.certificates.peer.as_ref();
                self.lobby.refuse(arrival.peer.ip(), &arrival.names, certificate, &reason);
                return;
            }
        };
        if self.is_resting(&claimed, &arrival) {
            return;
        }
        if claimed.iter().any(|name| self.adopting.contains(name)) {
            tracing::debug!(switch = claimed.join(","), peer = %arrival.peer, "another connection of the switch is being looked at");
            return;
        }
        self.adopting.extend(claimed.iter().cloned());
        let asked: Vec<_> = self.workers_of(&claimed).map(|(_, running)| running.queries.clone()).collect();
        let commands = self.commands.clone();
        tokio::spawn(async move {
            let mut alive = Vec::new();
            for queries in asked {
                let (answer, answered) = oneshot::channel();
                if queries.send(Query::Alive(answer)).await.is_ok() {
                    alive.extend(answered.await.unwrap_or_default());
                }
            }
            // It failed: the daemon stops.
            let Some(commands) = commands.upgrade() else { return };
            let _ = commands.send(Command::Adopt(Adoption { arrival, sections: claimed, alive })).await;
        });
    }

    /// Hands a connection to the worker of its sections.
    pub(super) async fn adopt(&mut self, adoption: Adoption) {
        let Adoption { arrival, mut sections, alive } = adoption;
        for name in &sections {
            self.adopting.remove(name);
        }
        let all = sections.join(",");
        sections.retain(|name| !alive.contains(name));
        if sections.is_empty() {
            if let Some(left_out) = self.turned_away.note(Instant::now().into_std()) {
                tracing::info!(switch = all, peer = %arrival.peer, left_out, "a second connection of the switch was refused: the first one lives");
            }
            return;
        }
        if self.is_resting(&sections, &arrival) {
            return;
        }
        let switch = sections.join(",");
        let database = Database::DialsIn(sections.clone());
        if !self.workers.contains_key(&database) && !self.regroup(&sections).await {
            // A reload dropped them meanwhile.
            return;
        }
        tracing::info!(switch, peer = %arrival.peer, "the switch dialled in");
        if let Some(running) = self.workers.get_mut(&database) {
            running.introduced.clone_from(&arrival.names);
            // A worker that doesn't read loses the connection, and the switch dials again.
            let _ = running.queries.try_send(Query::Adopt(Box::new(arrival)));
        }
    }

    /// Whether the database rests for so long that the switch would hang up before: then it is closed, and dials again.
    fn is_resting(&mut self, sections: &[String], arrival: &Arrival) -> bool {
        let left = self.lobby.resting(sections).map(|until| until.saturating_duration_since(Instant::now()));
        let Some(left) = left.filter(|left| *left > KEPT) else { return false };
        if let Some(left_out) = self.turned_away.note(Instant::now().into_std()) {
            let (switch, rest_ms) = (sections.join(","), left.as_millis());
            tracing::info!(switch, peer = %arrival.peer, rest_ms, left_out, "a connection of the switch was closed: its database rests after the last session");
        }
        true
    }

    /// One worker for these sections, which nobody serves now; those that they shared a worker with get their own.
    async fn regroup(&mut self, sections: &[String]) -> bool {
        let concerned: Vec<Database> = self.workers_of(sections).map(|(database, _)| database.clone()).collect();
        let mut configs: Vec<SwitchConfig> = Vec::new();
        for database in &concerned {
            configs.extend(self.workers.get(database).into_iter().flat_map(|running| running.sections.iter().cloned()));
        }
        self.stop(|database, _| concerned.contains(database)).await;
        configs.sort_by(|one, other| one.name.cmp(&other.name));
        let (together, apart): (Vec<_>, Vec<_>) = configs.into_iter().partition(|one| sections.contains(&one.name));
        let complete = together.len() == sections.len();
        let together = if complete { vec![together] } else { together.into_iter().map(|one| vec![one]).collect() };
        for group in together.into_iter().chain(apart.into_iter().map(|one| vec![one])) {
            self.start_group(Database::DialsIn(group.iter().map(|one| one.name.clone()).collect()), group);
        }
        complete
    }

    /// Passive workers that serve one of these sections.
    fn workers_of(&self, sections: &[String]) -> impl Iterator<Item = (&Database, &Running)> {
        self.workers.iter().filter(move |(database, _)| match database {
            Database::DialsIn(names) => names.iter().any(|name| sections.contains(name)),
            Database::At(_) => false,
        })
    }

    /// The databases of a configuration. Sections that one session serves stay together where none of them changed; a new
    /// one whose switch is among those of a session joins it, and the switch has to dial in again.
    pub(super) fn groups(&self, switches: &[SwitchConfig]) -> Vec<(Database, SwitchConfig)> {
        let passive = |switch: &&SwitchConfig| switch.transport == Transport::Passive;
        let served = |name: &String| self.workers_of(std::slice::from_ref(name)).next().is_some();
        let mut groups: Vec<(Database, SwitchConfig)> = Vec::new();
        for running in self.workers.values() {
            let stays = |section: &SwitchConfig| switches.iter().filter(passive).any(|switch| switch == section);
            if !running.sections.iter().all(stays) {
                continue;
            }
            let newcomers = switches.iter().filter(passive).filter(|switch| {
                !served(&switch.name)
                    && running.introduced.contains(&switch.physical_switch)
                    && !groups.iter().any(|(_, grouped)| grouped.name == switch.name)
            });
            let mut group: Vec<_> = running.sections.iter().chain(newcomers).cloned().collect();
            group.sort_by(|one, other| one.name.cmp(&other.name));
            let database = Database::DialsIn(group.iter().map(|section| section.name.clone()).collect());
            groups.extend(group.into_iter().map(|section| (database.clone(), section)));
        }
        let others: Vec<_> =
            switches.iter().filter(|switch| !groups.iter().any(|(_, one)| one.name == switch.name)).collect();
        groups.extend(others.into_iter().map(|switch| (Database::of(switch), switch.clone())));
        groups
    }
}
