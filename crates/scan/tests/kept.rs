//! Runs over what earlier runs kept: whatever was kept, and whatever of it was lost, the answer is that of a run that
//! reads everything.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use borehole_record::{Invocation, UtcHour};
use borehole_scan::kept::{Keeper, Kept, KeptRows, Scope, Section, Slot};
use borehole_scan::{
    Cell, CellSink, Error, KeepHour, KeptRun, Ledger, ListOptions, Plan, Progress, Range, Remembered, Source,
    scan_keeping,
};
use borehole_store::EscapedKey;
use proptest::prelude::*;
use support::world::{Place, World, world};
use support::{options, run_noting};

/// States in memory. What comes after `writes_left` is lost, as if the run had been killed there; a run that asked
/// `questions_left` times whether it is stopped is.
#[derive(Default)]
struct Shelf {
    states: Mutex<BTreeMap<Slot, State>>,
    writes_left: Mutex<Option<u64>>,
    questions_left: Mutex<Option<u64>>,
    told_to_stop: AtomicBool,
}

#[derive(Clone, Default)]
struct State {
    sections: BTreeMap<&'static str, Vec<u8>>,
    rows: Vec<File>,
}

#[derive(Clone)]
struct File {
    stream: String,
    objects: Vec<Box<str>>,
    rows: Vec<Invocation>,
}

impl Shelf {
    fn write(&self, slot: Slot, change: impl FnOnce(&mut State)) {
        let mut left = self.writes_left.lock().unwrap();
        match &mut *left {
            Some(0) => return,
            Some(count) => *count -= 1,
            None => {}
        }
        change(self.states.lock().unwrap().entry(slot).or_default());
    }

    fn kept(&self, sources: &[Source], covered: Vec<(UtcHour, UtcHour)>) -> Kept {
        let mut kept = Kept::default();
        let titles = sources.iter().map(|source| source.name.clone()).collect();
        let sources = sources.iter().map(Source::identity).collect();
        let volume =
            kept.add_volume("shelf", Scope { sources, titles, streams: Vec::new(), covered }).unwrap();
        for (&slot, state) in &*self.states.lock().unwrap() {
            // Leaked for the test: the real thing borrows from what it has read.
            let state: &'static State = Box::leak(Box::new(state.clone()));
            let section = |name: &'static str| state.sections.get(name).map(Vec::as_slice);
            assert!(kept.add(volume, slot, &section), "what was written reads back");
        }
        kept
    }
}

impl Keeper for Shelf {
    fn section(&self, _volume: u32, slot: Slot, name: &'static str) -> Option<Vec<u8>> {
        self.states.lock().unwrap().get(&slot)?.sections.get(name).cloned()
    }

    fn rows(&self, _volume: u32, hour: UtcHour, take: &mut dyn FnMut(KeptRows<'_>)) -> bool {
        let files = self.states.lock().unwrap().get(&Some(hour)).map(|state| state.rows.clone());
        for File { stream, objects, rows } in files.unwrap_or_default() {
            take(KeptRows { stream: &stream, objects: &objects, rows });
        }
        true
    }

    fn keep(&self, slot: Slot, sections: Vec<Section>) {
        self.write(slot, |state| state.sections.extend(sections));
    }
}

type Row = (Invocation, Option<u32>);

/// Keeps what it is given on a shelf.
struct Keeping<'a> {
    shelf: &'a Shelf,
    streams: Vec<String>,
    keys: Vec<Box<str>>,
    hours: BTreeMap<UtcHour, Vec<Row>>,
}

struct Hour {
    hour: UtcHour,
    rows: Vec<(Row, u32)>,
}

impl Cell for Hour {
    fn invocation(&mut self, invocation: &Invocation, stream: u32, coverage: Option<u32>) {
        self.rows.push(((invocation.clone(), coverage), stream));
    }
}

impl CellSink for Keeping<'_> {
    type Cell = Hour;

    fn open(&self, hour: UtcHour) -> Hour {
        Hour { hour, rows: Vec::new() }
    }

    fn close(&mut self, cell: Hour, keep: Option<KeepHour>) {
        if let Some(KeepHour { sections, .. }) = keep {
            let mut files: BTreeMap<u32, File> = BTreeMap::new();
            for ((row, _), stream) in &cell.rows {
                let file = files.entry(*stream).or_insert_with(|| File {
                    stream: self.streams[*stream as usize].clone(),
                    objects: Vec::new(),
                    rows: Vec::new(),
                });
                let object = file.objects.len() as u32;
                file.objects.push(self.keys[row.object as usize].clone());
                file.rows.push(Invocation { object, ..row.clone() });
            }
            self.shelf.write(Some(cell.hour), |state| {
                state.sections.extend(sections);
                state.rows = files.into_values().collect();
            });
        }
        let rows = cell.rows.into_iter().map(|(row, _)| row).collect();
        assert!(self.hours.insert(cell.hour, rows).is_none(), "an hour is given once");
    }

    fn retract(&mut self, cell: Hour) {
        self.hours.remove(&cell.hour).expect("only what was given is taken back");
    }

    fn is_stopped(&self) -> bool {
        match &mut *self.shelf.questions_left.lock().unwrap() {
            Some(0) => {
                self.shelf.told_to_stop.store(true, Relaxed);
                true
            }
            Some(count) => {
                *count -= 1;
                false
            }
            None => false,
        }
    }

    fn empty(&mut self, hour: UtcHour, keep: Vec<Section>) {
        self.shelf.write(Some(hour), |state| {
            state.sections.extend(keep);
            state.rows.clear();
        });
    }
}

