//! `borehole pull`: a date prefix and the payloads its records refer to, downloaded into a dump.

use clap::Args;

use crate::Outcome;
use crate::exit::Exit;
use crate::places::S3Args;

/// Download a date prefix and the payloads it refers to into a dump.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// Where the logs are
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,

    #[command(flatten)]
    pub s3: S3Args,
}

/// Runs the command.
pub(crate) fn run(args: &Pull) -> Outcome {
    let _ = (&args.sources, &args.s3);
    Ok(Exit::NoAnswer)
}
