//! What was asked of a quota: attempts to logical requests, with what throttling hid.
//!
//! In: one quota's attempts in order, the rates of its model, and what is to be changed. Out: [`Demand`], arrivals
//! as a replay takes them. Always: integers only; the order of the attempts stays; an unknown count asks for
//! nothing, and is counted as such. Absent: windows and quotas (see [`crate::replay`]).
//!
//! A throttled attempt holds no tokens, and who is throttled tries again. So a caller's throttled attempt begins a
//! chain: a later attempt of the same caller within 60 s continues it, and a success ends it. All of it was one
//! request, wanted when the chain began. A caller may have many requests under way: each attempt continues one
//! chain, the oldest, and attempts of one second continue different ones. Throttled attempts of a chain that ended
//! in no success were requests that somebody wanted in vain; what they would have asked for is imputed from the
//! caller's other requests. Both are estimates.

use std::collections::VecDeque;

use borehole_record::Count;
use borehole_usage::Charge;
use rustc_hash::FxHashMap;

use crate::attempt::{Attempt, CallerId, Ending};
use crate::share::Share;
use crate::what_if::{WhatIf, nearest_rank};

/// An attempt this long after the first of a chain still joins it, in seconds: what clients try again by
/// themselves comes within a minute, and so does the quota's next one.
const CHAIN_SECONDS: i64 = 60;

/// One logical request as a replay sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// When it comes, in UTC seconds.
    pub second: i64,
    /// What it reserves, in quota tokens.
    pub reserve: u64,
    /// What it settles at, in quota tokens.
    pub settle: u64,
    /// How long it runs, in ms; 0 where unknown, and then `reserve` is `settle`.
    pub latency_ms: u64,
    /// Who sent it.
    pub caller: CallerId,
}

/// What is taken for the demand. A throttled record holds no tokens, and who is throttled tries again or gives
/// up: the log shows less, and later, than was wanted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Estimate {
    /// What was served, when it was served; throttled attempts ask for no tokens.
    LoggedOnly,
    /// Retries joined to what they became; the rest with the caller's median request.
    Likely,
    /// The same, the rest with the caller's request at p90.
    High,
}

impl Estimate {
    /// From least to most.
    pub const ALL: [Estimate; 3] = [Estimate::LoggedOnly, Estimate::Likely, Estimate::High];
}

/// The logical requests of one quota, and how they were come by.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Demand {
    /// In the order of (second, request id of the attempt it is from).
    pub arrivals: Vec<Arrival>,
    /// Requests that were moved to the first of the throttled attempts before them.
    pub moved: u64,
    /// Throttled attempts that were joined to a later success.
    pub joined: u64,
    /// Throttled attempts with imputed tokens.
    pub imputed: u64,
    /// Throttled attempts for which nothing could be imputed: they ask for 0 tokens.
    pub not_imputed: u64,
    /// Successful requests whose tokens are unknown: they ask for 0.
    pub unknown: u64,
    /// Successful requests counted at what they settled alone, since `max_tokens` or latency is unknown.
    pub settled_only: u64,
    /// Answers that a cap would have cut.
    pub cut: u64,
}

impl Demand {
    /// The demand of one quota's attempts, in the order of (second, request id). `charge` holds the rates of the
    /// logged model.
    #[must_use]
    pub fn of(attempts: &[Attempt], charge: &Charge, what_if: &WhatIf, estimate: Estimate) -> Self {
        let mut demand = Demand::default();
        let asked = attempts.iter().filter(|attempt| !what_if.without.contains(&attempt.caller));
        let requests: Vec<Request> = asked
            .map(|attempt| {
                demand.cut += u64::from(what_if.is_cut(attempt));
                Request::of(attempt, charge, what_if)
            })
            .collect();
        for request in requests.iter().filter(|request| request.ending == Ending::Successful) {
            demand.unknown += u64::from(request.knowledge == Knowledge::Nothing);
            demand.settled_only += u64::from(request.knowledge == Knowledge::Settled);
        }
        if estimate == Estimate::LoggedOnly {
            demand.arrivals = requests.into_iter().map(|request| request.arrival).collect();
        } else {
            demand.estimate(requests, estimate);
        }
        demand
    }

