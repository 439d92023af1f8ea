//! Writes that happen beside the work: a bounded line, and a few threads that wait for the disk.
//!
//! In: jobs. Out: what was written, or the first error. Always: jobs of one slot are done in the order in which they
//! came; after an error none is begun; whoever is dropped without [`Queue::finish`] leaves what is under way whole and
//! begins nothing more. Absent: any idea of what a job does.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use borehole_record::UtcHour;

use super::disk::error;
use super::{DatasetError, Slot, Written};

/// Threads of a directory. They wait for the disk most of the time, and disks answer several at once; more gain nothing
/// where all wait for the same journal.
pub(super) const THREADS: usize = 4;

/// Bytes that wait at most; some hours' rows. Whoever computes faster than the disk takes has to wait for it anyway.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// Jobs that wait at most: small ones, too, should not pile up.
const WAITING_JOBS_MAX: usize = 256;

/// What is to be done.
#[derive(Debug)]
pub(super) enum Job {
    /// Replace sections of a slot, and its rows.
    Write(WriteSlot),
    /// Replace sections of a slot; all others and its rows stay.
    Update(Slot, Vec<(&'static str, Vec<u8>)>),
    /// Take a slot away.
    Remove(Slot),
    /// Keep answers to a question.
    Answers { question: u128, answers: Vec<(UtcHour, u128, Vec<u8>)> },
}

/// What a slot is to hold.
#[derive(Debug)]
pub(super) struct WriteSlot {
    pub slot: Slot,
    pub sections: Vec<(&'static str, Vec<u8>)>,
    /// Stream, count, Parquet.
    pub rows: Vec<(String, u64, Vec<u8>)>,
}

/// Jobs of one lane are done one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lane {
    Slot(Slot),
    Answers,
}

impl Job {
    fn lane(&self) -> Lane {
        match self {
            Job::Write(WriteSlot { slot, .. }) | Job::Update(slot, _) | Job::Remove(slot) => {
                Lane::Slot(*slot)
            }
            Job::Answers { .. } => Lane::Answers,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Job::Write(write) => {
                let sections = write.sections.iter().map(|(_, bytes)| bytes.len());
                sections.chain(write.rows.iter().map(|(_, _, bytes)| bytes.len())).sum()
            }
            Job::Update(_, sections) => sections.iter().map(|(_, bytes)| bytes.len()).sum(),
            Job::Remove(_) => 0,
            Job::Answers { answers, .. } => answers.iter().map(|(_, _, bytes)| bytes.len()).sum(),
        }
    }
}

/// What does the jobs.
pub(super) trait Sink: Send + Sync {
    /// Does one, whole or not at all.
    fn perform(&self, job: Job) -> Result<Written, DatasetError>;
}

/// The line and its threads.
pub(super) struct Queue {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    threads_max: usize,
}

struct Shared {
    sink: Arc<dyn Sink>,
    line: Mutex<Line>,
    /// Somebody came or went.
    changed: Condvar,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Job>,
    waiting_bytes: usize,
    /// Lanes of the jobs under way.
    busy: Vec<Lane>,
    is_closed: bool,
    error: Option<DatasetError>,
    written: Written,
}

impl Queue {
    pub(super) fn new(sink: Arc<dyn Sink>, threads_max: usize) -> Self {
        let shared = Shared { sink, line: Mutex::default(), changed: Condvar::new() };
        Queue { shared: Arc::new(shared), threads: Mutex::default(), threads_max }
    }

    /// Puts a job into the line; waits while the line is too long.
    pub(super) fn push(&self, job: Job, place: &Path) {
        let bytes = job.bytes();
        let mut line = self.shared.line();
        while line.error.is_none()
            && !line.waiting.is_empty()
            && (line.waiting_bytes + bytes > WAITING_BYTES_MAX || line.waiting.len() >= WAITING_JOBS_MAX)
        {
            line = self.shared.wait(line);
        }
        if line.error.is_some() {
            return;
        }
        line.waiting_bytes += bytes;
        line.waiting.push_back(job);
        let jobs = line.waiting.len() + line.busy.len();
        drop(line);
        self.shared.changed.notify_all();
        self.start_thread(jobs, place);
    }

    /// Starts one thread more where there are more jobs than threads.
    fn start_thread(&self, jobs: usize, place: &Path) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if threads.len() >= self.threads_max.min(jobs) {
            return;
        }
        let shared = Arc::clone(&self.shared);
        match std::thread::Builder::new().name("dataset".to_owned()).spawn(move || shared.work()) {
            Ok(thread) => threads.push(thread),
            // Those that there are do it.
            Err(_) if !threads.is_empty() => {}
            Err(cause) => self.shared.fail(error(place, "starting a thread", cause)),
        }
    }

    /// The first error, as soon as there is one.
    pub(super) fn failed(&self) -> Option<DatasetError> {
        self.shared.line().error.clone()
    }

    /// Waits until nothing waits and nothing is under way.
    pub(super) fn drain(&self) -> Result<Written, DatasetError> {
        let mut line = self.shared.line();
        while !(line.busy.is_empty() && (line.waiting.is_empty() || line.error.is_some())) {
            line = self.shared.wait(line);
        }
        match &line.error {
            Some(error) => Err(error.clone()),
            None => Ok(line.written),
        }
    }

    /// Waits until all is done, and lets the threads go.
    pub(super) fn finish(self) -> Result<Written, DatasetError> {
        self.drain()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut line = self.shared.line();
        line.is_closed = true;
        line.waiting.clear();
        drop(line);
        self.shared.changed.notify_all();
        let threads = self.threads.get_mut().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // Its jobs are fenced: a panic was told as an error.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = self.shared.line();
        f.debug_struct("Queue").field("waiting", &line.waiting.len()).field("error", &line.error).finish()
    }
}

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, line: MutexGuard<'a, Line>) -> MutexGuard<'a, Line> {
        self.changed.wait(line).unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: DatasetError) {
        let mut line = self.line();
        line.error.get_or_insert(error);
        drop(line);
        self.changed.notify_all();
    }

