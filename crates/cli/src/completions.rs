//! `borehole completions`: what a shell needs to complete commands, options and their words.
//!
//! In: the name of a shell. Out: a script on stdout. Always: made from the command line itself, so that it knows
//! every option there is. Absent: installing it, and completing names of borehole.toml.

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use crate::exit::Exit;
use crate::{Outcome, args, output};

/// Prints the completions of a shell, to be loaded when it starts.
///
/// Exit codes: 0 printed, 2 wrong arguments.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # For this shell alone
  source <(borehole completions bash)
  # For every new bash
  borehole completions bash > ~/.local/share/bash-completion/completions/borehole
  # For every new zsh: into a folder of its $fpath
  borehole completions zsh > ~/.zfunc/_borehole
  # For every new fish
  borehole completions fish > ~/.config/fish/completions/borehole.fish")]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: ShellWord,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShellWord {
    Bash,
    Zsh,
    Fish,
    Elvish,
    #[value(name = "powershell")]
    PowerShell,
}

impl From<ShellWord> for Shell {
    fn from(word: ShellWord) -> Self {
        match word {
            ShellWord::Bash => Shell::Bash,
            ShellWord::Zsh => Shell::Zsh,
            ShellWord::Fish => Shell::Fish,
            ShellWord::Elvish => Shell::Elvish,
            ShellWord::PowerShell => Shell::PowerShell,
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &Completions) -> Outcome {
    let mut command = args::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(Shell::from(args.shell), &mut command, name, &mut script);
    output::to_stdout(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Complete)
}
