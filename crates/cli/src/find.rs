//! `borehole find`: one request across the buckets: every object that belongs to it, and its facts.

use clap::Args;

use crate::Outcome;
use crate::exit::Exit;
use crate::places::S3Args;

/// One request across the buckets: every object that belongs to it, and its facts.
#[derive(Debug, Args)]
pub(crate) struct Find {
    /// Where the logs are
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,

    #[command(flatten)]
    pub s3: S3Args,
}

/// Runs the command.
pub(crate) fn run(args: &Find) -> Outcome {
    let _ = (&args.sources, &args.s3);
    Ok(Exit::NoAnswer)
}
