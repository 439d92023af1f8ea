//! What a report says, in pieces: the words that the pages for a terminal and in Markdown share.
//!
//! In: a [`Report`], and where the page goes. Out: labels, and behind each the items that belong to it. Always: what
//! is lost comes first; a figure is worded once, here, so that pages cannot disagree; strings from the logs are
//! written for where the page goes. Absent: layout, and any figure computed here.

use super::advice::{next_steps, warning_words};
use super::cells::{Ink, Line};
use super::listing;
use super::names::ModelNames;
use super::numbers::{bytes, counted, duration, percent, short, short_beside, short_decimal, thousands};
use super::script::Script;
use super::stamp;
use super::table;
use crate::decimal::Decimal;
use crate::findings::{self, Spelling};
use crate::model::{Counts, Coverage, Distribution, Group, Health, PerMinute, Range, Rank, Ranking, Report};

/// A name from the log (error code, stop reason, Region) inside a sentence takes at most this.
const NAME_CELLS_MAX: usize = 40;
/// Models and profiles that are named because no rule or map knows them, the most frequent first.
const UNKNOWN_NAMES_MAX: usize = 3;
/// Gaps that are printed for one account × Region.
const GAPS_MAX: usize = 2;
/// Account × Region pairs that are listed although they have no gap.
const WHOLE_MAX: usize = 4;
/// Pairs with gaps beyond which their sum is said, too.
pub(crate) const GAPPED_MAX: usize = 3;
/// Reasons that are named for one loss, the most frequent first.
const REASONS_MAX: usize = 4;
/// Groups whose peak minute is printed.
const PEAKS_MAX: usize = 3;
/// Values of a ranked dimension that are named.
const RANKS_MAX: usize = 3;
/// Cells of such a value: a role's ARN is shorter.
const RANKED_CELLS_MAX: usize = 80;
/// Cells of the bar of a whole, in a line of bands.
const BAND_CELLS: u64 = 10;

/// Skips that every healthy bucket has; the others are worth a note.
const ORDINARY_SKIPS: [&str; 6] =
    ["sidecar", "payload", "permission_marker", "folder_marker", "write_test_marker", "own_file"];

/// The words of one report.
pub(crate) struct Words<'a> {
    /// What is put into words.
    pub(crate) report: &'a Report,
    /// How its models are called.
    pub(crate) names: ModelNames,
    /// Dates are ambiguous without their year.
    pub(crate) with_year: bool,
    /// Where the page goes.
    pub(crate) script: Script,
    /// Bars of block characters; else of `#`.
    pub(crate) unicode_bars: bool,
}

/// A label, and the items behind it.
pub(crate) struct Labelled {
    /// Capitals say figures, small letters say how far to trust them; empty where the line before goes on.
    pub(crate) label: &'static str,
    /// Short texts; the order says what matters most.
    pub(crate) items: Vec<Line>,
}

/// The largest minute of one group.
pub(crate) struct GroupPeak<'a> {
    /// Quota tokens.
    pub(crate) load: String,
    /// The load and that of the first of its list: what a bar is drawn from.
    pub(crate) of_largest: (u64, u64),
    /// When.
    pub(crate) minute: String,
    /// The group.
    pub(crate) group: &'a Group,
}

impl<'a> Words<'a> {
    pub(crate) fn new(report: &'a Report, script: Script, unicode_bars: bool) -> Self {
        Words {
            report,
            names: ModelNames::of(report),
            with_year: stamp::needs_year(report.range.as_ref()),
            script,
            unicode_bars,
        }
    }

    /// The sources, `, ` between them.
    pub(crate) fn sources(&self) -> String {
        let sources = self.report.run.sources.iter().map(|source| self.script.code(source));
        sources.collect::<Vec<String>>().join(", ")
    }

    /// The range; empty where there is none.
    pub(crate) fn range(&self) -> String {
        let range = self.report.range.as_ref();
        range.map(|range| stamp::range(range, self.script)).unwrap_or_default()
    }

    /// What was read and counted, for the line that says whether that is all.
    pub(crate) fn read(&self) -> Vec<Line> {
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
        items.into_iter().map(Line::plain).collect()
    }

