//! The daemon: reads plumgrid.ini, and keeps the switches as the desired state says.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory, Parser};
use tokio::runtime::{Builder, Runtime};
use vtepd::{
    config::{Config, DEFAULT_PATH},
    daemon::{
        Daemon, EXIT_CONFIG, EXIT_FAILURE,
        check::{check, check_here, check_openstack},
    },
    model, telemetry,
};

const EXIT_CODES: &str = "\
Signals: SIGTERM and SIGINT stop (a second one at once), SIGHUP reads plumgrid.ini again.

Exit codes:
  0   stopped as asked; with --check: everything that was tried can be worked with
  1   failure, see the message; with --check: something can't be worked with
  2   wrong command line
  75  may go well later: another daemon has the store or the admin socket, or an address is taken
  78  plumgrid.ini or the environment is wrong, or names what can't be used";

/// Controller for hardware VTEP gateways: joins Neutron VXLAN networks with VLANs behind top-of-rack switches.
#[derive(Debug, Parser)]
#[command(name = "vtepd", version, after_help = EXIT_CODES)]
struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
    /// Reads the configuration, tries the store, every switch, Keystone and Neutron's database, prints a line for each,
    /// and changes nothing.
    #[arg(long)]
    check: bool,
    /// Prints the manual page.
    #[arg(long, hide = true)]
    manual: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.manual {
        return manual();
    }
    // A core holds every secret of the process; where even this is forbidden, systemd's LimitCORE has done it.
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    let config = match Config::load(&arguments.config, std::env::vars_os()) {
        Ok(config) => config,
        Err(errors) => return fail(&errors, EXIT_CONFIG.into()),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime can't start: {error}"), EXIT_FAILURE.into()),
    };
    let code = if arguments.check {
        runtime.block_on(check_all(&arguments.config, config))
    } else {
        runtime.block_on(serve(arguments.config, config))
    };
    // What still runs after a drain that failed is not waited for.
    runtime.shutdown_background();
    code
}

/// Half of the cores, eight at most. The work is many small messages: more threads wake each other more often than they help,
/// and the store's writer and its readers have threads of their own.
fn runtime() -> io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    Builder::new_multi_thread().worker_threads((cores / 2).clamp(1, 8)).enable_all().build()
}

async fn serve(path: PathBuf, config: Config) -> ExitCode {
    let log = match telemetry::init("vtepd", &config.log.directives) {
        Ok(log) => log,
        Err(error) => return fail(&error, EXIT_CONFIG.into()),
    };
    let ended = match Daemon::start(path, config, log).await {
        Ok(daemon) => daemon.run().await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "vtepd ends");
            error.exit_code()
        }
    }
}

async fn check_all(path: &std::path::Path, config: Config) -> ExitCode {
    let mut out = io::stdout();
    let notices = config.notices.iter().map(|notice| format!("{}: {notice}", path.display()));
    let mut lines: Vec<String> = notices.collect();
    lines.push(format!("{}: ok, {} switches", path.display(), config.switches.len()));
    let here = check_here(&config.database, &config.admin);
    let (openstack, reports) =
        tokio::join!(check_openstack(&config.api, config.source.as_ref()), check(config.switches.into_values()));
    lines.extend(here.iter().map(|tried| tried.line.clone()));
    lines.extend(openstack.iter().map(|tried| tried.line.clone()));
    lines.extend(reports.iter().map(ToString::to_string));
    // The reader that closed our output (`| head`) has read enough; the code still counts.
    let _ = writeln!(out, "{}", model::printable::lines(&lines.join("\n")));
    if reports.iter().all(|report| report.found.is_ok()) && here.iter().chain(&openstack).all(|tried| tried.good) {
        ExitCode::SUCCESS
    } else {
        EXIT_FAILURE.into()
    }
}

/// Made of the command line's own definition, for `make install`.
fn manual() -> ExitCode {
    let page = clap_mangen::Man::new(Arguments::command()).section("8");
    match page.render(&mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => EXIT_FAILURE.into(),
    }
}

/// There is no log yet.
fn fail(error: &dyn std::fmt::Display, code: ExitCode) -> ExitCode {
    telemetry::complain(error);
    code
}
