//! Documents to invocations: the last step before anything is counted.
//!
//! In: a document (or a joined record) with its payload facts. Out: an [`Invocation`], or what it lacks. Equal
//! sets of strings are shared, so that an hour of records holds each caller's strings once.

use std::hash::Hash;
use std::sync::Arc;

use borehole_record::{Call, Document, Facets, Invocation, RejectReason, RequestId, Tag, TagText};
use rustc_hash::FxHashSet;

pub use crate::resolve::Sides;

/// Things of one kind remembered by one thread; callers with a session per request would fill it without end.
const REMEMBERED_MAX: usize = 8_192;

/// Shares equal sets of strings.
#[derive(Default)]
pub struct Compactor {
    calls: FxHashSet<Arc<Call>>,
    facets: FxHashSet<Arc<Facets>>,
    strings: Shared<str>,
    tags: Shared<[Tag]>,
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
        let model_id = document.model_id.ok_or(RejectReason::ModelId)?;
        let call = Call {
            account: self.text(document.account.as_deref().or(account)),
            region: self.text(document.region.as_deref().or(region)),
            model_id: self.strings.share(&*model_id),
            operation: self.text(document.operation.as_deref()),
            error_code: self.text(document.error_code.as_deref()),
            inference_region: self.text(document.inference_region.as_deref()),
            service_tier: self.text(document.service_tier.as_deref()),
        };
        let own = |(key, value): &TagText<'_>| (Box::from(&**key), Box::from(&**value));
        let tags: Vec<Tag> = document.tags.iter().map(own).collect();
        let facets = Facets {
            call: share(&mut self.calls, call),
            identity: self.text(document.identity.as_deref()),
            stop_reason: self.text(document.stop_reason.as_deref()),
            tags: self.tags.share(&tags),
        };
        Ok(Invocation {
            timestamp,
            request_id: document.request_id.unwrap_or(RequestId::Missing),
            facets: share(&mut self.facets, facets),
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

    fn text(&mut self, text: Option<&str>) -> Option<Arc<str>> {
        text.map(|text| self.strings.share(text))
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