    /// What to do about what is lost, the least costly first.
    pub(crate) fn next_steps(&self) -> Vec<&'static str> {
        next_steps(self.report)
    }

    /// What the totals lack, with reasons.
    pub(crate) fn losses(&self) -> Vec<Line> {
        losses(&self.report.health, self.script)
    }

    /// One item per account × Region; those with gaps first, so that they are never the ones cut off.
    pub(crate) fn coverage(&self) -> Vec<Labelled> {
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
        let mut all = vec![Labelled { label: "coverage", items }];
        if gapped.len() > GAPPED_MAX {
            let missing = gapped
                .iter()
                .fold(0u64, |sum, e| sum.saturating_add(e.hours.saturating_sub(e.hours_with_objects)));
            let missing = thousands(u128::from(missing));
            let text = format!("{} of {} pairs have gaps, {missing} h in all", gapped.len(), coverage.len());
            all.push(Labelled { label: "", items: vec![Line::inked(Ink::Yellow, text)] });
        }
        all
    }

    fn covered(&self, entry: &Coverage, with_account: bool) -> Line {
        let name = match (&entry.account, &entry.region) {
            (None, None) => "any account".to_owned(),
            (Some(account), Some(region)) if with_account => {
                format!("{} {}", self.name(account), self.name(region))
            }
            (Some(one), None) | (_, Some(one)) => self.name(one),
        };
        let hours = format!(
            "{name} {}/{} h",
            thousands(entry.hours_with_objects.into()),
            thousands(entry.hours.into())
        );
        if entry.gaps.is_empty() {
            return Line::plain(hours);
        }
        let shown: Vec<String> = entry
            .gaps
            .iter()
            .take(GAPS_MAX)
            .map(|gap| stamp::gap(gap, self.with_year, self.script))
            .collect();
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
    pub(crate) fn known(&self) -> Option<Labelled> {
        let totals = &self.report.totals;
        let successful = totals.requests.successful;
        if successful == 0 {
            return None;
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
        let items = parts
            .iter()
            .map(|(what, count)| Line::plain(format!("{what} {}", percent(*count, successful))))
            .collect();
        Some(Labelled { label: "known", items })
    }

    /// What the columns and marks of the table mean; marks only where there are any.
    pub(crate) fn legend(&self, shown: usize) -> String {
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

    /// The figures over everything: sizes, times, errors, how calls ended, payloads, Regions.
    pub(crate) fn figures(&self) -> Vec<Labelled> {
        let totals = &self.report.totals;
        let mut all = Vec::new();
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
            all.push(Labelled { label: "INPUT", items: items.map(Line::plain).into() });
            all.push(Labelled { label: "", items: percentiles(input, |value| short(u128::from(value))) });
        }
        if let Some(output) = &totals.distributions.output_tokens {
            let items = percentiles(output, |value| short(u128::from(value)));
            all.push(Labelled { label: "OUTPUT", items });
        }
        if let Some(latency) = &totals.distributions.latency_ms {
            let mut items = percentiles(latency, duration);
            if let Some(first_byte) = &totals.distributions.first_byte_ms {
                let text =
                    format!("first byte p50 {}, p99 {}", duration(first_byte.p50), duration(first_byte.p99));
                items.push(Line::plain(text));
            }
            all.push(Labelled { label: "TIME", items });
        }
        all.push(self.errors());
        all.extend(self.responses());
        all.extend(self.payloads());
        all.extend(self.regions());
        all
    }

    /// When it was worst, over everything.
    pub(crate) fn peaks(&self) -> Option<Labelled> {
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
                let at = self.moment(&series.peak_minute);
                let sliding = short(u128::from(series.peak_sliding_60s));
                let peak = short(u128::from(series.peak));
                let part = known_part(known, successful);
                items.push(Line::plain(format!("{peak} {what} at {at} (any 60 s: {sliding}{part})")));
            }
        }
        if let Some(days) = &totals.quota_tokens_per_day {
            let [day, rolling] = [days.peak, days.rolling_24h].map(|value| short(u128::from(value)));
            let at = stamp::day(&days.peak_day, self.with_year, self.script);
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
        (!items.is_empty()).then_some(Labelled { label: "PEAKS", items })
    }

    /// The groups with the largest minutes in quota tokens, the largest first; none where there is only one.
    pub(crate) fn group_peaks(&self) -> Vec<GroupPeak<'a>> {
        let report = self.report;
        if report.groups.len() < 2 {
            return Vec::new();
        }
        let with_peak = report.groups.iter().filter_map(|group| {
            let series = group.quota_tokens_per_minute.as_ref().filter(|series| series.peak > 0);
            Some((group, series?))
        });
        let mut peaks: Vec<(&Group, &PerMinute)> = with_peak.collect();
        // The sort is stable, so that equal peaks stay in the order of the table.
        peaks.sort_by_key(|(_, series)| std::cmp::Reverse(series.peak));
        peaks.truncate(PEAKS_MAX);
        let largest = peaks.first().map_or(1, |(_, series)| series.peak);
        let peaks = peaks.into_iter().map(|(group, series)| GroupPeak {
            load: short_beside(u128::from(series.peak), u128::from(largest)),
            of_largest: (series.peak, largest),
            minute: self.moment(&series.peak_minute),
            group,
        });
        peaks.collect()
    }

    /// The key of a group on one line.
    pub(crate) fn key(&self, group: &Group) -> String {
        let key = group.key.iter().flat_map(|key| &key.0);
        let texts = key.map(|(dimension, value)| {
            table::key_text(dimension, value.as_deref(), &self.names, self.script, NAME_CELLS_MAX)
        });
        texts.collect::<Vec<String>>().join(" ")
    }

    /// A bar of `part` in `whole` of at most `cells` cells: at least one where there is anything.
    pub(crate) fn bar(&self, part: u128, whole: u128, cells: u64) -> String {
        if part == 0 || whole == 0 {
            return String::new();
        }
        // A report of another origin may have parts that are larger than their whole.
        let cells = (part.min(whole) * u128::from(cells) / whole).max(1) as usize;
        if self.unicode_bars { "▇".repeat(cells) } else { "#".repeat(cells) }
    }

    fn errors(&self) -> Labelled {
        let errors = &self.report.totals.requests.errors;
        if errors.0.is_empty() {
            return Labelled { label: "ERRORS", items: vec![Line::plain("none")] };
        }
        let items = errors
            .by_count()
            .into_iter()
            .map(|(code, count)| {
                let line = Line::plain(format!("{} {}", self.name(code), thousands(u128::from(count))));
                // The log is not proven to hold every throttle.
                if code == "ThrottlingException" { line.and(Ink::Yellow, " (lower bound)") } else { line }
            })
            .collect();
        Labelled { label: "ERRORS", items }
    }

    fn responses(&self) -> Vec<Labelled> {
        let responses = &self.report.totals.responses;
        let mut all = Vec::new();
        if !responses.status.0.is_empty() {
            all.push(Labelled { label: "STATUS", items: self.counts_of(&responses.status) });
        }
        let known = responses.stop_reason.sum();
        if known > 0 {
            let reasons = responses.stop_reason.by_count().into_iter();
            let items = reasons
                .map(|(reason, count)| {
                    Line::plain(format!("{} {}", self.name(reason), percent(count, known)))
                })
                .collect();
            all.push(Labelled { label: "STOP", items });
        }
        all
    }

    fn payloads(&self) -> Vec<Labelled> {
        let totals = &self.report.totals;
        let large = &totals.payloads.large;
        let mut all = Vec::new();
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
            let items = items.into_iter().map(Line::plain).collect();
            all.push(Labelled { label: "PAYLOADS", items });
        }
        let content = &totals.payloads.content;
        if !content.0.is_empty() {
            let mut items = self.counts_of(content);
            if items.len() > 1 {
                items.push(Line::inked(Ink::Dim, "a request counts in each of its kinds"));
            }
            all.push(Labelled { label: "CONTENT", items });
        }
        all
    }

    /// Where the calls ran.
    fn regions(&self) -> Option<Labelled> {
        let totals = &self.report.totals;
        if totals.cross_region.is_empty() {
            return None;
        }
        let mut regions: Vec<_> = totals.cross_region.iter().collect();
        regions.sort_by_key(|(_, figures)| std::cmp::Reverse(figures.requests));
        let items = regions
            .into_iter()
            .enumerate()
            .map(|(at, (region, figures))| {
                let verb = if at == 0 { "ran in " } else { "" };
                let share = percent(figures.requests, totals.requests.attempted);
                let latency =
                    figures.latency_ms.as_ref().map(|latency| format!(" (p50 {})", duration(latency.p50)));
                Line::plain(format!("{verb}{} {share}{}", self.name(region), latency.unwrap_or_default()))
            })
            .collect();
        Some(Labelled { label: "REGIONS", items })
    }

    /// Which quota throttled, who is behind the worst minutes, and what helps.
    pub(crate) fn findings(&self) -> Vec<Labelled> {
        let Some(findings) = &self.report.findings else { return Vec::new() };
        let labelled = self.spelled(|spelling| findings::parts(findings, spelling));
        labelled.into_iter().map(|(label, items)| Labelled { label, items }).collect()
    }

    /// The same in lines of a width.
    pub(crate) fn finding_lines(&self, cells: usize) -> Vec<Line> {
        let Some(findings) = &self.report.findings else { return Vec::new() };
        self.spelled(|spelling| findings::lines(findings, spelling, cells))
    }

    fn spelled<T>(&self, with: impl FnOnce(&Spelling<'_>) -> T) -> T {
        with(&Spelling {
            script: self.script,
            model: &|model| self.names.short(model).to_owned(),
            caller: listing::caller,
            with_year: self.with_year,
        })
    }

    /// Why there is nothing to show, in plain words.
    pub(crate) fn nothing_counted(&self) -> Line {
        let health = &self.report.health;
        let filtered = health.records.filtered.sum();
        let why = if health.objects.listed == 0 {
            "nothing was found there (a wrong path, or a range without objects)".to_owned()
        } else if health.objects.read == 0 && health.objects.failed.sum() == 0 {
            format!("every object was skipped{}", self.because(&health.objects.skipped))
        } else if filtered > 0 {
            format!("{} filtered out{}", counted(filtered, "record"), self.because(&health.records.filtered))
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
                format!("{} {}", self.name(text), thousands(u128::from(count)))
            })
            .collect();
        if by_count.len() > UNKNOWN_NAMES_MAX {
            texts.push(format!("+{} more", by_count.len() - UNKNOWN_NAMES_MAX));
        }
        if texts.is_empty() { String::new() } else { format!(": {}", texts.join(", ")) }
    }

    /// What is odd but counted, and what was left out in a way that a reader may not expect.
    pub(crate) fn notes(&self) -> Option<Labelled> {
        let health = &self.report.health;
        let mut notes = Vec::new();
        for (code, &count) in &health.warnings.0 {
            let text = format!("{} {}", self.name(code), thousands(u128::from(count)));
            let line = Line::inked(Ink::Yellow, text);
            let who = self.unknown_names(code);
            notes.push(match warning_words(code) {
                Some(words) => line.and(Ink::Plain, format!(" ({}{who})", self.script.own(words))),
                None => line,
            });
        }
        for (reason, &count) in &health.objects.skipped.0 {
            if !ORDINARY_SKIPS.contains(&reason.as_str()) {
                notes.push(Line::plain(format!(
                    "{} skipped ({})",
                    counted(count, "object"),
                    self.name(reason)
                )));
            }
        }
        // What was filtered is said already where it is the reason for an empty report.
        if health.records.filtered.sum() > 0 && self.report.totals.requests.attempted > 0 {
            let filtered = health.records.filtered.sum();
            notes.push(Line::plain(format!(
                "{} filtered{}",
                counted(filtered, "record"),
                self.because(&health.records.filtered)
            )));
        }
        // An incomplete report names them among its losses.
        if self.report.complete {
            notes.extend(unread_payloads(&self.report.health, self.script));
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
        (!notes.is_empty()).then_some(Labelled { label: "NOTES", items: notes })
    }

    /// Who and what the load comes from, dimension by dimension: the values with the most.
    pub(crate) fn ranked_all(&self) -> Vec<Labelled> {
        let mut all = Vec::new();
        for ranking in self.report.rankings.iter().filter(|ranking| !ranking.rows.is_empty()) {
            let label = if all.is_empty() { "LOAD" } else { "" };
            let by = format!("by {}:", table::heading(&ranking.dimension, self.script));
            let mut items: Vec<Line> = ranking
                .rows
                .iter()
                .take(RANKS_MAX)
                .map(|row| {
                    let value = self.ranked(ranking, row);
                    let text = format!("{value} {}", share(row.share));
                    match row.share_in_peak {
                        None => Line::plain(text),
                        peak => Line::plain(format!("{text} ({} of the peak minute)", share(peak))),
                    }
                })
                .collect();
            if let Some(first) = items.first_mut() {
                *first = Line::plain(format!("{by} {}", first.to_text()));
            }
            let rest = (ranking.rows.len() as u64).saturating_sub(RANKS_MAX as u64);
            let rest = rest.saturating_add(ranking.omitted);
            if rest > 0 {
                items.push(Line::inked(Ink::Dim, format!("+{} more", thousands(u128::from(rest)))));
            }
            all.push(Labelled { label, items });
        }
        all
    }

    /// One value of a ranked dimension; a caller without its account where all of them are of one.
    pub(crate) fn ranked(&self, ranking: &Ranking, row: &Rank) -> String {
        let value = row.value.as_deref();
        if ranking.dimension == "identity"
            && let Some(identity) = value
        {
            let others = ranking.rows.iter().filter_map(|row| row.value.as_deref());
            return self.script.name(&listing::caller_among(identity, others), RANKED_CELLS_MAX);
        }
        table::key_text(&ranking.dimension, value, &self.names, self.script, RANKED_CELLS_MAX)
    }

    /// `11-18 09:01`.
    pub(crate) fn moment(&self, text: &str) -> String {
        stamp::moment(text, self.with_year, self.script)
    }

    /// A name from the log inside a sentence.
    fn name(&self, text: &str) -> String {
        self.script.name(text, NAME_CELLS_MAX)
    }

    fn because(&self, reasons: &Counts) -> String {
        because(reasons, self.script)
    }

    fn counts_of(&self, counts: &Counts) -> Vec<Line> {
        let by_count = counts.by_count().into_iter();
        by_count
            .map(|(what, count)| Line::plain(format!("{} {}", self.name(what), short(u128::from(count)))))
            .collect()
    }
}

