//! A report for people: one screen of text.
//!
//! In: a [`Report`] and a style. Out: lines of at most `style.width` cells. Always: health stands before any
//! figure and is one line when nothing is wrong; strings from the logs are escaped; color, where it is on,
//! repeats what the words say. Absent: terminal detection and environment variables, which are the caller's.

mod advice;
pub(crate) mod cells;
mod explain;
pub(crate) mod listing;
mod names;
pub(crate) mod numbers;
pub(crate) mod stamp;
pub(crate) mod table;

use advice::{next_steps, warning_words};
use cells::{Ink, Line, cut_middle, escape, flow, width};
use names::ModelNames;
pub use numbers::{bytes, counted, thousands};
use numbers::{duration, percent, short, short_decimal};

use crate::findings::{self, Spelling};
use crate::model::{Counts, Coverage, Distribution, Group, PerMinute, Range, Report};

/// Where the text of a labelled line begins.
const INDENT: usize = 10;
/// A name from the log (error code, stop reason, Region) inside a sentence takes at most this.
const NAME_CELLS_MAX: usize = 40;
/// Lines that coverage, errors and the like may take before the rest is only counted.
const FLOW_LINES_MAX: usize = 3;
/// Models and profiles that are named because no rule or map knows them, the most frequent first.
const UNKNOWN_NAMES_MAX: usize = 3;
/// Gaps that are printed for one account × Region.
const GAPS_MAX: usize = 2;
/// Account × Region pairs that are listed although they have no gap.
const WHOLE_MAX: usize = 4;
/// Reasons that are named for one loss, the most frequent first.
const REASONS_MAX: usize = 4;
/// Groups whose peak minute is printed.
const PEAKS_MAX: usize = 3;
/// Cells of the longest bar.
const BAR_CELLS: u64 = 16;

/// Cells of the bar of a whole, in a line of bands.
const BAND_CELLS: u64 = 10;

/// Skips that every healthy bucket has; the others are worth a note.
const ORDINARY_SKIPS: [&str; 6] =
    ["sidecar", "payload", "permission_marker", "folder_marker", "write_test_marker", "own_file"];

/// How to render.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TextStyle {
    /// Most cells of a line.
    pub width: usize,
    /// ANSI colors around our own words.
    pub color: bool,
    /// Bars of block characters; else of `#`.
    pub unicode_bars: bool,
    /// Most groups in the table; what is beyond is counted. The caller raises it where the user asked for more.
    pub rows: usize,
    /// The formulas of the figures after the report.
    pub explain: bool,
}

impl Default for TextStyle {
    fn default() -> Self {
        TextStyle { width: 100, color: false, unicode_bars: true, rows: 30, explain: false }
    }
}

/// Renders the report; every line ends in `\n`.
#[must_use]
pub fn render(report: &Report, style: &TextStyle) -> String {
    let page = Page {
        report,
        style,
        names: ModelNames::of(report),
        with_year: stamp::needs_year(report.range.as_ref()),
    };
    let mut lines = page.source();
    lines.extend(page.health());
    lines.extend(page.coverage());
    if report.totals.requests.attempted == 0 {
        lines.push(page.nothing_counted());
    } else {
        lines.extend(page.known());
        lines.push(Line::default());
        lines.extend(page.table());
        lines.push(Line::default());
        lines.extend(page.figures());
        lines.extend(page.findings());
    }
    lines.extend(page.notes());
    if let Some(requests) = &report.requests {
        lines.push(Line::default());
        lines.extend(listing::render(requests, &page.names, page.with_year, style.width));
    }
    if style.explain {
        lines.push(Line::default());
        lines.extend(explain::render(style.width));
    }

    let mut out = String::new();
    for line in lines {
        line.fitted(style.width).write(style.color, &mut out);
    }
    out
}

struct Page<'a> {
    report: &'a Report,
    style: &'a TextStyle,
    names: ModelNames,
    /// Dates are ambiguous without their year.
    with_year: bool,
}

