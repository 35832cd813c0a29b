//! vtep-hostd, the compute node's half: programs the kernel's VXLAN devices as vtepd says.
//!
//! ```text
//!   vtepd  GET /v2/fdb/watch              kernel  rtnetlink
//!            │                              │ news      ▲
//!          watch (sse)                    netlink (decode)
//!            │ told                         │ heard     │ operations
//!            └────────────► agent ◄─────────┘           │
//!                           │  fdb x kernel -> plan ────┘
//!                           │ locals
//!                         ports ──► vtepd  /v2.0/ports   (report_ports)
//! ```
//!
//! One task, the agent, owns what is desired and what is there; the others only do I/O. `plan` is pure. Every channel is
//! bounded: news that we are too slow for are lost by the kernel, which says so, and then everything is read again.

mod agent;
mod client;
mod decode;
mod fdb;
mod kernel;
mod netlink;
mod note;
mod plan;
mod ports;
mod sse;
mod watch;

#[cfg(test)]
mod tests;

use std::{fmt, io};

use reqwest::Method;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch as latest},
    task::JoinSet,
};

use crate::{
    config::HostdConfig,
    telemetry::notify::{ServiceState, notify},
};
pub use client::VtepdClientError;
use client::{Api, send};
use netlink::Netlink;
use plan::{Policy, Underlay};

/// Events of vtepd that wait for the agent; the first may be large, so that there are few.
const EVENTS: usize = 64;

/// Why vtep-hostd ended.
#[derive(Debug, thiserror::Error)]
pub enum HostdError {
    /// The connection with vtepd can't be prepared.
    #[error(transparent)]
    Client(#[from] VtepdClientError),
    /// The kernel can't be spoken with.
    #[error("{0}")]
    Netlink(String),
    /// The kernel refuses signal handlers.
    #[error("signals can't be received: {0}")]
    Signals(io::Error),
    /// A part ended although nobody had asked it to: a bug.
    #[error("a part of vtep-hostd ended unexpectedly: this is a bug, please report it with the log above")]
    PartEnded,
}

impl From<netlink::NetlinkError> for HostdError {
    fn from(error: netlink::NetlinkError) -> Self {
        Self::Netlink(error.to_string())
    }
}

/// Runs until a signal asks for the end. Interfaces and entries stay: traffic goes on.
///
/// # Errors
/// [`HostdError`] where it can't start, or ended in any other way than by a signal.
pub async fn run(config: HostdConfig) -> Result<(), HostdError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(HostdError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(HostdError::Signals)?;
    let api = Api::new(&config.vtepd)?;
    let mut kernel = Netlink::open(&config.host)?;
    for problem in underlay(&mut kernel.0, &config).await?.problems {
        tracing::warn!("{problem}");
    }
    let (tell, told) = mpsc::channel(EVENTS);
    let mut parts = JoinSet::new();
    // With report_ports = no there are no machines to report: ports of an earlier run that did are withdrawn.
    let (locals, known) = latest::channel((!config.host.report_ports).then(ports::Locals::default));
    parts.spawn(ports::report(api.clone(), config.host.name.clone(), known));
    parts.spawn(watch::follow(api, tell));
    parts.spawn(agent::Agent::new(config.host.clone(), kernel, told, locals).run());
    notify(ServiceState::Ready);
    tracing::info!(
        host = config.host.name,
        local_ip = %config.host.local_ip,
        vtepd = config.vtepd.url,
        version = env!("CARGO_PKG_VERSION"),
        "vtep-hostd is ready"
    );
    let ended = tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
        _ = parts.join_next() => Err(HostdError::PartEnded),
    };
    notify(ServiceState::Stopping);
    let signal = ended?;
    tracing::info!(signal, "stopped; interfaces and entries stay");
    Ok(())
}

/// What the kernel's interfaces mean for the configuration.
#[derive(Debug)]
struct Found {
    /// What is wrong.
    problems: Vec<String>,
    /// The interface that has our VTEP's address, and the MTU that our own interfaces get.
    text: String,
}

/// Compares `[host]` with the kernel's interfaces.
async fn underlay(netlink: &mut Netlink, config: &HostdConfig) -> Result<Found, HostdError> {
    let host = &config.host;
    let kernel = netlink.read_underlay().await?;
    let link = kernel.underlay.and_then(|index| kernel.links.get(&index));
    let mut problems = Vec::new();
    if link.is_none() {
        problems.push(format!("no interface of this machine has the address {} ([host] local_ip)", host.local_ip));
    }
    let mtu = match plan::underlay(&kernel, &Policy::of(host)) {
        Err(problem) => {
            problems.push(problem);
            0
        }
        Ok(underlay) => {
            if let Some(mtu) = host.mtu.filter(|mtu| *mtu > underlay.fits) {
                let Underlay { mtu: used, fits, .. } = underlay;
                problems.push(format!(
                    "[host] mtu = {mtu} is more than the {fits} that the underlay carries without fragments: {used} is \
                     set; raise the MTU of the underlay, or lower [host] mtu"
                ));
            }
            underlay.mtu
        }
    };
    let name = link.map(|link| link.name.as_str()).unwrap_or_default();
    Ok(Found { problems, text: format!("{} is on {name}, MTU {mtu} on our interfaces", host.local_ip) })
}

/// What [`check`] found.
#[derive(Debug)]
pub struct HostCheck {
    /// Lines for the operator.
    pub lines: Vec<String>,
    /// Whether vtep-hostd could work.
    pub good: bool,
}

impl fmt::Display for HostCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

/// Tries the kernel and vtepd, and changes nothing.
pub async fn check(config: &HostdConfig) -> HostCheck {
    let mut report = HostCheck { lines: Vec::new(), good: true };
    let mut say = |outcome: Result<String, String>, what: &str| match outcome {
        Ok(text) => report.lines.push(format!("{what}: ok: {text}")),
        Err(text) => {
            report.lines.push(format!("{what}: {text}"));
            report.good = false;
        }
    };
    say(check_kernel(config).await.map_err(|error| error.to_string()).flatten(), "kernel");
    say(check_vtepd(config).await.map_err(|error| error.to_string()), "vtepd");
    report
}

async fn check_kernel(config: &HostdConfig) -> Result<Result<String, String>, HostdError> {
    let (mut netlink, _heard) = Netlink::open(&config.host)?;
    let Found { problems, text } = underlay(&mut netlink, config).await?;
    Ok(if problems.is_empty() { Ok(text) } else { Err(problems.join("; ")) })
}

async fn check_vtepd(config: &HostdConfig) -> Result<String, VtepdClientError> {
    let api = Api::new(&config.vtepd)?;
    let request = api.with_parameters(Method::GET, "/v2/fdb", &[("scope", "all")])?.timeout(config.vtepd.silence);
    send(request).await?;
    Ok(config.vtepd.url.clone())
}
