//! `l2gw`, the operator's command line: a client of the daemon's admin socket, one file a command.
//!
//! ```text
//!   arguments (clap) ── a command ── AdminClient ── admin socket
//!                           └── output: table | json | yaml | csv | name
//! ```

mod argument;
mod audit;
mod connection;
mod csv;
mod daemon;
mod device;
mod diff;
mod edits;
mod endpoint;
mod failure;
mod fdb;
mod gateway;
mod generate;
mod hint;
mod import;
mod near;
mod network;
mod output;
mod plan;
mod port;
mod source;
mod status;
mod switch;
mod terminal;
mod usage;
mod wait;
mod watch;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, Parser, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::admin::client::{AdminClient, AdminClientError};
pub use failure::Failure;
use output::{Format, Output};
pub use usage::arguments;

const HELP: &str = "\
Gateways and networks are given by name or UUID. A command that changes something answers when the change is on disk;
the switches follow, and --wait waits for them.

Exit codes:
  0   done; nothing differs (switch diff), nothing is wrong (status)
  1   something differs or is wrong, or a switch can't follow (--wait)
  2   wrong command line
  65  refused: the input is not valid
  66  no such gateway, connection, network, port, endpoint or switch; no such file
  69  vtepd can't be reached, or the connection to it broke
  70  a bug
  73  refused: it conflicts with what exists
  75  try again later; with --wait: not done in time
  77  no permission to open the admin socket
  78  plumgrid.ini is wrong";

const GLOBAL: &str = "Options of all commands";

/// The command line of vtepd: gateways, connections, switches.
#[derive(Debug, Parser)]
#[command(name = "l2gw", version, after_help = HELP, propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Globals {
    /// The admin socket of vtepd.
    #[arg(long, global = true, value_name = "PATH", default_value = "/run/vtepd/admin.sock", help_heading = GLOBAL)]
    socket: PathBuf,
    /// Format of the answer: table (for people), json, yaml, csv, or name (names alone, which other commands take).
    #[arg(
        short, long, global = true, value_enum, value_name = "FORMAT", default_value_t = Format::Table,
        hide_possible_values = true, help_heading = GLOBAL
    )]
    output: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Gateways: the switches and ports that can be connected with networks.
    #[command(subcommand, visible_alias = "gw")]
    Gateway(gateway::Command),
    /// Connections: a gateway's ports joined to a network.
    #[command(subcommand, visible_alias = "conn")]
    Connection(connection::Command),
    /// Switches: state, dry run, repair, hold and release.
    #[command(subcommand)]
    Switch(switch::Command),
    /// Networks.
    #[command(subcommand)]
    Network(network::Command),
    /// Ports of virtual machines.
    #[command(subcommand)]
    Port(port::Command),
    /// Tunnel endpoints: the VTEP address of each compute node.
    #[command(subcommand)]
    Endpoint(endpoint::Command),
    /// Where networks and ports come from: the API, or Neutron's own database.
    #[command(subcommand)]
    Source(source::Command),
    /// The forwarding entries that compute nodes get: MACs behind gateways.
    Fdb(fdb::Fdb),
    /// Shows what is wrong, and how to fix it.
    Status(status::Status),
    /// Shows events as they happen.
    Watch(watch::Watch),
    /// Shows the journal: calls, plans, drift, sessions.
    Audit(audit::Audit),
    /// Plans against a saved switch database, without a daemon and without a network.
    Plan(plan::Plan),
    /// Reads plumgrid.ini again.
    Reload,
    /// Changes the levels of the running log, until the next reload.
    LogLevel(daemon::LogLevel),
    /// The methods of the admin socket, as an OpenRPC document.
    Schema,
    /// Prints the completions for a shell.
    Completions(generate::Completions),
    /// Writes the manual pages into a directory.
    #[command(hide = true)]
    Manual(generate::Manual),

    /// As `gateway create`.
    #[command(name = "l2-gateway-create")]
    GatewayCreate(gateway::Create),
    /// As `gateway update`.
    #[command(name = "l2-gateway-update")]
    GatewayUpdate(gateway::Update),
    /// As `gateway delete`.
    #[command(name = "l2-gateway-delete")]
    GatewayDelete(gateway::Delete),
    /// As `gateway list`.
    #[command(name = "l2-gateway-list")]
    GatewayList,
    /// As `gateway show`.
    #[command(name = "l2-gateway-show")]
    GatewayShow(gateway::Show),
    /// As `connection create`.
    #[command(name = "l2-gateway-connection-create")]
    ConnectionCreate(connection::Create),
    /// As `connection list`.
    #[command(name = "l2-gateway-connection-list")]
    ConnectionList,
    /// As `connection show`.
    #[command(name = "l2-gateway-connection-show")]
    ConnectionShow(connection::Show),
    /// As `connection delete`.
    #[command(name = "l2-gateway-connection-delete")]
    ConnectionDelete(connection::Delete),
}

