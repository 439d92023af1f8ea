//! Calls that outlive the question: each runs in a thread of its own, and whoever asked waits for it as long as it likes.
//!
//! In: calls, from the server. Out: their answers, or that they are still running. Always: equal calls are one run; logs
//! are read by one run at a time; a run that nobody waits for is stopped, unless its answer was promised; every list
//! here is bounded. Absent: frames, and what an answer says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::engine::{Engine, Failure, FailureKind, Watch};
use crate::tools::{Call, Lane};

/// Runs that wait or run at a time, and questions that wait for one of them. An assistant asks a few at once; beyond this
/// somebody is flooding us.
const UNDER_WAY_MAX: usize = 64;

/// Answers kept for who was told to ask again: as many as an assistant may have asked for and turned away from.
const KEPT_MAX: usize = 16;

/// How long they are kept. Whoever was told to ask again after seconds does so within minutes.
const KEPT_FOR: Duration = Duration::from_mins(10);

/// The stack of a run: what the main thread has, where the same reading runs in the other commands.
const STACK_BYTES: usize = 8 << 20;

/// What becomes of a call; shared by all who wait for it.
pub(crate) type Answer = Result<Arc<Map<String, Value>>, Failure>;

/// All calls of one client.
pub(crate) struct Calls {
    engine: Arc<dyn Engine>,
    book: Mutex<Book>,
    /// A run has ended.
    ended: Condvar,
}

/// Everything that is known of calls. Few enough to look through from end to end.
#[derive(Default)]
struct Book {
    /// In the order in which they were asked.
    entries: Vec<Entry>,
    /// The client has left.
    is_closed: bool,
}

struct Entry {
    run: Arc<Run>,
    stage: Stage,
    /// Questions that wait for it.
    waiters: usize,
    /// Somebody was told to come back for the answer.
    is_promised: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Its lane is full.
    Queued,
    /// In a thread.
    Running,
    /// In a thread that was told to stop. Nobody can join it any more, and its place is not free before it has ended.
    Stopping,
    /// Ended then.
    Ended(Instant),
}

struct Run {
    call: Call,
    watch: Watch,
    answer: watch::Sender<Option<Answer>>,
}

/// Why a call is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// Too many are under way.
    Busy,
    /// The client has left.
    Closed,
}

impl Calls {
    /// No call yet.
    pub(crate) fn new(engine: Arc<dyn Engine>) -> Arc<Calls> {
        Arc::new(Calls { engine, book: Mutex::default(), ended: Condvar::new() })
    }

    /// Starts a call, or joins an equal one that is known already.
    ///
    /// # Errors
    /// Where too many are under way, and once closed.
    pub(crate) fn ask(self: &Arc<Self>, call: Call) -> Result<Waiting, Refused> {
        let mut book = self.book();
        if book.is_closed {
            return Err(Refused::Closed);
        }
        book.forget(Instant::now());
        let run = if let Some(entry) = book.entries.iter_mut().find(|entry| entry.is_joined_by(&call)) {
            if entry.waiters >= UNDER_WAY_MAX {
                return Err(Refused::Busy);
            }
            entry.waiters += 1;
            Arc::clone(&entry.run)
        } else {
            if book.entries.iter().filter(|entry| !entry.has_ended()).count() >= UNDER_WAY_MAX {
                return Err(Refused::Busy);
            }
            let lane = call.lane();
            let run = Arc::new(Run { call, watch: Watch::new(), answer: watch::Sender::new(None) });
            book.entries.push(Entry {
                run: Arc::clone(&run),
                stage: Stage::Queued,
                waiters: 1,
                is_promised: false,
            });
            self.start(&mut book, lane);
            run
        };
        drop(book);
        Ok(Waiting { answer: run.answer.subscribe(), calls: Arc::clone(self), run })
    }

    /// The client has left: stops every run, and answers whoever still waits. Nothing is taken from now on.
    pub(crate) fn close(&self) {
        let mut book = self.book();
        book.is_closed = true;
        for entry in book.entries.iter_mut().filter(|entry| !entry.has_ended()) {
            entry.run.watch.stop();
            entry.run.answer.send_replace(Some(Err(failure(FailureKind::Stopped, "the client has left"))));
            if entry.stage == Stage::Running {
                entry.stage = Stage::Stopping;
            }
        }
        book.entries.retain(|entry| entry.stage == Stage::Stopping);
    }

