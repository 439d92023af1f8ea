//! What a sealed hour depends on beside its records, as one number.
//!
//! In: a question, and the hour that it is asked about. Out: 128 bits; where they are equal, equal records of the hour
//! are summed up to equal bytes, in every run and on every machine. Always: whatever sealing looks at is in it.
//! Absent: what only the figures look at (`series`, `top`), so that asking for another series sums up nothing anew; and
//! the numbers of the sources ([`crate::CoverageId`]), which are the run's own.

use borehole_record::{Timestamp, UtcDay, UtcHour};
use xxhash_rust::xxh3::xxh3_128;

use crate::coverage::CoverageSpan;
use crate::packed::Packer;
use crate::question::{Grain, ListKind, Question};
use crate::stored::VERSION;

/// How an hour is summed up for a question. Another number for every change of what is summed up, or how: the models that
/// ids are read as (`borehole_record::Model`) and the formulas of charges are part of that.
const SEALING: u64 = 1;

/// How figures are taken from totals. Another number for every change.
const ANSWERING: u64 = 1;

impl Question {
    /// What decides how the records of this hour are summed up: hours of equal fingerprints and equal records are
    /// equal once sealed. `None` where the asked range, or what counts as an impossible time, begins or ends inside the
    /// hour: what is summed up for one moment "now" is of no use for another.
    #[must_use]
    pub fn fingerprint(&self, hour: UtcHour) -> Option<u128> {
        self.fingerprints().of(hour)
    }

    /// For many hours: what is the same for all of them is looked at once.
    #[must_use]
    pub fn fingerprints(&self) -> Fingerprints<'_> {
        Fingerprints { question: self, base: fingerprint_base(self), charges: None }
    }

    /// What decides the figures beside the totals: two questions with equal ones, and equal fingerprints of all hours,
    /// have the same figures over the same hours.
    #[must_use]
    pub fn figures_fingerprint(&self, coverage: &[CoverageSpan]) -> u128 {
        let mut packer = Packer::default();
        packer.count(ANSWERING);
        packer.sum(fingerprint_base(self));
        packer.count(match self.series {
            None => 0,
            Some(Grain::Minute) => 1,
            Some(Grain::Hour) => 2,
            Some(Grain::Day) => 3,
        });
        // One more than the number, 0 for none.
        packer.sum(self.top.map_or(0, |top| top as u128 + 1));
        for end in [self.from, self.to] {
            packer.count(u64::from(end.is_some()));
            if let Some(end) = end {
                packer.bytes(&end.seconds.to_le_bytes());
                packer.count(u64::from(end.nanos));
            }
        }
        for CoverageSpan { account, region, first, last, hours_with_objects } in coverage {
            for text in [account, region] {
                packer.count(u64::from(text.is_some()));
                text.iter().for_each(|text| packer.text(text));
            }
            packer.count(hours_with_objects.len() as u64);
            for hour in [first, last].into_iter().chain(hours_with_objects) {
                packer.bytes(&hour.0.to_le_bytes());
            }
        }
        xxh3_128(packer.from(0))
    }

    /// Where the hour lies in the range and among the impossible times; `None` where it lies on a border.
    fn place(&self, hour: UtcHour) -> Option<Place> {
        let first = Timestamp { seconds: hour.start_seconds(), nanos: 0 };
        let last =
            Timestamp { seconds: first.seconds.checked_add(UtcHour::SECONDS - 1)?, nanos: 999_999_999 };
        let is_same = |of: fn(&Question, Timestamp) -> bool| {
            let is = of(self, first);
            (is == of(self, last)).then_some(is)
        };
        // A range can also begin and end between the two.
        let is_inside = |end: Option<Timestamp>| end.is_some_and(|end| first < end && end <= last);
        if is_inside(self.from) || is_inside(self.to) {
            return None;
        }
        let is_out_of_range = is_same(Question::is_out_of_range)?;
        let is_outlier = is_same(Question::is_outlier)?;
        Some(match (is_out_of_range, is_outlier) {
            (true, _) => Place::OutOfRange,
            (false, false) => Place::Plausible,
            (false, true) if self.include_outliers => Place::ImpossibleKept,
            (false, true) => Place::ImpossibleLeftOut,
        })
    }
}

/// What the times of an hour are to a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// All in the range, none impossible.
    Plausible,
    /// All impossible, and in no series.
    ImpossibleLeftOut,
    /// All impossible, and in the series as any other.
    ImpossibleKept,
    /// None asked for.
    OutOfRange,
}

/// The fingerprints of the hours of one question: see [`Question::fingerprint`].
#[derive(Debug)]
pub struct Fingerprints<'a> {
    question: &'a Question,
    base: u128,
    /// Of the rates, which hold for a day.
    charges: Option<(UtcDay, u128)>,
}

impl Fingerprints<'_> {
    /// What is the same for all hours: a name for the question.
    #[must_use]
    pub fn base(&self) -> u128 {
        self.base
    }

    /// The fingerprint of one hour. Hours in order cost least.
    pub fn of(&mut self, hour: UtcHour) -> Option<u128> {
        let place = self.question.place(hour)?;
        let at = self.question.charges_at.unwrap_or(Timestamp::from_seconds(hour.start_seconds()));
        let day = UtcDay::of(at);
        let charges = match self.charges {
            Some((known, charges)) if known == day => charges,
            _ => self.question.charges.fingerprint(at),
        };
        self.charges = Some((day, charges));
        let mut packer = Packer::default();
        packer.sum(self.base);
        packer.sum(charges);
        packer.count(place as u64);
        Some(xxh3_128(packer.from(0)))
    }
}

/// What is the same for all hours.
fn fingerprint_base(question: &Question) -> u128 {
    // All fields are named, so that a new one is not forgotten.
    let Question {
        by,
        rank,
        cube,
        all_seconds,
        series: _,
        top: _,
        list,
        list_max,
        include_outliers: _,
        now: _,
        from: _,
        to: _,
        filter,
        charges: _,
        charges_at: _,
        profiles,
    } = question;
    let mut packer = Packer::default();
    packer.count(SEALING);
    packer.count(u64::from(VERSION));
    packer.count(by.len() as u64);
    by.iter().for_each(|dimension| packer.text(&dimension.name()));
    packer.count(rank.len() as u64);
    rank.iter().for_each(|dimension| packer.text(&dimension.name()));
    // Two bits of one number: what was summed up before the second one existed still holds.
    packer.count(u64::from(*cube) | u64::from(*all_seconds) << 1);
    packer.count(match list {
        None => 0,
        Some(ListKind::HighToken) => 1,
        Some(ListKind::Errors) => 2,
        Some(ListKind::Large) => 3,
    });
    if list.is_some() {
        packer.count(*list_max as u64);
    }
    for words in [&filter.models, &filter.regions, &filter.accounts, &filter.identities, &filter.operations] {
        packer.count(words.len() as u64);
        words.iter().for_each(|word| packer.text(word));
    }
    profiles.iter().for_each(|(profile, copied)| {
        packer.text(profile);
        packer.text(copied);
    });
    xxh3_128(packer.from(0))
}
