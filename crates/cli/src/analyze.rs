//! `borehole analyze`: wires the rooms together, and decides how the run ended.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use borehole_record::{DecodeOptions, Invocation, Timestamp, UtcHour};
use borehole_report::text::TextStyle;
use borehole_report::{Report, RunInfo, json, text};
use borehole_scan::{
    CellSink, Ledger, ListOptions, PayloadRoot, Plan, Progress, Resolve, ScanOptions, Source,
};
use borehole_usage::figures::{DocumentTally, Health, ObjectTally, RecordTally, ReferenceTally};
use borehole_usage::{CoverageId, CoverageSpan, Filter, HourSummary, Question, SealedHour, Tally, Totals};

use crate::args::{Analyze, Format, cores};
use crate::exit::{Exit, Unbalanced, UsageError};
use crate::places::Places;
use crate::{Outcome, estimate, output, progress, rejects};

/// Runs the command.
pub(crate) fn run(args: &Analyze) -> Outcome {
    let started = Instant::now();
    let now = args.range.now();
    let formats = output_formats(args)?;
    for path in args.outputs.iter().chain(&args.rejects) {
        output::check_file(path, args.force)?;
    }
    let mut places = Places::new(&args.s3)?;
    places.also_reads(&args.large_data);
    places.also_reads(&args.map);
    let sources = places.sources(&args.sources)?;
    let watched = Arc::new(Progress::default());
    let range = args.range.asked_or_recent(&sources)?;
    let options = scan_options(args, &sources, &mut places)?;
    let shown = progress::show(Arc::clone(&watched), args.quiet);
    let listing = ListOptions {
        keep_lines: args.rejects.is_some(),
        // Their sizes and their absence are facts; without them they are not even listed.
        payloads: options.resolve >= Resolve::Facts,
        any_key: args.any_key,
    };
    let plan = Plan::list(&sources, range, listing, &watched)?;
    drop(shown);
    if args.plan || !args.quiet {
        estimate::tell(&plan, &sources, &places.counters());
    }
    if args.plan {
        return Ok(if plan.objects.is_empty() && plan.archived.is_empty() {
            Exit::Nothing
        } else {
            Exit::Complete
        });
    }
    let shown = progress::show(Arc::clone(&watched), args.quiet);
    let question = question(args, &plan, now);
    let mut cells =
        Cells { question: &question, totals: Totals::new(), open: None, retracting: false, retracted: None };
    let (plan, ledger) = borehole_scan::scan(plan, &sources, &options, &mut cells, &watched)?;
    drop(shown);

    let totals = cells.totals;
    let spans = coverage_spans(&plan);
    let figures = totals.figures(&question, &spans);
    let health = health(&ledger, &totals.tally(), &spans, &question, figures.models_folded);
    if let Some(imbalance) = health.unbalanced() {
        return Err(Unbalanced(imbalance).into());
    }
    let complete = health.is_complete() && (!args.strict || references_are_whole(&health.references));
    let asked = places.counters();
    let run = RunInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sources: args.sources.clone(),
        bytes_fetched: ledger.bytes_fetched,
        requests_sent: asked.requests,
        retries: asked.retries,
        unchanged: 0,
        elapsed_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    let report = Report::new(&figures, &health, complete, run);
    publish(args, &report, &formats)?;
    if let Some(path) = &args.rejects {
        output::to_file(path, &rejects::render(&ledger))?;
    }
    if !args.quiet {
        rejects::tell(&ledger, &plan);
    }
    if args.verbose > 0 {
        tell_timing(&watched, started, options.threads);
    }
    Ok(if !complete {
        Exit::Incomplete
    } else if health.records.counted == 0 && !args.allow_empty {
        if !args.quiet {
            tell_nothing(&plan, &health);
        }
        Exit::Nothing
    } else {
        Exit::Complete
    })
}

/// Reduces closed hours, one at a time.
struct Cells<'a> {
    question: &'a Question,
    totals: Totals,
    open: Option<HourSummary>,
    /// An hour as it was given before, to be replaced.
    retracting: bool,
    retracted: Option<SealedHour>,
}

