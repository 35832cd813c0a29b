//! Which of a gateway's switches stands for it on a network. Pure: what is known of them, and who stands now.

use crate::{
    config::{ActiveActive, GatewayConfig},
    model::{Election, GatewayId, NetworkId},
    topology::forwarder_by_hash,
};

/// What is known of one switch on a network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// Its session is up, or was until a moment ago.
    pub(super) reachable: bool,
    /// A port of the gateway is there and reports no fault.
    pub(super) fit: bool,
    /// A port of the gateway is bound to the network.
    pub(super) bound: bool,
    /// It may still forward: it is bound, or was until a moment ago, or may have been asked to be.
    pub(super) forwards: bool,
    /// It was seen to let go, and nobody wanted it there since.
    pub(super) released: bool,
}

/// One gateway on one network.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) gateway: GatewayId,
    pub(super) network: NetworkId,
    pub(super) config: GatewayConfig,
    /// Its switches, sorted.
    pub(super) switches: &'a [String],
    /// All of them have reported since the start, or were waited for.
    pub(super) settled: bool,
    /// We don't know yet who let go just before the start.
    pub(super) young: bool,
    pub(super) current: Option<&'a Election>,
}

impl Question<'_> {
    /// Who stands from now on; `None`: nobody needs to be elected.
    pub(super) fn answer(&self, standing: impl Fn(&str) -> Standing) -> Option<Election> {
        if self.switches.len() < 2 {
            return None;
        }
        match self.config.active_active {
            ActiveActive::Independent => None,
            ActiveActive::Lag => Some(self.lag(standing)),
            ActiveActive::SingleActive => Some(self.single_active(standing)),
        }
    }

    fn election(&self, forwarder: Option<&str>, eligible: Vec<String>) -> Election {
        Election { gateway: self.gateway, network: self.network, forwarder: forwarder.map(str::to_owned), eligible }
    }

    /// The election as it stands, as far as it names switches that the gateway still has.
    fn standing_election(&self) -> Option<Election> {
        let known = |name: &String| self.switches.contains(name);
        let current = self.current?;
        let forwarder = current.forwarder.clone().filter(known);
        if current.forwarder.is_some() && forwarder.is_none() {
            return None;
        }
        let eligible = current.eligible.iter().filter(|name| known(name)).cloned().collect();
        Some(Election { forwarder, eligible, ..current.clone() })
    }

    /// Both are bound; one of them gets the broadcasts. The one that stands stays for as long as it can.
    fn lag(&self, standing: impl Fn(&str) -> Standing) -> Election {
        let current = self.standing_election();
        if !self.settled
            && let Some(current) = current
        {
            return current;
        }
        let is_eligible = |name: &&String| {
            let switch = standing(name);
            switch.reachable && switch.fit && switch.bound
        };
        let eligible: Vec<String> = self.switches.iter().filter(is_eligible).cloned().collect();
        match (current, eligible.is_empty()) {
            // Where nobody can, the last one stays.
            (Some(current), true) => current,
            (None, true) => self.election(forwarder_by_hash(self.network, self.switches), self.switches.to_vec()),
            (current, false) => {
                let stays = current.and_then(|current| current.forwarder).filter(|name| eligible.contains(name));
                let forwarder = stays.or_else(|| forwarder_by_hash(self.network, &eligible).map(str::to_owned));
                self.election(forwarder.as_deref(), eligible)
            }
        }
    }

    /// Only one is bound. Another takes over when that one has let go, its hardware too; who can't be asked is believed to
    /// hold on, unless the operator says otherwise.
    fn single_active(&self, standing: impl Fn(&str) -> Standing) -> Election {
        let current = self.standing_election();
        let fit: Vec<String> =
            self.switches.iter().filter(|name| standing(name).reachable && standing(name).fit).cloned().collect();
        let free = |winner: &str| {
            let others = self.switches.iter().filter(|name| *name != winner);
            others.into_iter().all(|name| {
                let other = standing(name);
                let known = other.reachable || other.released;
                if known { !other.forwards } else { self.config.failover_unreachable }
            })
        };
        let Some(current) = current else {
            // New. Whatever is bound already (the gateway was `lag` before) has to let go first.
            let bound = self.switches.iter().find(|name| standing(name).bound);
            let candidate = bound
                .filter(|name| fit.contains(name))
                .map(String::as_str)
                .or_else(|| forwarder_by_hash(self.network, &fit))
                .or_else(|| forwarder_by_hash(self.network, self.switches));
            // One that was never heard of holds nothing of a connection that is new.
            let holds = |name: &String| Some(name.as_str()) != candidate && standing(name).forwards;
            let free = !self.switches.iter().any(holds);
            let eligible = candidate.map(str::to_owned).into_iter().collect();
            return self.election(candidate.filter(|_| free), eligible);
        };
        if !self.settled {
            return current;
        }
        match &current.forwarder {
            Some(forwarder) if fit.contains(forwarder) => self.election(Some(forwarder), vec![forwarder.clone()]),
            Some(forwarder) => match forwarder_by_hash(self.network, &fit) {
                // It is asked to let go, and is watched.
                Some(_) if standing(forwarder).reachable => Election { forwarder: None, ..current },
                Some(other) if free(other) => self.election(Some(other), vec![other.to_owned()]),
                Some(_) | None => current,
            },
            None if self.young => current,
            None => match fit.iter().find(|name| free(name)) {
                Some(winner) => self.election(Some(winner), vec![winner.clone()]),
                None => current,
            },
        }
    }
}

#[cfg(test)]
mod tests;
