//! Reading for other questions than usage: every document of the planned objects, as it is, to whoever asks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};

use borehole_record::{DecodeOptions, Document, DocumentKind, ObjectDecoder, Reject, Sink};
use borehole_store::Body;

use crate::feed::{Feed, Work};
use crate::limits::{ASKED_WHETHER_STOPPED, CHUNKS_IN_FLIGHT_PER_THREAD, OBJECTS_IN_FLIGHT_REMOTE};
use crate::{Error, Plan, Planned, Progress, Role, Source};

/// How to survey.
#[derive(Clone, Copy, Debug)]
pub struct SurveyOptions {
    /// Threads that read and decode; at least 1.
    pub threads: usize,
    /// How to decode.
    pub decode: DecodeOptions,
}

/// What became of the objects of a survey.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Objects read to the end and verified.
    pub objects_read: u64,
    /// Objects that hold no records, by design.
    pub objects_skipped: u64,
    /// Objects that could not be read: (number in the plan, reason). Their documents may have been shown before.
    pub failed: Vec<(u32, &'static str)>,
    /// Spans that are no documents.
    pub documents_rejected: u64,
}

/// Reads the planned objects and shows every document to `visit`, from any thread, in no promised order. Payloads
/// are not followed, documents of the split layout are not joined.
///
/// # Errors
/// Where the run cannot go on: no threads, or a store that stopped.
pub fn survey(
    plan: &Plan,
    sources: &[Source],
    options: &SurveyOptions,
    visit: &(dyn Fn(&Planned, &Document<'_>) + Sync),
    progress: &Progress,
) -> Result<Survey, Error> {
    let threads = options.threads.max(1);
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let pool = builder.build().map_err(|_| Error::Threads { threads })?;
    progress.planned(plan.objects.len() as u64, plan.bytes());
    let is_remote = sources.iter().any(|source| source.store.is_remote());
    let in_flight_max =
        if is_remote { OBJECTS_IN_FLIGHT_REMOTE } else { threads * CHUNKS_IN_FLIGHT_PER_THREAD };
    let surveyor = Surveyor { plan, sources, decode: options.decode, visit, progress };
    let feed: Arc<Feed> = Arc::default();
    let (send, receive) = sync_channel(in_flight_max);
    let mut survey = Survey::default();
    pool.in_place_scope(|scope| {
        // However this ends: nobody waits any more for objects that are still to come.
        let _closing = Closing(&feed);
        let mut waiting = plan.objects.iter().zip(0u32..);
        let mut in_flight = 0;
        loop {
            while in_flight < in_flight_max
                && let Some((planned, number)) = waiting.next()
            {
                in_flight += 1;
                feed.admit(number, &*sources[planned.source as usize].store, &planned.object);
                let (feed, send, surveyor) = (Arc::clone(&feed), send.clone(), &surveyor);
                scope.spawn(move |_| surveyor.work(&feed, &send));
            }
            if in_flight == 0 {
                break;
            }
            let (number, read) = match receive.recv_timeout(ASKED_WHETHER_STOPPED) {
                Ok(done) => done,
                Err(RecvTimeoutError::Timeout) => {
                    match sources.iter().find_map(|source| source.store.stopped()) {
                        Some(error) => return Err(error.into()),
                        None => continue,
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::Internal { what: "readers are gone" });
                }
            };
            in_flight -= 1;
            match read {
                Read::Whole { rejected } => {
                    survey.objects_read += 1;
                    survey.documents_rejected += rejected;
                }
                Read::Foreign => survey.objects_skipped += 1,
                Read::Failed(reason) => {
                    let source = &sources[plan.objects[number as usize].source as usize];
                    if let Some(error) = source.store.stopped() {
                        return Err(error.into());
                    }
                    survey.failed.push((number, reason));
                }
                Read::Panicked => {
                    return Err(Error::Internal { what: "a reader stopped in the middle of an object" });
                }
            }
        }
        Ok(())
    })?;
    survey.failed.sort_unstable();
    Ok(survey)
}

/// Closes a feed in the end.
struct Closing<'a>(&'a Feed);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What became of one object.
enum Read {
    Whole { rejected: u64 },
    Foreign,
    Failed(&'static str),
    Panicked,
}

struct Surveyor<'a> {
    plan: &'a Plan,
    sources: &'a [Source],
    decode: DecodeOptions,
    visit: &'a (dyn Fn(&Planned, &Document<'_>) + Sync),
    progress: &'a Progress,
}

impl Surveyor<'_> {
    fn work(&self, feed: &Feed, send: &SyncSender<(u32, Read)>) {
        // Nothing is ever parked here.
        let Some(Work::Read(numbers, mut body)) = feed.take() else { return };
        for number in numbers {
            if feed.is_closed() {
                return;
            }
            let body = body.take();
            let read = catch_unwind(AssertUnwindSafe(|| self.read(number, body))).unwrap_or(Read::Panicked);
            self.progress.object_done(self.plan.objects[number as usize].object.size);
            let _ = send.send((number, read));
        }
    }

    fn read(&self, number: u32, body: Option<Box<dyn Body>>) -> Read {
        let planned = &self.plan.objects[number as usize];
        let kind = match planned.role {
            Role::Split { kind, .. } => kind,
            Role::Records { .. } | Role::Loose => DocumentKind::Record,
        };
        let mut decoder = ObjectDecoder::new(kind, self.decode);
        let mut visitor = Visitor { planned, visit: self.visit, decoded: 0, rejected: 0 };
        let mut failure = None;
        let mut take = |bytes: &[u8]| {
            failure = decoder.push(bytes, &mut visitor).err();
            failure.is_none()
        };
        let read = match body {
            Some(body) => body.read(&mut take),
            None => self.sources[planned.source as usize].store.read(&planned.object, &mut take),
        };
        match read {
            Ok(receipt) => self.progress.fetched(receipt.bytes),
            Err(reason) => return Read::Failed(reason.as_str()),
        }
        let end = match failure {
            Some(failure) => Err(failure),
            None => decoder.finish(&mut visitor).map(|_| ()),
        };
        let is_foreign = planned.role == Role::Loose && visitor.decoded == 0;
        match end {
            _ if is_foreign => Read::Foreign,
            Ok(()) => Read::Whole { rejected: visitor.rejected },
            Err(failure) => Read::Failed(failure.as_str()),
        }
    }
}

struct Visitor<'a> {
    planned: &'a Planned,
    visit: &'a (dyn Fn(&Planned, &Document<'_>) + Sync),
    decoded: u64,
    rejected: u64,
}

impl Sink for Visitor<'_> {
    fn document(&mut self, document: Document<'_>) {
        self.decoded += 1;
        (self.visit)(self.planned, &document);
    }

    fn reject(&mut self, _reject: Reject) {
        self.rejected += 1;
    }
}
