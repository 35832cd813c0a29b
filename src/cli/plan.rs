//! `l2gw plan`: what would be done at a switch whose database was saved to a file. No daemon, no network.

mod saved;

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use serde_json::value::RawValue;

use super::{
    Done, Failure,
    diff::{self, Later},
    output::Output,
    terminal,
};
use crate::{
    config::{Config, Mode, RelayConfig, SwitchConfig},
    fleet,
    intent::{Intent, Update},
    model::FeedEvent,
    plan::{Desired, GuardDecision, InFlight, Planner, Section, Transaction},
    store::{StoreError, read_all},
    vtep::{self, Columns, Ownership, Replica, Touched},
};
use saved::Saved;

/// Operations of the transaction that is shown.
const OPERATIONS: usize = 50_000;

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// The store of the desired state, or a copy of it. It is only read.
    #[arg(long, value_name = "FILE", default_value = "/var/lib/vtepd/vtepd.db")]
    database: PathBuf,
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = crate::config::DEFAULT_PATH)]
    config: PathBuf,
    /// The switch's database: its file, what `ovsdb-client backup` or `ovsdb-client dump --format=json` printed.
    #[arg(long, value_name = "FILE")]
    switch_dump: PathBuf,
    /// Number of rows to show.
    #[arg(long, default_value_t = 1000)]
    rows: usize,
}

impl Plan {
    pub(super) async fn run(self, output: Output) -> Done {
        let config = Config::load(&self.config, std::env::vars_os())?;
        let saved = Saved::read(&self.switch_dump)?;
        let mut replica = Replica::new(Ownership::new(&config.deployment, &config.previous_prefixes));
        replica.apply(&saved.rows, &mut Touched::default()).map_err(|error| self.unusable(&error))?;
        let columns = Columns::intersect(&saved.columns).map_err(|error| self.unusable(&error))?;
        let sections: Vec<&SwitchConfig> =
            config.switches.values().filter(|section| replica.switch(&section.physical_switch).is_some()).collect();
        let Some(first) = sections.first() else { return Err(self.nobody(&replica)) };
        let intent = self.desired(Arc::new(config.relay.clone())).await?;
        let configs: Vec<SwitchConfig> = sections.iter().map(|section| (*section).clone()).collect();
        let policy = fleet::policy_of(&configs, columns, &saved.columns);
        let planner = Planner {
            desired: &desired(&intent, &sections),
            actual: &replica,
            policy: &policy,
            in_flight: &InFlight::default(),
            quarantined: &|_| false,
            guard: GuardDecision::Unknown,
        };
        let dry = planner.dry_run(OPERATIONS, self.rows, &[]);
        let encode = |transaction: &Transaction| {
            let mut text = Vec::new();
            vtep::encode(None, &transaction.operations, &mut text);
            RawValue::from_string(String::from_utf8_lossy(&text).into_owned())
        };
        let later = dry.later.into_iter().map(|(logical_switch, rows)| Later { logical_switch, rows: rows as u64 });
        let plan = diff::Plan {
            switch: sections.iter().map(|section| section.name.as_str()).collect::<Vec<_>>().join(","),
            observe: first.mode == Mode::Observe,
            inserts: dry.row_counts.inserts,
            updates: dry.row_counts.updates,
            deletes: dry.row_counts.deletes,
            rows: values(&dry.rows)?,
            transaction: encode(&dry.first)?,
            more: dry.more,
            later: later.collect(),
            blocked: values(&dry.blocked)?,
            blocked_total: dry.blocked_total as u64,
            held: dry.held.total as u64,
            held_networks: values(&dry.held.networks)?,
            release: encode(&dry.held.release)?,
        };
        diff::print(output, &plan)
    }

    /// What the store asks for, what switches have learned for each other included.
    async fn desired(&self, policy: Arc<RelayConfig>) -> Result<Intent, Failure> {
        let mut intent = Intent::new(policy);
        let read = read_all(&self.database, |event| match event {
            FeedEvent::Changes(set) => drop(intent.apply(set)),
            FeedEvent::Loaded(revision) => drop(intent.loaded(revision)),
        });
        match read.await {
            Ok(()) => Ok(intent),
            Err(StoreError::Open { path, source }) => {
                Err(Failure::File { path, source: std::io::Error::new(source.kind(), source.to_string()) })
            }
            Err(error) => Err(Failure::Input(format!("{}: {error}", self.database.display()))),
        }
    }

    fn unusable(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::Input(format!("{}: {error}", self.switch_dump.display()))
    }

    fn nobody(&self, replica: &Replica) -> Failure {
        let names: Vec<&str> = replica.switches().map(|switch| switch.name.as_str()).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        terminal::remark(&format!("l2gw: note: Physical_Switches in {}: {there}", self.switch_dump.display()));
        Failure::Missing(format!(
            "{} has no section for a Physical_Switch of {}: add [switch:NAME], or set physical_switch",
            self.config.display(),
            self.switch_dump.display()
        ))
    }
}

fn values<T: serde::Serialize>(rows: &[T]) -> Result<Vec<serde_json::Value>, serde_json::Error> {
    rows.iter().map(serde_json::to_value).collect()
}

/// What the sections of one database should hold, as a worker would put it together.
fn desired(intent: &Intent, sections: &[&SwitchConfig]) -> Desired {
    let mut desired = Desired::default();
    for config in sections {
        if let Update::Switch { intent, networks, .. } = intent.switch(&config.name) {
            let physical_switch = config.physical_switch.clone();
            desired.networks.extend(networks.into_iter().map(|network| (network.id, network)));
            desired.sections.insert(config.name.clone(), Section::new(physical_switch, intent));
        }
    }
    desired
}
