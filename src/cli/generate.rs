//! Completions and manual pages, made of the command line's own definition.

use std::{fs, path::PathBuf};

use clap::Args;
use clap_complete::Shell;

use super::{CommandOutcome, Done, Failure, definition, terminal};

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// bash, zsh, fish, elvish or powershell.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct Manual {
    /// Where the pages go.
    directory: PathBuf,
}

impl Completions {
    pub(super) fn run(&self) -> Done {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut definition(), "l2gw", &mut script);
        terminal::programs(&String::from_utf8_lossy(&script))?;
        Ok(CommandOutcome::Fine)
    }
}

impl Manual {
    pub(super) fn run(&self) -> Done {
        let failed = |source| Failure::File { path: self.directory.clone(), source };
        fs::create_dir_all(&self.directory).map_err(failed)?;
        clap_mangen::generate_to(definition(), &self.directory).map_err(failed)?;
        Ok(CommandOutcome::Fine)
    }
}