impl Page<'_> {
    fn labelled(&self, label: &str, items: &[Line]) -> Vec<Line> {
        flow(&label_of(label), INDENT, items, self.style.width, FLOW_LINES_MAX)
    }

    /// The sources and the range; on two lines where they do not fit on one.
    fn source(&self) -> Vec<Line> {
        let sources: Vec<String> = self.report.run.sources.iter().map(|source| escape(source)).collect();
        let sources = sources.join(", ");
        let range = self.report.range.as_ref().map(stamp::range).unwrap_or_default();
        if width(&sources) + 2 + width(&range) <= self.style.width {
            return vec![Line::inked(Ink::Bold, sources).and(Ink::Plain, format!("  {range}"))];
        }
        let mut lines = vec![Line::inked(Ink::Bold, cut_middle(&sources, self.style.width))];
        if !range.is_empty() {
            lines.push(Line::plain(range));
        }
        lines
    }

    fn health(&self) -> Vec<Line> {
        let health = &self.report.health;
        let objects = &health.objects;
        let mut items = vec![counted(health.records.counted, "request")];
        let (failed, skipped) = (objects.failed.sum(), objects.skipped.sum());
        items.push(match (objects.read, failed) {
            (0, 0) => "no object read".to_owned(),
            (1, 0) => "1 object read".to_owned(),
            (read, 0) => format!("{} all read", counted(read, "object")),
            (read, _) => {
                let to_read = counted(read.saturating_add(failed), "object");
                format!("{} of {to_read} read", thousands(u128::from(read)))
            }
        });
        if skipped > 0 {
            items.push(format!("{} skipped", thousands(u128::from(skipped))));
        }
        if health.records.duplicate > 0 {
            items.push(format!("{} dropped", counted(health.records.duplicate, "duplicate")));
        }
        if health.records.filtered.sum() > 0 {
            items.push(format!("{} filtered out", thousands(u128::from(health.records.filtered.sum()))));
        }
        let rejected = health.documents.rejected.sum().saturating_add(health.records.rejected.sum());
        items.push(format!("{} rejected", thousands(u128::from(rejected))));
        let items: Vec<Line> = items.into_iter().map(Line::plain).collect();

        if self.report.complete {
            return flow(
                &Line::inked(Ink::Bold, "COMPLETE  "),
                INDENT,
                &items,
                self.style.width,
                FLOW_LINES_MAX,
            );
        }
        let verdict = Line::inked(Ink::Red, "INCOMPLETE  ");
        let mut lines = flow(&verdict, INDENT + 2, &items, self.style.width, FLOW_LINES_MAX);
        lines.extend(self.labelled("lost", &self.losses()));
        for (at, step) in next_steps(self.report).into_iter().enumerate() {
            let label = if at == 0 { "next" } else { "" };
            lines.extend(self.labelled(label, &[Line::plain(step)]));
        }
        lines
    }

    /// What the totals lack, with reasons.
    fn losses(&self) -> Vec<Line> {
        let health = &self.report.health;
        let mut losses = Vec::new();
        let mut lost = |count: u64, noun: &str, reasons: &Counts| {
            if count > 0 {
                losses.push(Line::inked(Ink::Red, counted(count, noun)).and(Ink::Plain, because(reasons)));
            }
        };
        lost(health.objects.failed.sum(), "object", &health.objects.failed);
        lost(health.documents.rejected.sum(), "document", &health.documents.rejected);
        lost(health.records.rejected.sum(), "record", &health.records.rejected);
        if health.counts_lost > 0 {
            let requests = format!("tokens of {}", counted(health.counts_lost, "request"));
            losses.push(Line::inked(Ink::Red, requests).and(Ink::Plain, " (payload not read)"));
        }
        losses.extend(self.unread_payloads());
        if health.salvaged > 0 {
            let salvaged =
                format!("{} counted up to the fault (--salvage)", counted(health.salvaged, "object"));
            losses.push(Line::plain(salvaged));
        }
        losses
    }

    /// References that were followed in vain, or not followed.
    fn unread_payloads(&self) -> Option<Line> {
        let references = &self.report.health.references;
        let reasons = [
            ("missing", references.missing),
            ("archived", references.archived),
            ("refused", references.refused.sum()),
            ("failed", references.failed),
        ];
        let reasons = reasons
            .into_iter()
            .filter(|&(_, count)| count > 0)
            .map(|(reason, count)| (reason.to_owned(), count));
        let reasons = Counts(reasons.collect());
        let unread = reasons.sum();
        (unread > 0).then(|| {
            let of = thousands(u128::from(references.seen));
            let text = format!("{} of {of} payloads not read", thousands(u128::from(unread)));
            Line::plain(format!("{text}{}", because(&reasons)))
        })
    }

    /// One item per account × Region; those with gaps first, so that they are never the ones cut off.
    fn coverage(&self) -> Vec<Line> {
        let coverage = &self.report.health.coverage;
        if coverage.is_empty() {
            return Vec::new();
        }
        let mut accounts: Vec<_> = coverage.iter().map(|entry| entry.account.as_deref()).collect();
        accounts.sort_unstable();
        accounts.dedup();
        let with_account = accounts.len() > 1;

        let (gapped, whole): (Vec<&Coverage>, Vec<&Coverage>) =
            coverage.iter().partition(|entry| entry.hours_with_objects < entry.hours);
        let item = |entry: &&Coverage| self.covered(entry, with_account);
        let mut items: Vec<Line> = gapped.iter().map(item).collect();
        if coverage.len() <= WHOLE_MAX {
            items.extend(whole.iter().map(item));
        } else if gapped.is_empty() {
            items.push(Line::plain(format!(
                "{} of account × Region, no gaps",
                counted(whole.len() as u64, "pair")
            )));
        } else if !whole.is_empty() {
            items.push(Line::plain(format!("{} without gaps", counted(whole.len() as u64, "pair"))));
        }
        let mut lines = self.labelled("coverage", &items);
        if gapped.len() > FLOW_LINES_MAX {
            let missing = gapped
                .iter()
                .fold(0u64, |sum, e| sum.saturating_add(e.hours.saturating_sub(e.hours_with_objects)));
            let missing = thousands(u128::from(missing));
            let text = format!("{} of {} pairs have gaps, {missing} h in all", gapped.len(), coverage.len());
            lines.extend(self.labelled("", &[Line::inked(Ink::Yellow, text)]));
        }
        lines
    }

    fn covered(&self, entry: &Coverage, with_account: bool) -> Line {
        let name = match (&entry.account, &entry.region) {
            (None, None) => "any account".to_owned(),
            (Some(account), Some(region)) if with_account => format!("{} {}", name(account), name(region)),
            (Some(one), None) | (_, Some(one)) => name(one),
        };
        let hours = format!(
            "{name} {}/{} h",
            thousands(entry.hours_with_objects.into()),
            thousands(entry.hours.into())
        );
        if entry.gaps.is_empty() {
            return Line::plain(hours);
        }
        let shown: Vec<String> =
            entry.gaps.iter().take(GAPS_MAX).map(|gap| stamp::gap(gap, self.with_year)).collect();
        let noun = if entry.gaps.len() == 1 { "gap" } else { "gaps" };
        let mut gaps = format!("{noun} {}", shown.join(", "));
        let rest: &[Range] = entry.gaps.get(GAPS_MAX..).unwrap_or_default();
        if !rest.is_empty() {
            let hours: i64 = rest.iter().filter_map(stamp::gap_hours).sum();
            gaps.push_str(&format!(", +{} more of {hours} h", rest.len()));
        }
        Line::plain(hours).and(Ink::Plain, " (").and(Ink::Yellow, gaps).and(Ink::Plain, ")")
    }

    /// For which part of the successful requests the facts are known.
    fn known(&self) -> Vec<Line> {
        let totals = &self.report.totals;
        let successful = totals.requests.successful;
        if successful == 0 {
            return Vec::new();
        }
        let tokens = &totals.tokens;
        let latency = totals.distributions.latency_ms.as_ref().map_or(0, |latency| latency.count);
        let mut parts = if tokens.input_known == tokens.output_known {
            vec![("tokens", tokens.input_known)]
        } else {
            vec![("input tokens", tokens.input_known), ("output tokens", tokens.output_known)]
        };
        parts.push(("quota tokens", tokens.settled_known));
        parts.push(("reservations", tokens.reserved_known));
        parts.push(("latency", latency));
        let items: Vec<Line> = parts
            .iter()
            .map(|(what, count)| Line::plain(format!("{what} {}", percent(*count, successful))))
            .collect();
        self.labelled("known", &items)
    }

    fn table(&self) -> Vec<Line> {
        let report = self.report;
        let shown = report.groups.len().min(self.style.rows);
        let omitted = report.groups_omitted.saturating_add((report.groups.len() - shown) as u64);
        let totals = (report.groups.len() > 1 || omitted > 0).then_some(&report.totals);
        let mut lines = match report.groups.get(..shown) {
            Some([]) | None => table::render(&[], Some(&report.totals), &self.names, self.style.width),
            Some(groups) => table::render(groups, totals, &self.names, self.style.width),
        };
        if omitted > 0 {
            let hint = if report.groups_omitted == 0 { "; JSON has them all" } else { "; --top shows more" };
            lines.push(Line::inked(
                Ink::Dim,
                format!("+{} in the total{hint}", counted(omitted, "more group")),
            ));
        }
        lines.extend(Line::inked(Ink::Dim, self.legend(shown)).wrapped(self.style.width));
        lines
    }

    /// What the columns and marks of the table mean; marks only where there are any.
    fn legend(&self, shown: usize) -> String {
        let rows = || self.report.groups.iter().take(shown).chain([&self.report.totals]);
        let mut legend =
            "quota TPM: tokens per minute as a quota is charged (input + cache writes + output × \
                          the model's rate) · steady: median active minute · peak: largest minute"
                .to_owned();
        if rows().any(table::is_unknown) {
            legend.push_str(&format!(" · {}: rate or counts unknown", table::UNKNOWN));
        }
        if rows().any(table::is_partly_known) {
            legend.push_str(&format!(" · {}: known of a part of the requests", table::AT_LEAST));
        }
        legend
    }

    /// The labelled lines under the table, about the totals.
    fn figures(&self) -> Vec<Line> {
        let totals = &self.report.totals;
        let mut lines = self.peaks();
        let high = &totals.high_token;
        let known = totals.tokens.input_known;
        if let Some(input) = &totals.distributions.input_tokens {
            let bands = &totals.input_bands;
            let threshold = short_threshold(high.threshold);
            let band = |name: String, requests: u64| {
                let bar = self.bar(u128::from(requests), u128::from(known), BAND_CELLS);
                let gap = if bar.is_empty() { "" } else { " " };
                format!("{name} {bar}{gap}{}", percent(requests, known))
            };
            let items = [
                band("<1k".to_owned(), bands.below_1000),
                band(format!("1–{threshold}"), bands.from_1000_to_25000),
                band(format!(">{threshold}"), bands.above_25000)
                    + &format!(" (by prompt {})", percent(high.by_prompt.requests, known)),
            ];
            lines.extend(self.labelled("INPUT", &items.map(Line::plain)));
            lines.extend(self.labelled("", &percentiles(input, |value| short(u128::from(value)))));
        }
        if let Some(output) = &totals.distributions.output_tokens {
            lines.extend(self.labelled("OUTPUT", &percentiles(output, |value| short(u128::from(value)))));
        }
        if let Some(latency) = &totals.distributions.latency_ms {
            let mut items = percentiles(latency, duration);
            if let Some(first_byte) = &totals.distributions.first_byte_ms {
                let text =
                    format!("first byte p50 {}, p99 {}", duration(first_byte.p50), duration(first_byte.p99));
                items.push(Line::plain(text));
            }
            lines.extend(self.labelled("TIME", &items));
        }
        lines.extend(self.errors());
        lines.extend(self.responses());
        lines.extend(self.payloads());
        lines.extend(self.regions());
        lines
    }

    /// When it was worst: the totals, then the groups with the largest minutes.
    fn peaks(&self) -> Vec<Line> {
        let totals = &self.report.totals;
        let successful = totals.requests.successful;
        let mut items = Vec::new();
        for (series, what, known) in [
            (&totals.quota_tokens_per_minute, "quota TPM", totals.tokens.settled_known),
            (&totals.requests_per_minute, "RPM", successful),
            (&totals.reserved_tokens_per_minute, "reserved TPM", totals.tokens.reserved_known),
            (&totals.tokens_per_minute, "raw TPM", successful),
        ] {
            if let Some(series) = series {
                let at = stamp::moment(&series.peak_minute, self.with_year);
                let sliding = short(u128::from(series.peak_sliding_60s));
                let peak = short(u128::from(series.peak));
                let part = known_part(known, successful);
                items.push(Line::plain(format!("{peak} {what} at {at} (any 60 s: {sliding}{part})")));
            }
        }
        if let Some(days) = &totals.quota_tokens_per_day {
            let [day, rolling] = [days.peak, days.rolling_24h].map(|value| short(u128::from(value)));
            let at = stamp::day(&days.peak_day, self.with_year);
            let part = known_part(totals.tokens.settled_known, successful);
            items.push(Line::plain(format!("{day} quota TPD on {at} (any 24 h: {rolling}{part})")));
        }
        let bursts = [(&totals.quota_tokens_per_minute, "quota TPM"), (&totals.requests_per_minute, "RPM")];
        let burst =
            bursts.into_iter().find_map(|(series, what)| Some((series.as_ref()?.burst.as_ref()?, what)));
        if let Some((burst, what)) = burst {
            let [second, ten] = [burst.second_x60, burst.ten_seconds_x6].map(short_decimal);
            let text = format!("bursts: 1 s × 60 is {second} × the {what} peak, 10 s × 6 is {ten} ×");
            items.push(Line::plain(text));
        }
        let mut lines = if items.is_empty() {
            Vec::new()
        } else {
            flow(&label_of("PEAKS"), INDENT, &items, self.style.width, 2 * FLOW_LINES_MAX)
        };
        lines.extend(self.group_peaks());
        lines
    }

    fn group_peaks(&self) -> Vec<Line> {
        let mut peaks: Vec<(&Group, &PerMinute)> = self
            .report
            .groups
            .iter()
            .filter_map(|group| Some((group, group.quota_tokens_per_minute.as_ref()?)))
            .filter(|(_, series)| series.peak > 0)
            .collect();
        if self.report.groups.len() < 2 {
            return Vec::new();
        }
        // The sort is stable, so that equal peaks stay in the order of the table.
        peaks.sort_by_key(|(_, series)| std::cmp::Reverse(series.peak));
        peaks.truncate(PEAKS_MAX);
        let largest = peaks.first().map_or(1, |(_, series)| series.peak);
        let lines = peaks.into_iter().map(|(group, series)| {
            let peak = numbers::short_beside(u128::from(series.peak), u128::from(largest));
            let bar = self.bar(u128::from(series.peak), u128::from(largest), BAR_CELLS);
            let key = group.key.iter().flat_map(|key| &key.0);
            let key: Vec<String> = key
                .map(|(dimension, value)| {
                    let text = table::key_text(dimension, value.as_deref(), &self.names);
                    cut_middle(&text, NAME_CELLS_MAX)
                })
                .collect();
            Line::plain(" ".repeat(INDENT))
                .and(Ink::Plain, table::pad_start(&peak, 6))
                .and(Ink::Plain, format!("  {}  ", stamp::moment(&series.peak_minute, self.with_year)))
                .and(Ink::Plain, table::pad_end(&bar, BAR_CELLS as usize))
                .and(Ink::Plain, format!("  {}", key.join(" ")))
        });
        lines.collect()
    }

    /// A bar of `part` in `whole` of at most `cells` cells: at least one where there is anything.
    fn bar(&self, part: u128, whole: u128, cells: u64) -> String {
        if part == 0 || whole == 0 {
            return String::new();
        }
        let cells = (part * u128::from(cells) / whole).max(1) as usize;
        if self.style.unicode_bars { "▇".repeat(cells) } else { "#".repeat(cells) }
    }

    fn errors(&self) -> Vec<Line> {
        let errors = &self.report.totals.requests.errors;
        if errors.0.is_empty() {
            return self.labelled("ERRORS", &[Line::plain("none")]);
        }
        let items: Vec<Line> = errors
            .by_count()
            .into_iter()
            .map(|(code, count)| {
                let line = Line::plain(format!("{} {}", name(code), thousands(u128::from(count))));
                // The log is not proven to hold every throttle.
                if code == "ThrottlingException" { line.and(Ink::Yellow, " (lower bound)") } else { line }
            })
            .collect();
        self.labelled("ERRORS", &items)
    }

    fn responses(&self) -> Vec<Line> {
        let responses = &self.report.totals.responses;
        let mut lines = Vec::new();
        if !responses.status.0.is_empty() {
            lines.extend(self.labelled("STATUS", &counts_of(&responses.status)));
        }
        let known = responses.stop_reason.sum();
        if known > 0 {
            let reasons = responses.stop_reason.by_count().into_iter();
            let items: Vec<Line> = reasons
                .map(|(reason, count)| Line::plain(format!("{} {}", name(reason), percent(count, known))))
                .collect();
            lines.extend(self.labelled("STOP", &items));
        }
        lines
    }

    fn payloads(&self) -> Vec<Line> {
        let totals = &self.report.totals;
        let large = &totals.payloads.large;
        let mut lines = Vec::new();
        if large.requests > 0 {
            let share = percent(large.requests, totals.requests.attempted);
            let mut items = vec![
                format!("{} with offloaded bodies ({share})", counted(large.requests, "request")),
                format!("input {}", thousands(u128::from(large.input))),
                format!("output {}", thousands(u128::from(large.output))),
            ];
            // A sum of 0 says that no size is known.
            if large.bytes > 0 {
                items.push(bytes(large.bytes));
            }
            let items: Vec<Line> = items.into_iter().map(Line::plain).collect();
            lines.extend(self.labelled("PAYLOADS", &items));
        }
        let content = &totals.payloads.content;
        if !content.0.is_empty() {
            let mut items = counts_of(content);
            if items.len() > 1 {
                items.push(Line::inked(Ink::Dim, "a request counts in each of its kinds"));
            }
            lines.extend(self.labelled("CONTENT", &items));
        }
        lines
    }

    /// Where the calls ran.
    fn regions(&self) -> Vec<Line> {
        let totals = &self.report.totals;
        if totals.cross_region.is_empty() {
            return Vec::new();
        }
        let mut regions: Vec<_> = totals.cross_region.iter().collect();
        regions.sort_by_key(|(_, figures)| std::cmp::Reverse(figures.requests));
        let items: Vec<Line> = regions
            .into_iter()
            .enumerate()
            .map(|(at, (region, figures))| {
                let verb = if at == 0 { "ran in " } else { "" };
                let share = percent(figures.requests, totals.requests.attempted);
                let latency =
                    figures.latency_ms.as_ref().map(|latency| format!(" (p50 {})", duration(latency.p50)));
                Line::plain(format!("{verb}{} {share}{}", name(region), latency.unwrap_or_default()))
            })
            .collect();
        self.labelled("REGIONS", &items)
    }

    /// Which quota throttled, who is behind the worst minutes, and what helps.
    fn findings(&self) -> Vec<Line> {
        let Some(findings) = &self.report.findings else { return Vec::new() };
        let spelling = Spelling {
            model: &|model| self.names.short(model),
            caller: listing::caller,
            with_year: self.with_year,
        };
        findings::lines(findings, &spelling, self.style.width)
    }

    /// Why there is nothing to show, in plain words.
    fn nothing_counted(&self) -> Line {
        let health = &self.report.health;
        let filtered = health.records.filtered.sum();
        let why = if health.objects.listed == 0 {
            "nothing was found there (a wrong path, or a range without objects)".to_owned()
        } else if health.objects.read == 0 && health.objects.failed.sum() == 0 {
            format!("every object was skipped{}", because(&health.objects.skipped))
        } else if filtered > 0 {
            format!("{} filtered out{}", counted(filtered, "record"), because(&health.records.filtered))
        } else if self.report.complete {
            "the objects hold no records".to_owned()
        } else {
            "what was found was lost, see above".to_owned()
        };
        Line::inked(Ink::Bold, "No request was counted").and(Ink::Plain, format!(": {why}."))
    }

    /// `: nova-lite 12, …` for the warnings about models and profiles that nothing knows.
    fn unknown_names(&self, code: &str) -> String {
        let (names, of_model) = match code {
            "burndown_unknown" => (&self.report.unruled_models, true),
            "profile_unresolved" => (&self.report.unresolved_profiles, false),
            _ => return String::new(),
        };
        let by_count = names.by_count();
        let shown = by_count.iter().take(UNKNOWN_NAMES_MAX);
        let mut texts: Vec<String> = shown
            .map(|&(text, count)| {
                // A profile is known by the end of its name.
                let text = if of_model { text } else { text.rsplit('/').next().unwrap_or(text) };
                format!("{} {}", name(text), thousands(u128::from(count)))
            })
            .collect();
        if by_count.len() > UNKNOWN_NAMES_MAX {
            texts.push(format!("+{} more", by_count.len() - UNKNOWN_NAMES_MAX));
        }
        if texts.is_empty() { String::new() } else { format!(": {}", texts.join(", ")) }
    }

    /// What is odd but counted, and what was left out in a way that a reader may not expect.
    fn notes(&self) -> Vec<Line> {
        let health = &self.report.health;
        let mut notes = Vec::new();
        for (code, &count) in &health.warnings.0 {
            let text = format!("{} {}", name(code), thousands(u128::from(count)));
            let line = Line::inked(Ink::Yellow, text);
            let who = self.unknown_names(code);
            notes.push(match warning_words(code) {
                Some(words) => line.and(Ink::Plain, format!(" ({words}{who})")),
                None => line,
            });
        }
        for (reason, &count) in &health.objects.skipped.0 {
            if !ORDINARY_SKIPS.contains(&reason.as_str()) {
                notes.push(Line::plain(format!("{} skipped ({})", counted(count, "object"), name(reason))));
            }
        }
        // What was filtered is said already where it is the reason for an empty report.
        if health.records.filtered.sum() > 0 && self.report.totals.requests.attempted > 0 {
            let filtered = health.records.filtered.sum();
            notes.push(Line::plain(format!(
                "{} filtered{}",
                counted(filtered, "record"),
                because(&health.records.filtered)
            )));
        }
        // An incomplete report names them among its losses.
        if self.report.complete {
            notes.extend(self.unread_payloads());
        }
        let on_errors = &self.report.totals.tokens_on_errors;
        if on_errors.input > 0 || on_errors.output > 0 {
            let (input, output) = (short(on_errors.input), short(on_errors.output));
            notes.push(Line::plain(format!(
                "failed requests logged {input} input and {output} output tokens, kept apart"
            )));
        }
        let points = |series: &Option<PerMinute>| {
            series.as_ref().and_then(|series| series.data_points.as_ref()).map_or(0, Vec::len)
        };
        let totals = &self.report.totals;
        let series = points(&totals.requests_per_minute).max(points(&totals.tokens_per_minute));
        if series > 0 {
            notes.push(Line::plain(format!(
                "series of {} in the JSON report",
                counted(series as u64, "point")
            )));
        }
        if self.report.truncated_strings > 0 {
            let strings = counted(self.report.truncated_strings, "string");
            notes.push(Line::plain(format!("{strings} over 256 characters cut")));
        }
        if notes.is_empty() {
            return Vec::new();
        }
        flow(&label_of("NOTES"), INDENT, &notes, self.style.width, 4 * FLOW_LINES_MAX)
    }
}

