//! What the reading threads work on next: objects whose bytes are here, and objects whose payloads are here.
//!
//! Every admission (one object, or several that are at hand) becomes one piece of work when reading it need not wait,
//! in whatever order that happens, and perhaps a second one when its payloads have come. A thread takes pieces
//! until it has finished one admission; so as many takers as unfinished ones always suffice, and none waits for
//! nothing. A run that ends before its time closes the feed: nobody waits any more.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use borehole_store::{Body, Object, Store};

use crate::read::Parked;

/// Something to do.
pub(crate) enum Work {
    /// Read objects of one folder hour: from the body, where one was fetched for the only one, else from their
    /// stores.
    Read(Vec<u32>, Option<Box<dyn Body>>),
    /// The payloads of an object's records are here: finish it.
    Resume(Box<Parked>),
}

/// The queue.
#[derive(Default)]
pub(crate) struct Feed {
    line: Mutex<Line>,
    arrived: Condvar,
}

#[derive(Default)]
struct Line {
    work: VecDeque<Work>,
    is_closed: bool,
}

impl Feed {
    /// Makes objects of one folder hour come that are at hand.
    pub(crate) fn admit_local(&self, numbers: Vec<u32>) {
        self.push(Work::Read(numbers, None));
    }

    /// Makes an object come: at once, or when its store has fetched it.
    pub(crate) fn admit(self: &Arc<Self>, number: u32, store: &dyn Store, object: &Object) {
        if !store.is_remote() {
            return self.admit_local(vec![number]);
        }
        let feed = Arc::clone(self);
        let ready = move |body| feed.push(Work::Read(vec![number], Some(body)));
        if store.fetch(object, Box::new(ready)).is_err() {
            self.admit_local(vec![number]);
        }
    }

    fn push(&self, work: Work) {
        self.lock().work.push_back(work);
        self.arrived.notify_one();
    }

    /// What has only to be finished goes first: it frees memory.
    pub(crate) fn resume(&self, parked: Box<Parked>) {
        self.lock().work.push_front(Work::Resume(parked));
        self.arrived.notify_one();
    }

    /// The next piece of work; waits for it. `None` once the feed is closed.
    pub(crate) fn take(&self) -> Option<Work> {
        let mut line = self.lock();
        loop {
            if line.is_closed {
                return None;
            }
            match line.work.pop_front() {
                Some(next) => return Some(next),
                None => line = self.arrived.wait(line).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Nothing of the run is wanted any more: what waits is dropped, and so is what still comes.
    pub(crate) fn close(&self) {
        let mut line = self.lock();
        line.is_closed = true;
        let dropped = std::mem::take(&mut line.work);
        drop(line);
        self.arrived.notify_all();
        drop(dropped);
    }

    /// Whether nothing of the run is wanted any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