impl CellSink for Cells<'_> {
    fn open(&mut self, hour: UtcHour) {
        self.open = Some(HourSummary::new(hour));
        self.retracting = false;
    }

    fn retract(&mut self, hour: UtcHour) {
        self.open = Some(HourSummary::new(hour));
        self.retracting = true;
    }

    fn invocation(&mut self, invocation: &Invocation, coverage: Option<u32>) {
        if let Some(summary) = &mut self.open {
            summary.observe(self.question, invocation, coverage.map_or(CoverageId::NONE, CoverageId));
        }
    }

    fn close(&mut self, _hour: UtcHour) {
        if let Some(summary) = self.open.take() {
            let hour = summary.seal();
            if self.retracting {
                self.retracted = Some(hour);
            } else if let Some(before) = self.retracted.take() {
                self.totals.replace(before, hour);
            } else {
                self.totals.insert(hour);
            }
        }
    }
}

fn output_formats(args: &Analyze) -> anyhow::Result<Vec<Format>> {
    let format = |path: &Path| match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => Ok(Format::Json),
        Some("txt" | "text") => Ok(Format::Text),
        _ => Err(UsageError {
            message: format!("{}: unknown format", path.display()),
            hint: Some("name the file *.json or *.txt"),
        }
        .into()),
    };
    args.outputs.iter().map(|path| format(path)).collect()
}

fn question(args: &Analyze, plan: &Plan, now: Timestamp) -> Question {
    Question {
        by: args.by.clone(),
        series: args.series,
        top: args.top,
        list: args.list,
        list_max: args.list_max,
        include_outliers: args.include_outliers,
        now,
        from: plan.range.from,
        to: plan.range.to,
        filter: Filter {
            models: args.model.clone(),
            regions: args.region.clone(),
            accounts: args.account.clone(),
            identities: args.identity.clone(),
            operations: args.operation.clone(),
        },
        ..Question::default()
    }
}

fn scan_options(args: &Analyze, sources: &[Source], places: &mut Places) -> anyhow::Result<ScanOptions> {
    let mut payload_roots = Vec::new();
    for argument in &args.map {
        payload_roots.push(PayloadRoot::map(argument)?);
    }
    payload_roots.extend(places.payload_roots(&args.large_data)?);
    let resolve = match args.resolve {
        Some(word) => word.into(),
        None if sources.iter().any(|source| source.s3.is_some())
            && !places.has_large_data(&args.large_data) =>
        {
            Resolve::Counts
        }
        None => Resolve::Facts,
    };
    let threads = args.threads.unwrap_or_else(cores);
    if threads == 0 || threads > 1_024 {
        return Err(UsageError { message: "--threads: expected 1 to 1024".to_owned(), hint: None }.into());
    }
    Ok(ScanOptions {
        threads,
        memory_bytes: usize::try_from(args.memory).unwrap_or(usize::MAX),
        temporary: args.temp_dir.clone().unwrap_or_else(std::env::temp_dir),
        resolve,
        payload_roots,
        decode: DecodeOptions {
            facts: true,
            accept_epoch: args.accept_epoch,
            lenient_numbers: args.lenient_numbers,
            allow_double_gzip: args.allow_double_gzip,
            decoded_bytes_max: args.max_decoded_per_object,
        },
        salvage: args.salvage,
        shuffle_seed: args.shuffle,
    })
}

fn coverage_spans(plan: &Plan) -> Vec<CoverageSpan> {
    let spans = plan.coverage.iter().map(|entry| {
        let hours: Vec<UtcHour> = entry.hours.iter().copied().collect();
        CoverageSpan {
            account: entry.account.clone(),
            region: entry.region.clone(),
            first: hours.first().copied().unwrap_or(UtcHour(0)),
            last: hours.last().copied().unwrap_or(UtcHour(0)),
            hours_with_objects: hours,
        }
    });
    spans.collect()
}

