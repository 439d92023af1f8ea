//! A source that remembers what its listing came across, for commands that ask about more than what is to be read.
//!
//! In: a source, and which of its objects to keep. Out: the same source for [`borehole_scan::Plan::list`], and what it
//! kept. Always: nothing else about the source changes, and each key is kept once. Absent: any choice of what is
//! listed; that stays the plan's.

use std::sync::{Arc, Mutex, PoisonError};

use borehole_record::{Key, UtcHour};
use borehole_scan::limits::{CLOSING_HOURS, CLOSING_HOURS_SPLIT};
use borehole_scan::{Range, Source};
use borehole_store::{Error, Listed, Object, ReadFailure, Ready, Receipt, Store};

/// Whether to keep an object.
type Keep = Box<dyn Fn(&Object) -> bool + Send + Sync>;

/// The store of a source that remembers.
pub(crate) struct Remembered {
    store: Arc<dyn Store>,
    keep: Keep,
    kept: Mutex<Vec<Object>>,
}

impl Remembered {
    /// Wraps a source: list it, then [`Remembered::take`] what was kept.
    pub(crate) fn around(
        source: &Source,
        keep: impl Fn(&Object) -> bool + Send + Sync + 'static,
    ) -> (Source, Arc<Remembered>) {
        let store = Arc::new(Remembered {
            store: Arc::clone(&source.store),
            keep: Box::new(keep),
            kept: Mutex::default(),
        });
        (Source { store: Arc::clone(&store) as Arc<dyn Store>, ..source.clone() }, store)
    }

    /// What the listing found and `keep` wanted, by key.
    pub(crate) fn take(&self) -> Vec<Object> {
        let mut kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        kept.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        kept.dedup_by(|a, b| a.key == b.key);
        kept
    }

    fn note(&self, listed: &Listed) {
        if let Listed::Object(object) = listed
            && (self.keep)(object)
        {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(object.clone());
        }
    }
}

impl Store for Remembered {
    fn list(
        &self,
        prefix: &[u8],
        enter: &mut dyn FnMut(&[u8]) -> bool,
        found: &mut dyn FnMut(Listed),
    ) -> Result<(), Error> {
        self.store.list(prefix, enter, &mut |listed| {
            self.note(&listed);
            found(listed);
        })
    }

    fn list_flat(&self, folders: &[Vec<u8>], found: &mut dyn FnMut(Listed)) -> Result<(), Error> {
        self.store.list_flat(folders, &mut |listed| {
            self.note(&listed);
            found(listed);
        })
    }

    fn read(&self, object: &Object, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure> {
        self.store.read(object, take)
    }

    fn head(&self, key: &[u8]) -> Result<Option<Object>, ReadFailure> {
        self.store.head(key)
    }

    fn is_remote(&self) -> bool {
        self.store.is_remote()
    }

    fn fetch(&self, object: &Object, ready: Ready) -> Result<(), Ready> {
        self.store.fetch(object, ready)
    }

    fn stopped(&self) -> Option<Error> {
        self.store.stopped()
    }
}

/// What an object of a log is for, as its key tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Records, or a document of one, of this folder hour.
    Records(UtcHour),
    /// A payload of this hour, or of the day that begins with it.
    Payload(UtcHour),
}

impl Part {
    /// Takes a key that a run over `range` reads, the hours beside it included, or whose payload such a record can
    /// have; `None` for all others.
    pub(crate) fn of(key: &[u8], range: &Range) -> Option<Part> {
        let near = |hour: UtcHour, length: i64, slack: i64| {
            let (from, to) = range.hours();
            from.0 - slack < hour.0 + length && hour.0 < to.0 + slack
        };
        match Key::parse(key) {
            Key::AwsRecord { hour, .. } => near(hour, 1, CLOSING_HOURS).then_some(Part::Records(hour)),
            Key::SplitDocument { hour, .. } => {
                near(hour, 1, CLOSING_HOURS_SPLIT).then_some(Part::Records(hour))
            }
            Key::AwsPayload { hour } => near(hour, 1, CLOSING_HOURS).then_some(Part::Payload(hour)),
            // The payload of a request may lie under the day beside its own.
            Key::SplitPayload { day, .. } => {
                let hour = UtcHour(day.0 * 24);
                near(hour, 24, 24 + CLOSING_HOURS_SPLIT).then_some(Part::Payload(hour))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use borehole_record::Timestamp;

    use super::*;

    #[test]
    fn a_part_is_known_by_its_key_and_the_hours_beside_the_range_belong_to_it() {
        let day = UtcHour::of(Timestamp::from_seconds(1_710_115_200)); // 2024-03-11
        let range = Range {
            from: Some(Timestamp::from_seconds(day.start_seconds())),
            to: Some(Timestamp::from_seconds(UtcHour(day.0 + 24).start_seconds())),
        };
        let record = |hour: &str| {
            let key = format!("AWSLogs/111122223333/BedrockModelInvocationLogs/us-east-1/{hour}/a.json.gz");
            Part::of(key.as_bytes(), &range)
        };
        assert_eq!(record("2024/03/11/00"), Some(Part::Records(day)));
        assert_eq!(record("2024/03/10/22"), Some(Part::Records(UtcHour(day.0 - 2))));
        assert_eq!(record("2024/03/10/21"), None);
        assert_eq!(record("2024/03/12/02"), None);
        let payload = |day: &str| Part::of(format!("{day}/some-id/payload.json").as_bytes(), &range);
        assert_eq!(payload("2024/03/10"), Some(Part::Payload(UtcHour(day.0 - 24))));
        assert_eq!(payload("2024/03/12"), Some(Part::Payload(UtcHour(day.0 + 24))));
        assert_eq!(payload("2024/03/14"), None);
        assert_eq!(Part::of(b"notes.txt", &range), None);
    }
}
