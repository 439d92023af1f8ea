//! Documents to invocations: the last step before anything is counted.
//!
//! In: a document (or a joined record) with its payload facts. Out: an [`Invocation`], or what it lacks. Equal
//! sets of strings are shared, so that an hour of records holds each caller's strings once.

use std::sync::Arc;

use borehole_record::{Document, Facets, Invocation, RejectReason, RequestId};
use rustc_hash::FxHashSet;

use crate::resolve::Sides;

/// Sets of strings remembered by one thread; callers with a session per request would fill it without end.
const FACETS_REMEMBERED: usize = 8_192;

/// Shares equal sets of strings.
#[derive(Default)]
pub(crate) struct Compactor {
    facets: FxHashSet<Arc<Facets>>,
}

impl Compactor {
    /// Makes an invocation of a document. Account and Region come from the key where the document has none.
    pub(crate) fn compact(
        &mut self,
        document: Document,
        sides: Sides,
        object: u32,
        account: Option<&str>,
        region: Option<&str>,
    ) -> Result<Invocation, RejectReason> {
        let timestamp = document.timestamp.ok_or(RejectReason::Timestamp)?;
        let model_id = document.model_id.ok_or(RejectReason::ModelId)?;
        let facets = Facets {
            account: document.account.or_else(|| account.map(Box::from)),
            region: document.region.or_else(|| region.map(Box::from)),
            model_id,
            operation: document.operation,
            identity: document.identity,
            error_code: document.error_code,
            inference_region: document.inference_region,
            stop_reason: document.stop_reason,
            service_tier: document.service_tier,
            tags: document.tags.into(),
        };
        Ok(Invocation {
            timestamp,
            request_id: document.request_id.unwrap_or(RequestId::Missing),
            facets: self.share(facets),
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

    fn share(&mut self, facets: Facets) -> Arc<Facets> {
        if let Some(known) = self.facets.get(&facets) {
            return Arc::clone(known);
        }
        if self.facets.len() >= FACETS_REMEMBERED {
            self.facets.clear();
        }
        let facets = Arc::new(facets);
        self.facets.insert(Arc::clone(&facets));
        facets
    }
}