    /// Joins and imputes.
    fn estimate(&mut self, requests: Vec<Request>, estimate: Estimate) {
        let fates = fates(&requests);
        let mut typical = Typical::new(&requests, &fates, estimate);
        for (place, fate) in fates.iter().enumerate() {
            let logged = requests[place].arrival;
            match *fate {
                Fate::Stays => self.arrivals.push(logged),
                Fate::Joins => self.joined += 1,
                Fate::Moves => self.moved += 1,
                Fate::Becomes(success) => {
                    self.joined += 1;
                    self.arrivals.push(Arrival { second: logged.second, ..requests[success].arrival });
                }
                Fate::InVain => {
                    let imputed = typical.of(logged.caller);
                    self.imputed += u64::from(imputed.is_some());
                    self.not_imputed += u64::from(imputed.is_none());
                    let imputed =
                        imputed.map(|it| Arrival { second: logged.second, caller: logged.caller, ..it });
                    self.arrivals.push(imputed.unwrap_or(logged));
                }
            }
        }
    }
}

/// An attempt with what it asked for.
#[derive(Clone, Copy, Debug)]
struct Request {
    arrival: Arrival,
    ending: Ending,
    knowledge: Knowledge,
    is_latency_known: bool,
}

/// How much an attempt tells of what it asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Knowledge {
    /// What it reserved, what it settled at, and when.
    Everything,
    /// What it settled at.
    Settled,
    /// Nothing.
    Nothing,
}

impl Request {
    fn of(attempt: &Attempt, logged: &Charge, what_if: &WhatIf) -> Self {
        let charge = what_if.charge(logged);
        let mut tokens = what_if.tokens(&attempt.tokens, logged);
        if attempt.ending == Ending::Failed {
            // What a failed attempt does not tell, it did not come to.
            tokens.input = tokens.input.or(Count::known(0));
            tokens.output = tokens.output.or(Count::known(0));
        }
        let settled = charge.settled(&tokens).filter(|_| attempt.ending != Ending::Throttled);
        let reserved = charge.reserved(&tokens).filter(|_| attempt.ending == Ending::Successful);
        let latency_ms = attempt.latency_ms.get();
        let settle = settled.unwrap_or(0);
        let (reserve, knowledge) = match (settled, reserved, latency_ms) {
            (Some(_), Some(reserve), Some(_)) => (reserve, Knowledge::Everything),
            (Some(settle), ..) => (settle, Knowledge::Settled),
            (None, ..) => (0, Knowledge::Nothing),
        };
        let arrival = Arrival {
            second: attempt.second,
            reserve,
            settle,
            latency_ms: latency_ms.unwrap_or(0),
            caller: attempt.caller,
        };
        Request { arrival, ending: attempt.ending, knowledge, is_latency_known: latency_ms.is_some() }
    }
}

/// What becomes of an attempt in an estimate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// It is a request, as it is.
    Stays,
    /// The first throttled attempt of a chain that ended in this success: the request it was.
    Becomes(usize),
    /// A further throttled attempt of such a chain: no request of its own.
    Joins,
    /// The success of such a chain: it is where the chain began.
    Moves,
    /// A throttled attempt that came to nothing.
    InVain,
}

/// A request that was throttled, with the attempts to get it served; no success has ended it yet.
struct Chain {
    first_second: i64,
    throttled: Vec<usize>,
}

/// The chains of one caller. Attempts of one second are different requests, since a retry waits; so an attempt
/// continues the oldest chain that has none in its own second, and with it only that one.
#[derive(Default)]
struct Chains {
    second: i64,
    /// Without an attempt in this second, by their first one.
    waiting: VecDeque<Chain>,
    /// Continued in this second, in the same order; all of them began before those that wait.
    continued: Vec<Chain>,
    /// Begun in this second.
    begun: Vec<Chain>,
}

impl Chains {
    /// Goes on to the second of the next attempt, and leaves the chains that are too old.
    fn turn_to(&mut self, second: i64) {
        if second == self.second {
            return;
        }
        self.second = second;
        for chain in self.continued.drain(..).rev() {
            self.waiting.push_front(chain);
        }
        self.waiting.extend(self.begun.drain(..));
        let is_over = |chain: &Chain| second.saturating_sub(chain.first_second) > CHAIN_SECONDS;
        while self.waiting.front().is_some_and(is_over) {
            self.waiting.pop_front();
        }
    }

