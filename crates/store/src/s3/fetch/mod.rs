//! Getting bytes: small objects whole, large ones in ranges, and what breaks off is continued.
//!
//! In: objects, as a listing saw them or by their keys alone. Out: their stored bytes as [`Body`]s, or the reason
//! why not. Always: the bytes are those of one version of the object, pinned by its ETag, in order, each once, and
//! as many as its size says; what may be received at once is reserved before it is asked for; every `ready` is
//! called, whatever happens to its task. Absent: what the bytes mean, but for this: a body that begins like gzip
//! has checksums of its own, so none is computed here.
//!
//! [`piece`] is one GET after another until a piece of an object is here, [`ranged`] is many pieces in order,
//! [`effort`] says how often and how long, [`watch`] when a connection is given up, [`target`] what is asked for
//! and looked up, [`integrity`] how a whole is verified.

mod effort;
mod integrity;
mod piece;
mod ranged;
mod target;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use target::version_of;

use self::effort::Effort;
use self::piece::{Chunk, End, Piece, Span};
use self::target::Target;
use super::connect::Bucket;
use super::failure::Fatal;
use super::limiter::{Permit, Reservation};
use super::limits::{
    DENIALS_JUDGED, OBJECT_BYTES_MIN, RANGE_BYTES, RANGES_IN_FLIGHT, RELEASE_BYTES, UNLISTED_BYTES,
    WHOLE_BYTES_MAX,
};
use super::{Dated, Tuning};
use crate::{Body, Object, ReadFailure, Ready, Receipt};

/// As [`crate::Store::fetch`].
pub(crate) fn begin(bucket: &Arc<Bucket>, object: &Object, ready: Ready) {
    let promise = Promise { bucket: Arc::clone(bucket), ready: Some(ready) };
    if bucket.stopped().is_some() {
        return promise.keep(Err(ReadFailure::Stopped));
    }
    // A key of S3 is UTF-8; there is nothing under any other.
    let Some(target) = Target::new(bucket, object) else { return promise.keep(Err(ReadFailure::Vanished)) };
    let bytes = Cut::of(&bucket.connections.tuning).reservation(object.size);
    bucket.connections.limiter.enter(target.lane(), bytes, move |permit, room| {
        let connections = Arc::clone(&target.bucket.connections);
        connections.runtime.spawn(fetch(target, permit, room, promise));
    });
}

