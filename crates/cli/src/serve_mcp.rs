//! `borehole serve-mcp`: the answers of the other commands for an assistant, over the Model Context Protocol.
//!
//! In: the sources, once; then frames on stdin. Out: frames on stdout, talk on stderr. Always: what a client names is
//! read only where the server was started to; nothing is written but the dataset; a reading that nobody waits for any
//! more goes on only as long as the client is there. Absent: the protocol and the tools (`borehole_mcp`).

mod cases;
mod failure;
mod objects;
mod search;
mod snapshot;
pub(crate) mod stop;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use borehole_mcp::{
    Asked, Basis, Engine, Events, Failure, Listing, Measured, Object, Pattern, Period, Restored,
    ServeOptions, Subject, Tickets, Watch,
};
use borehole_report::quota::QuotaReport;
use clap::Args;
use serde_json::Value;

use crate::Outcome;
use crate::exit::{Exit, UsageError};
use crate::gather::GatherArgs;
use crate::kept::Shelf;
use crate::places::{Places, is_url_or_name, no_source};
use cases::Cases;
use objects::Buckets;
use snapshot::Snapshots;

/// Answers an assistant's questions over the Model Context Protocol, on stdin and stdout.
///
/// Ten tools: figures of a model, its requests and its tokens per minute, objects and records, tickets and quotas.
/// They answer from the SOURCEs alone. What is read is kept in a dataset, so that only the first question waits.
///
/// Exit codes: 0 the client has left, 2 wrong arguments, 4 no answer.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # What an assistant's configuration starts
  borehole serve-mcp s3://bedrock-logs-mcp --large-data s3://bedrock-large-data-mcp
  # A downloaded dump, kept in a dataset of its own
  borehole serve-mcp dump/ --dataset dump.dataset
  # With the text of prompts and answers, and requests to S3 for archived objects
  borehole serve-mcp s3://bedrock-logs-mcp --allow-bodies --allow-restore")]
pub(crate) struct ServeMcp {
    #[command(flatten)]
    pub gather: GatherArgs,
    /// Let s3_object_read show the text of prompts and answers
    #[arg(long, help_heading = "Permissions")]
    pub allow_bodies: bool,
    /// Let s3_restore_object ask S3 for copies of archived objects, which costs money
    #[arg(long, help_heading = "Permissions")]
    pub allow_restore: bool,
    /// Applied quotas: the JSON of `aws service-quotas list-service-quotas --service-code bedrock`, a file or a
    /// directory of them; repeatable
    #[arg(long, value_name = "FILE|DIR", help_heading = "Counting")]
    pub service_quotas: Vec<PathBuf>,
    /// What the logs cannot say about a ticket (see borehole ticket --init) [default: ticket.toml here]
    #[arg(long, value_name = "FILE", help_heading = "Ticket")]
    pub ticket_toml: Option<PathBuf>,
    /// Seconds after which a call is answered with how far the reading is: clients drop calls at 60
    #[arg(long, value_name = "SECONDS", default_value_t = 45, hide = true)]
    pub answer_within: u64,
    /// Seconds for which a listing of the sources holds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, help_heading = "Reading")]
    pub relist_after: u64,
}

/// Runs the command.
pub(crate) fn run(args: &ServeMcp) -> Outcome {
    if args.gather.plan || args.gather.keep.part.is_some() {
        return Err(UsageError {
            message: "--plan and --part are not for a server".to_owned(),
            hint: Some("borehole analyze SOURCE --plan tells what reading costs"),
        }
        .into());
    }
    if args.gather.sources.is_empty() {
        return Err(no_source());
    }
    if args.gather.sources.iter().any(|source| source == "-") {
        return Err(UsageError {
            message: "-: standard input is where the client speaks".to_owned(),
            hint: Some("write it to a file, and name that"),
        }
        .into());
    }
    // A path that was mistyped is told by a server that does not start; buckets are opened when something is asked of
    // them, since that takes a network.
    let paths = &args.gather.sources;
    if !paths.iter().any(|source| is_url_or_name(source)) && !Shelf::are_kept(paths)? {
        Places::new(&args.gather.s3)?.sources(paths)?;
    }
    if std::io::stdin().is_terminal() {
        tell!(
            "note: a server for a client of the Model Context Protocol, which speaks on stdin; Ctrl-D ends it"
        );
    }
    let options = ServeOptions {
        version: env!("CARGO_PKG_VERSION"),
        answer_within: Duration::from_secs(args.answer_within),
        shows_bodies: args.allow_bodies,
        restores: args.allow_restore,
        sources: args.gather.sources.clone(),
    };
    let logs = Logs {
        args: clone(args),
        snapshots: Snapshots::default(),
        cases: Cases::default(),
        buckets: Buckets::default(),
    };
    borehole_mcp::serve_stdio(Arc::new(logs), &options)?;
    Ok(Exit::Complete)
}

fn clone(args: &ServeMcp) -> ServeMcp {
    ServeMcp {
        gather: args.gather.clone(),
        service_quotas: args.service_quotas.clone(),
        ticket_toml: args.ticket_toml.clone(),
        ..*args
    }
}

/// The sources of the server.
struct Logs {
    args: ServeMcp,
    snapshots: Snapshots,
    cases: Cases,
    buckets: Buckets,
}

impl Engine for Logs {
    fn measure(
        &self,
        subject: &Subject,
        period: &Period,
        slots_max: usize,
        watch: &Watch,
    ) -> Result<Measured, Failure> {
        self.snapshots.measure(&self.args, subject, period, slots_max, watch)
    }

    fn tickets(
        &self,
        subject: &Subject,
        period: &Period,
        aim: &Asked,
        watch: &Watch,
    ) -> Result<Tickets, Failure> {
        self.cases.tickets(&self.args, &self.snapshots, subject, period, aim, watch)
    }

    fn quotas(
        &self,
        subject: &Subject,
        period: &Period,
        aim: &Asked,
        watch: &Watch,
    ) -> Result<(QuotaReport, Basis), Failure> {
        self.cases.quotas(&self.args, &self.snapshots, subject, period, aim, watch)
    }

    fn find(&self, request_id: &str, date: Option<&str>, watch: &Watch) -> Result<Value, Failure> {
        search::find(&self.args, &self.buckets, request_id, date, watch)
    }

    fn events(
        &self,
        pattern: &Pattern,
        period: &Period,
        max: usize,
        watch: &Watch,
    ) -> Result<Events, Failure> {
        search::events(&self.args, &self.buckets, &self.snapshots, pattern, period, max, watch)
    }

    fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        max: usize,
        watch: &Watch,
    ) -> Result<Listing, Failure> {
        self.buckets.list(&self.args, bucket, prefix, after, max, watch)
    }

    fn read(&self, bucket: &str, key: &str, watch: &Watch) -> Result<Object, Failure> {
        self.buckets.read(&self.args, bucket, key, watch)
    }

    fn restore(&self, bucket: &str, key: &str, days: u32, watch: &Watch) -> Result<Restored, Failure> {
        self.buckets.restore(&self.args, bucket, key, days, watch)
    }
}
