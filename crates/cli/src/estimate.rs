//! The plan that is told before S3 is read: objects, bytes, requests, and what they cost in money and minutes.
//!
//! In: a finished listing and what it has asked of S3. Out: a few lines on stderr; nothing where no source is on S3.
//! Always: sums are integers, every figure that is a guess says so and names its assumption, and where the reader's
//! place decides about money all the places are named. Absent: payloads, since which of them are needed shows only
//! while records are read.

use std::collections::{BTreeMap, BTreeSet};

use borehole_record::{Timestamp, UtcDay, UtcHour};
use borehole_scan::{Plan, Range, Source};
use borehole_store::s3::inspect::reader_region;
use borehole_store::s3::{Counters, RANGE_BYTES};
use borehole_store::{Object, StorageClass};

use crate::columns::{counted, size, thousands};
use crate::prices::{self, Cost};

/// Bytes a second that the estimate of time assumes: a link of 1 Gbit/s, less what is spent around the bytes. Two
/// cores decode more than that.
const BYTES_PER_SECOND: u64 = 100_000_000;

/// GETs a second that the estimate of time assumes: 16 at once, the figure that reading starts with, at 50 ms each.
/// Within a Region it soon becomes more.
const GETS_PER_SECOND: u64 = 300;

/// Buckets that the plan calls by their names; of more it gives the number.
const BUCKETS_NAMED: usize = 3;

/// Tells the plan on stderr. `listed` is what listing has asked of S3 so far.
pub(crate) fn tell(plan: &Plan, sources: &[Source], listed: &Counters) {
    for line in lines(plan, sources, listed) {
        tell!("{line}");
    }
}

/// Tells what reading some objects costs, and nothing of the listing: for commands that have said the rest.
pub(crate) fn tell_cost<'a>(objects: impl Iterator<Item = (usize, &'a Object)>, sources: &[Source]) {
    let buckets: Vec<Option<Bucket>> = sources.iter().map(Bucket::of).collect();
    if let Some(estimate) = Estimate::new(objects, &buckets) {
        for line in estimate.money(&Counters::default(), reader_region().as_deref()) {
            tell!("{line}");
        }
    }
}

fn lines(plan: &Plan, sources: &[Source], listed: &Counters) -> Vec<String> {
    let buckets: Vec<Option<Bucket>> = sources.iter().map(Bucket::of).collect();
    let objects = plan.objects.iter().map(|planned| (planned.source as usize, &planned.object));
    let Some(estimate) = Estimate::new(objects, &buckets) else { return Vec::new() };
    let mut lines = estimate.lines(listed, reader_region().as_deref());
    for (&source, archived) in &plan.archived {
        let Some(source) = sources.get(source as usize) else { continue };
        let hours = archived.first.zip(archived.last);
        let days = hours.map(|(first, last)| format!(" of {}", days_in_words(day_of(first), day_of(last))));
        let range = hours.map_or(plan.range, |(first, last)| Range {
            from: Some(Timestamp::from_seconds(first.start_seconds())),
            to: Some(Timestamp::from_seconds(UtcHour(last.0 + 1).start_seconds())),
        });
        lines.push(format!(
            "archived: {}, {}{} cannot be read before they are restored: {}",
            counted(archived.objects, "object"),
            size(archived.bytes),
            days.unwrap_or_default(),
            crate::restore::command(source, &range, crate::restore::DAYS, None),
        ));
    }
    lines
}

/// What decides about the price of a bucket's objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bucket {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub region: String,
    /// Whether it is AWS that sends the bill.
    pub is_aws: bool,
}

impl Bucket {
    /// The bucket of a source; `None` where that is local.
    pub(crate) fn of(source: &Source) -> Option<Self> {
        let store = source.s3.as_ref()?;
        Some(Bucket { name: store.bucket().to_owned(), region: store.region(), is_aws: store.is_aws() })
    }

    /// Whether the table of prices holds for it at all.
    fn has_prices(&self) -> bool {
        self.is_aws && !prices::has_no_dollars(&self.region)
    }
}

