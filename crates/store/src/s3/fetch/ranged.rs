//! A large object: many pieces, handed over in order.
//!
//! In: the first range, and what else there is to get. Out: the whole, chunk by chunk, to the thread that reads
//! it. Always: as many ranges as are reserved are here or on their way, and a range is asked for only when there
//! is room for all of it, so that no request waits for a decoder; dropping the body ends what is under way.
//! Absent: another version than the first range's: bytes of it are handed over already (faults A10).

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use md5::{Digest, Md5};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::effort::Effort;
use super::piece::{Chunk, End, Piece, Span};
use super::target::Target;
use super::{Cut, Reservation};
use crate::s3::limits::RANGES_IN_FLIGHT;
use crate::{Body, ReadFailure, Receipt};

/// The body of a large object.
pub(super) struct Ranged {
    flow: Arc<Flow>,
    first: Vec<Chunk>,
    room: Reservation,
    size: u64,
    cut: Cut,
    revised: bool,
    /// What the bytes must amount to, where that is known and they do not know it themselves.
    md5: Option<[u8; 16]>,
    workers: Vec<AbortHandle>,
}

/// Between those who fetch and the one who reads.
struct Flow {
    /// One for each range that may be fetched and is not yet.
    slots: Semaphore,
    state: Mutex<State>,
    arrived: Condvar,
}

struct State {
    /// Where the next range begins that nobody has begun to fetch.
    next: u64,
    /// Ranges by where they begin.
    arrived: BTreeMap<u64, Result<Vec<Chunk>, ReadFailure>>,
}

impl Flow {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ranged {
    /// Begins to fetch what follows the first range. Called on the runtime.
    pub(super) fn begin(target: Target, first: Piece, room: Reservation) -> Self {
        let cut = Cut::of(&target.bucket.connections.tuning);
        let size = target.size.unwrap_or(first.received());
        let md5 = first.seal.md5.filter(|_| !first.is_gzip());
        let flow = Arc::new(Flow {
            // The first range has its room still.
            slots: Semaphore::new(RANGES_IN_FLIGHT - 1),
            state: Mutex::new(State { next: first.received(), arrived: BTreeMap::new() }),
            arrived: Condvar::new(),
        });
        let revised = target.revised;
        let workers = (0..RANGES_IN_FLIGHT)
            .map(|_| tokio::spawn(work(target.clone(), Arc::clone(&flow), size, cut)).abort_handle())
            .collect();
        Ranged { flow, first: first.into_chunks(), room, size, cut, revised, md5, workers }
    }

    /// Waits for the range that begins at `start`.
    fn wait_for(&self, start: u64) -> Result<Vec<Chunk>, ReadFailure> {
        let mut state = self.flow.lock();
        loop {
            if let Some(range) = state.arrived.remove(&start) {
                return range;
            }
            state = self.flow.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Body for Ranged {
    fn read(mut self: Box<Self>, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure> {
        let mut receipt = Receipt { bytes: 0, revised: self.revised };
        let mut sum = self.md5.map(|_| Md5::new());
        let mut chunks = std::mem::take(&mut self.first);
        loop {
            for chunk in chunks {
                receipt.bytes += chunk.as_ref().len() as u64;
                if let Some(sum) = &mut sum {
                    sum.update(chunk.as_ref());
                }
                if !take(chunk.as_ref()) {
                    return Ok(receipt);
                }
            }
            if receipt.bytes >= self.size {
                break;
            }
            // What was handed over makes room for another range, while there is one.
            self.room.shrink(self.cut.reservation(Some(self.size - receipt.bytes)));
            self.flow.slots.add_permits(1);
            chunks = self.wait_for(receipt.bytes)?;
        }
        let is_sound = sum.is_none_or(|sum| self.md5.is_none_or(|md5| sum.finalize().as_slice() == md5));
        if is_sound { Ok(receipt) } else { Err(ReadFailure::Checksum) }
    }
}

impl Drop for Ranged {
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.abort();
        }
    }
}

/// Fetches ranges as long as there is room and there are any.
async fn work(mut target: Target, flow: Arc<Flow>, size: u64, cut: Cut) {
    let bucket = Arc::clone(&target.bucket);
    loop {
        let Ok(slot) = flow.slots.acquire().await else { return };
        slot.forget();
        let start = {
            let mut state = flow.lock();
            let start = state.next;
            state.next = start.saturating_add(cut.range_bytes).min(size);
            start
        };
        if start >= size {
            return;
        }
        let mut delivery = Delivery { flow: &flow, start, outcome: Err(ReadFailure::Connection) };
        let mut piece =
            Piece::new(Span::Range { start, end: start.saturating_add(cut.range_bytes).min(size) });
        let mut permit = bucket.connections.limiter.permit().await;
        let mut effort = Effort::new(&bucket.connections.tuning);
        // All of it is reserved: the room is the body's.
        let outcome = piece.fetch(&mut target, &mut permit, &mut Reservation::free(), &mut effort).await;
        if let (Ok(()), Some(permit)) = (&outcome, permit.take()) {
            permit.succeed(piece.received());
        }
        let failed = outcome.is_err();
        delivery.outcome = match outcome {
            Ok(()) => Ok(piece.into_chunks()),
            Err(End::Failed(failure)) => Err(failure),
            Err(End::Differs(_) | End::NeedsRoom) => Err(ReadFailure::Changed),
        };
        drop(delivery);
        if failed {
            return;
        }
    }
}

/// A range's outcome, which arrives even if its task panics: somebody waits for it.
struct Delivery<'a> {
    flow: &'a Flow,
    start: u64,
    outcome: Result<Vec<Chunk>, ReadFailure>,
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Err(ReadFailure::Stopped));
        self.flow.lock().arrived.insert(self.start, outcome);
        self.flow.arrived.notify_all();
    }
}
