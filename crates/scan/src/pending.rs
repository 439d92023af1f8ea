//! Waiting for payloads: what is on its way, who waits for it, and the promise that nobody waits for ever.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::feed::Feed;
use crate::read::Parked;
use crate::resolve::Fetched;

/// One payload: wanted by nobody yet, on its way, or here.
#[derive(Default)]
pub(crate) struct Entry {
    state: Mutex<State>,
    arrived: Condvar,
    /// Its stored bytes, until somebody has counted them.
    bytes: AtomicU64,
}

#[derive(Default)]
enum State {
    #[default]
    Vacant,
    Coming(Vec<Arc<Pending>>),
    Here(Fetched),
}

/// What a claim found.
pub(crate) enum Claim {
    /// Nobody has asked for it: the claimant must, and keep a [`Promise`].
    Mine,
    /// Somebody has.
    Taken,
}

impl Entry {
    /// Claims an entry that nobody has asked for.
    pub(crate) fn claim(&self) -> Claim {
        let mut state = self.lock();
        if matches!(*state, State::Vacant) {
            *state = State::Coming(Vec::new());
            return Claim::Mine;
        }
        Claim::Taken
    }

    pub(crate) fn is_coming(&self) -> bool {
        matches!(*self.lock(), State::Coming(_))
    }

    /// Has `pending` told when it is here, unless it is.
    pub(crate) fn tell(&self, pending: &Arc<Pending>) {
        if let State::Coming(waiting) = &mut *self.lock() {
            pending.add();
            waiting.push(Arc::clone(pending));
        }
    }

    /// Waits until it is here; also its stored bytes, to whoever asks first.
    pub(crate) fn wait(&self) -> (Fetched, u64) {
        let mut state = self.lock();
        loop {
            if let State::Here(fetched) = &*state {
                return (fetched.clone(), self.bytes.swap(0, Ordering::Relaxed));
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn arrive(&self, fetched: Fetched, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
        let before = std::mem::replace(&mut *self.lock(), State::Here(fetched));
        self.arrived.notify_all();
        if let State::Coming(waiting) = before {
            for pending in waiting {
                pending.less();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That an entry will come to an end: where whoever holds it gives up, the payload has failed.
pub(crate) struct Promise(Option<Arc<Entry>>);

impl Promise {
    /// For a claimed entry.
    pub(crate) fn new(entry: Arc<Entry>) -> Self {
        Promise(Some(entry))
    }

    /// It is here.
    pub(crate) fn keep(mut self, fetched: Fetched, bytes: u64) {
        if let Some(entry) = self.0.take() {
            entry.arrive(fetched, bytes);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(entry) = self.0.take() {
            entry.arrive(Fetched::Failed, 0);
        }
    }
}

/// The payloads that one object's records wait for; when the last is here, the object goes on.
pub(crate) struct Pending {
    /// One more than payloads on their way, until the object is parked.
    left: AtomicUsize,
    parked: Mutex<Option<Box<Parked>>>,
    feed: Arc<Feed>,
}

impl Pending {
    pub(crate) fn new(feed: Arc<Feed>) -> Arc<Self> {
        Arc::new(Pending { left: AtomicUsize::new(1), parked: Mutex::default(), feed })
    }

    fn add(&self) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }

    fn less(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(parked) = self.parked.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            self.feed.resume(parked);
        }
    }

    /// Lets the object wait. It may go on before this returns.
    pub(crate) fn park(&self, parked: Box<Parked>) {
        *self.parked.lock().unwrap_or_else(PoisonError::into_inner) = Some(parked);
        self.less();
    }
}
