//! The operator's command line: a client of vtepd's admin socket.

use std::process::ExitCode;

use vtepd::cli::{arguments, run};

fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    // One thread: a call at a time.
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(arguments)),
        Err(error) => {
            eprintln!("l2gw: the runtime can't start: {error}");
            ExitCode::from(70)
        }
    }
}
