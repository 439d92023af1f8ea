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
