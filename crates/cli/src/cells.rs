//! Closed hours to sums, attempts and rows.
//!
//! In: the hours that the scan closes, and those that stand from earlier runs. Out: the totals and the attempts of
//! the run, and beside them, where a dataset is kept, rows as Parquet and answers for the next run. Always: an hour
//! is summed up from its invocations or taken as an earlier run summed it up, with the same result.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use borehole_mcp::Watch;
use borehole_quota::{AttemptBook, HourBook, Keep};
use borehole_record::{Invocation, ProfileMap, UtcHour};
use borehole_scan::kept::Section;
use borehole_scan::{CellSink, KeepHour, Plan, Source};
use borehole_store::EscapedKey;
use borehole_table::dataset::{Dataset, Slot};
use borehole_table::invocations::InvocationRows;
use borehole_usage::cube::{Cube, PAGE_BYTES_MAX, Refusal};
use borehole_usage::{
    CoverageId, CoverageSpan, Figures, HourSummary, Outcome, Question, SealedHour, Tally, Totals, outline,
};
use xxhash_rust::xxh3::xxh3_128;

use crate::export::rows::{HourRows, RowTable};
use crate::hints::Seen;
use crate::kept::Shelf;

/// Answers that are written at a time: a file holds those of a day.
const ANSWERS_AT_A_TIME: usize = 24;

/// Sums up closed hours.
pub(crate) struct Cells<'a> {
    question: &'a Question,
    totals: Totals,
    book: AttemptBook,
    /// Summaries of hours that are closed: they remember what they read.
    spare: Mutex<Vec<HourSummary>>,
    /// An hour as it was given before, to be replaced.
    retracted: Option<SealedHour>,
    plan: &'a Plan,
    spans: &'a [CoverageSpan],
    /// Where rows are written.
    rows: Option<Arc<RowsKept<'a>>>,
    answers: Option<Answers<'a>>,
    /// Where counted records are written for other tools.
    table: Option<Arc<RowTable>>,
    /// The whole answer, where an earlier run had the same question and the same hours.
    known: Option<(Figures, Tally)>,
    /// What could not be written, in words.
    failure: Option<anyhow::Error>,
    /// What the records are of, where a filter is asked for.
    seen: Option<Seen>,
    /// The hours, where somebody wants them in the place of the totals.
    hours: Option<BTreeMap<UtcHour, SealedHour>>,
    /// Who may stop the run.
    watch: Option<Watch>,
}

/// What a run comes to.
pub(crate) struct Sums {
    /// The figures.
    pub figures: Figures,
    /// How the records ended.
    pub tally: Tally,
    /// The data of a page, where one was asked for.
    pub cube: Option<Result<Cube, Refusal>>,
    /// The attempts.
    pub book: AttemptBook,
    /// What the records of the range are of, where a filter is asked for and every record was looked at.
    pub seen: Option<Seen>,
    /// The sums of each hour, where they were asked for.
    pub hours: Option<BTreeMap<UtcHour, SealedHour>>,
}

/// Rows on their way into a dataset.
struct RowsKept<'a> {
    dataset: &'a Dataset,
    /// Names of the streams.
    streams: Vec<String>,
    profiles: Arc<ProfileMap>,
    spare: Mutex<Vec<InvocationRows>>,
}

/// What was summed up before, and what is for the next time.
struct Answers<'a> {
    dataset: &'a Dataset,
    /// A name for the question.
    name: u128,
    /// The name of the same question with or without a range, the other way round.
    twin: u128,
    /// Of the attempts.
    book: u128,
    /// Which attempts are kept: of no hour, but of the whole.
    keep: Keep,
    /// Of the sources whose gaps apply to records: hours hold them by number.
    coverage: u128,
    spans: &'a [CoverageSpan],
    fingerprints: BTreeMap<UtcHour, Option<u128>>,
    /// What hours were made of.
    closings: BTreeMap<UtcHour, u128>,
    /// An hour was closed in this run.
    has_closed: bool,
    waiting: Vec<(UtcHour, u128, Vec<u8>)>,
}

/// An hour that is being reduced.
pub(crate) struct Cell<'a> {
    question: &'a Question,
    plan: &'a Plan,
    hour: UtcHour,
    summary: HourSummary,
    sealed: Option<SealedHour>,
    book: HourBook,
    /// By stream.
    rows: Option<BTreeMap<u32, InvocationRows>>,
    kept: Option<Arc<RowsKept<'a>>>,
    files: Result<Vec<File>, borehole_table::Error>,
    table: Option<HourRows>,
    seen: Option<Seen>,
    watch: Option<Watch>,
}