/// What reading some objects of buckets takes.
#[derive(Debug, Default)]
pub(crate) struct Estimate {
    buckets: BTreeSet<Bucket>,
    classes: BTreeMap<StorageClass, Amount>,
    all: Amount,
    /// Of buckets with prices: what is read, by class.
    paid: BTreeMap<StorageClass, Amount>,
    /// Of buckets with prices: bytes, by the Region they leave.
    leaving: BTreeMap<String, u64>,
}

/// Objects, and what reading them takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    objects: u64,
    bytes: u64,
    gets: u64,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
        self.gets += bytes.div_ceil(RANGE_BYTES).max(1);
    }
}

impl Estimate {
    /// Sums up; `None` where no bucket is among the sources. Objects of local sources cost nothing.
    pub(crate) fn new<'a>(
        objects: impl Iterator<Item = (usize, &'a Object)>,
        buckets: &[Option<Bucket>],
    ) -> Option<Self> {
        let known: BTreeSet<Bucket> = buckets.iter().flatten().cloned().collect();
        if known.is_empty() {
            return None;
        }
        let mut estimate = Estimate { buckets: known, ..Estimate::default() };
        for (source, object) in objects {
            let Some(Some(bucket)) = buckets.get(source) else { continue };
            let bytes = object.size.unwrap_or(0);
            estimate.all.add(bytes);
            estimate.classes.entry(object.class).or_default().add(bytes);
            if bucket.has_prices() {
                estimate.paid.entry(object.class).or_default().add(bytes);
                *estimate.leaving.entry(bucket.region.clone()).or_default() += bytes;
            }
        }
        Some(estimate)
    }

    /// What AWS asks for so many LISTs, and for reading the objects; without what leaving a Region costs.
    fn cost(&self, lists: u64) -> Cost {
        let mut cost = Cost { requests: prices::listing(lists), retrieval: 0 };
        for (&class, amount) in &self.paid {
            cost.add(prices::reading(class).of(amount.gets, amount.bytes));
        }
        cost
    }

    fn seconds(&self) -> u64 {
        (self.all.bytes / BYTES_PER_SECOND).max(self.all.gets / GETS_PER_SECOND)
    }

    fn lines(&self, listed: &Counters, reader: Option<&str>) -> Vec<String> {
        let mut lines = vec![
            format!(
                "plan: {}, {} to read in {}{}",
                counted(self.all.objects, "object"),
                size(self.all.bytes),
                self.places(),
                self.by_class()
            ),
            format!(
                "requests: {} sent, {} to come; GETs of payloads come on top: which are needed shows while reading",
                counted(listed.list_requests, "LIST"),
                counted(self.all.gets, "GET"),
            ),
        ];
        lines.extend(self.money(listed, reader));
        lines.push(format!(
            "time: {} at {} MB and {GETS_PER_SECOND} GETs a second, which is a guess at where this runs",
            in_words(self.seconds()),
            BYTES_PER_SECOND / 1_000_000
        ));
        lines
    }

    fn places(&self) -> String {
        if self.buckets.len() > BUCKETS_NAMED {
            return format!("{} buckets", self.buckets.len());
        }
        let names: Vec<String> = self
            .buckets
            .iter()
            .map(|bucket| crate::exit::escaped(&format!("s3://{}", bucket.name)))
            .collect();
        names.join(", ")
    }

    /// Nothing where all is STANDARD, which is the rule.
    fn by_class(&self) -> String {
        if self.classes.keys().all(|&class| class == StorageClass::Standard) {
            return String::new();
        }
        let parts: Vec<String> = self
            .classes
            .iter()
            .map(|(class, of)| format!("{} {} ({})", class.as_str(), thousands(of.objects), size(of.bytes)))
            .collect();
        format!(": {}", parts.join(", "))
    }