    /// Waits until every run has ended, at most so long.
    pub(crate) fn wait_until_ended(&self, within: Duration) {
        let has_running = |book: &mut Book| book.entries.iter().any(Entry::is_in_thread);
        drop(
            self.ended
                .wait_timeout_while(self.book(), within, has_running)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Gives threads to the runs of a lane that may have one, in the order in which they were asked.
    fn start(self: &Arc<Self>, book: &mut Book, lane: Lane) {
        let running =
            book.entries.iter().filter(|entry| entry.is_in_thread() && entry.lane() == lane).count();
        let free = threads_max(lane).saturating_sub(running);
        let is_next = |entry: &&mut Entry| entry.stage == Stage::Queued && entry.lane() == lane;
        for entry in book.entries.iter_mut().filter(is_next).take(free) {
            let (calls, run) = (Arc::clone(self), Arc::clone(&entry.run));
            let thread = thread::Builder::new().name("call".to_owned()).stack_size(STACK_BYTES);
            if thread.spawn(move || calls.run(&run)).is_ok() {
                entry.stage = Stage::Running;
            } else {
                entry.end(Err(failure(FailureKind::Internal, "no thread is left to answer in")));
            }
        }
    }

    /// What a thread does.
    fn run(self: &Arc<Self>, run: &Arc<Run>) {
        let answer = catch_unwind(AssertUnwindSafe(|| run.call.answer(self.engine.as_ref(), &run.watch)))
            // Its text may quote what was being read.
            .unwrap_or_else(|_| Err(failure(FailureKind::Internal, "internal error")));
        let mut book = self.book();
        if let Some(index) = book.index(run) {
            if book.entries[index].stage == Stage::Stopping {
                book.entries.remove(index);
            } else {
                book.entries[index].end(answer.map(Arc::new));
            }
        }
        book.forget(Instant::now());
        if !book.is_closed {
            self.start(&mut book, run.call.lane());
        }
        drop(book);
        self.ended.notify_all();
    }

    /// A panic while it is held would be ours; what is in the book stands either way.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Threads of a lane. A reading of logs uses every processor and all of `--memory`, so there is one; an object takes a
/// request or two, and a handful of them overlap well.
fn threads_max(lane: Lane) -> usize {
    match lane {
        Lane::Reading => 1,
        Lane::Objects => 4,
    }
}

fn failure(kind: FailureKind, message: &str) -> Failure {
    Failure { kind, message: message.to_owned(), hint: None }
}

impl Book {
    fn index(&self, run: &Arc<Run>) -> Option<usize> {
        self.entries.iter().position(|entry| Arc::ptr_eq(&entry.run, run))
    }

    /// Drops answers that nobody came for: the old ones, and the oldest beyond what is kept.
    fn forget(&mut self, now: Instant) {
        let is_kept = |entry: &Entry| entry.has_ended() && entry.waiters == 0;
        self.entries.retain(|entry| match entry.stage {
            Stage::Ended(then) => !is_kept(entry) || now.saturating_duration_since(then) < KEPT_FOR,
            Stage::Queued | Stage::Running | Stage::Stopping => true,
        });
        let mut ends: Vec<Instant> =
            self.entries.iter().filter(|entry| is_kept(entry)).filter_map(Entry::ended_at).collect();
        ends.sort_unstable();
        if let Some(excess) = ends.len().checked_sub(KEPT_MAX).filter(|excess| *excess > 0) {
            let newest_dropped = ends[excess - 1];
            self.entries
                .retain(|entry| !is_kept(entry) || entry.ended_at().is_none_or(|then| then > newest_dropped));
        }
    }
}

impl Entry {
    fn lane(&self) -> Lane {
        self.run.call.lane()
    }

    fn is_joined_by(&self, call: &Call) -> bool {
        self.stage != Stage::Stopping && self.run.call == *call
    }

    fn is_in_thread(&self) -> bool {
        matches!(self.stage, Stage::Running | Stage::Stopping)
    }

    fn has_ended(&self) -> bool {
        self.ended_at().is_some()
    }

    fn ended_at(&self) -> Option<Instant> {
        match self.stage {
            Stage::Ended(then) => Some(then),
            Stage::Queued | Stage::Running | Stage::Stopping => None,
        }
    }

    fn end(&mut self, answer: Answer) {
        self.stage = Stage::Ended(Instant::now());
        self.run.answer.send_replace(Some(answer));
    }
}

/// One question's place at a run. To drop it is to wait no longer.
pub(crate) struct Waiting {
    calls: Arc<Calls>,
    run: Arc<Run>,
    answer: watch::Receiver<Option<Answer>>,
}

impl Waiting {
    /// Waits until the run has ended. May be dropped and called again.
    pub(crate) async fn answer(&mut self) -> Answer {
        let answer = match self.answer.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone(),
            // The run holds the other end, and we hold the run.
            Err(_) => None,
        };
        answer.unwrap_or_else(|| Err(failure(FailureKind::Internal, "internal error")))
    }

    /// From now on the run goes on until its answer is there, whether or not anybody waits. The answer, where it is there
    /// already.
    pub(crate) fn promise(&mut self) -> Option<Answer> {
        // Under the lock, so that no answer comes between looking for it and promising it.
        let mut promised = None;
        self.mark(|entry| {
            promised = entry.run.answer.borrow().clone();
            entry.is_promised = true;
        });
        promised
    }

    /// Which part is done, in millionths.
    pub(crate) fn done(&self) -> u32 {
        self.run.watch.done()
    }

    /// Whether it is still waiting for other runs.
    pub(crate) fn is_queued(&self) -> bool {
        let mut is_queued = false;
        self.mark(|entry| is_queued = entry.stage == Stage::Queued);
        is_queued
    }

    fn mark(&self, change: impl FnOnce(&mut Entry)) {
        let mut book = self.calls.book();
        if let Some(index) = book.index(&self.run) {
            change(&mut book.entries[index]);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut book = self.calls.book();
        // It is gone where the client has left.
        let Some(index) = book.index(&self.run) else { return };
        let entry = &mut book.entries[index];
        entry.waiters -= 1;
        if entry.waiters > 0 {
            return;
        }
        match entry.stage {
            Stage::Queued if !entry.is_promised => {
                book.entries.remove(index);
            }
            Stage::Running if !entry.is_promised => {
                entry.run.watch.stop();
                entry.stage = Stage::Stopping;
            }
            // Whoever waited has the answer.
            Stage::Ended(_) => {
                book.entries.remove(index);
            }
            Stage::Queued | Stage::Running | Stage::Stopping => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(number: u64, then: Instant) -> Entry {
        let arguments = serde_json::json!({"bucket_name": "logs-bucket", "prefix": number.to_string()});
        let call = Call::parse("s3_object_list", arguments.as_object().expect("an object"));
        let run = Run {
            call: call.expect("sound arguments"),
            watch: Watch::new(),
            answer: watch::Sender::new(Some(Err(failure(FailureKind::NoAnswer, &number.to_string())))),
        };
        Entry { run: Arc::new(run), stage: Stage::Ended(then), waiters: 0, is_promised: true }
    }

    fn numbers(book: &Book) -> Vec<String> {
        let message = |entry: &Entry| match &*entry.run.answer.borrow() {
            Some(Err(failure)) => failure.message.clone(),
            _ => String::new(),
        };
        book.entries.iter().map(message).collect()
    }

    #[test]
    fn answers_that_nobody_comes_for_are_kept_for_ten_minutes() {
        let then = Instant::now();
        let mut book = Book::default();
        book.entries.push(ended(0, then));
        book.entries.push(ended(1, then + Duration::from_secs(1)));
        book.forget(then + Duration::from_secs(599));
        assert_eq!(numbers(&book), ["0", "1"]);
        book.forget(then + Duration::from_secs(600));
        assert_eq!(numbers(&book), ["1"]);
        // Somebody is about to take it.
        book.entries[0].waiters = 1;
        book.forget(then + Duration::from_secs(6000));
        assert_eq!(numbers(&book), ["1"]);
    }

    #[test]
    fn of_many_answers_the_sixteen_newest_are_kept() {
        let then = Instant::now();
        let mut book = Book::default();
        // The order of ending need not be that of asking.
        for number in (0..20).rev() {
            book.entries.push(ended(number, then + Duration::from_millis(number)));
        }
        book.entries.push(ended(0, then));
        if let Some(entry) = book.entries.last_mut() {
            entry.waiters = 1;
        }
        book.forget(then + Duration::from_secs(1));
        let expected: Vec<String> = (4..20).rev().chain([0]).map(|number: u64| number.to_string()).collect();
        assert_eq!(numbers(&book), expected);
    }
}
