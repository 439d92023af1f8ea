//! Exports as JSON: `get-metric-data` and `get-metric-statistics`, one document or many.
//!
//! In: text that begins with a brace or bracket. Out: series, given to [`CloudWatch::add`]. Always: numbers are
//! taken as text; an error is a place and our own words, never serde's, which quote what they met. Arrays of
//! documents are opened one level deep; documents may follow each other without anything between them.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::label::{Label, Named};
use super::number::{AmountError, parse_amount, parse_time};
use super::series::{ReadSeries, SeriesKey};
use super::{CloudWatch, CloudWatchError, POINTS_MAX, Place};

/// Documents in one array, and series in one document: an answer has at most 500, the command line joins pages.
const ENTRIES_MAX: usize = 1 << 16;

/// One answer of CloudWatch.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(rename = "MetricDataResults", borrow, default)]
    results: Option<Bounded<&'a RawValue, ENTRIES_MAX>>,
    #[serde(rename = "NextToken", default)]
    next_token: Option<IgnoredAny>,
    #[serde(rename = "Label", borrow, default)]
    label: Option<Cow<'a, str>>,
    #[serde(rename = "Datapoints", borrow, default)]
    points: Option<Bounded<&'a RawValue, POINTS_MAX>>,
}

/// One series of `get-metric-data`.
#[derive(Deserialize)]
struct MetricDataResult<'a> {
    #[serde(rename = "Id", borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(rename = "Label", borrow, default)]
    label: Option<Cow<'a, str>>,
    #[serde(rename = "Timestamps", borrow)]
    times: Bounded<&'a RawValue, POINTS_MAX>,
    #[serde(rename = "Values", borrow)]
    values: Bounded<&'a RawValue, POINTS_MAX>,
    #[serde(rename = "StatusCode", borrow, default)]
    status: Option<Cow<'a, str>>,
}

/// One data point of `get-metric-statistics`.
#[derive(Deserialize)]
struct Datapoint<'a> {
    #[serde(rename = "Timestamp", borrow)]
    time: &'a RawValue,
    #[serde(rename = "Sum", borrow, default)]
    sum: Option<&'a RawValue>,
}

/// Reads all documents of a file.
pub(super) fn read(text: &str, into: &mut CloudWatch) -> Result<(), CloudWatchError> {
    let mut reader =
        Reader { text, into, last: BTreeMap::new(), last_has_more: false, counted: Cell::default() };
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    for value in &mut values {
        let value = value.map_err(|error| CloudWatchError::NotJson(Place::of_error(&error)))?;
        if value.get().starts_with('[') {
            let documents: Bounded<&RawValue, ENTRIES_MAX> = reader.parse(value)?;
            for document in documents.0 {
                reader.document(document)?;
            }
        } else {
            reader.document(value)?;
        }
    }
    let Reader { last, last_has_more, .. } = reader;
    if last_has_more {
        for key in last.keys() {
            if let Some(series) = into.series.get_mut(key) {
                series.is_complete = false;
            }
        }
    }
    into.close_file();
    Ok(())
}

struct Reader<'t, 'c> {
    text: &'t str,
    into: &'c mut CloudWatch,
    /// The series of the last document, with their ids.
    last: BTreeMap<SeriesKey, Option<String>>,
    /// The last document says that another page follows.
    last_has_more: bool,
    counted: Cell<Counted>,
}

