//! `borehole synth`: a seeded dump with its own tally.

use borehole_synth::{Layout, Options, Profile};

use crate::Outcome;
use crate::args::{LayoutWord, ProfileWord, Synth};
use crate::exit::{Exit, UsageError};

/// Runs the command.
pub(crate) fn run(args: &Synth) -> Outcome {
    if args.from.seconds >= args.to.seconds {
        let message = "the range is empty".to_owned();
        return Err(UsageError { message, hint: Some("the end is not included") }.into());
    }
    let mut options = Options {
        layout: match args.layout {
            LayoutWord::Aws => Layout::Aws,
            LayoutWord::Split => Layout::Split,
        },
        profile: match args.profile {
            ProfileWord::Small => Profile::Small,
            ProfileWord::Mixed => Profile::Mixed,
        },
        requests: args.requests,
        seed: args.seed,
        from_seconds: args.from.seconds,
        to_seconds: args.to.seconds,
        clean: !args.dirty,
        ..Options::default()
    };
    if let Some(accounts) = args.accounts {
        options.accounts = accounts;
    }
    if !args.regions.is_empty() {
        options.regions.clone_from(&args.regions);
    }
    let summary = borehole_synth::generate(&args.directory, &options, &mut |_| {})?;
    if !args.quiet {
        tell!(
            "{}: {} requests in {} objects, {} bytes stored, {} decoded; the tally is in truth.json",
            crate::exit::escaped(&args.directory.display().to_string()),
            summary.requests,
            summary.objects,
            summary.stored_bytes,
            summary.decoded_bytes,
        );
    }
    Ok(Exit::Complete)
}
