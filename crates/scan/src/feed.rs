//! What the reading threads work on next: objects whose bytes are here, and objects whose payloads are here.
//!
//! Every admitted object becomes one piece of work when reading it need not wait, in whatever order that happens,
//! and perhaps a second one when its payloads have come. A thread takes pieces until it has finished one object;
//! so as many takers as unfinished objects always suffice, and none waits for nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use borehole_store::{Body, Object, Store};

use crate::read::Parked;

/// Something to do for an object.
pub(crate) enum Work {
    /// Read it: from the body, where one was fetched, else from its store.
    Read(u32, Option<Box<dyn Body>>),
    /// Its records' payloads are here: finish it.
    Resume(Box<Parked>),
}

/// The queue.
#[derive(Default)]
pub(crate) struct Feed {
    work: Mutex<VecDeque<Work>>,
    arrived: Condvar,
}

impl Feed {
    /// Makes an object come: at once, or when its store has fetched it.
    pub(crate) fn admit(self: &Arc<Self>, number: u32, store: &dyn Store, object: &Object) {
        if !store.is_remote() {
            return self.push(Work::Read(number, None));
        }
        let feed = Arc::clone(self);
        let ready = move |body| feed.push(Work::Read(number, Some(body)));
        if store.fetch(object, Box::new(ready)).is_err() {
            self.push(Work::Read(number, None));
        }
    }

    fn push(&self, work: Work) {
        self.lock().push_back(work);
        self.arrived.notify_one();
    }

    /// What has only to be finished goes first: it frees memory.
    pub(crate) fn resume(&self, parked: Box<Parked>) {
        self.lock().push_front(Work::Resume(parked));
        self.arrived.notify_one();
    }

    /// The next piece of work; waits for it.
    pub(crate) fn take(&self) -> Work {
        let mut work = self.lock();
        loop {
            match work.pop_front() {
                Some(next) => return next,
                None => work = self.arrived.wait(work).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Work>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
