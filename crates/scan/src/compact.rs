//! Documents to invocations: the last step before anything is counted.
//!
//! In: a document (or a joined record) with its payload facts. Out: an [`Invocation`], or what it lacks. Equal
//! sets of strings are shared, so that an hour of records holds each caller's strings once. Always: a record whose
//! strings are remembered costs one look-up and no allocation.

use std::hash::Hash;
use std::sync::Arc;

use borehole_record::{Call, Document, Facets, Invocation, RejectReason, RequestId, Tag, TagText};
use rustc_hash::{FxHashMap, FxHashSet};

pub use crate::resolve::Sides;

/// Things of one kind remembered by one thread; callers with a session per request would fill it without end.
const REMEMBERED_MAX: usize = 8_192;

/// Shares equal sets of strings.
#[derive(Default)]
pub struct Compactor {
    /// By all of their strings in one [`FacetKey`].
    facets: FxHashMap<Box<[u8]>, Arc<Facets>>,
    calls: FxHashSet<Arc<Call>>,
    strings: Shared<str>,
    tags: Shared<[Tag]>,
    /// The key of the document at hand.
    key: FacetKey,
}

impl Compactor {
    /// Makes an invocation of a document. Account and Region come from the key where the document has none.
    ///
    /// # Errors
    /// Where the record lacks what every invocation has: a timestamp or a model.
    pub fn compact(
        &mut self,
        document: Document<'_>,
        sides: Sides,
        object: u32,
        account: Option<&str>,
        region: Option<&str>,
    ) -> Result<Invocation, RejectReason> {
        let timestamp = document.timestamp.ok_or(RejectReason::Timestamp)?;
        let facets = self.facets(&document, account, region).ok_or(RejectReason::ModelId)?;
        Ok(Invocation {
            timestamp,
            request_id: document.request_id.unwrap_or(RequestId::Missing),
            facets,
            input_tokens: document.input_tokens,
            output_tokens: document.output_tokens,
            cache_read_tokens: document.cache_read_tokens,
            cache_write_tokens: document.cache_write_tokens,
            max_tokens: document.max_tokens,
            latency_ms: document.latency_ms,
            first_byte_ms: document.first_byte_ms,
            input_bytes: document.input_bytes,
            output_bytes: document.output_bytes,
            input_kinds: document.input_kinds,
            output_kinds: document.output_kinds,
            http_status: document.http_status.unwrap_or(0),
            input_large: sides.input_large,
            output_large: sides.output_large,
            payload_lost: sides.payload_lost,
            object,
            offset: document.offset,
        })
    }

    /// The shared strings of a document, or `None` where it has no model.
    fn facets(
        &mut self,
        document: &Document<'_>,
        account: Option<&str>,
        region: Option<&str>,
    ) -> Option<Arc<Facets>> {
        let strings = Strings {
            model_id: document.model_id.as_deref()?,
            account: document.account.as_deref().or(account),
            region: document.region.as_deref().or(region),
            operation: document.operation.as_deref(),
            error_code: document.error_code.as_deref(),
            inference_region: document.inference_region.as_deref(),
            service_tier: document.service_tier.as_deref(),
            identity: document.identity.as_deref(),
            stop_reason: document.stop_reason.as_deref(),
            tags: &document.tags,
        };
        self.key.write(&strings);
        if let Some(known) = self.facets.get(&*self.key.bytes) {
            return Some(Arc::clone(known));
        }
        Some(self.remember(&strings))
    }

    /// Makes facets of strings that are new, or forgotten.
    #[cold]
    fn remember(&mut self, strings: &Strings<'_>) -> Arc<Facets> {
        let own = |(key, value): &TagText<'_>| (Box::from(&**key), Box::from(&**value));
        let tags: Vec<Tag> = strings.tags.iter().map(own).collect();
        let call = Call {
            account: self.text(strings.account),
            region: self.text(strings.region),
            model_id: self.strings.share(strings.model_id),
            operation: self.text(strings.operation),
            error_code: self.text(strings.error_code),
            inference_region: self.text(strings.inference_region),
            service_tier: self.text(strings.service_tier),
        };
        let facets = Arc::new(Facets {
            call: share(&mut self.calls, call),
            identity: self.text(strings.identity),
            stop_reason: self.text(strings.stop_reason),
            tags: self.tags.share(&*tags),
        });
        if self.facets.len() >= REMEMBERED_MAX {
            self.facets.clear();
        }
        self.facets.insert(self.key.bytes.as_slice().into(), Arc::clone(&facets));
        facets
    }

    fn text(&mut self, text: Option<&str>) -> Option<Arc<str>> {
        text.map(|text| self.strings.share(text))
    }
}

/// All that goes into [`Facets`], as it stands in a document and its object's key.
struct Strings<'a> {
    account: Option<&'a str>,
    region: Option<&'a str>,
    model_id: &'a str,
    operation: Option<&'a str>,
    error_code: Option<&'a str>,
    inference_region: Option<&'a str>,
    service_tier: Option<&'a str>,
    identity: Option<&'a str>,
    stop_reason: Option<&'a str>,
    tags: &'a [TagText<'a>],
}

/// All strings of some facets in a row, so that one hash and one comparison find them: each string after its length,
/// so that no two sets of strings make the same row.
#[derive(Default)]
struct FacetKey {
    bytes: Vec<u8>,
}

impl FacetKey {
    /// Stands for a string that is absent; no field is as long.
    const ABSENT: u32 = u32::MAX;

