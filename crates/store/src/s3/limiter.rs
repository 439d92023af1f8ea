//! How much is asked for at once: requests (adaptive), and bytes held in memory (fixed).
//!
//! In: fetches, in the order in which they were asked for. Out: permits to send a request, and reservations of
//! bytes. Always: first come, first served in each lane; a fetch gets all the bytes that it needs together with
//! its first permit, or nothing, so that no two of them wait for each other; who holds a permit waits for the
//! network alone, never for a decoder. Requests: additive increase while it helps, halving on throttles, at most
//! once a second (faults A1). Absent: any knowledge of what is fetched, and any waiting of its own.
//!
//! Bytes come back only when somebody reads or drops what is ready. Nobody waits for ever who reads it in the
//! order in which it was asked for, or in which it became ready; and three kinds of readers do not wait for each
//! other. Who reads a listed object may wait for what it refers to, so that has a budget of its own
//! ([`Lane::Referred`]). A thread that waits for one object reserves nothing ([`Reservation::free`]): all of the
//! budget may be held by bodies that wait for a thread.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Tuning;
use super::limits::IN_FLIGHT_START;

/// What is referred to is sure of one part in so many of the bytes: one large object.
const REFERRED_SHARE: u64 = 4;

/// The limit is judged anew after so long: "+1 per second" (faults A1).
const WINDOW: Duration = Duration::from_secs(1);

/// While the limit still doubles it is judged sooner: from 16 to 256 in half a second where that helps.
const DOUBLING_WINDOW: Duration = Duration::from_millis(100);

/// Twice the requests must bring at least this much more, or they only wait for each other.
const DOUBLING_GAIN: f64 = 1.1;

/// Windows in a row that brought nothing, after which the limit stops doubling. The first window at a new limit
/// pays for new connections and their handshakes, so one is not enough.
const FLAT_WINDOWS: u32 = 2;

/// One request more can bring no more than a few per cent; half of one is more than rounding.
const STEP_GAIN: f64 = 1.005;

/// Requests under way and bytes held, over all buckets of a process.
#[derive(Clone)]
pub(crate) struct Limiter {
    gate: Arc<Gate>,
}

/// Who reads what was fetched. Each has a share of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    /// Objects known by their keys alone, for something refers to them. They come first: somebody waits.
    Referred,
    /// Objects of a listing: whoever reads one may wait for what it refers to.
    Listed,
}

struct Gate {
    state: Mutex<State>,
}

struct State {
    in_flight: usize,
    /// They hold their bytes and want a permit: retries, further ranges. They are older than the newcomers.
    underway: VecDeque<oneshot::Sender<Permit>>,
    referred: Queue,
    listed: Queue,
    pace: Pace,
}

impl State {
    fn queue(&mut self, lane: Lane) -> &mut Queue {
        match lane {
            Lane::Referred => &mut self.referred,
            Lane::Listed => &mut self.listed,
        }
    }
}

/// Those who wait for bytes, and those who hold them.
struct Queue {
    bytes_max: u64,
    bytes: u64,
    newcomers: VecDeque<Newcomer>,
    /// They were let in once, and turned out to need more. By the order in which they came.
    returned: BTreeMap<u64, Newcomer>,
    /// Of those, the ones that hold more than there is. Only one that came before all of these may join them:
    /// whoever reads in the order of asking must not wait for what was asked for later.
    overdrawn: BTreeSet<u64>,
    /// Who came last.
    last: u64,
}