/// As [`crate::Store::read`].
///
/// The thread that calls this waits, so its object comes before all that were only begun, and takes nothing from
/// the budget of bytes (see [`Reservation::free`]).
pub(crate) fn read(
    bucket: &Arc<Bucket>,
    object: &Object,
    take: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<Receipt, ReadFailure> {
    if bucket.stopped().is_some() {
        return Err(ReadFailure::Stopped);
    }
    let target = Target::new(bucket, object).ok_or(ReadFailure::Vanished)?;
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    let promise = Promise {
        bucket: Arc::clone(bucket),
        ready: Some(Box::new(move |body| {
            // Its receiver waits below.
            let _ = sender.send(body);
        })),
    };
    bucket.connections.runtime.spawn(async move {
        match target.bucket.connections.limiter.permit().await {
            Some(permit) => fetch(target, permit, Reservation::free(), promise).await,
            None => promise.keep(Err(ReadFailure::Stopped)),
        }
    });
    receiver.recv().map_err(|_| ReadFailure::Stopped)?.read(take)
}

/// As [`crate::S3Store::look_up`].
pub(crate) fn head(bucket: &Arc<Bucket>, key: &[u8]) -> Result<Option<Dated>, ReadFailure> {
    let Some(target) = Target::new(bucket, &Object::unlisted(key)) else { return Ok(None) };
    if bucket.stopped().is_some() {
        return Err(ReadFailure::Stopped);
    }
    let limiter = bucket.connections.limiter.clone();
    bucket.connections.runtime.block_on(async move {
        let mut permit = limiter.permit().await;
        let mut effort = Effort::new(&bucket.connections.tuning);
        let found = target.look_up(&mut permit, &mut effort).await;
        if let Some(permit) = permit {
            permit.succeed(0);
        }
        found
    })
}

/// Into what objects are cut. A small budget makes small pieces, so that a large object fits into a quarter of
/// any: the share of what is referred to.
#[derive(Clone, Copy)]
struct Cut {
    whole_bytes_max: u64,
    range_bytes: u64,
}

impl Cut {
    fn of(tuning: &Tuning) -> Self {
        let share = (tuning.buffered_bytes_max / (4 * RANGES_IN_FLIGHT as u64)).max(1);
        Cut { whole_bytes_max: WHOLE_BYTES_MAX.min(share), range_bytes: RANGE_BYTES.min(share) }
    }

    /// Bytes that an object of this size may hold at once.
    fn reservation(self, size: Option<u64>) -> u64 {
        match size {
            Some(size) if size <= self.whole_bytes_max => size.max(OBJECT_BYTES_MIN),
            Some(size) => size.min(self.range_bytes * RANGES_IN_FLIGHT as u64),
            None => UNLISTED_BYTES.min(self.whole_bytes_max),
        }
    }

    fn first(self, size: Option<u64>) -> Span {
        match size {
            Some(size) if size > self.whole_bytes_max => {
                Span::Range { start: 0, end: self.range_bytes.min(size) }
            }
            _ => Span::Whole,
        }
    }
}

/// Fetches one object as far as it must be here before it can be read.
async fn fetch(mut target: Target, permit: Permit, mut room: Reservation, promise: Promise) {
    let mut permit = Some(permit);
    let first = fetch_first(&mut target, &mut permit, &mut room).await;
    if let (Ok(piece), Some(permit)) = (&first, permit.take()) {
        permit.succeed(piece.received());
    }
    target.bucket.denials.note(&target.bucket, first.as_ref().err());
    promise.keep(first.map(|piece| -> Box<dyn Body> {
        match piece.span {
            Span::Whole => Box::new(Whole { chunks: piece.into_chunks(), room, revised: target.revised }),
            Span::Range { .. } => Box::new(ranged::Ranged::begin(target, piece, room)),
        }
    }));
}

/// The whole of a small object, or the first range of a large one. Nothing of it was handed over yet, so it may
/// turn out to be another than was listed, once.
async fn fetch_first(
    target: &mut Target,
    permit: &mut Option<Permit>,
    room: &mut Reservation,
) -> Result<Piece, ReadFailure> {
    let bucket = Arc::clone(&target.bucket);
    let cut = Cut::of(&bucket.connections.tuning);
    let mut effort = Effort::new(&bucket.connections.tuning);
    loop {
        // It may have waited for its turn while all was stopped.
        if bucket.stopped().is_some() {
            return Err(ReadFailure::Stopped);
        }
        let bytes = cut.reservation(target.size);
        if !room.try_grow(bytes) {
            // To wait for the rest while holding a part could be to wait for ever, if others do the same.
            let limiter = &bucket.connections.limiter;
            *permit = limiter.reenter(permit.take(), room, bytes).await;
            if permit.is_none() {
                return Err(ReadFailure::Stopped);
            }
        }
        let mut piece = Piece::new(cut.first(target.size));
        match piece.fetch(target, permit, room, &mut effort).await {
            Ok(()) => {
                room.shrink(cut.reservation(target.size));
                return Ok(piece);
            }
            Err(End::Failed(failure)) => return Err(failure),
            Err(End::NeedsRoom) => {}
            Err(End::Differs(word)) => target.look_again(word, permit, &mut effort).await?,
        }
    }
}

/// Sees to it that `ready` is called, even if its task panics or is dropped with the runtime.
struct Promise {
    bucket: Arc<Bucket>,
    ready: Option<Ready>,
}

impl Promise {
    fn keep(mut self, outcome: Result<Box<dyn Body>, ReadFailure>) {
        self.call(outcome);
    }

    fn call(&mut self, outcome: Result<Box<dyn Body>, ReadFailure>) {
        if let Some(ready) = self.ready.take() {
            ready(outcome.unwrap_or_else(|failure| Box::new(Failed(failure))));
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let word = if self.bucket.stopped().is_none() && std::thread::panicking() {
            ReadFailure::Connection
        } else {
            ReadFailure::Stopped
        };
        self.call(Err(word));
    }
}

/// An object that could not be fetched.
struct Failed(ReadFailure);

impl Body for Failed {
    fn read(self: Box<Self>, _take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure> {
        Err(self.0)
    }
}

/// An object that is here.
struct Whole {
    chunks: Vec<Chunk>,
    room: Reservation,
    revised: bool,
}

impl Body for Whole {
    fn read(mut self: Box<Self>, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure> {
        let mut left: u64 = self.chunks.iter().map(|chunk| chunk.as_ref().len() as u64).sum();
        let mut receipt = Receipt { bytes: 0, revised: self.revised };
        let mut released_at = left;
        for chunk in std::mem::take(&mut self.chunks) {
            let bytes = chunk.as_ref().len() as u64;
            receipt.bytes += bytes;
            if !take(chunk.as_ref()) {
                break;
            }
            drop(chunk);
            left -= bytes;
            if released_at - left >= RELEASE_BYTES {
                released_at = left;
                self.room.shrink(left);
            }
        }
        Ok(receipt)
    }
}

/// How many of a bucket's first objects were refused.
#[derive(Default)]
pub(crate) struct Denials {
    objects: AtomicU64,
    denied: AtomicU64,
}

impl Denials {
    /// Notes what became of an object, and stops the bucket where it refuses most of what it lists (faults B6),
    /// or wants to be paid (faults B11).
    fn note(&self, bucket: &Bucket, failure: Option<&ReadFailure>) {
        if failure == Some(&ReadFailure::RequesterPays) {
            bucket.stop(Fatal::RequesterPays);
        }
        let objects = self.objects.fetch_add(1, Ordering::Relaxed);
        if failure == Some(&ReadFailure::AccessDenied) && objects < DENIALS_JUDGED {
            let denied = self.denied.fetch_add(1, Ordering::Relaxed) + 1;
            if denied > DENIALS_JUDGED / 2 {
                bucket.stop(Fatal::AccessDenied);
            }
        }
    }
}
