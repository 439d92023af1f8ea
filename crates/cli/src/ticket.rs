//! `borehole ticket`: the filled-in request for a larger quota, one for each quota that was used.
//!
//! In: logs, `ticket.toml` and the options that win over it. Out: tickets on stdout, or a folder for each. Always:
//! nothing is sent and nothing is run; what only the operator can say and has not said is marked in the ticket,
//! and the command exits with 2. Absent: the figures (see `borehole_quota::ticket`) and the forms (see
//! `borehole_report::ticket`).

mod folders;
mod settings;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use borehole_quota::QuotaKey;
use borehole_quota::replay::Limits;
use borehole_quota::study::Aim;
use borehole_quota::ticket::{self as facts, CrossRegion, RunFacts, TicketFacts, TicketInput};
use borehole_report::ticket::{self, BLANK, TicketStyle};
use borehole_usage::Figures;
use clap::{Args, ValueEnum};

use crate::exit::{Exit, UsageError};
use crate::gather::{GatherArgs, Gathered, Run, Wanted, gather, read_text};
use crate::places::input_directory;
use crate::studies::{AimArgs, WhatIfArgs, studies_of};
use crate::{Outcome, output};
pub(crate) use settings::Settings;

/// Bytes of a use case: a case of AWS Support takes 8,000 characters in all.
const USE_CASE_BYTES_MAX: usize = 32 << 10;

/// A quota-increase ticket, filled in from the logs, with its evidence.
///
/// One for each quota that was used: account, source Region, model and scope. It opens with what to know before
/// sending it. Nothing is sent, and the commands that it prints are never run.
///
/// Exit codes: 0 complete, 2 wrong arguments or something left to fill in, 3 the logs were not read in whole,
/// 4 no answer, 5 nothing matched.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # First a file for what only you can say
  borehole ticket --init
  # A ticket for one model
  borehole ticket dump/ --model anthropic.claude-3-haiku-20240307-v1:0
  # Two weeks, with the quotas that are applied now, as files
  borehole ticket s3://bedrock-logs-mcp --last 14d --growth 20% --service-quotas quotas/ -o case/
  # Another form
  borehole ticket dump/ --form mission --use-case use-case.txt --not-global 'data residency'")]