impl Queue {
    fn new(bytes_max: u64) -> Self {
        Queue {
            bytes_max,
            bytes: 0,
            newcomers: VecDeque::new(),
            returned: BTreeMap::new(),
            overdrawn: BTreeSet::new(),
            last: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.newcomers.is_empty() && self.returned.is_empty()
    }

    fn has_room(&self, bytes: u64) -> bool {
        self.bytes + bytes <= self.bytes_max
    }

    /// Whoever is first waits until its bytes are free, and everybody behind it too: else large objects would wait
    /// for as long as small ones come.
    fn next(&mut self) -> Option<Newcomer> {
        let next = match self.returned.first_key_value() {
            Some((&number, first)) => {
                if !self.has_room(first.bytes) {
                    if self.overdrawn.first().is_some_and(|&oldest| oldest < number) {
                        return None;
                    }
                    self.overdrawn.insert(number);
                }
                self.returned.pop_first().map(|(_, first)| first)
            }
            None => {
                let (bytes, bytes_max) = (self.bytes, self.bytes_max);
                self.newcomers.pop_front_if(|first| bytes + first.bytes <= bytes_max)
            }
        }?;
        self.bytes += next.bytes;
        Some(next)
    }
}

struct Newcomer {
    number: u64,
    bytes: u64,
    start: Start,
}

type Start = Box<dyn FnOnce(Permit, Reservation) + Send>;

/// Who was let in.
enum Granted {
    Underway(oneshot::Sender<Permit>, Permit),
    Newcomer(Start, Permit, Reservation),
}

impl Limiter {
    /// A limiter at its starting figure.
    pub(crate) fn new(tuning: &Tuning) -> Self {
        let in_flight_max = tuning.in_flight_max.max(1);
        let referred_bytes_max = tuning.buffered_bytes_max / REFERRED_SHARE;
        let state = State {
            in_flight: 0,
            underway: VecDeque::new(),
            referred: Queue::new(referred_bytes_max),
            listed: Queue::new(tuning.buffered_bytes_max - referred_bytes_max),
            pace: Pace::new(IN_FLIGHT_START.min(in_flight_max), in_flight_max),
        };
        Limiter { gate: Arc::new(Gate { state: Mutex::new(state) }) }
    }

    /// Calls `start`, now or later and on any thread, when a request may be sent and `bytes` (or all that its lane
    /// may have, where that is less) are free. In each lane, the order of the calls is the order of service.
    pub(crate) fn enter(
        &self,
        lane: Lane,
        bytes: u64,
        start: impl FnOnce(Permit, Reservation) + Send + 'static,
    ) {
        let mut state = self.gate.lock();
        let queue = state.queue(lane);
        queue.last += 1;
        let bytes = bytes.min(queue.bytes_max);
        queue.newcomers.push_back(Newcomer { number: queue.last, bytes, start: Box::new(start) });
        drop(state);
        self.gate.admit();
    }

    /// Gives back what a fetch has, and waits until it may have `bytes`, before all who came after it. `None` where
    /// the limiter is gone.
    pub(crate) async fn reenter(
        &self,
        permit: Option<Permit>,
        room: &mut Reservation,
        bytes: u64,
    ) -> Option<Permit> {
        drop(permit);
        room.shrink(0);
        let (sender, receiver) = oneshot::channel();
        let start = move |permit, reservation| drop(sender.send((permit, reservation)));
        {
            let mut state = self.gate.lock();
            let queue = state.queue(room.lane);
            let bytes = bytes.min(queue.bytes_max);
            let returned = Newcomer { number: room.number, bytes, start: Box::new(start) };
            queue.returned.insert(room.number, returned);
        }
        self.gate.admit();
        let (permit, reservation) = receiver.await.ok()?;
        *room = reservation;
        Some(permit)
    }

    /// A permit for a fetch that has its bytes already, before all newcomers. `None` where the limiter is gone.
    pub(crate) async fn permit(&self) -> Option<Permit> {
        let (sender, receiver) = oneshot::channel();
        self.gate.lock().underway.push_back(sender);
        self.gate.admit();
        receiver.await.ok()
    }

    /// The server asked for fewer requests.
    pub(crate) fn throttled(&self) {
        self.gate.lock().pace.throttled(Instant::now());
    }

    #[cfg(test)]
    fn limit(&self) -> usize {
        self.gate.lock().pace.limit
    }