/// Stream, count of rows, Parquet.
type File = (String, u64, Vec<u8>);

impl borehole_scan::Cell for Cell<'_> {
    fn invocation(&mut self, invocation: &Invocation, stream: u32, coverage: Option<u32>) {
        // Nobody will ask for this hour.
        if self.watch.as_ref().is_some_and(Watch::is_stopped) {
            return;
        }
        let coverage = coverage.map_or(CoverageId::NONE, CoverageId);
        let outcome = self.summary.observe(self.question, invocation, coverage);
        if let Some(seen) = &mut self.seen {
            seen.note(&invocation.facets);
        }
        let has_time = self.question.include_outliers || !self.question.is_outlier(invocation.timestamp);
        if outcome == Outcome::Counted && has_time {
            self.book.observe(invocation);
        }
        if let (Some(rows), Some(kept)) = (&mut self.rows, &self.kept) {
            rows.entry(stream).or_insert_with(|| kept.begin()).push(invocation);
        }
        if let Some(table) = self.table.as_mut().filter(|_| outcome == Outcome::Counted) {
            table.push(invocation);
        }
    }

    fn seal(&mut self) {
        self.sealed = Some(self.summary.finish());
        self.finish_rows();
        let plan = self.plan;
        if let Some(table) = &mut self.table {
            table.seal(&|number| object_name(plan, number));
        }
    }
}

impl RowsKept<'_> {
    fn begin(&self) -> InvocationRows {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| InvocationRows::new(Arc::clone(&self.profiles)))
    }

    fn give_back(&self, mut rows: InvocationRows) {
        rows.clear();
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(rows);
    }
}

impl Cell<'_> {
    fn finish_rows(&mut self) {
        let (Some(rows), Some(kept)) = (self.rows.take(), self.kept.take()) else { return };
        let name = |number: u32| object_name(self.plan, number);
        let mut files = Vec::with_capacity(rows.len());
        for (stream, mut rows) in rows {
            let count = rows.len() as u64;
            match rows.finish(&name) {
                Ok(bytes) => files.push((kept.streams[stream as usize].clone(), count, bytes)),
                Err(error) => {
                    self.files = Err(error);
                    return;
                }
            }
            kept.give_back(rows);
        }
        self.files = Ok(files);
    }
}

/// The key of an object of the run, as text.
fn object_name(plan: &Plan, number: u32) -> String {
    let planned = plan.objects.get(number as usize);
    planned.map_or_else(String::new, |planned| EscapedKey(&planned.object.key).to_string())
}

impl<'a> Cells<'a> {
    /// For a run over a plan; with a `shelf` that is written to, rows are kept there.
    pub(crate) fn new(
        question: &'a Question,
        book: AttemptBook,
        plan: &'a Plan,
        sources: &[Source],
        shelf: Option<&'a Shelf>,
        profiles: ProfileMap,
        spans: &'a [CoverageSpan],
    ) -> Self {
        let rows = shelf.and_then(Shelf::writes_to).map(|dataset| {
            Arc::new(RowsKept {
                dataset,
                streams: plan.stream_names(sources),
                profiles: Arc::new(profiles),
                spare: Mutex::default(),
            })
        });
        let base = question.fingerprints().base();
        let is_ranged = question.from.is_some() || question.to.is_some();
        let (name, twin) = if is_ranged { (base ^ RANGED, base) } else { (base, base ^ RANGED) };
        let answers = shelf.and_then(Shelf::answers_of).map(|dataset| Answers {
            dataset,
            name,
            twin,
            book: book.fingerprint(),
            keep: book.keep(),
            coverage: fingerprint_of_names(spans),
            spans,
            fingerprints: BTreeMap::new(),
            closings: BTreeMap::new(),
            has_closed: false,
            waiting: Vec::new(),
        });
        Cells {
            question,
            totals: Totals::new(),
            book,
            spare: Mutex::default(),
            retracted: None,
            plan,
            spans,
            rows,
            answers,
            table: None,
            known: None,
            failure: None,
            seen: Seen::of(&question.filter),
            hours: None,
            watch: None,
        }
    }

