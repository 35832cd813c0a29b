//! The whole at one moment: all switches, all connections, and what is wrong. Every front end reads it.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{sync::Mutex as AsyncMutex, time::Instant};

use super::{
    ConnectionStatus, Service, handovers,
    problems::{ConnectionFact, Facts, of_source, problems},
    status::{Statuses, Unbound},
};
use crate::{
    model::{
        Connection, Gateway, GatewayId, NetworkId, Revision,
        problem::{Notice, Problem},
        status::{Status, Strangers, SwitchStatus},
    },
    source::Source,
    store::{StoreError, UnboundNetworks},
};

/// How old the view of the switches may be for `/readyz`.
const FRESH: Duration = Duration::from_secs(1);

/// The whole at one moment.
#[derive(Debug)]
pub struct Overview {
    /// Of the desired state; `None`: the store can't be read.
    pub revision: Option<Revision>,
    /// All switches of plumgrid.ini, by name.
    pub switches: Vec<SwitchStatus>,
    /// All connections.
    pub connections: Vec<ConnectionStatus>,
    /// Who dialled in and was refused.
    pub strangers: Strangers,
    /// Switches whose deletions an operator holds.
    pub holds: Vec<String>,
    /// All that is wrong, the worst first.
    pub problems: Vec<Problem>,
    /// What happened and is not wrong.
    pub notices: Vec<Notice>,
}

/// Parts of the daemon that report what is wrong with themselves, and what was wrong at the last request.
#[derive(Clone, Default)]
pub(super) struct Watched {
    parts: Arc<Mutex<Vec<Part>>>,
    last: Arc<AsyncMutex<Option<Seen>>>,
}

/// Problems, and when they were found.
type Seen = (Instant, Arc<[Problem]>);

type Part = Box<dyn Fn() -> Option<Problem> + Send + Sync>;

/// What the store holds.
#[derive(Default)]
struct Stored {
    revision: Revision,
    gateways: HashMap<GatewayId, Gateway>,
    connections: Vec<Connection>,
    unbound: UnboundNetworks,
    holds: Vec<(String, String)>,
}

impl Watched {
    fn ask_parts(&self) -> Vec<Problem> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().filter_map(|part| part()).collect()
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

impl Service {
    /// Asks this part with each view what is wrong with it. It must not block.
    pub fn watch_part(&self, part: impl Fn() -> Option<Problem> + Send + Sync + 'static) {
        self.watched.parts.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(part));
    }

    /// Why the daemon can't do its work: what `/readyz` is 503 for.
    #[must_use]
    pub fn unready(&self) -> Vec<String> {
        let store = self.health().err().map(|error| error.to_string());
        let source = self.source.as_ref().and_then(Source::unready);
        store.into_iter().chain(source).collect()
    }

    /// What an operator should fix, though the daemon does its work: what `/readyz` warns of. The switches are shown as
    /// they were at most a second ago, and so many problems are told: everybody may ask.
    pub async fn warnings(&self, listed: usize) -> Vec<String> {
        let mut last = self.watched.last.lock().await;
        let seen = match last.as_ref() {
            Some((at, problems)) if at.elapsed() < FRESH => problems.clone(),
            _ => {
                let problems: Arc<[Problem]> = self.overview().await.problems.into();
                *last = Some((Instant::now(), problems.clone()));
                problems
            }
        };
        drop(last);
        // What costs nothing is asked anew. A source that can't be read is no warning: it makes the daemon unready.
        let source = self.source().as_ref().and_then(of_source).filter(|problem| problem.status == Status::Held);
        let now: Vec<Problem> = self.watched.ask_parts().into_iter().chain(source).collect();
        let of_switches = seen.iter().filter(|problem| !problem.kind.is_of_daemon() && !now.contains(problem));
        let mut all = now.iter().chain(of_switches);
        let line = |problem: &Problem| format!("{}: {}; {}", problem.name, problem.reason, problem.fix);
        let mut lines: Vec<_> = all.by_ref().take(listed).map(line).collect();
        let more = all.count();
        lines.extend((more > 0).then(|| format!("{more} more: l2gw status")));
        lines
    }

    /// The whole, now.
    pub async fn overview(&self) -> Overview {
        let stored = self.stored().await;
        let unreadable = stored.as_ref().err().map(ToString::to_string);
        let revision = stored.as_ref().ok().map(|stored| stored.revision);
        let Stored { gateways, connections, unbound, holds, .. } = stored.unwrap_or_default();
        let mut known = self.known().await;
        let mut switches = self.fleet.switches().await;
        for switch in &mut switches {
            known.add_to(switch);
        }
        let statuses = Statuses::new(&switches, known.notices());
        let fact = |connection: &Connection| {
            let gateway = gateways.get(&connection.gateway_id);
            let unbound = unbound.get(&connection.network_id).map(|deleted| Unbound::new(*deleted));
            let status = statuses.of(connection, gateway, unbound);
            ConnectionFact { gateway: gateway.map(|gateway| gateway.name.clone()).unwrap_or_default(), status }
        };
        let facts: Vec<ConnectionFact> = connections.iter().map(fact).collect();
        let networks: BTreeSet<NetworkId> = connections.iter().map(|connection| connection.network_id).collect();
        let unreached = networks.into_iter().filter_map(|id| known.network(id));
        let unreached: Vec<_> = unreached.map(|network| network.unreached.listed.clone()).collect();
        let source = self.source();
        let ill = self.health().err().map(|error| error.to_string());
        let since = ill.as_ref().and_then(|_| self.store.ill_since()).map(rfc3339).unwrap_or_default();
        let store = ill.or(unreadable);
        let problems = problems(&Facts {
            store: store.as_deref().map(|why| (why, since)),
            parts: self.watched.ask_parts(),
            source: source.as_ref(),
            holds: &holds,
            switches: &switches,
            connections: &facts,
            unreached: &unreached,
            endpoints: known.endpoints(),
        });
        let name = |id| gateways.get(&id).map(|gateway| gateway.name.as_str());
        let notices = handovers::notices(&known.notices().moved, name);
        let connections = facts.into_iter().map(|fact| fact.status).collect();
        let holds = holds.into_iter().map(|(name, _)| name).collect();
        Overview { revision, switches, connections, strangers: self.strangers(), holds, problems, notices }
    }

    async fn stored(&self) -> Result<Stored, StoreError> {
        let mut view = self.store.snapshot().await?;
        Ok(Stored {
            revision: view.revision().await?,
            gateways: view.gateways().await?.into_iter().map(|gateway| (gateway.id, gateway)).collect(),
            connections: view.connections().await?,
            unbound: view.unbound_networks().await?,
            holds: view.switch_holds_since().await?,
        })
    }
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}