    #[cfg(test)]
    fn bytes(&self) -> u64 {
        self.gate.lock().listed.bytes
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change below is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets in who may come. Nobody is started while the state is locked: what they do may come back here.
    fn admit(self: &Arc<Self>) {
        while let Some(granted) = self.next() {
            match granted {
                // A receiver that is gone gives the permit back by dropping it.
                Granted::Underway(sender, permit) => drop(sender.send(permit)),
                Granted::Newcomer(start, permit, reservation) => start(permit, reservation),
            }
        }
    }

    fn next(self: &Arc<Self>) -> Option<Granted> {
        let mut state = self.lock();
        if state.in_flight >= state.pace.limit {
            let nobody_waits =
                state.underway.is_empty() && state.referred.is_empty() && state.listed.is_empty();
            state.pace.window.full |= !nobody_waits;
            return None;
        }
        let permit = || Permit { gate: Some(Arc::clone(self)) };
        let granted = if let Some(sender) = state.underway.pop_front() {
            Granted::Underway(sender, permit())
        } else {
            let of = |lane, newcomer: Newcomer| {
                let Newcomer { number, bytes, start } = newcomer;
                let reservation = Reservation { gate: Some(Arc::clone(self)), lane, number, bytes };
                Granted::Newcomer(start, permit(), reservation)
            };
            let referred = state.referred.next().map(|newcomer| of(Lane::Referred, newcomer));
            referred.or_else(|| state.listed.next().map(|newcomer| of(Lane::Listed, newcomer)))?
        };
        if state.in_flight == 0 {
            // Time without any request says nothing about how many are good.
            state.pace.window = Window::new(Instant::now());
        }
        state.in_flight += 1;
        Some(granted)
    }
}

/// Leave to have one request under way, body included.
pub(crate) struct Permit {
    gate: Option<Arc<Gate>>,
}

impl Permit {
    /// Gives it back after a success that brought so many bytes: this is what the limit is judged by. One that is
    /// dropped counts for nothing.
    pub(crate) fn succeed(mut self, bytes: u64) {
        if let Some(gate) = self.gate.take() {
            {
                let mut state = gate.lock();
                state.in_flight -= 1;
                state.pace.succeeded(bytes, Instant::now());
            }
            gate.admit();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.lock().in_flight -= 1;
            gate.admit();
        }
    }
}

/// Bytes that one fetch may hold between the network and the decoders.
pub(crate) struct Reservation {
    gate: Option<Arc<Gate>>,
    lane: Lane,
    /// Its place in the order of asking.
    number: u64,
    bytes: u64,
}

impl Reservation {
    /// For a thread that does nothing but wait for this object: it takes nothing from the budget. There are only
    /// so many threads.
    pub(crate) fn free() -> Self {
        Reservation { gate: None, lane: Lane::Referred, number: 0, bytes: 0 }
    }

    /// Takes what is missing to `bytes` (or all that its lane may have) if it is free now; never waits. `false`
    /// where it is not, and then nothing has changed.
    pub(crate) fn try_grow(&mut self, bytes: u64) -> bool {
        let Some(gate) = &self.gate else { return true };
        let mut state = gate.lock();
        let queue = state.queue(self.lane);
        let missing = bytes.min(queue.bytes_max).saturating_sub(self.bytes);
        // Who waits for bytes came first; only what nobody waits for is there to be taken.
        if missing > 0 && !(queue.is_empty() && queue.has_room(missing)) {
            return false;
        }
        queue.bytes += missing;
        self.bytes += missing;
        true
    }