    /// Gives the sums of each hour, to be asked again, and no figures. Then every hour is given: whole answers are no
    /// hours.
    pub(crate) fn keep_hours(&mut self) {
        self.hours = Some(BTreeMap::new());
    }

    /// The run ends as soon as somebody stops this one.
    pub(crate) fn ends_with(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    /// Gives the counted records to a table, too. Then every hour is given by its records: sums alone are no rows.
    pub(crate) fn also_gives(&mut self, table: Arc<RowTable>) {
        table.begin();
        self.answers = None;
        self.table = Some(table);
    }

    /// The figures and the attempts; what was not known before is kept for the next time. `closings` are what hours
    /// were made of, now that all is known; `page_bytes` is what the page should stay within that is asked for.
    ///
    /// # Errors
    /// Where rows could not be made.
    pub(crate) fn finish(
        self,
        closings: BTreeMap<UtcHour, u128>,
        page_bytes: Option<u64>,
    ) -> anyhow::Result<Sums> {
        let Cells { question, spans, totals, mut book, mut answers, known, failure, seen, hours, .. } = self;
        if let Some(failure) = failure {
            return Err(failure);
        }
        if let Some(answers) = &mut answers {
            answers.write();
            answers.closings = closings;
        }
        let cube = page_bytes.map(|aim| totals.cube_within(question, spans, aim, PAGE_BYTES_MAX.max(aim)));
        let (figures, tally) = match (known, &hours) {
            (Some(known), _) => known,
            (None, Some(hours)) => {
                let mut tally = Tally::default();
                hours.values().for_each(|hour| tally.merge(hour.tally()));
                (outline(question, hours.values()), tally)
            }
            (None, None) => {
                let (figures, tally) = (totals.figures(question, spans), totals.tally());
                // A cube is made of hours: a whole answer would be of no use.
                if let Some(answers) = answers.as_mut().filter(|_| !question.cube) {
                    answers.keep_whole(question, [figures.to_bytes(), tally.to_bytes(), book.to_bytes()]);
                }
                (figures, tally)
            }
        };
        book.finish();
        Ok(Sums { figures, tally, cube, book, seen, hours })
    }

    /// Why the run was stopped.
    pub(crate) fn stopped(self) -> anyhow::Error {
        let failed = self.rows.and_then(|rows| rows.dataset.failed());
        let failure = self.failure.or_else(|| Some(self.table?.failure()?.into()));
        failure.or_else(|| failed.map(Into::into)).unwrap_or_else(|| anyhow::anyhow!("stopped"))
    }
}

impl<'a> CellSink for Cells<'a> {
    type Cell = Cell<'a>;

