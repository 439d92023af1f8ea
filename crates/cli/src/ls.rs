//! `borehole ls`: what a prefix holds, by layout, hour, kind, storage class and size; nothing is read.

use clap::Args;

use crate::Outcome;
use crate::exit::Exit;
use crate::places::S3Args;

/// What a prefix holds, by layout, hour, kind, storage class and size; nothing is read.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Where the logs are
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,

    #[command(flatten)]
    pub s3: S3Args,
}

/// Runs the command.
pub(crate) fn run(args: &Ls) -> Outcome {
    let _ = (&args.sources, &args.s3);
    Ok(Exit::NoAnswer)
}