impl<'t> Reader<'t, '_> {
    fn document(&mut self, value: &'t RawValue) -> Result<(), CloudWatchError> {
        let document: Document<'t> = self.parse(value)?;
        self.last.clear();
        self.last_has_more = document.next_token.is_some();
        match (document.results, document.points) {
            (Some(results), None) => results.0.into_iter().try_for_each(|result| self.result(result)),
            (None, Some(points)) => self.statistics(value, document.label.as_deref(), &points.0),
            _ => Err(CloudWatchError::UnknownShape(self.place(value))),
        }
    }

    fn result(&mut self, value: &'t RawValue) -> Result<(), CloudWatchError> {
        let result: MetricDataResult<'t> = self.parse(value)?;
        let label = result.label.as_deref();
        let id = result.id.as_deref();
        let mut series = ReadSeries {
            label: Label::read(label.as_slice(), id),
            id: id.map(str::to_owned),
            name: label.filter(|label| !label.is_empty()).or(id).unwrap_or_default().to_owned(),
            points: Vec::new(),
            is_complete: result.status.is_none_or(|status| status == "Complete"),
            rounded: 0,
            without_offset: 0,
            place: self.place(value),
        };
        if result.times.0.len() != result.values.0.len() {
            return Err(CloudWatchError::LengthsDiffer(series.place));
        }
        // What is skipped may hold anything: averages, negative numbers.
        if matches!(series.label.named, Named::Summed(_)) && !series.label.other_statistic {
            for (time, value) in result.times.0.iter().zip(&result.values.0) {
                self.point(time, value, &mut series)?;
            }
        }
        self.into.add(series, &mut self.last)
    }

    fn statistics(
        &mut self,
        value: &'t RawValue,
        label: Option<&str>,
        points: &[&'t RawValue],
    ) -> Result<(), CloudWatchError> {
        let mut series = ReadSeries {
            label: Label::read(label.as_slice(), None),
            id: None,
            name: label.unwrap_or_default().to_owned(),
            points: Vec::new(),
            is_complete: true,
            rounded: 0,
            without_offset: 0,
            place: self.place(value),
        };
        if let Named::Summed(metric) = series.label.named {
            for &value in points {
                let point: Datapoint<'t> = self.parse(value)?;
                let sum = point
                    .sum
                    .ok_or_else(|| CloudWatchError::Statistic { metric, place: self.place(value) })?;
                self.point(point.time, sum, &mut series)?;
            }
        }
        self.into.add(series, &mut self.last)
    }

    fn point(
        &self,
        time: &RawValue,
        value: &RawValue,
        series: &mut ReadSeries,
    ) -> Result<(), CloudWatchError> {
        let text = time.get().trim_matches('"');
        let (second, no_offset) =
            parse_time(text).ok_or_else(|| CloudWatchError::BadTime(self.place(time)))?;
        let amount = parse_amount(value.get()).map_err(|error| error.at(self.place(value)))?;
        series.points.push((second, amount.value));
        series.rounded += u64::from(amount.is_rounded);
        series.without_offset += u64::from(no_offset);
        Ok(())
    }

    /// Reads a value of the text as something.
    fn parse<T: Deserialize<'t>>(&self, value: &'t RawValue) -> Result<T, CloudWatchError> {
        serde_json::from_str(value.get()).map_err(|error| {
            let (start, inner) = (self.place(value), Place::of_error(&error));
            let place = match inner.line {
                1 => Place { line: start.line, column: start.column + inner.column.saturating_sub(1) },
                line => Place { line: start.line + line - 1, column: inner.column },
            };
            CloudWatchError::UnknownShape(place)
        })
    }

    /// Where a value of the text begins.
    fn place(&self, value: &RawValue) -> Place {
        let offset = value.get().as_ptr().addr() - self.text.as_ptr().addr();
        // Values are asked for from front to back: counting goes on where it stopped, so a file is counted once.
        let mut counted = self.counted.get();
        if offset < counted.offset {
            counted = Counted::default();
        }
        let between = self.text.as_bytes().get(counted.offset..offset).unwrap_or_default();
        counted.newlines += between.iter().filter(|&&byte| byte == b'\n').count();
        if let Some(last) = between.iter().rposition(|&byte| byte == b'\n') {
            counted.line_start = counted.offset + last + 1;
        }
        counted.offset = offset;
        self.counted.set(counted);
        Place { line: 1 + counted.newlines, column: 1 + offset - counted.line_start }
    }
}

/// How far lines are counted.
#[derive(Clone, Copy, Default)]
struct Counted {
    offset: usize,
    newlines: usize,
    line_start: usize,
}

impl Place {
    fn of_error(error: &serde_json::Error) -> Self {
        Place { line: error.line(), column: error.column().max(1) }
    }
}

impl AmountError {
    /// The error of a value at this place.
    pub(super) fn at(self, place: Place) -> CloudWatchError {
        match self {
            AmountError::NotANumber => CloudWatchError::BadValue(place),
            AmountError::Negative => CloudWatchError::NegativeValue(place),
            AmountError::TooLarge => CloudWatchError::ValueTooLarge(place),
        }
    }
}

/// A list of at most `MAX` entries: junk of two bytes an entry would become many times its size.
struct Bounded<T, const MAX: usize>(Vec<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Bounded<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T, const MAX: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Entries<T, MAX> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MAX} entries")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(entry) = entries.next_element()? {
                    if list.len() == MAX {
                        return Err(serde::de::Error::invalid_length(MAX, &self));
                    }
                    list.push(entry);
                }
                Ok(list)
            }
        }

        deserializer.deserialize_seq(Entries::<T, MAX>(PhantomData)).map(Bounded)
    }
}