    fn write(&mut self, strings: &Strings<'_>) {
        let options = [
            strings.account,
            strings.region,
            Some(strings.model_id),
            strings.operation,
            strings.error_code,
            strings.inference_region,
            strings.service_tier,
            strings.identity,
            strings.stop_reason,
        ];
        self.bytes.clear();
        for text in options {
            match text {
                Some(text) => self.push(text),
                None => self.bytes.extend_from_slice(&Self::ABSENT.to_le_bytes()),
            }
        }
        // What is left is tags, however many.
        for (key, value) in strings.tags {
            self.push(key);
            self.push(value);
        }
    }

    #[inline]
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

/// The one that is remembered, where there is an equal one.
fn share<T: Eq + Hash>(known: &mut FxHashSet<Arc<T>>, thing: T) -> Arc<T> {
    if let Some(known) = known.get(&thing) {
        return Arc::clone(known);
    }
    if known.len() >= REMEMBERED_MAX {
        known.clear();
    }
    let thing = Arc::new(thing);
    known.insert(Arc::clone(&thing));
    thing
}

/// Equal things once.
struct Shared<T: ?Sized>(FxHashSet<Arc<T>>);

impl<T: ?Sized> Default for Shared<T> {
    fn default() -> Self {
        Shared(FxHashSet::default())
    }
}

impl<T: ?Sized + Eq + Hash> Shared<T> {
    fn share<'a>(&mut self, thing: &'a T) -> Arc<T>
    where
        Arc<T>: From<&'a T>,
    {
        if let Some(known) = self.0.get(thing) {
            return Arc::clone(known);
        }
        if self.0.len() >= REMEMBERED_MAX {
            self.0.clear();
        }
        let thing: Arc<T> = Arc::from(thing);
        self.0.insert(Arc::clone(&thing));
        thing
    }
}

#[cfg(test)]
mod tests {
    use borehole_record::Timestamp;

    use super::*;

    fn document() -> Document<'static> {
        Document {
            timestamp: Some(Timestamp::from_seconds(0)),
            model_id: Some("model".into()),
            ..Document::default()
        }
    }

    fn compact(compactor: &mut Compactor, document: Document<'_>) -> Arc<Facets> {
        let compacted = compactor.compact(document, Sides::default(), 0, Some("key account"), None);
        compacted.expect("a timestamp and a model").facets
    }

    #[test]
    fn facets_hold_every_string_of_the_document_in_its_place() {
        let tags = [("a", "1"), ("b", "2")];
        let facets = compact(
            &mut Compactor::default(),
            Document {
                account: Some("account".into()),
                region: Some("region".into()),
                operation: Some("operation".into()),
                error_code: Some("error".into()),
                inference_region: Some("inference".into()),
                service_tier: Some("tier".into()),
                identity: Some("identity".into()),
                stop_reason: Some("stop".into()),
                tags: tags.map(|(key, value)| (key.into(), value.into())).into_iter().collect(),
                ..document()
            },
        );
        let text = |text: &str| Some(Arc::from(text));
        let call = Call {
            account: text("account"),
            region: text("region"),
            model_id: Arc::from("model"),
            operation: text("operation"),
            error_code: text("error"),
            inference_region: text("inference"),
            service_tier: text("tier"),
        };
        let tags: Vec<Tag> = tags.map(|(key, value)| (key.into(), value.into())).to_vec();
        let (identity, stop_reason) = (text("identity"), text("stop"));
        assert_eq!(*facets, Facets { call: Arc::new(call), identity, stop_reason, tags: tags.into() });
    }

    #[test]
    fn equal_strings_are_shared_and_no_two_different_sets_are_taken_for_equal() {
        let tagged = |tags: &[(&'static str, &'static str)]| Document {
            tags: tags.iter().map(|&(key, value)| (key.into(), value.into())).collect(),
            ..document()
        };
        let different = [
            document(),
            Document { account: Some("".into()), ..document() },
            Document { region: Some("".into()), ..document() },
            Document { region: Some("ab".into()), operation: Some("c".into()), ..document() },
            Document { region: Some("a".into()), operation: Some("bc".into()), ..document() },
            Document { identity: Some("a".into()), ..document() },
            Document { stop_reason: Some("a".into()), ..document() },
            tagged(&[("a", "b")]),
            tagged(&[("a", "")]),
            tagged(&[("", "a")]),
            tagged(&[("a", "b"), ("c", "d")]),
            tagged(&[("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")]),
        ];
        let mut compactor = Compactor::default();
        let first: Vec<_> = different.iter().map(|one| compact(&mut compactor, one.clone())).collect();
        for (index, one) in different.into_iter().enumerate() {
            let again = compact(&mut compactor, one);
            assert!(Arc::ptr_eq(&again, &first[index]), "{again:?} is not shared");
            assert_eq!(first.iter().filter(|other| ***other == *again).count(), 1, "{again:?}");
        }
    }

    #[test]
    fn the_account_of_the_key_is_the_same_as_that_of_a_record() {
        let mut compactor = Compactor::default();
        let by_key = compact(&mut compactor, document());
        let own = compact(&mut compactor, Document { account: Some("key account".into()), ..document() });
        assert!(Arc::ptr_eq(&by_key, &own));
    }

    #[test]
    fn callers_without_end_do_not_fill_memory() {
        let mut compactor = Compactor::default();
        for session in 0..2 * REMEMBERED_MAX + 1 {
            let identity = Some(format!("session {session}").into());
            compact(&mut compactor, Document { identity, ..document() });
        }
        assert!(compactor.facets.len() <= REMEMBERED_MAX && compactor.strings.0.len() <= REMEMBERED_MAX);
    }
}