    /// What it costs, and where the prices are from.
    fn money(&self, listed: &Counters, reader: Option<&str>) -> Vec<String> {
        let priced: Vec<&Bucket> = self.buckets.iter().filter(|bucket| bucket.has_prices()).collect();
        if priced.is_empty() {
            return vec!["cost: unknown, this is not a bucket that AWS bills in dollars".to_owned()];
        }
        let cost = self.cost(listed.list_requests);
        let retrieval = if cost.retrieval > 0 {
            format!(", {} for retrieval", prices::dollars(cost.retrieval))
        } else {
            String::new()
        };
        let elsewhere: BTreeSet<&str> = priced
            .iter()
            .map(|bucket| &*bucket.region)
            .filter(|region| !prices::is_in_table(region))
            .collect();
        let differs = if elsewhere.is_empty() {
            String::new()
        } else {
            format!("; {} may ask some 10 to 40 % more", Vec::from_iter(elsewhere).join(", "))
        };
        vec![
            format!(
                "cost, an estimate: {} for requests{retrieval} (prices of {} from {}{differs})",
                prices::dollars(cost.requests),
                prices::VALID_FROM,
                prices::SOURCE,
            ),
            self.transfer(reader),
        ]
    }

    /// What leaving the buckets' Regions costs: it depends on where this runs, which is not known for sure.
    fn transfer(&self, reader: Option<&str>) -> String {
        let total = |price: &dyn Fn(&str) -> u64| -> u64 {
            let each = self.leaving.iter().map(|(region, &bytes)| prices::bytes_cost(bytes, price(region)));
            each.fold(0, u64::saturating_add)
        };
        let internet = prices::dollars(total(&|region| prices::transfer(region).to_internet));
        let regions: BTreeSet<&str> =
            self.buckets.iter().filter(|bucket| bucket.has_prices()).map(|bucket| &*bucket.region).collect();
        let regions = Vec::from_iter(regions).join(", ");
        let unknown = self.leaving.keys().any(|region| !prices::transfer(region).is_known);
        let at_most = if unknown { "at most " } else { "" };
        match reader {
            None => {
                let other = prices::dollars(total(&|region| prices::transfer(region).to_region));
                format!(
                    "transfer: $0 within {regions}, {at_most}{other} to another Region, {at_most}{internet} to the internet"
                )
            }
            Some(reader) => {
                let here =
                    total(&|region| if region == reader { 0 } else { prices::transfer(region).to_region });
                format!(
                    "transfer: {}{} if this runs in {reader}, as AWS_REGION says; {at_most}{internet} to the internet",
                    if here > 0 { at_most } else { "" },
                    prices::dollars(here)
                )
            }
        }
    }
}

/// `2024-03-11`, or `2024-03-11 to 2024-03-14`: both days included.
pub(crate) fn days_in_words(first: UtcDay, last: UtcDay) -> String {
    if first == last { day(first) } else { format!("{} to {}", day(first), day(last)) }
}

/// `2024-03-11`.
pub(crate) fn day(day: UtcDay) -> String {
    let mut text = day.to_string();
    text.truncate(text.find('T').unwrap_or(text.len()));
    text
}

/// The day of an hour.
pub(crate) fn day_of(hour: UtcHour) -> UtcDay {
    UtcDay(hour.0.div_euclid(24))
}

/// `under a minute`, `about 12 minutes`, `about 3 hours`: rounded up.
fn in_words(seconds: u64) -> String {
    match seconds {
        0..60 => "under a minute".to_owned(),
        60..7_200 => format!("about {}", counted(seconds.div_ceil(60), "minute")),
        _ => format!("about {}", counted(seconds.div_ceil(3_600), "hour")),
    }
}

#[cfg(test)]
mod tests {
    use borehole_store::Restore;

    use super::*;

    fn object(class: StorageClass, bytes: u64) -> Object {
        Object { size: Some(bytes), class, restore: Restore::None, ..Object::unlisted(b"key") }
    }

    fn bucket(name: &str, region: &str) -> Option<Bucket> {
        Some(Bucket { name: name.to_owned(), region: region.to_owned(), is_aws: true })
    }

    fn lists(count: u64) -> Counters {
        Counters { requests: count + 1, list_requests: count, ..Counters::default() }
    }

    fn estimate(objects: &[(usize, Object)], buckets: &[Option<Bucket>]) -> Estimate {
        Estimate::new(objects.iter().map(|(source, object)| (*source, object)), buckets).expect("a bucket")
    }

    #[test]
    fn local_sources_have_no_plan() {
        let objects = [(0, object(StorageClass::Standard, 9))];
        assert!(Estimate::new(objects.iter().map(|(source, object)| (*source, object)), &[None]).is_none());
    }

