//! The groups of a report as a table: every figure a column.
//!
//! In: a report. Out: one row a group, in the report's order. Always: the columns are the paths of the report's JSON
//! with `_` between their parts, and do not depend on what was found; figures by name (errors, status, Regions) are
//! lists of names and numbers. Absent: series, which are a table of their own.

use borehole_record::{Timestamp, time};
use borehole_report::Report;
use borehole_report::decimal::Decimal;
use borehole_report::model::{Counts, CrossRegion, Distribution, Distributions, Group, PerMinute};
use borehole_table::columns::Table;
use borehole_usage::Dimension;

/// The table.
pub(crate) fn table(report: &Report, by: &[Dimension]) -> Table {
    let mut columns = Columns { groups: &report.groups, table: Table::new(report.groups.len()) };
    let keys: Vec<&Group> = report.groups.iter().collect();
    key_columns(&mut columns.table, by, &keys);
    columns.requests();
    columns.tokens();
    columns.distributions();
    columns.per_minute("tokens_per_minute", |group| group.tokens_per_minute.as_ref());
    columns.per_minute("quota_tokens_per_minute", |group| group.quota_tokens_per_minute.as_ref());
    columns.per_minute("reserved_tokens_per_minute", |group| group.reserved_tokens_per_minute.as_ref());
    columns.per_day();
    columns.per_minute("requests_per_minute", |group| group.requests_per_minute.as_ref());
    columns.responses_and_payloads();
    columns.cross_region();
    columns.table
}

/// The columns of the key, one a dimension; those that are times are columns of times.
pub(crate) fn key_columns(table: &mut Table, by: &[Dimension], rows: &[&Group]) {
    for dimension in by {
        let word = dimension.name();
        let name = match dimension {
            Dimension::Tag(_) => format!("key_{word}"),
            _ => format!("key_{}", word.replace('-', "_")),
        };
        if table.has(&name) {
            continue;
        }
        let values = rows.iter().map(|group| {
            let key = group.key.as_ref()?.0.iter().find(|(dimension, _)| *dimension == word);
            key?.1.as_deref()
        });
        match dimension {
            Dimension::Hour | Dimension::Day | Dimension::Minute => {
                table.time(&name, values.map(|value| value.and_then(moment)));
            }
            _ => table.text(&name, values),
        }
    }
}

/// A moment of the report, which writes them as RFC 3339.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    time::parse_timestamp(text.as_bytes()).map(|(moment, _)| moment)
}

/// The decimal nearest to an exact one.
fn nearest(decimal: Decimal) -> f64 {
    decimal.to_string().parse().unwrap_or(f64::NAN)
}

struct Columns<'a> {
    groups: &'a [Group],
    table: Table,
}