    /// What a thread does until the line is closed.
    fn work(&self) {
        let mut line = self.line();
        loop {
            if line.is_closed {
                return;
            }
            let Some(job) = line.take() else {
                line = self.wait(line);
                continue;
            };
            let lane = job.lane();
            line.busy.push(lane);
            drop(line);
            // There is room in the line now.
            self.changed.notify_all();
            let outcome = catch_unwind(AssertUnwindSafe(|| self.sink.perform(job)))
                .unwrap_or(Err(DatasetError::Internal { what: "a write to the dataset panicked" }));
            line = self.line();
            line.busy.retain(|busy| *busy != lane);
            match outcome {
                Ok(written) => {
                    line.written.files += written.files;
                    line.written.bytes += written.bytes;
                }
                Err(error) => {
                    line.error.get_or_insert(error);
                }
            }
            self.changed.notify_all();
        }
    }
}

impl Line {
    /// The first job whose lane is free: the first of its lane, since earlier ones of it would have been taken before.
    fn take(&mut self) -> Option<Job> {
        if self.error.is_some() {
            return None;
        }
        let index = self.waiting.iter().position(|job| !self.busy.contains(&job.lane()))?;
        let job = self.waiting.remove(index)?;
        self.waiting_bytes -= job.bytes();
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Writes down what it was given; fails or panics where it was told to.
    #[derive(Default)]
    struct Notes {
        seen: Mutex<Vec<(Slot, u64)>>,
        fails_at: Option<u64>,
        panics_at: Option<u64>,
    }

    impl Sink for Notes {
        fn perform(&self, job: Job) -> Result<Written, DatasetError> {
            let Job::Write(write) = job else { panic!("only writes") };
            let number = write.rows[0].1;
            assert!(self.panics_at != Some(number), "on purpose");
            if self.fails_at == Some(number) {
                return Err(DatasetError::Internal { what: "on purpose" });
            }
            std::thread::yield_now();
            self.seen.lock().expect("not poisoned").push((write.slot, number));
            Ok(Written { files: 1, bytes: number })
        }
    }

    fn job(hour: i64, number: u64, bytes: usize) -> Job {
        let rows = vec![("s".to_owned(), number, vec![0; bytes])];
        Job::Write(WriteSlot { slot: Slot::Hour(UtcHour(hour)), sections: Vec::new(), rows })
    }

    #[test]
    fn jobs_of_one_slot_keep_their_order() {
        let notes = Arc::new(Notes::default());
        let queue = Queue::new(Arc::clone(&notes) as Arc<dyn Sink>, THREADS);
        for number in 0..500 {
            queue.push(job(number as i64 % 3, number, 10), Path::new("d"));
        }
        let written = queue.finish().expect("no error");
        assert_eq!(written, Written { files: 500, bytes: (0..500).sum() });
        let seen = notes.seen.lock().expect("not poisoned");
        for hour in 0..3 {
            let numbers: Vec<u64> = seen
                .iter()
                .filter(|(slot, _)| *slot == Slot::Hour(UtcHour(hour)))
                .map(|seen| seen.1)
                .collect();
            assert_eq!(numbers, (0..500).filter(|number| *number as i64 % 3 == hour).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_sticks_and_nobody_waits_for_ever() {
        for (fails_at, panics_at) in [(Some(7), None), (None, Some(7))] {
            let notes = Arc::new(Notes { fails_at, panics_at, ..Notes::default() });
            let queue = Queue::new(Arc::clone(&notes) as Arc<dyn Sink>, 1);
            // Far more than may wait.
            for number in 0..2_000 {
                queue.push(job(0, number, 1 << 20), Path::new("d"));
            }
            assert!(queue.failed().is_some());
            assert!(matches!(queue.finish(), Err(DatasetError::Internal { .. })));
            assert_eq!(notes.seen.lock().expect("not poisoned").len(), 7);
        }
    }

    /// Holds every job until the test lets it go, and counts them.
    struct Gate {
        barrier: Barrier,
        performed: AtomicU64,
    }

    impl Sink for Gate {
        fn perform(&self, _job: Job) -> Result<Written, DatasetError> {
            if self.performed.fetch_add(1, Ordering::SeqCst) == 0 {
                self.barrier.wait();
            }
            Ok(Written::default())
        }
    }

    #[test]
    fn a_full_line_makes_the_caller_wait_and_then_go_on() {
        let gate = Arc::new(Gate { barrier: Barrier::new(2), performed: AtomicU64::new(0) });
        let queue = Arc::new(Queue::new(Arc::clone(&gate) as Arc<dyn Sink>, 1));
        let pushed = Arc::new(AtomicU64::new(0));
        let pushing = {
            let (queue, pushed) = (Arc::clone(&queue), Arc::clone(&pushed));
            std::thread::spawn(move || {
                for number in 0..10 {
                    queue.push(job(number, 0, WAITING_BYTES_MAX / 2), Path::new("d"));
                    pushed.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        // One under way at most, and two that wait.
        while pushed.load(Ordering::SeqCst) < 3 || gate.performed.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        assert_eq!(pushed.load(Ordering::SeqCst), 3);
        gate.barrier.wait();
        pushing.join().expect("it goes on");
        queue.drain().expect("no error");
        assert_eq!(gate.performed.load(Ordering::SeqCst), 10);
    }

    #[test]
    fn who_drops_the_queue_begins_nothing_more() {
        let gate = Arc::new(Gate { barrier: Barrier::new(2), performed: AtomicU64::new(0) });
        let queue = Queue::new(Arc::clone(&gate) as Arc<dyn Sink>, 1);
        for number in 0..10 {
            queue.push(job(number, 0, 1), Path::new("d"));
        }
        while gate.performed.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let letting_go = {
            let gate = Arc::clone(&gate);
            let shared = Arc::clone(&queue.shared);
            std::thread::spawn(move || {
                while !shared.line().is_closed {
                    std::thread::yield_now();
                }
                gate.barrier.wait();
            })
        };
        drop(queue);
        letting_go.join().expect("no panic");
        assert_eq!(gate.performed.load(Ordering::SeqCst), 1);
    }
}
