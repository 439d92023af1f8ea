//! The plan that is told before S3 is read: objects, bytes, requests, and what they cost in money and minutes.

use borehole_scan::{Plan, Source};
use borehole_store::s3::Counters;

/// Tells the plan on stderr. `listed` is what listing has asked of S3 so far.
pub(crate) fn tell(plan: &Plan, sources: &[Source], listed: &Counters) {
    let _ = (plan, sources, listed);
}