impl<'a> Columns<'a> {
    fn natural(&mut self, name: &str, value: impl Fn(&'a Group) -> Option<u64>) {
        self.table.natural(name, self.groups.iter().map(value));
    }

    fn count(&mut self, name: &str, value: impl Fn(&'a Group) -> u64) {
        self.natural(name, |group| Some(value(group)));
    }

    fn sum(&mut self, name: &str, value: impl Fn(&'a Group) -> u128) {
        self.table.sum(name, self.groups.iter().map(|group| Some(value(group))));
    }

    fn decimal(&mut self, name: &str, value: impl Fn(&'a Group) -> Option<Decimal>) {
        self.table.decimal(name, self.groups.iter().map(|group| value(group).map(nearest)));
    }

    fn time(&mut self, name: &str, value: impl Fn(&'a Group) -> Option<&'a String>) {
        self.table.time(name, self.groups.iter().map(|group| value(group).and_then(|text| moment(text))));
    }

    fn counts(&mut self, name: &str, value: impl Fn(&'a Group) -> &'a Counts) {
        let rows = self.groups.iter().map(value);
        self.table
            .counts(name, rows.map(|counts| counts.0.iter().map(|(name, &count)| (name.as_str(), count))));
    }

    fn requests(&mut self) {
        self.count("requests_attempted", |group| group.requests.attempted);
        self.count("requests_successful", |group| group.requests.successful);
        self.count("requests_throttled", |group| group.requests.throttled);
        self.counts("requests_errors", |group| &group.requests.errors);
        self.count("statistics_total_requests", |group| group.statistics.total_requests);
        self.sum("statistics_total_input_tokens", |group| group.statistics.total_input_tokens);
        self.sum("statistics_total_output_tokens", |group| group.statistics.total_output_tokens);
        self.decimal("statistics_average_input_tokens_per_request", |group| {
            group.statistics.average_input_tokens_per_request
        });
        self.decimal("statistics_average_output_tokens_per_request", |group| {
            group.statistics.average_output_tokens_per_request
        });
    }

    fn tokens(&mut self) {
        self.sum("tokens_input", |group| group.tokens.input);
        self.sum("tokens_output", |group| group.tokens.output);
        self.sum("tokens_cache_read", |group| group.tokens.cache_read);
        self.sum("tokens_cache_write", |group| group.tokens.cache_write);
        self.sum("tokens_prompt", |group| group.tokens.prompt);
        self.count("tokens_input_known", |group| group.tokens.input_known);
        self.count("tokens_output_known", |group| group.tokens.output_known);
        self.sum("tokens_settled", |group| group.tokens.settled);
        self.count("tokens_settled_known", |group| group.tokens.settled_known);
        self.sum("tokens_reserved", |group| group.tokens.reserved);
        self.count("tokens_reserved_known", |group| group.tokens.reserved_known);
        self.sum("tokens_on_errors_input", |group| group.tokens_on_errors.input);
        self.sum("tokens_on_errors_output", |group| group.tokens_on_errors.output);
        self.count("high_token_threshold", |group| group.high_token.threshold);
        self.count("high_token_by_input_requests", |group| group.high_token.by_input.requests);
        self.decimal("high_token_by_input_share", |group| group.high_token.by_input.share);
        self.count("high_token_by_prompt_requests", |group| group.high_token.by_prompt.requests);
        self.decimal("high_token_by_prompt_share", |group| group.high_token.by_prompt.share);
        self.count("input_bands_below_1000", |group| group.input_bands.below_1000);
        self.count("input_bands_from_1000_to_25000", |group| group.input_bands.from_1000_to_25000);
        self.count("input_bands_above_25000", |group| group.input_bands.above_25000);
    }

    fn distributions(&mut self) {
        for (name, of) in DISTRIBUTIONS {
            let found = |group: &'a Group| of(&group.distributions).as_ref();
            for (figure, value) in NATURALS {
                self.natural(&format!("distributions_{name}_{figure}"), |group| found(group).map(value));
            }
            self.decimal(&format!("distributions_{name}_mean"), |group| found(group).map(|found| found.mean));
        }
    }

    fn per_minute(&mut self, path: &str, of: impl Fn(&'a Group) -> Option<&'a PerMinute>) {
        let at = |name: &str| format!("{path}_{name}");
        self.decimal(&at("average"), |group| of(group).map(|series| series.average));
        self.decimal(&at("average_all"), |group| of(group)?.average_all);
        self.natural(&at("p50"), |group| of(group).map(|series| series.p50));
        self.natural(&at("p90"), |group| of(group).map(|series| series.p90));
        self.natural(&at("p99"), |group| of(group).map(|series| series.p99));
        self.natural(&at("peak"), |group| of(group).map(|series| series.peak));
        self.time(&at("peak_minute"), |group| of(group).map(|series| &series.peak_minute));
        self.natural(&at("peak_sliding_60s"), |group| of(group).map(|series| series.peak_sliding_60s));
        let burst = |group: &'a Group| of(group)?.burst.as_ref();
        self.decimal(&at("burst_second_x60"), |group| burst(group).map(|burst| burst.second_x60));
        self.decimal(&at("burst_ten_seconds_x6"), |group| burst(group).map(|burst| burst.ten_seconds_x6));
    }

    fn per_day(&mut self) {
        let of = |group: &'a Group| group.quota_tokens_per_day.as_ref();
        self.natural("quota_tokens_per_day_peak", |group| of(group).map(|days| days.peak));
        self.time("quota_tokens_per_day_peak_day", |group| of(group).map(|days| &days.peak_day));
        self.natural("quota_tokens_per_day_rolling_24h", |group| of(group).map(|days| days.rolling_24h));
        self.time("quota_tokens_per_day_rolling_24h_end", |group| {
            of(group).map(|days| &days.rolling_24h_end)
        });
    }

    fn responses_and_payloads(&mut self) {
        self.counts("responses_status", |group| &group.responses.status);
        self.counts("responses_stop_reason", |group| &group.responses.stop_reason);
        self.count("payloads_large_input", |group| group.payloads.large.input);
        self.count("payloads_large_output", |group| group.payloads.large.output);
        self.count("payloads_large_requests", |group| group.payloads.large.requests);
        self.decimal("payloads_large_share", |group| group.payloads.large.share);
        self.sum("payloads_large_bytes", |group| group.payloads.large.bytes);
        self.counts("payloads_content", |group| &group.payloads.content);
    }

    /// Figures by Region: of each figure a list, by the Regions that have it.
    fn cross_region(&mut self) {
        let regions = self.groups.iter().map(|group| group.cross_region.iter());
        let requests = |(name, region): (&'a String, &'a CrossRegion)| (name.as_str(), region.requests);
        self.table.counts("cross_region_requests", regions.map(|regions| regions.map(requests)));
        let times: [(&str, OfRegion); 2] = [
            ("latency_ms", |region| region.latency_ms.as_ref()),
            ("first_byte_ms", |region| region.first_byte_ms.as_ref()),
        ];
        for (path, found) in times {
            let known = |group: &'a Group| {
                group
                    .cross_region
                    .iter()
                    .filter_map(move |(name, region)| Some((name.as_str(), found(region)?)))
            };
            for (figure, value) in NATURALS {
                let rows = self
                    .groups
                    .iter()
                    .map(|group| known(group).map(move |(name, found)| (name, value(found))));
                self.table.counts(&format!("cross_region_{path}_{figure}"), rows);
            }
            let rows =
                self.groups.iter().map(|group| known(group).map(|(name, found)| (name, nearest(found.mean))));
            self.table.decimals(&format!("cross_region_{path}_mean"), rows);
        }
    }
}

type OfGroup = fn(&Distributions) -> &Option<Distribution>;

/// What is distributed.
const DISTRIBUTIONS: [(&str, OfGroup); 7] = [
    ("input_tokens", |all| &all.input_tokens),
    ("output_tokens", |all| &all.output_tokens),
    ("prompt_tokens", |all| &all.prompt_tokens),
    ("latency_ms", |all| &all.latency_ms),
    ("first_byte_ms", |all| &all.first_byte_ms),
    ("input_bytes", |all| &all.input_bytes),
    ("output_bytes", |all| &all.output_bytes),
];

type OfRegion = fn(&CrossRegion) -> Option<&Distribution>;

type Natural = fn(&Distribution) -> u64;

/// What a distribution has beside its mean.
const NATURALS: [(&str, Natural); 8] = [
    ("count", |found| found.count),
    ("min", |found| found.min),
    ("max", |found| found.max),
    ("p50", |found| found.p50),
    ("p90", |found| found.p90),
    ("p95", |found| found.p95),
    ("p99", |found| found.p99),
    ("p999", |found| found.p999),
];
