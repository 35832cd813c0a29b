//! What holds for gateways of two switches, and for what they learn.

use std::{collections::BTreeMap, time::Duration};

/// `[relay]` and `[gateway:NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayConfig {
    /// How long MACs are kept that were learned by a switch whose session is lost; zero: for ever.
    pub learned_hold: Duration,
    /// How long a gateway whose MACs were all withdrawn stays in flood lists; zero: for ever.
    pub idle_flood_hold: Duration,
    /// Learned MACs that are taken of one switch.
    pub max_learned_macs: usize,
    /// What holds for every gateway that isn't among the next.
    pub common: GatewayConfig,
    /// Gateways for which something else holds, by name.
    pub gateways: BTreeMap<String, GatewayConfig>,
}

/// `[gateway:NAME]`, what it leaves out taken from `[relay]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatewayConfig {
    /// What its two switches are to one another.
    pub active_active: ActiveActive,
    /// Whether the other switch takes over from one that can't be reached (`single-active`).
    pub failover_unreachable: bool,
    /// How long a switch that has let go may still forward: the other is bound after that (`single-active`).
    pub handover_hold: Duration,
}

/// `active_active`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ActiveActive {
    /// Their ports form one bundle.
    #[default]
    Lag,
    /// The segment is bridged behind them: only one of them is bound.
    SingleActive,
    /// Separate segments.
    Independent,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            active_active: ActiveActive::default(),
            failover_unreachable: false,
            handover_hold: Duration::from_secs(2),
        }
    }
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            learned_hold: Duration::ZERO,
            idle_flood_hold: Duration::from_hours(4),
            max_learned_macs: 65_536,
            common: GatewayConfig::default(),
            gateways: BTreeMap::new(),
        }
    }
}

impl RelayConfig {
    /// The longest `handover_hold`.
    #[must_use]
    pub fn longest_handover(&self) -> Duration {
        let own = self.gateways.values().map(|gateway| gateway.handover_hold);
        own.fold(self.common.handover_hold, Duration::max)
    }

    /// What holds for the gateway of this name.
    #[must_use]
    pub fn gateway(&self, name: &str) -> GatewayConfig {
        self.gateways.get(name).copied().unwrap_or(self.common)
    }
}
