//! The compute node's half: programs the kernel's VXLAN devices as vtepd says.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{CommandFactory, Parser};
use tokio::runtime::Builder;
use vtepd::{
    config::{HOSTD_PATH, HostdConfig},
    hostd::{self, HostdError, VtepdClientError},
    model, telemetry,
};

const EXIT_CODES: &str = "\
Signals: SIGTERM and SIGINT stop. Interfaces and entries stay: traffic goes on, and the next start takes them over.

Exit codes:
  0   stopped as asked; with --check: it could work
  1   failure, see the message; with --check: it could not work
  2   wrong command line
  78  vtep-hostd.ini or the environment is wrong";

const EXIT_FAILURE: u8 = 1;
const EXIT_CONFIG: u8 = 78;

/// Programs a compute node's VXLAN devices as vtepd says.
#[derive(Debug, Parser)]
#[command(name = "vtep-hostd", version, after_help = EXIT_CODES)]
struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = HOSTD_PATH)]
    config: PathBuf,
    /// Reads the configuration, tries the kernel and vtepd, prints a line for each, and changes nothing.
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
    // A core holds the token; where even this is forbidden, systemd's LimitCORE has done it.
    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    let config = match HostdConfig::load(&arguments.config, std::env::vars_os()) {
        Ok(config) => config,
        Err(errors) => return fail(&errors, EXIT_CONFIG),
    };
    // One thread is enough for what a compute node has to be told.
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime can't start: {error}"), EXIT_FAILURE),
    };
    let code = if arguments.check {
        let report = runtime.block_on(hostd::check(&config));
        // The reader that closed our output (`| head`) has read enough; the code still counts.
        let text = format!("{}: ok\n{report}", arguments.config.display());
        let _ = writeln!(io::stdout(), "{}", model::printable::lines(&text));
        if report.good { ExitCode::SUCCESS } else { EXIT_FAILURE.into() }
    } else {
        runtime.block_on(serve(config))
    };
    runtime.shutdown_background();
    code
}

async fn serve(config: HostdConfig) -> ExitCode {
    if let Err(error) = telemetry::init("vtep-hostd", &config.log.directives) {
        return fail(&error, EXIT_CONFIG);
    }
    match hostd::run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "vtep-hostd ends");
            // Starting again would end in the same way.
            let config = matches!(error, HostdError::Client(VtepdClientError::CaCert { .. }));
            if config { EXIT_CONFIG.into() } else { EXIT_FAILURE.into() }
        }
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
fn fail(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    telemetry::complain(error);
    code.into()
}