/// The ledger's books and the totals' tally, in the words of the report.
fn health(
    ledger: &Ledger,
    tally: &Tally,
    spans: &[CoverageSpan],
    question: &Question,
    models_folded: u64,
) -> Health {
    let books = &ledger.tally;
    let mut filtered: BTreeMap<&'static str, u64> = tally.filtered.clone();
    let mut filter = |reason, count: u64| {
        if count > 0 {
            *filtered.entry(reason).or_default() += count;
        }
    };
    filter("other_schema", books.other_schema);
    filter("time_range", books.out_of_range);
    let mut warnings = books.warnings.clone();
    let mut warn = |code, count: u64| {
        if count > 0 {
            *warnings.entry(code).or_default() += count;
        }
    };
    for (warning, count) in books.decoder_warnings.iter() {
        warn(warning.as_str(), count);
    }
    warn("time_outlier", tally.outliers);
    warn("no_request_id", tally.no_request_id);
    warn("group_cardinality", models_folded);
    let references = &books.references;
    Health {
        objects: ObjectTally {
            listed: ledger.objects_listed,
            read: ledger.objects_read,
            skipped: ledger.objects_skipped.clone(),
            failed: ledger.objects_failed.clone(),
        },
        documents: DocumentTally {
            found: books.documents_found,
            decoded: books.documents_decoded,
            joined: books.documents_joined,
            rejected: books.documents_rejected.clone(),
        },
        records: RecordTally {
            decoded: books.documents_decoded - books.documents_joined,
            counted: tally.counted,
            duplicate: ledger.duplicates_total(),
            filtered,
            rejected: books.records_rejected.clone(),
        },
        references: ReferenceTally {
            seen: references.seen,
            resolved: references.resolved,
            not_needed: references.not_needed,
            missing: references.missing,
            archived: references.archived,
            refused: references.refused.clone(),
            failed: references.failed,
        },
        bytes_listed: ledger.bytes_listed,
        bytes_decompressed: books.decoded_bytes,
        coverage: spans.iter().map(|span| span.coverage_figures(question.from, question.to)).collect(),
        warnings,
        counts_lost: tally.counts_lost,
        salvaged: ledger.salvaged,
    }
}

fn references_are_whole(references: &ReferenceTally) -> bool {
    references.missing == 0
        && references.archived == 0
        && references.failed == 0
        && references.refused.is_empty()
}

fn publish(args: &Analyze, report: &Report, formats: &[Format]) -> anyhow::Result<()> {
    let render = |format: Format, style: &TextStyle| match format {
        Format::Json => json::render(report),
        Format::Text => {
            let rows = args.top.unwrap_or(style.rows);
            text::render(report, &TextStyle { rows, ..style.clone() })
        }
    };
    for (path, &format) in args.outputs.iter().zip(formats) {
        output::to_file(path, &render(format, &TextStyle::default()))?;
    }
    let format = args.format.or(args.outputs.is_empty().then_some(Format::Text));
    if let Some(format) = format {
        let style = TextStyle { color: output::takes_color(), ..TextStyle::default() };
        output::to_stdout(&render(format, &style))?;
    }
    Ok(())
}

fn tell_nothing(plan: &Plan, health: &Health) {
    tell!("nothing matched");
    if plan.objects.is_empty() {
        tell!("hint: no object here has the key of an invocation log; check the path, or the range");
        tell!("hint: borehole ls SOURCE --all shows what is there");
    } else if !health.records.filtered.is_empty() {
        tell!("hint: every record was filtered; check the range and the filters");
    } else {
        tell!("hint: nothing in these files is an invocation record");
    }
}

fn tell_timing(progress: &Progress, started: Instant, threads: usize) {
    let reading = progress.read();
    let seconds = started.elapsed().as_secs_f64();
    let rate = reading.bytes_fetched as f64 / 1e6 / seconds.max(1e-9);
    tell!(
        "{} objects, {} stored bytes in {seconds:.2} s with {threads} threads ({rate:.0} MB/s stored)",
        reading.objects_done,
        reading.bytes_fetched
    );
}