#[derive(Debug, PartialEq)]
struct Answer {
    rows: Vec<(i64, Row)>,
    books: String,
}

fn answer(hours: BTreeMap<UtcHour, Vec<Row>>, mut ledger: Ledger, plan: &Plan) -> Answer {
    ledger.bytes_fetched = 0;
    let mut rows: Vec<(i64, Row)> =
        hours.into_iter().flat_map(|(hour, rows)| rows.into_iter().map(move |row| (hour.0, row))).collect();
    rows.sort_by_key(|(hour, (row, _))| (*hour, row.object, row.offset));
    ledger.duplicates.retain(|_, count| *count > 0);
    Answer { rows, books: format!("{ledger:#?} {:?} {:?}", plan.coverage, plan.streams) }
}

/// The world's sources, each under a name of its own.
fn sources(world: &World) -> Vec<Source> {
    let mut sources = world.sources(0, 0);
    for (number, source) in sources.iter_mut().enumerate() {
        source.root = Some(format!("/worlds/{number}").into());
    }
    sources
}

fn read_everything(world: &World, range: Range) -> Answer {
    let outcome = run_noting(&sources(world), range, &options(), true).expect("the run goes through");
    answer(outcome.hours, outcome.ledger, &outcome.plan)
}

const LISTING: ListOptions =
    ListOptions { keep_lines: true, payloads: true, any_key: true, keep_listing: true };

/// Everything, as a range of hours.
const ALL: (UtcHour, UtcHour) = (UtcHour(i64::MIN / 4), UtcHour(i64::MAX / 4));

/// A run over a shelf; how many objects it did not read.
fn read_the_rest(world: &World, range: Range, shelf: &Shelf, stands: bool) -> Result<(Answer, u64), Error> {
    let mut sources = sources(world);
    if stands {
        // There is nothing to read from.
        let empty = World { files: Vec::new(), ..world.clone() };
        let stores = self::sources(&empty).into_iter().map(|source| source.store);
        sources.iter_mut().zip(stores).for_each(|(source, store)| source.store = store);
    }
    let kept = shelf.kept(&sources, vec![ALL]);
    let progress = Progress::default();
    let remembered = Remembered::new(&kept, shelf, &sources, stands, None)?;
    let plan = Plan::list_remembering(&sources, range, LISTING, Some(&remembered), &progress)?;
    let keys =
        plan.objects.iter().map(|planned| EscapedKey(&planned.object.key).to_string().into()).collect();
    let mut sink = Keeping { shelf, streams: plan.stream_names(&sources), keys, hours: BTreeMap::new() };
    let run = KeptRun { kept: &kept, keeper: shelf, stands };
    let scanned = scan_keeping(&plan, &sources, &options(), Some(run), &mut sink, &progress)?;
    let hours = std::mem::take(&mut sink.hours);
    Ok((answer(hours, scanned.ledger, &plan), scanned.unchanged))
}

/// Where two answers differ first.
fn difference(found: &Answer, expected: &Answer) -> Option<String> {
    if found == expected {
        return None;
    }
    let rows = found.rows.iter().zip(&expected.rows).find(|(one, other)| one != other);
    let lines = found.books.lines().zip(expected.books.lines()).find(|(one, other)| one != other);
    Some(format!("{} rows, not {}; first {rows:#?}; books {lines:?}", found.rows.len(), expected.rows.len()))
}

/// Whether documents of one request lie in three folders or more. Which of them make one record may then depend on
/// where reading starts (`docs/rules.md` section 4), so that a range is no part of the whole.
fn has_chain(world: &World) -> bool {
    let mut folders: BTreeMap<(usize, u8, u64), BTreeSet<i64>> = BTreeMap::new();
    for file in &world.files {
        if let Place::Split(root, folder, _, request) = file.place {
            folders.entry((file.source, root % 2, request)).or_default().insert(folder);
        }
    }
    folders.values().any(|folders| folders.len() > 2)
}

/// Whether a run asks for the world's range, and after how many writes it is killed.
type Step = (bool, Option<u64>);

/// A world that grows: which files come at which step.
fn growing() -> impl Strategy<Value = (World, Vec<u8>, Vec<Step>)> {
    let steps = proptest::collection::vec((any::<bool>(), proptest::option::of(0u64..12)), 1..4);
    (world(), proptest::collection::vec(0u8..4, 7), steps)
}

