//! Where a payload reference leads, without reading what lies there: for commands that show one request.
//!
//! In: a reference as a record has it, untrusted. Out: the object it names, or why there is none. Always: the same
//! places and the same refusals as in a run, since it asks the run's own resolver; one HEAD a reference. Absent:
//! bodies.

use std::sync::Arc;

use borehole_store::{Object, ReadFailure, Store};

use crate::resolve::Resolver;
use crate::{Error, PayloadRoot, Plan, Progress, Resolve, Source};

/// The places that references may lead to.
pub struct PayloadPlaces<'a> {
    resolver: Resolver<'a>,
}

/// What a reference leads to.
pub enum LookedUp {
    /// An object, and the store that has it. It may be archived.
    Found(Arc<dyn Store>, Object),
    /// There is no such object.
    Missing,
    /// Nobody allowed to look there; a word of the report: `bucket`, `scheme`, `key`, `account`, `path`.
    Refused(&'static str),
    /// It could not be asked for.
    Failed(ReadFailure),
}

impl<'a> PayloadPlaces<'a> {
    /// The roots, and the sources themselves with what their listing told.
    ///
    /// # Errors
    /// None that is known: nothing is listed, and no thread is started.
    pub fn new(
        roots: &[PayloadRoot],
        sources: &[Source],
        plan: &Plan,
        progress: &'a Progress,
    ) -> Result<Self, Error> {
        // Nothing is resolved: the mode keeps the resolver from starting threads.
        let resolver = Resolver::new(Resolve::Never, roots, sources, plan, 1, 0, progress)?;
        Ok(PayloadPlaces { resolver })
    }

    /// Looks up a `*BodyS3Path`. `account` is that of the record: a payload of another one is refused.
    #[must_use]
    pub fn look_up(&self, path: &str, account: Option<&str>) -> LookedUp {
        let places = match self.resolver.locate(path, account) {
            Ok(places) => places,
            Err((reason, _)) => return LookedUp::Refused(reason),
        };
        let mut outcome = LookedUp::Missing;
        for (root, key) in places {
            let store = self.resolver.store(root);
            outcome = match store.head(&key) {
                Ok(Some(object)) => return LookedUp::Found(Arc::clone(store), object),
                Ok(None) => continue,
                Err(ReadFailure::Path | ReadFailure::NotRegularFile) => LookedUp::Refused("path"),
                Err(reason) => LookedUp::Failed(reason),
            };
        }
        outcome
    }
}
