//! Documents to invocations: the last step before anything is counted.
//!
//! In: a document (or a joined record) with its payload facts. Out: an [`Invocation`], or what it lacks. Equal
//! sets of strings are shared, so that an hour of records holds each caller's strings once. Always: a record whose
//! strings are remembered costs a few look-ups and no allocation.

use std::hash::Hash;
use std::sync::Arc;

use borehole_record::{Call, Document, Facets, Invocation, RejectReason, RequestId, Tag, TagText};
use rustc_hash::{FxHashMap, FxHashSet};

pub use crate::resolve::Sides;

/// Things of one kind remembered by one thread; callers with a session per request would fill it without end.
const REMEMBERED_MAX: usize = 8_192;

/// Shares equal sets of strings.
///
/// Callers, tags and calls repeat often, but all three together seldom: each is looked up for itself, by what
/// stands in the document, and the whole by what was found.
#[derive(Default)]
pub struct Compactor {
    /// By the addresses of its parts, which live as long as it does.
    facets: FxHashMap<[usize; 4], Arc<Facets>>,
    /// By all of their strings in one [`Row`].
    calls: FxHashMap<Box<[u8]>, Arc<Call>>,
    /// Likewise.
    tags: FxHashMap<Box<[u8]>, Arc<[Tag]>>,
    strings: Shared<str>,
    /// The key of what is looked up now.
    row: Row,
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
            cache_write_5m_tokens: document.cache_write_5m_tokens,
            cache_write_1h_tokens: document.cache_write_1h_tokens,
            max_tokens: document.max_tokens,
            latency_ms: document.latency_ms,
            first_byte_ms: document.first_byte_ms,
            input_bytes: document.input_bytes,
            output_bytes: document.output_bytes,
            input_kinds: document.input_kinds,
            output_kinds: document.output_kinds,
            images: document.images,
            documents: document.documents,
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
        let facets = Facets {
            call: self.call(document, account, region)?,
            identity: document.identity.as_deref().map(|arn| self.strings.share(arn)),
            stop_reason: document.stop_reason.as_deref().map(|reason| self.strings.share(reason)),
            tags: self.tags(&document.tags),
        };
        let optional = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| Arc::as_ptr(text).addr());
        let parts = [
            Arc::as_ptr(&facets.call).addr(),
            optional(&facets.identity),
            optional(&facets.stop_reason),
            Arc::as_ptr(&facets.tags).addr(),
        ];
        if let Some(known) = self.facets.get(&parts) {
            return Some(Arc::clone(known));
        }
        let facets = Arc::new(facets);
        remember(&mut self.facets, parts, &facets);
        Some(facets)
    }

    fn call(
        &mut self,
        document: &Document<'_>,
        account: Option<&str>,
        region: Option<&str>,
    ) -> Option<Arc<Call>> {
        let model_id = document.model_id.as_deref()?;
        let optional = [
            document.account.as_deref().or(account),
            document.region.as_deref().or(region),
            document.operation.as_deref(),
            document.error_code.as_deref(),
            document.inference_region.as_deref(),
            document.service_tier.as_deref(),
        ];
        self.row.clear();
        self.row.push(model_id);
        optional.iter().for_each(|text| self.row.push_optional(*text));
        if let Some(known) = self.calls.get(&*self.row.bytes) {
            return Some(Arc::clone(known));
        }
        let model_id = self.strings.share(model_id);
        let shared = optional.map(|text| text.map(|text| self.strings.share(text)));
        let [account, region, operation, error_code, inference_region, service_tier] = shared;
        let call = Call { account, region, model_id, operation, error_code, inference_region, service_tier };
        let call = Arc::new(call);
        remember(&mut self.calls, self.row.bytes.as_slice().into(), &call);
        Some(call)
    }

    fn tags(&mut self, tags: &[TagText<'_>]) -> Arc<[Tag]> {
        self.row.clear();
        for (key, value) in tags {
            self.row.push(key);
            self.row.push(value);
        }
        if let Some(known) = self.tags.get(&*self.row.bytes) {
            return Arc::clone(known);
        }
        let own = |(key, value): &TagText<'_>| (Box::from(&**key), Box::from(&**value));
        let tags: Arc<[Tag]> = tags.iter().map(own).collect();
        remember(&mut self.tags, self.row.bytes.as_slice().into(), &tags);
        tags
    }
}

/// Remembers a thing, and forgets all others where they are too many.
fn remember<K: Eq + Hash, T: ?Sized>(known: &mut FxHashMap<K, Arc<T>>, key: K, thing: &Arc<T>) {
    if known.len() >= REMEMBERED_MAX {
        known.clear();
    }
    known.insert(key, Arc::clone(thing));
}

/// Strings in a row, so that one hash and one comparison find them: each after its length, so that no two lists of
/// strings make the same row.
#[derive(Default)]
struct Row {
    bytes: Vec<u8>,
}

impl Row {
    /// Stands for a string that is absent; no field is as long.
    const ABSENT: u32 = u32::MAX;

    fn clear(&mut self) {
        self.bytes.clear();
    }

    #[inline]
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    #[inline]
    fn push_optional(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.push(text),
            None => self.bytes.extend_from_slice(&Self::ABSENT.to_le_bytes()),
        }
    }
}

/// Equal things once.
#[derive(Debug)]
pub(crate) struct Shared<T: ?Sized>(FxHashSet<Arc<T>>);

impl<T: ?Sized> Default for Shared<T> {
    fn default() -> Self {
        Shared(FxHashSet::default())
    }
}

impl<T: ?Sized + Eq + Hash> Shared<T> {
    /// The one that is remembered, where there is an equal one; else a copy.
    pub(crate) fn share<'a>(&mut self, thing: &'a T) -> Arc<T>
    where
        Arc<T>: From<&'a T>,
    {
        match self.0.get(thing) {
            Some(known) => Arc::clone(known),
            None => self.remember(Arc::from(thing)),
        }
    }

    fn remember(&mut self, thing: Arc<T>) -> Arc<T> {
        if self.0.len() >= REMEMBERED_MAX {
            self.0.clear();
        }
        self.0.insert(Arc::clone(&thing));
        thing
    }
}

impl<T: Eq + Hash> Shared<T> {
    /// As [`Shared::share`], without a copy.
    pub(crate) fn share_owned(&mut self, thing: T) -> Arc<T> {
        match self.0.get(&thing) {
            Some(known) => Arc::clone(known),
            None => self.remember(Arc::new(thing)),
        }
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