    #[test]
    fn the_plan_of_a_plain_bucket_is_five_lines() {
        let objects: Vec<_> = (0..10_000).map(|_| (0, object(StorageClass::Standard, 100 << 10))).collect();
        let lines = estimate(&objects, &[bucket("logs", "us-west-2")]).lines(&lists(38), None);
        assert_eq!(
            lines,
            [
                "plan: 10,000 objects, 1.02 GB to read in s3://logs",
                "requests: 38 LISTs sent, 10,000 GETs to come; GETs of payloads come on top: which are needed shows \
                 while reading",
                "cost, an estimate: under $0.01 for requests (prices of 2025-10-01 from \
                 https://aws.amazon.com/s3/pricing/)",
                "transfer: $0 within us-west-2, $0.02 to another Region, $0.09 to the internet",
                "time: under a minute at 100 MB and 300 GETs a second, which is a guess at where this runs",
            ]
        );
    }

    #[test]
    fn classes_that_are_paid_by_the_byte_are_told_and_summed() {
        let objects = [
            (0, object(StorageClass::Standard, 1 << 30)),
            (0, object(StorageClass::StandardIa, 10 << 30)),
            (0, object(StorageClass::GlacierInstantRetrieval, 2 << 30)),
        ];
        let estimate = estimate(&objects, &[bucket("logs", "eu-central-1")]);
        let lines = estimate.lines(&lists(1), None);
        assert!(
            lines[0].ends_with("STANDARD 1 (1.07 GB), STANDARD_IA 1 (10.7 GB), GLACIER_IR 1 (2.15 GB)"),
            "{lines:?}"
        );
        // 10 GiB at $0.01, 2 GiB at $0.03.
        assert_eq!(estimate.cost(0).retrieval, 160_000);
        assert!(lines[2].contains("$0.16 for retrieval"), "{lines:?}");
        assert!(lines[2].contains("eu-central-1 may ask"), "{lines:?}");
    }

    #[test]
    fn large_objects_take_a_get_for_each_range() {
        let sizes = [0, 1, RANGE_BYTES, RANGE_BYTES + 1];
        let objects = sizes.map(|bytes| (0, object(StorageClass::Standard, bytes)));
        assert_eq!(estimate(&objects, &[bucket("logs", "us-west-2")]).all.gets, 1 + 1 + 1 + 2);
    }

    #[test]
    fn the_readers_place_decides_about_transfer_and_both_figures_are_named() {
        let objects =
            [(0, object(StorageClass::Standard, 100 << 30)), (1, object(StorageClass::Standard, 100 << 30))];
        let estimate = estimate(&objects, &[bucket("a", "us-west-2"), bucket("b", "sa-east-1")]);
        assert_eq!(
            estimate.transfer(Some("us-west-2")),
            "transfer: $13.80 if this runs in us-west-2, as AWS_REGION says; $24.00 to the internet"
        );
        assert_eq!(
            estimate.transfer(None),
            "transfer: $0 within sa-east-1, us-west-2, $15.80 to another Region, $24.00 to the internet"
        );
    }

    #[test]
    fn other_servers_and_other_currencies_have_no_prices() {
        let objects = [(0, object(StorageClass::Standard, 1 << 30))];
        let elsewhere = Bucket { name: "logs".to_owned(), region: "us-east-1".to_owned(), is_aws: false };
        for bucket in [Some(elsewhere), bucket("logs", "cn-north-1")] {
            let estimate = estimate(&objects, &[bucket]);
            assert_eq!(estimate.cost(0), Cost::default());
            assert!(!estimate.lines(&lists(1), None).concat().contains('$'));
        }
    }

    #[test]
    fn time_is_that_of_the_scarcer_of_bytes_and_requests() {
        let small: Vec<_> = (0..60_000).map(|_| (0, object(StorageClass::Standard, 10))).collect();
        assert_eq!(estimate(&small, &[bucket("logs", "us-west-2")]).seconds(), 200);
        let large = [(0, object(StorageClass::Standard, 60_000_000_000))];
        assert_eq!(estimate(&large, &[bucket("logs", "us-west-2")]).seconds(), 600);
        assert_eq!(in_words(59), "under a minute");
        assert_eq!(in_words(60), "about 1 minute");
        assert_eq!(in_words(7_201), "about 3 hours");
    }
}