    fn open(&self, hour: UtcHour) -> Cell<'a> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let summary = match spare {
            Some(mut summary) => {
                summary.begin(hour);
                summary
            }
            None => HourSummary::new(hour),
        };
        Cell {
            question: self.question,
            plan: self.plan,
            hour,
            summary,
            sealed: None,
            book: self.book.open(hour),
            rows: self.rows.as_ref().map(|_| BTreeMap::new()),
            kept: self.rows.clone(),
            files: Ok(Vec::new()),
            table: self.table.as_ref().map(|table| table.open(hour)),
            seen: Seen::of(&self.question.filter),
            watch: self.watch.clone(),
        }
    }

    fn close(&mut self, cell: Cell<'a>, keep: Option<KeepHour>) {
        let Ended { hour, sealed, book, files, table } = self.end(cell);
        if let (Some(rows), Some(table)) = (table, &self.table) {
            table.close(rows);
        }
        let closing = match keep {
            Some(KeepHour { closing, sections }) => {
                match (&self.rows, files) {
                    (Some(kept), Ok(files)) => kept.dataset.write(Slot::Hour(hour), sections, files),
                    (Some(_), Err(error)) => self.failure = Some(error.into()),
                    (None, _) => {}
                }
                Some(closing)
            }
            None => self.answers.as_ref().and_then(|answers| answers.closings.get(&hour).copied()),
        };
        if let Some(answers) = &mut self.answers {
            answers.has_closed = true;
            if let Some(closing) = closing {
                answers.add(self.question, hour, closing, &sealed, &book);
            }
        }
        self.book.close(book);
        match (&mut self.hours, self.retracted.take()) {
            // In the place of what was there before it was opened again, if anything.
            (Some(hours), _) => drop(hours.insert(hour, sealed)),
            (None, Some(before)) => self.totals.replace(before, sealed),
            (None, None) => self.totals.insert(sealed),
        }
    }

    fn retract(&mut self, cell: Cell<'a>) {
        // Only the sums: the book replaces an hour when it is closed anew.
        let ended = self.end(cell);
        if let Some(table) = &self.table {
            table.retract(ended.hour);
        }
        self.retracted = Some(ended.sealed);
    }

    fn standing(&mut self, hours: Vec<(UtcHour, u128)>) -> Vec<UtcHour> {
        let all = || hours.iter().map(|&(hour, _)| hour);
        let Some(answers) = &mut self.answers else { return all().collect() };
        answers.closings.extend(hours.iter().copied());
        let takes_whole = !self.question.cube && self.hours.is_none();
        let (Some(first), Some(last)) = (all().min(), all().max()) else { return Vec::new() };
        if !answers.has_closed
            && takes_whole
            && let Some([figures, tally, book]) = answers.whole(self.question)
            && let (Some(figures), Some(tally)) = (Figures::from_bytes(&figures), Tally::from_bytes(&tally))
        {
            let mut entered = self.book.emptied();
            if entered.enter_bytes(&book).is_some() {
                self.book = entered;
                self.known = Some((figures, tally));
                self.seen = None;
                return Vec::new();
            }
        }
        let known = answers.known(self.question, (first, UtcHour(last.0 + 1)));
        let mut asked: Vec<UtcHour> = Vec::new();
        for hour in all() {
            if self.watch.as_ref().is_some_and(Watch::is_stopped) {
                break;
            }
            let answer = known.get(&hour).and_then(|bytes| split(bytes));
            let sealed = answer.and_then(|(sealed, _)| SealedHour::from_bytes(sealed));
            match sealed.zip(answer) {
                Some((sealed, (_, book))) if self.book.close_bytes(hour, book).is_some() => {
                    match &mut self.hours {
                        Some(hours) => drop(hours.insert(hour, sealed)),
                        None => self.totals.insert(sealed),
                    }
                    self.seen = None;
                }
                _ => asked.push(hour),
            }
        }
        asked
    }

    fn is_stopped(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::is_stopped)
            || self.failure.is_some()
            || self.rows.as_ref().is_some_and(|kept| kept.dataset.failed().is_some())
            || self.table.as_ref().is_some_and(|table| table.has_failed())
    }

    fn empty(&mut self, hour: UtcHour, keep: Vec<Section>) {
        if let Some(kept) = &self.rows {
            kept.dataset.write(Slot::Hour(hour), keep, Vec::new());
        }
    }
}

/// An hour that is complete.
struct Ended {
    hour: UtcHour,
    sealed: SealedHour,
    book: HourBook,
    files: Result<Vec<File>, borehole_table::Error>,
    table: Option<HourRows>,
}

impl<'a> Cells<'a> {
    fn end(&mut self, mut cell: Cell<'a>) -> Ended {
        if cell.sealed.is_none() {
            borehole_scan::Cell::seal(&mut cell);
        }
        let Cell { hour, mut summary, sealed, book, files, table, seen, .. } = cell;
        if let (Some(all), Some(seen)) = (&mut self.seen, seen) {
            all.merge(seen);
        }
        let sealed = sealed.unwrap_or_else(|| summary.finish());
        self.spare.get_mut().unwrap_or_else(PoisonError::into_inner).push(summary);
        Ended { hour, sealed, book, files, table }
    }
}