    /// Gives back what it holds above `bytes`.
    pub(crate) fn shrink(&mut self, bytes: u64) {
        let Some(gate) = &self.gate else { return };
        if bytes >= self.bytes {
            return;
        }
        let mut state = gate.lock();
        let queue = state.queue(self.lane);
        queue.bytes -= self.bytes - bytes;
        self.bytes = bytes;
        if bytes == 0 && !queue.overdrawn.is_empty() {
            queue.overdrawn.remove(&self.number);
        }
        drop(state);
        gate.admit();
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

/// How many requests may be under way, and what speaks for more.
struct Pace {
    limit: usize,
    limit_max: usize,
    phase: Phase,
    window: Window,
    /// What the last judged window brought.
    rate: Option<Rate>,
    halved_at: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// From the start on: twice as many, until that brings nothing so many windows in a row.
    Doubling { flat: u32 },
    /// After a throttle: one more each window up to the limit that was too much, with no other question.
    Recovering { until: usize },
    /// One more after each window that brought more than the one before.
    Steady,
}

/// What succeeded since the limit was last judged.
struct Window {
    since: Instant,
    requests: u64,
    bytes: u64,
    /// Somebody had to wait for a permit; else the limit had no influence.
    full: bool,
}

/// By the second. Small objects show in requests, large ones in bytes.
#[derive(Clone, Copy)]
struct Rate {
    requests: f64,
    bytes: f64,
}

impl Rate {
    fn is_above(self, other: Rate, factor: f64) -> bool {
        self.requests > other.requests * factor || self.bytes > other.bytes * factor
    }
}

impl Window {
    fn new(since: Instant) -> Self {
        Window { since, requests: 0, bytes: 0, full: false }
    }
}

impl Pace {
    fn new(limit: usize, limit_max: usize) -> Self {
        Pace {
            limit,
            limit_max,
            phase: Phase::Doubling { flat: 0 },
            window: Window::new(Instant::now()),
            rate: None,
            halved_at: None,
        }
    }

    fn throttled(&mut self, now: Instant) {
        if self.halved_at.is_some_and(|halved_at| now.duration_since(halved_at) < WINDOW) {
            return;
        }
        let until = match self.phase {
            Phase::Recovering { until } => until.max(self.limit),
            Phase::Doubling { .. } | Phase::Steady => self.limit,
        };
        self.phase = Phase::Recovering { until };
        self.limit = (self.limit / 2).max(1);
        self.halved_at = Some(now);
        self.window = Window::new(now);
    }

    fn succeeded(&mut self, bytes: u64, now: Instant) {
        self.window.requests += 1;
        self.window.bytes += bytes;
        let elapsed = now.duration_since(self.window.since);
        let length = match self.phase {
            Phase::Doubling { .. } => DOUBLING_WINDOW,
            Phase::Recovering { .. } | Phase::Steady => WINDOW,
        };
        // Fewer requests than may be under way at once do not make a rate.
        if elapsed < length || self.window.requests < self.limit as u64 {
            return;
        }
        let window = std::mem::replace(&mut self.window, Window::new(now));
        if window.full {
            let by_second = |count: u64| count as f64 / elapsed.as_secs_f64();
            self.judge(Rate { requests: by_second(window.requests), bytes: by_second(window.bytes) });
        }
    }

    fn judge(&mut self, rate: Rate) {
        let gain = |factor| self.rate.is_none_or(|before| rate.is_above(before, factor));
        match self.phase {
            Phase::Doubling { .. } if gain(DOUBLING_GAIN) => {
                self.phase = Phase::Doubling { flat: 0 };
                self.limit *= 2;
            }
            Phase::Doubling { flat } if flat + 1 < FLAT_WINDOWS => {
                // Compared again with the rate before the last doubling.
                self.phase = Phase::Doubling { flat: flat + 1 };
                return;
            }
            Phase::Doubling { .. } => self.phase = Phase::Steady,
            Phase::Recovering { until } => {
                self.limit += 1;
                if self.limit >= until {
                    self.phase = Phase::Steady;
                }
            }
            Phase::Steady if gain(STEP_GAIN) => self.limit += 1,
            Phase::Steady => {}
        }
        self.limit = self.limit.min(self.limit_max);
        self.rate = Some(rate);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn limiter(in_flight_max: usize, buffered_bytes_max: u64) -> Limiter {
        Limiter::new(&Tuning { in_flight_max, buffered_bytes_max, ..Tuning::default() })
    }

    /// Enters fetches named by their index; the receiver hears of each that is let in.
    fn enter_all(limiter: &Limiter, sizes: &[u64]) -> mpsc::Receiver<(usize, Permit, Reservation)> {
        enter_lane(limiter, Lane::Listed, sizes)
    }

    fn enter_lane(
        limiter: &Limiter,
        lane: Lane,
        sizes: &[u64],
    ) -> mpsc::Receiver<(usize, Permit, Reservation)> {
        let (sender, receiver) = mpsc::channel();
        for (index, &bytes) in sizes.iter().enumerate() {
            let sender = sender.clone();
            limiter.enter(lane, bytes, move |permit, reservation| {
                let _ = sender.send((index, permit, reservation));
            });
        }
        receiver
    }

    /// Has more requests wait than can ever be under way, each of 10 ms while no more than `useful_max` are, and
    /// of more in proportion: beyond that the server gives no more.
    async fn load(limiter: &Limiter, time: Duration, useful_max: usize) {
        let until = Instant::now() + time;
        let clients: Vec<_> = (0..400)
            .map(|_| {
                let limiter = limiter.clone();
                tokio::spawn(async move {
                    while Instant::now() < until {
                        let permit = limiter.permit().await.expect("the limiter is there");
                        let crowd = limiter.gate.lock().in_flight.div_ceil(useful_max).max(1);
                        tokio::time::sleep(Duration::from_millis(10) * crowd as u32).await;
                        permit.succeed(1_000);
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.expect("no client panics");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn order_of_entering_is_order_of_service() {
        let limiter = limiter(1, 100);
        let served = enter_all(&limiter, &[10, 90, 5, 60]);
        for expected in 0..4 {
            let (index, permit, reservation) = served.try_recv().expect("one at a time is let in");
            assert_eq!(index, expected);
            assert!(served.try_recv().is_err());
            drop(reservation);
            permit.succeed(1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn small_one_does_not_overtake_a_large_one_that_waits_for_bytes() {
        let limiter = limiter(8, 100);
        let served = enter_all(&limiter, &[50, 50, 1]);
        let (_, permit, mut reservation) = served.try_recv().expect("the first fits");
        permit.succeed(50);
        assert!(served.try_recv().is_err());
        reservation.shrink(25);
        assert_eq!(served.try_recv().expect("the second fits now").0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn more_than_the_budget_is_let_in_alone() {
        let limiter = limiter(8, 100);
        let served = enter_all(&limiter, &[1_000, 1]);
        let (_, _permit, reservation) = served.try_recv().expect("nothing else is held");
        assert!(served.try_recv().is_err());
        drop(reservation);
        assert_eq!(served.try_recv().expect("all is free again").0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_thread_is_served_while_all_bytes_are_held() {
        let limiter = limiter(8, 100);
        let served = enter_all(&limiter, &[100, 100]);
        let held = served.try_recv().expect("the first fits");
        assert!(limiter.permit().await.is_some());
        assert!(Reservation::free().try_grow(1_000));
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_referred_to_is_served_while_listed_objects_hold_all_they_may() {
        let limiter = limiter(8, 100);
        let listed = enter_all(&limiter, &[75, 75]);
        let _held = listed.try_recv().expect("the first fits");
        assert!(listed.try_recv().is_err());
        let referred = enter_lane(&limiter, Lane::Referred, &[25, 25]);
        let first = referred.try_recv().expect("it has a share of its own");
        assert!(referred.try_recv().is_err());
        drop(first);
        assert!(referred.try_recv().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_needs_more_never_waits_for_one_that_came_later() {
        let limiter = limiter(8, 100);
        let served = enter_all(&limiter, &[10, 10, 50]);
        let (_, first_permit, mut first) = served.try_recv().expect("the first fits");
        let (_, second_permit, mut second) = served.try_recv().expect("the second fits");
        let _third = served.try_recv().expect("the third fits");
        // The later one comes back earlier, and may have more than there is, for nobody else does.
        let second_permit = limiter.reenter(Some(second_permit), &mut second, 60).await;
        assert!(second_permit.is_some());
        assert_eq!(limiter.bytes(), 120);
        let first_permit = limiter.reenter(Some(first_permit), &mut first, 60).await;
        assert!(first_permit.is_some());
        // One that came after them waits for room.
        let fourth = enter_all(&limiter, &[1]);
        assert!(fourth.try_recv().is_err());
        drop((first, second));
        assert!(fourth.try_recv().is_ok());
        assert!(limiter.gate.lock().listed.overdrawn.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn retries_come_before_newcomers() {
        let limiter = limiter(1, 100);
        let served = enter_all(&limiter, &[1, 1]);
        let (_, permit, _reservation) = served.try_recv().expect("the first is let in");
        let again = tokio::spawn({
            let limiter = limiter.clone();
            async move { limiter.permit().await }
        });
        while limiter.gate.lock().underway.is_empty() {
            tokio::task::yield_now().await;
        }
        drop(permit);
        let permit = again.await.expect("no panic").expect("a permit");
        assert!(served.try_recv().is_err());
        drop(permit);
        assert_eq!(served.try_recv().expect("then the newcomer").0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_gave_up_waiting_holds_nobody_up() {
        let limiter = limiter(1, 100);
        let served = enter_all(&limiter, &[1, 1]);
        let (_, permit, _reservation) = served.try_recv().expect("the first is let in");
        let given_up = tokio::time::timeout(Duration::from_millis(1), limiter.permit()).await;
        assert!(given_up.is_err());
        drop(permit);
        assert_eq!(served.try_recv().expect("nobody is before it any more").0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn growing_takes_only_what_nobody_waits_for() {
        let limiter = limiter(8, 100);
        let served = enter_all(&limiter, &[10]);
        let (_, _permit, mut reservation) = served.try_recv().expect("the first is let in");
        assert!(reservation.try_grow(60));
        assert_eq!(limiter.bytes(), 60);
        let waiting = enter_all(&limiter, &[50]);
        assert!(!reservation.try_grow(61));
        assert_eq!(limiter.bytes(), 60);
        drop(reservation);
        assert_eq!(waiting.try_recv().expect("there is room").0, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn all_bytes_and_permits_come_back() {
        let limiter = limiter(3, 100);
        let served = enter_all(&limiter, &[7; 50]);
        let mut count = 0;
        while let Ok((_, permit, reservation)) = served.try_recv() {
            count += 1;
            if count % 2 == 0 {
                permit.succeed(7)
            } else {
                drop(permit)
            }
            drop(reservation);
        }
        assert_eq!(count, 50);
        assert_eq!(limiter.bytes(), 0);
        assert_eq!(limiter.gate.lock().in_flight, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn limit_doubles_while_that_helps() {
        let limiter = limiter(256, 1_000);
        assert_eq!(limiter.limit(), IN_FLIGHT_START);
        load(&limiter, Duration::from_secs(3), usize::MAX).await;
        assert_eq!(limiter.limit(), 256);
    }

    #[tokio::test(start_paused = true)]
    async fn limit_stays_where_more_brings_nothing() {
        let limiter = limiter(256, 1_000);
        load(&limiter, Duration::from_secs(30), 32).await;
        assert!(limiter.limit() <= 66, "{}", limiter.limit());
    }

    #[tokio::test(start_paused = true)]
    async fn limit_stays_where_nobody_waits() {
        let limiter = limiter(256, 1_000);
        for _ in 0..1_000 {
            let served = enter_all(&limiter, &[1; 4]);
            tokio::time::sleep(Duration::from_millis(10)).await;
            while let Ok((_, permit, _)) = served.try_recv() {
                permit.succeed(1);
            }
        }
        assert_eq!(limiter.limit(), IN_FLIGHT_START);
    }

    #[tokio::test(start_paused = true)]
    async fn a01_throttles_halve_the_limit_at_most_once_a_second_and_never_below_one() {
        let limiter = limiter(64, 1_000);
        limiter.throttled();
        limiter.throttled();
        assert_eq!(limiter.limit(), IN_FLIGHT_START / 2);
        tokio::time::advance(Duration::from_millis(999)).await;
        limiter.throttled();
        assert_eq!(limiter.limit(), IN_FLIGHT_START / 2);
        for _ in 0..20 {
            tokio::time::advance(Duration::from_secs(1)).await;
            limiter.throttled();
        }
        assert_eq!(limiter.limit(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a01_limit_comes_back_by_one_a_second() {
        let limiter = limiter(64, 1_000);
        limiter.throttled();
        load(&limiter, Duration::from_millis(3_100), usize::MAX).await;
        assert_eq!(limiter.limit(), IN_FLIGHT_START / 2 + 3);
    }
}