/// What commands work with.
#[derive(Debug)]
struct Session {
    client: AdminClient,
    output: Output,
}

/// What a command answers: whether all is as it should be.
type Done = Result<CommandOutcome, Failure>;

/// Whether all is as it should be: the difference between the exit codes 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CommandOutcome {
    Fine,
    Amiss,
}

/// Runs the command line, and reports errors on standard error.
pub async fn run(arguments: Arguments) -> ExitCode {
    match dispatch(arguments).await {
        // A closed output (`| head`) means that its reader has read enough.
        Ok(CommandOutcome::Fine) | Err(Failure::Closed) => ExitCode::SUCCESS,
        Ok(CommandOutcome::Amiss) => ExitCode::from(failure::AMISS),
        Err(failure) => {
            terminal::complain(&failure.to_text());
            ExitCode::from(failure.code())
        }
    }
}

async fn dispatch(arguments: Arguments) -> Done {
    let Arguments { globals, command } = arguments;
    let output = Output::new(globals.output);
    // These need no daemon.
    match command {
        Command::Completions(completions) => return completions.run(),
        Command::Manual(manual) => return manual.run(),
        Command::Plan(plan) => return plan.run(output).await,
        _ => {}
    }
    let session = Session { client: AdminClient::connect(&globals.socket).await?, output };
    let done = execute(command, &session).await;
    let Err(failure) = done else { return done };
    match hint::of(&session, &failure).await {
        Some(hint) => Err(Failure::Hinted { failure: Box::new(failure), hint }),
        None => Err(failure),
    }
}

async fn execute(command: Command, session: &Session) -> Done {
    match command {
        Command::Gateway(command) => command.run(session).await,
        Command::GatewayCreate(create) => create.run(session).await,
        Command::GatewayUpdate(update) => update.run(session).await,
        Command::GatewayDelete(delete) => delete.run(session).await,
        Command::GatewayList => gateway::list(session).await,
        Command::GatewayShow(show) => show.run(session).await,
        Command::Connection(command) => command.run(session).await,
        Command::ConnectionCreate(create) => create.run(session).await,
        Command::ConnectionList => connection::list(session).await,
        Command::ConnectionShow(show) => show.run(session).await,
        Command::ConnectionDelete(delete) => delete.run(session).await,
        Command::Switch(command) => command.run(session).await,
        Command::Network(command) => command.run(session).await,
        Command::Port(command) => command.run(session).await,
        Command::Endpoint(command) => command.run(session).await,
        Command::Source(command) => command.run(session).await,
        Command::Fdb(fdb) => fdb.run(session).await,
        Command::Status(status) => status.run(session).await,
        Command::Watch(watch) => watch.run(session).await,
        Command::Audit(audit) => audit.run(session).await,
        Command::Reload => daemon::reload(session).await,
        Command::LogLevel(levels) => levels.run(session).await,
        Command::Schema => daemon::schema(session).await,
        Command::Completions(_) | Command::Manual(_) | Command::Plan(_) => Ok(CommandOutcome::Fine),
    }
}

/// The command line's definition, for completions and manual pages.
fn definition() -> clap::Command {
    Arguments::command()
}

// ===== impl Session =====

impl Session {
    async fn call<T: DeserializeOwned>(&self, method: &str, params: &Value) -> Result<T, AdminClientError> {
        self.client.call(method, params).await
    }
}

#[cfg(test)]
mod tests;