/// What the totals lack, with reasons.
pub(crate) fn losses(health: &Health, script: Script) -> Vec<Line> {
    let mut losses = Vec::new();
    let mut lost = |count: u64, noun: &str, reasons: &Counts| {
        if count > 0 {
            losses
                .push(Line::inked(Ink::Red, counted(count, noun)).and(Ink::Plain, because(reasons, script)));
        }
    };
    lost(health.objects.failed.sum(), "object", &health.objects.failed);
    lost(health.documents.rejected.sum(), "document", &health.documents.rejected);
    lost(health.records.rejected.sum(), "record", &health.records.rejected);
    if health.counts_lost > 0 {
        let requests = format!("tokens of {}", counted(health.counts_lost, "request"));
        losses.push(Line::inked(Ink::Red, requests).and(Ink::Plain, " (payload not read)"));
    }
    losses.extend(unread_payloads(health, script));
    if health.salvaged > 0 {
        let salvaged = format!("{} counted up to the fault (--salvage)", counted(health.salvaged, "object"));
        losses.push(Line::plain(salvaged));
    }
    losses
}

/// References that were followed in vain, or not followed.
fn unread_payloads(health: &Health, script: Script) -> Option<Line> {
    let references = &health.references;
    let reasons = [
        ("missing", references.missing),
        ("archived", references.archived),
        ("refused", references.refused.sum()),
        ("failed", references.failed),
    ];
    let reasons =
        reasons.into_iter().filter(|&(_, count)| count > 0).map(|(reason, count)| (reason.to_owned(), count));
    let reasons = Counts(reasons.collect());
    let unread = reasons.sum();
    (unread > 0).then(|| {
        let of = thousands(u128::from(references.seen));
        let text = format!("{} of {of} payloads not read", thousands(u128::from(unread)));
        Line::plain(format!("{text}{}", because(&reasons, script)))
    })
}