impl Answers<'_> {
    /// What an answer for an hour depends on; `None` where it is of no use another time.
    fn content(&mut self, question: &Question, hour: UtcHour, closing: u128) -> Option<u128> {
        let fingerprint = *self.fingerprints.entry(hour).or_insert_with(|| question.fingerprint(hour));
        let parts = [closing, fingerprint?, self.book, self.coverage];
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_le_bytes()).collect();
        Some(xxh3_128(&bytes))
    }

    fn add(
        &mut self,
        question: &Question,
        hour: UtcHour,
        closing: u128,
        sealed: &SealedHour,
        book: &HourBook,
    ) {
        self.closings.insert(hour, closing);
        let Some(content) = self.content(question, hour, closing) else { return };
        let (sealed, book) = (sealed.to_bytes(), book.to_bytes());
        let mut bytes = Vec::with_capacity(8 + sealed.len() + book.len());
        bytes.extend_from_slice(&(sealed.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&sealed);
        bytes.extend_from_slice(&book);
        self.waiting.push((hour, content, bytes));
        if self.waiting.len() >= ANSWERS_AT_A_TIME {
            self.write();
        }
    }

    fn write(&mut self) {
        if !self.waiting.is_empty() {
            self.dataset.write_answers(self.name, std::mem::take(&mut self.waiting));
        }
    }

    /// What the whole answer depends on; `None` where it is of no use another time.
    fn whole_content(&mut self, question: &Question) -> Option<u128> {
        let mut bytes = question.figures_fingerprint(self.spans).to_le_bytes().to_vec();
        let mut fingerprints = question.fingerprints();
        for (&hour, &closing) in &self.closings {
            let fingerprint = *self.fingerprints.entry(hour).or_insert_with(|| fingerprints.of(hour));
            bytes.extend_from_slice(&hour.0.to_le_bytes());
            bytes.extend_from_slice(&closing.to_le_bytes());
            bytes.extend_from_slice(&fingerprint?.to_le_bytes());
        }
        bytes.extend_from_slice(&self.book.to_le_bytes());
        bytes.extend_from_slice(&self.coverage.to_le_bytes());
        let hours = match self.keep {
            Keep::All => u64::MAX,
            Keep::Worst(hours) => hours as u64,
        };
        bytes.extend_from_slice(&hours.to_le_bytes());
        Some(xxh3_128(&bytes))
    }

    /// The whole answer, where the question and all hours are the same: figures, tally and attempts.
    fn whole(&mut self, question: &Question) -> Option<[Vec<u8>; 3]> {
        let content = self.whole_content(question)?;
        let range = (WHOLE_HOUR, UtcHour(WHOLE_HOUR.0 + 1));
        let kept = self.dataset.answers(self.name ^ WHOLE, Some(range));
        let (_, _, bytes) = kept.into_iter().find(|(_, kept, _)| *kept == content)?;
        let (figures, rest) = split(&bytes)?;
        let (tally, book) = split(rest)?;
        Some([figures, tally, book].map(<[u8]>::to_vec))
    }

    fn keep_whole(&mut self, question: &Question, parts: [Vec<u8>; 3]) {
        let Some(content) = self.whole_content(question) else { return };
        let [figures, tally, book] = parts;
        let mut bytes = Vec::with_capacity(16 + figures.len() + tally.len() + book.len());
        for part in [&figures, &tally] {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(&book);
        self.dataset.write_answers(self.name ^ WHOLE, vec![(WHOLE_HOUR, content, bytes)]);
    }

    /// The answers that hold for hours that stand, by hour.
    fn known(&mut self, question: &Question, range: (UtcHour, UtcHour)) -> BTreeMap<UtcHour, Vec<u8>> {
        let mut fingerprints = question.fingerprints();
        for &hour in self.closings.keys() {
            self.fingerprints.entry(hour).or_insert_with(|| fingerprints.of(hour));
        }
        let mut known = BTreeMap::new();
        // Most hours are the same in both: all that no record far from its folder counts in.
        for name in [self.name, self.twin] {
            for (hour, content, bytes) in self.dataset.answers(name, Some(range)) {
                let closing = self.closings.get(&hour).copied();
                if closing.and_then(|closing| self.content(question, hour, closing)) == Some(content) {
                    known.entry(hour).or_insert(bytes);
                }
            }
            if self.closings.keys().all(|hour| known.contains_key(hour)) {
                break;
            }
        }
        known
    }
}

/// Tells whole answers from those of hours.
const WHOLE: u128 = 1;

/// Tells answers of runs with a range from those of runs over everything: a range does not come across records far from
/// it, so that for some hours the two are not the same, and would take turns in replacing one another.
const RANGED: u128 = 2;

/// The hour that a whole answer is kept under.
const WHOLE_HOUR: UtcHour = UtcHour(0);

/// The accounts and Regions that a source claims hours of, in their order.
fn fingerprint_of_names(spans: &[CoverageSpan]) -> u128 {
    let mut bytes = Vec::new();
    for span in spans {
        for name in [&span.account, &span.region] {
            bytes.extend_from_slice(&name.as_ref().map_or(u64::MAX, |name| name.len() as u64).to_le_bytes());
            bytes.extend_from_slice(name.as_deref().unwrap_or_default().as_bytes());
        }
    }
    xxh3_128(&bytes)
}

/// An answer's first part, and the rest: of an hour its sums and its attempts.
fn split(answer: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = answer.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}
