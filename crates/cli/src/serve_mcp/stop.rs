//! What a call reads, for as long as somebody waits for it, and how far it is.
//!
//! In: a source, and the watch of a call. Out: the same source, whose listings and readings end soon after the watch
//! was stopped, those that wait for a network included; the progress of a reading, on the watch. Always: the error is that of a store that stopped, by which
//! `scan`, `survey` and `Plan::list` end a run; nothing else that reads the same place is stopped with it.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use borehole_mcp::Watch;
use borehole_scan::{PayloadRoot, Progress, Source};
use borehole_store::Stop;

/// When to end what a watch is about.
pub(crate) fn stop(watch: &Watch) -> Stop {
    let watch = watch.clone();
    Stop::new(move || watch.is_stopped())
}

/// The same source, until the watch is stopped.
pub(crate) fn stoppable(source: Source, watch: &Watch) -> Source {
    source.stopping(&stop(watch))
}

/// The same place of payloads, until the watch is stopped.
pub(crate) fn stoppable_root(root: PayloadRoot, watch: &Watch) -> PayloadRoot {
    root.stopping(&stop(watch))
}

/// How often a watch hears of progress: clients are told about once a second.
const NEWS_EVERY: Duration = Duration::from_millis(250);

/// Tells a watch how far a reading is, until this is dropped.
pub(crate) struct Followed {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Begins to tell a watch how far a reading is: the part of the bytes to read that are read. While the listing goes on
/// that is nothing.
pub(crate) fn follow(progress: &Arc<Progress>, watch: &Watch) -> Followed {
    let (progress, watch) = (Arc::clone(progress), watch.clone());
    let (end, ended) = channel();
    let thread = std::thread::spawn(move || {
        while ended.recv_timeout(NEWS_EVERY) == Err(RecvTimeoutError::Timeout) {
            watch.advance(millionths(&progress));
        }
    });
    Followed { end: Some(end), thread: Some(thread) }
}

impl Drop for Followed {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn millionths(progress: &Progress) -> u32 {
    let read = progress.read();
    let (done, total) = match read.bytes_total {
        0 => (read.objects_done, read.objects_total),
        total => (read.bytes_done, total),
    };
    let part = u128::from(done) * 1_000_000 / u128::from(total.max(1));
    u32::try_from(part).map_or(1_000_000, |part| part.min(1_000_000))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use borehole_record::DecodeOptions;
    use borehole_scan::{Error, ListOptions, Plan, Range, SurveyOptions, limits, survey};

    use super::*;
    use crate::remembered::Remembered;

    fn fixture() -> Source {
        let dump = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dumps/aws");
        Source::open(dump).expect("the fixture is there")
    }

    fn list(source: &Source) -> Result<Plan, Error> {
        Plan::list(
            std::slice::from_ref(source),
            Range::default(),
            ListOptions::default(),
            &Progress::default(),
        )
    }

    fn assert_stopped(error: &Error) {
        assert!(matches!(error, Error::Store(error) if error.cause == "stopped"), "{error}");
    }

    #[test]
    fn a_listing_ends_in_the_middle_and_leaves_its_source_as_it_was() {
        let watch = Watch::new();
        let source = stoppable(fixture(), &watch);
        let all = list(&source).expect("nobody has stopped it").ledger.objects_listed;
        let stopper = watch.clone();
        let (stopping, found) = Remembered::around(&source, move |_| {
            stopper.stop();
            true
        });
        assert_stopped(&list(&stopping).expect_err("it is stopped"));
        let found = found.take().len() as u64;
        assert!(0 < found && found < all, "{found} of {all}");
        assert_stopped(&list(&source).expect_err("it stays stopped"));
        assert_eq!(list(&fixture()).expect("another one").ledger.objects_listed, all);
    }

    #[test]
    fn a_survey_ends_in_the_middle() {
        let watch = Watch::new();
        let source = stoppable(fixture(), &watch);
        let plan = list(&source).expect("a listing");
        let decode = DecodeOptions {
            facts: false,
            accept_epoch: false,
            lenient_numbers: false,
            allow_double_gzip: false,
            decoded_bytes_max: limits::DECODED_BYTES_MAX,
        };
        let options = SurveyOptions { threads: 1, decode };
        let seen: Mutex<Vec<Box<[u8]>>> = Mutex::default();
        let run = survey(
            &plan,
            &[source],
            &options,
            &|planned, _| {
                seen.lock().expect("one thread").push(planned.object.key.clone());
                watch.stop();
            },
            &Progress::default(),
        );
        assert_stopped(&run.expect_err("it is stopped"));
        let mut seen = seen.into_inner().expect("one thread");
        seen.dedup();
        assert_eq!(seen.len(), 1, "only the object that was being read: {}", plan.objects.len());
        assert!(plan.objects.len() > 1);
    }
}