/// `; known for 71 %` where the figure is of a part of the requests.
fn known_part(known: u64, successful: u64) -> String {
    if known < successful { format!("; known for {}", percent(known, successful)) } else { String::new() }
}

/// Capitals say figures, small letters say how far to trust them.
fn label_of(label: &str) -> Line {
    let ink = match label {
        "lost" => Ink::Red,
        "next" => Ink::Yellow,
        _ if label.starts_with(char::is_uppercase) => Ink::Bold,
        _ => Ink::Dim,
    };
    Line::inked(ink, label)
}

/// A name from the log inside a sentence.
fn name(text: &str) -> String {
    cut_middle(&escape(text), NAME_CELLS_MAX)
}

/// ` (gz_crc 4, permission 1)`, most first; empty where there is no reason.
fn because(reasons: &Counts) -> String {
    let by_count = reasons.by_count();
    let shown = by_count.iter().take(REASONS_MAX);
    let mut named: Vec<String> =
        shown.map(|(reason, count)| format!("{} {}", name(reason), thousands(u128::from(*count)))).collect();
    if by_count.len() > REASONS_MAX {
        named.push(format!("+{} more", by_count.len() - REASONS_MAX));
    }
    if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) }
}

fn counts_of(counts: &Counts) -> Vec<Line> {
    let by_count = counts.by_count().into_iter();
    by_count
        .map(|(what, count)| Line::plain(format!("{} {}", name(what), short(u128::from(count)))))
        .collect()
}

fn percentiles(distribution: &Distribution, text: impl Fn(u64) -> String) -> Vec<Line> {
    let Distribution { p50, p90, p99, max, .. } = *distribution;
    let named = [("p50", p50), ("p90", p90), ("p99", p99), ("max", max)];
    named.iter().map(|(name, value)| Line::plain(format!("{name} {}", text(*value)))).collect()
}

/// `25k`: a threshold is round.
fn short_threshold(tokens: u64) -> String {
    if tokens >= 1_000 && tokens.is_multiple_of(1_000) {
        format!("{}k", tokens / 1_000)
    } else {
        tokens.to_string()
    }
}