    fn throttle(&mut self, place: usize) {
        match self.waiting.pop_front() {
            Some(mut chain) => {
                chain.throttled.push(place);
                self.continued.push(chain);
            }
            None => self.begun.push(Chain { first_second: self.second, throttled: vec![place] }),
        }
    }
}

fn fates(requests: &[Request]) -> Vec<Fate> {
    let mut fates = vec![Fate::Stays; requests.len()];
    let mut callers: FxHashMap<CallerId, Chains> = FxHashMap::default();
    for (place, request) in requests.iter().enumerate() {
        let Arrival { second, caller, .. } = request.arrival;
        match request.ending {
            Ending::Failed => {}
            Ending::Throttled => {
                // So it stays unless a success follows in time.
                fates[place] = Fate::InVain;
                let chains = callers.entry(caller).or_default();
                chains.turn_to(second);
                chains.throttle(place);
            }
            Ending::Successful => {
                let Some(chains) = callers.get_mut(&caller) else { continue };
                chains.turn_to(second);
                if let Some(chain) = chains.waiting.pop_front() {
                    fates[place] = Fate::Moves;
                    chain.throttled.iter().for_each(|&throttled| fates[throttled] = Fate::Joins);
                    fates[chain.throttled[0]] = Fate::Becomes(place);
                }
            }
        }
    }
    fates
}

/// What callers typically ask for, computed for those alone that something is imputed to.
struct Typical {
    rank: Share,
    callers: FxHashMap<CallerId, Known>,
    /// All callers together.
    everyone: Known,
    known: FxHashMap<CallerId, Option<Arrival>>,
    known_of_everyone: Option<Option<Arrival>>,
}

/// Successful requests whose tokens are known.
#[derive(Default)]
struct Known {
    reserves: Vec<u64>,
    settles: Vec<u64>,
    /// Where known.
    latencies_ms: Vec<u64>,
}

impl Known {
    fn add(&mut self, request: &Request) {
        self.reserves.push(request.arrival.reserve);
        self.settles.push(request.arrival.settle);
        if request.is_latency_known {
            self.latencies_ms.push(request.arrival.latency_ms);
        }
    }

    /// Each value at a rank of its own; second and caller are left to whoever uses it.
    fn at(&mut self, rank: Share) -> Option<Arrival> {
        let settle = nearest_rank(&mut self.settles, rank)?;
        let reserve = nearest_rank(&mut self.reserves, rank)?;
        let latency_ms = nearest_rank(&mut self.latencies_ms, rank);
        let (reserve, latency_ms) = latency_ms.map_or((settle, 0), |latency_ms| (reserve, latency_ms));
        Some(Arrival { second: 0, reserve, settle, latency_ms, caller: CallerId(0) })
    }
}

impl Typical {
    fn new(requests: &[Request], fates: &[Fate], estimate: Estimate) -> Self {
        let rank = Share::from_millionths(if estimate == Estimate::High { 900_000 } else { 500_000 });
        let in_vain = requests.iter().zip(fates).filter(|(_, fate)| **fate == Fate::InVain);
        let mut callers: FxHashMap<CallerId, Known> =
            in_vain.map(|(request, _)| (request.arrival.caller, Known::default())).collect();
        let mut everyone = Known::default();
        if !callers.is_empty() {
            let successful = requests
                .iter()
                .filter(|it| it.ending == Ending::Successful && it.knowledge != Knowledge::Nothing);
            for request in successful {
                everyone.add(request);
                if let Some(known) = callers.get_mut(&request.arrival.caller) {
                    known.add(request);
                }
            }
        }
        Typical { rank, callers, everyone, known: FxHashMap::default(), known_of_everyone: None }
    }

    fn of(&mut self, caller: CallerId) -> Option<Arrival> {
        let rank = self.rank;
        let own = *self
            .known
            .entry(caller)
            .or_insert_with(|| self.callers.get_mut(&caller).and_then(|known| known.at(rank)));
        own.or_else(|| *self.known_of_everyone.get_or_insert_with(|| self.everyone.at(rank)))
    }
}