/// ` (gz_crc 4, permission 1)`, most first; empty where there is no reason.
fn because(reasons: &Counts, script: Script) -> String {
    let by_count = reasons.by_count();
    let shown = by_count.iter().take(REASONS_MAX);
    let mut named: Vec<String> = shown
        .map(|(reason, count)| {
            format!("{} {}", script.name(reason, NAME_CELLS_MAX), thousands(u128::from(*count)))
        })
        .collect();
    if by_count.len() > REASONS_MAX {
        named.push(format!("+{} more", by_count.len() - REASONS_MAX));
    }
    if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) }
}

/// Where the groups are that a page does not show.
pub(crate) fn where_more_groups_are(report: &Report) -> &'static str {
    if report.groups_omitted == 0 { "JSON has them all" } else { "--top shows more" }
}

/// A part of a whole, 0…1, as a percentage; `–` where it is not known.
pub(crate) fn share(part: Option<Decimal>) -> String {
    const WHOLE: u64 = 1_000_000;
    part.map_or_else(
        || table::ABSENT.to_owned(),
        |part| {
            let units = u64::try_from(part.units()).unwrap_or(u64::MAX);
            percent(units.saturating_mul(WHOLE).saturating_add(u64::from(part.micros())), WHOLE)
        },
    )
}

/// `; known for 71 %` where the figure is of a part of the requests.
fn known_part(known: u64, successful: u64) -> String {
    if known < successful { format!("; known for {}", percent(known, successful)) } else { String::new() }
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