fn at_step(world: &World, arrivals: &[u8], step: usize) -> World {
    let has_come = |number: usize| usize::from(arrivals[number % arrivals.len()]) <= step;
    let files = world.files.iter().enumerate().filter(|(number, _)| has_come(*number));
    World { files: files.map(|(_, file)| file.clone()).collect(), range: world.range }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn j01_j16_whatever_was_kept_the_answer_is_that_of_reading_everything(
        (world, arrivals, steps) in growing()
    ) {
        let world = if has_chain(&world) { World { range: None, ..world } } else { world };
        let shelf = Shelf::default();
        for (step, &(is_ranged, killed_after)) in steps.iter().enumerate() {
            let world = at_step(&world, &arrivals, step);
            let range = if is_ranged { world.range() } else { Range::default() };
            *shelf.writes_left.lock().unwrap() = killed_after;
            let (found, _) = read_the_rest(&world, range, &shelf, false).expect("the run goes through");
            let expected = read_everything(&world, range);
            prop_assert_eq!(difference(&found, &expected), None, "step {}", step);
        }
        // Once a run went through, the shelf alone has the answer, and nothing is read again.
        *shelf.writes_left.lock().unwrap() = None;
        let world = at_step(&world, &arrivals, 3);
        let expected = read_everything(&world, Range::default());
        let (found, _) = read_the_rest(&world, Range::default(), &shelf, false).expect("the run goes through");
        prop_assert_eq!(difference(&found, &expected), None, "the whole");
        let (again, unchanged) =
            read_the_rest(&world, Range::default(), &shelf, false).expect("the run goes through");
        prop_assert_eq!(difference(&again, &expected), None, "a second time");
        if !world.files.iter().any(|file| file.fails) {
            let names: BTreeSet<(usize, String)> =
                world.files.iter().map(|file| (file.source, file.key())).collect();
            prop_assert_eq!(unchanged, names.len() as u64, "all is unchanged");
        }
        let (alone, _) = read_the_rest(&world, Range::default(), &shelf, true).expect("the run goes through");
        prop_assert_eq!(difference(&alone, &expected), None, "the shelf alone");
        let range = world.range();
        let (alone, _) = read_the_rest(&world, range, &shelf, true).expect("the run goes through");
        prop_assert_eq!(difference(&alone, &read_everything(&world, range)), None, "the shelf alone, a part of it");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// With what a stopped run left, the next one goes through.
    #[test]
    fn a_run_that_is_stopped_ends_there_and_spoils_nothing((world, arrivals, _) in growing()) {
        let range = Range::default();
        for step in [1, 3] {
            let world = at_step(&world, &arrivals, step);
            let expected = read_everything(&world, range);
            for questions in [0, 1, 2, 3, 5, 8, 13, 21, 34] {
                let shelf = Shelf::default();
                if step == 3 {
                    read_the_rest(&at_step(&world, &arrivals, 0), range, &shelf, false)
                        .expect("the run goes through");
                }
                *shelf.questions_left.lock().unwrap() = Some(questions);
                match read_the_rest(&world, range, &shelf, false) {
                    Err(Error::Stopped) => {}
                    Err(error) => prop_assert!(false, "{error}"),
                    Ok((found, _)) => {
                        prop_assert!(!shelf.told_to_stop.load(Relaxed), "a run that is stopped has no answer");
                        prop_assert_eq!(difference(&found, &expected), None, "not stopped");
                    }
                }
                *shelf.questions_left.lock().unwrap() = None;
                let (found, _) = read_the_rest(&world, range, &shelf, false).expect("the run goes through");
                prop_assert_eq!(difference(&found, &expected), None, "after {} questions", questions);
            }
        }
    }
}

/// A record that was a stray by itself joins another one later: then it is no stray any more.
#[test]
fn a_stray_that_joins_later_is_not_left_behind() {
    use borehole_record::DocumentKind::{Invocation, Metadata};
    use support::world::{Doc, File, Line};
    let file = |place, lines: Vec<Doc>, gzip| File {
        source: 0,
        place,
        lines: lines.into_iter().map(Line::Record).collect(),
        gzip,
        fails: false,
    };
    let at = |hour| Doc { time: Some((hour, 0, 0)), model: Some(0), ..Doc::default() };
    let files = vec![
        file(Place::Aws(1, 31, 0), vec![Doc::default(), at(34)], false),
        file(Place::Aws(1, 30, 0), vec![Doc::default()], false),
        file(Place::Split(0, 47, Invocation, 4), vec![Doc::default()], true),
        file(
            Place::Split(0, 47, Invocation, 4),
            vec![Doc { request: Some(4), model: None, ..at(47) }],
            false,
        ),
        file(Place::Split(0, 47, Metadata, 4), vec![Doc { request: Some(4), ..at(34) }], false),
    ];
    let world = World { files, range: None };
    let arrivals = [0, 2, 3, 3, 2];
    for killed_after in 0..12 {
        let shelf = Shelf::default();
        for (step, left) in [(0, Some(10)), (1, None), (2, Some(killed_after)), (3, None)] {
            let world = at_step(&world, &arrivals, step);
            *shelf.writes_left.lock().unwrap() = left;
            let (found, _) =
                read_the_rest(&world, Range::default(), &shelf, false).expect("the run goes through");
            let expected = read_everything(&world, Range::default());
            assert_eq!(difference(&found, &expected), None, "step {step}, killed after {killed_after}");
        }
    }
}