pub(crate) struct Ticket {
    #[command(flatten)]
    pub gather: GatherArgs,
    #[command(flatten)]
    pub aim: AimArgs,
    /// Whose form
    #[arg(long, value_enum, value_name = "FORM", default_value = "2026", help_heading = "Ticket")]
    pub form: FormWord,
    /// What the traffic is for: a text file
    #[arg(long, value_name = "FILE", help_heading = "Ticket")]
    pub use_case: Option<PathBuf>,
    /// Would cross-Region inference do
    #[arg(long, value_enum, value_name = "WHICH", help_heading = "Ticket")]
    pub cross_region: Option<CrossRegionWord>,
    /// Why it may not be global, as in "data residency"
    #[arg(long, value_name = "REASON", help_heading = "Ticket")]
    pub not_global: Option<String>,
    /// What the logs cannot say [default: ticket.toml here]
    #[arg(long, value_name = "FILE", help_heading = "Ticket")]
    pub ticket_toml: Option<PathBuf>,
    /// Write a commented ticket.toml here, to be filled in, and stop
    #[arg(long, conflicts_with_all = ["sources", "output", "ticket_toml"], help_heading = "Ticket")]
    pub init: bool,
    /// What to write to stdout [default: text, or nothing with -o]
    #[arg(long, value_enum, value_name = "FORMAT", help_heading = "Output")]
    pub format: Option<TicketFormat>,
    /// Write a folder for each ticket into this directory: case.txt, case.md, facts.json, minutes.csv, evidence.txt
    #[arg(short = 'o', long = "output", value_name = "DIR", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Replace existing output files
    #[arg(long, help_heading = "Output")]
    pub force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FormWord {
    /// The case description of 2025
    #[value(name = "2025")]
    Y2025,
    /// The form of 2026: account, limit type, modality, cross-Region inference
    #[value(name = "2026")]
    Y2026,
    /// Nine numbered items and a tenth
    Mission,
}

impl From<FormWord> for facts::Form {
    fn from(word: FormWord) -> Self {
        match word {
            FormWord::Y2025 => facts::Form::Y2025,
            FormWord::Y2026 => facts::Form::Y2026,
            FormWord::Mission => facts::Form::Mission,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CrossRegionWord {
    /// None: the Region itself
    No,
    /// Within a geography
    Geo,
    /// Anywhere
    Global,
}

impl From<CrossRegionWord> for CrossRegion {
    fn from(word: CrossRegionWord) -> Self {
        match word {
            CrossRegionWord::No => CrossRegion::No,
            CrossRegionWord::Geo => CrossRegion::Geo,
            CrossRegionWord::Global => CrossRegion::Global,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TicketFormat {
    Text,
    Markdown,
    Json,
}

/// Runs the command.
pub(crate) fn run(args: &Ticket) -> Outcome {
    if args.init {
        Settings::init(Path::new(settings::FILE_NAME))?;
        tell!("{} is written; fill it in, then run borehole ticket SOURCE", settings::FILE_NAME);
        return Ok(Exit::Complete);
    }
    let (input, aim) = said(args)?;
    if let Some(directory) = &args.output {
        folders::check(directory, args.force)?;
    }
    let counts_a_part = !args.gather.identity.is_empty() || !args.gather.operation.is_empty();
    if counts_a_part && !args.gather.quiet {
        tell!(
            "note: a quota is used by all callers and operations; with a filter the need is that of a part"
        );
    }
    let gathered = match gather(&args.gather, Wanted::default())? {
        Run::Done(gathered) => gathered,
        Run::Planned(exit) => return Ok(exit),
    };
    let tickets = tickets(&gathered, &aim, &input)?;
    let form = args.form.into();
    publish(args, &tickets, form)?;
    let mut exit = gathered.finish(&args.gather, None)?;
    if tickets.is_empty() && exit == Exit::Complete && !args.gather.allow_empty {
        tell!("no quota of this scope was used");
        exit = Exit::Nothing;
    }
    let blanks: BTreeSet<&str> =
        tickets.iter().flat_map(|facts| facts.blanks_of(form)).map(facts::Blank::name).collect();
    if blanks.is_empty() {
        return Ok(exit);
    }
    let blanks: Vec<&str> = blanks.into_iter().collect();
    tell!("left to fill in ({BLANK} in the ticket): {}", blanks.join(", "));
    tell!("hint: borehole ticket --init writes a ticket.toml that says them once and for all");
    Ok(Exit::Usage)
}

/// What the operator says, in the file and on the command line, which wins.
fn said(args: &Ticket) -> anyhow::Result<(TicketInput, AimArgs)> {
    if let Some(scope) = args.aim.scope.iter().find(|scope| !settings::is_scope(scope)) {
        return Err(UsageError {
            message: format!("--scope {scope}: there is no such scope"),
            hint: Some("on-demand, geo or global"),
        }
        .into());
    }
    let settings = settings_beside(&args.gather, args.ticket_toml.as_deref())?;
    let use_case = match &args.use_case {
        Some(file) => {
            let text = read_text(file)?;
            if text.len() > USE_CASE_BYTES_MAX {
                return Err(UsageError {
                    message: format!("{}: too long for a use case", file.display()),
                    hint: Some("a support case takes 8,000 characters"),
                }
                .into());
            }
            Some(text)
        }
        None => None,
    };
    let (said, aim) = settings.over(&args.aim);
    let input = TicketInput {
        use_case: use_case.or(said.use_case),
        cross_region: args.cross_region.map(Into::into).or(said.cross_region),
        not_global_reason: args.not_global.clone().or(said.not_global_reason),
        ..said
    };
    Ok((input, aim))
}

/// What the operator says in a `ticket.toml`: the named one, or one in the current directory that is no part of the
/// logs.
pub(crate) fn settings_beside(gather: &GatherArgs, named: Option<&Path>) -> anyhow::Result<Settings> {
    let arguments = gather.sources.iter().chain(&gather.large_data);
    let mut inputs: Vec<PathBuf> = arguments.filter_map(|argument| input_directory(argument)).collect();
    let mapped = gather.map.iter().filter_map(|map| map.split_once('='));
    inputs.extend(mapped.map(|(_, directory)| PathBuf::from(directory)));
    Settings::find(named, &inputs)
}

/// The facts of every quota that was used.
fn tickets(gathered: &Gathered, aim: &AimArgs, input: &TicketInput) -> anyhow::Result<Vec<TicketFacts>> {
    tickets_of(gathered, &gathered.figures, aim, input, &|_| true)
}

/// The facts of the quotas that are chosen; `figures` are those of their groups.
pub(crate) fn tickets_of(
    gathered: &Gathered,
    figures: &Figures,
    aim: &AimArgs,
    input: &TicketInput,
    is_chosen: &dyn Fn(&QuotaKey) -> bool,
) -> anyhow::Result<Vec<TicketFacts>> {
    let studies = studies_of(gathered, aim, &WhatIfArgs::default(), Limits::default(), is_chosen)?;
    let goal = Aim {
        target: aim.target(),
        growth: aim.growth.unwrap_or_default(),
        margin: aim.margin.unwrap_or_default(),
        ..Aim::default()
    };
    let run = RunFacts {
        figures,
        health: &gathered.health,
        complete: gathered.complete,
        aim: &goal,
        rules_at: gathered.rules_at,
    };
    let facts = studies.iter().map(|study| {
        let names = gathered.rules.quotas(&study.key.model, study.key.scope);
        TicketFacts::new(study, &run, gathered.book.get(&study.key), &names, input)
    });
    Ok(facts.collect())
}

fn publish(args: &Ticket, tickets: &[TicketFacts], form: facts::Form) -> anyhow::Result<()> {
    let style = TicketStyle { form, attachments: false };
    if let Some(directory) = &args.output
        && !tickets.is_empty()
    {
        let names = folders::write(directory, tickets, style, args.force)?;
        if !args.gather.quiet {
            for name in names {
                tell!("{}", directory.join(name).display());
            }
        }
    }
    let format = args.format.or(args.output.is_none().then_some(TicketFormat::Text));
    // Of nothing there is no ticket; JSON says so itself.
    match format.filter(|format| *format == TicketFormat::Json || !tickets.is_empty()) {
        Some(TicketFormat::Text) => output::to_stdout(&ticket::text(tickets, style)),
        Some(TicketFormat::Markdown) => output::to_stdout(&ticket::markdown(tickets, style)),
        Some(TicketFormat::Json) => output::to_stdout(&ticket::json(tickets, form)),
        None => Ok(()),
    }
}
