//! The invocations of a run as a table, while they are counted.
//!
//! In: the hours of the run, a record at a time on any thread, each hour once or again. Out: a file with the rows of
//! each hour as they were given last. Always: a row is written if and only if its record is counted. Absent: any wish
//! to stop the run: a file that cannot be written is told when the run is over.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use borehole_record::{Invocation, ProfileMap, UtcHour};
use borehole_scan::{Plan, Source};
use borehole_store::EscapedKey;
use borehole_table::columns::{Format, HourlyTable, Piece};
use borehole_table::invocations::InvocationRows;
use tempfile::NamedTempFile;

/// The rows of a run.
pub(crate) struct RowTable {
    format: Format,
    profiles: Arc<ProfileMap>,
    /// The keys of the run's objects, by their numbers; a bucket's with its name.
    objects: OnceLock<Vec<Object>>,
    table: Mutex<io::Result<HourlyTable>>,
}

struct Object {
    bucket: Option<Arc<str>>,
    key: Box<[u8]>,
}

impl Object {
    fn name(&self) -> String {
        let key = EscapedKey(&self.key);
        self.bucket.as_ref().map_or_else(|| key.to_string(), |bucket| format!("s3://{bucket}/{key}"))
    }
}

/// The rows of one hour.
pub(crate) struct HourRows {
    hour: UtcHour,
    rows: InvocationRows,
    sealed: Option<io::Result<Piece>>,
    table: Arc<RowTable>,
}

impl RowTable {
    /// An empty table; `make` makes the file that it is written to.
    pub(crate) fn new(
        format: Format,
        profiles: Arc<ProfileMap>,
        make: impl Fn() -> io::Result<NamedTempFile> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let columns =
            InvocationRows::new(Arc::clone(&profiles)).frame(&|_| String::new()).map_err(io::Error::other)?;
        let table = HourlyTable::new(format, &columns, make)?;
        Ok(RowTable { format, profiles, objects: OnceLock::new(), table: Mutex::new(Ok(table)) })
    }

    /// Remembers what the objects of the run are called.
    pub(crate) fn begin(&self, plan: &Plan, sources: &[Source]) {
        let buckets: Vec<Option<Arc<str>>> =
            sources.iter().map(|source| source.s3.as_ref().map(|store| store.bucket().into())).collect();
        let object = |planned: &borehole_scan::plan::Planned| Object {
            bucket: buckets[planned.source as usize].clone(),
            key: planned.object.key.clone(),
        };
        self.objects.get_or_init(|| plan.objects.iter().map(object).collect());
    }

    /// An hour begins.
    pub(crate) fn open(self: &Arc<Self>, hour: UtcHour) -> HourRows {
        HourRows {
            hour,
            rows: InvocationRows::new(Arc::clone(&self.profiles)),
            sealed: None,
            table: Arc::clone(self),
        }
    }

    /// The hour is complete; what was given for it before is nothing now.
    pub(crate) fn close(&self, mut rows: HourRows) {
        rows.seal();
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let piece = rows.sealed.unwrap_or_else(|| Err(io::Error::other("an hour without end")));
        // The first thing that went wrong is what is told.
        let put = match (&mut *table, piece) {
            (Ok(table), Ok(piece)) => table.put(rows.hour.0, &piece),
            (Ok(_), Err(error)) => Err(error),
            (Err(_), _) => Ok(()),
        };
        if let Err(error) = put {
            *table = Err(error);
        }
    }

    /// What was given for an hour is nothing; it is given anew, if there is anything left of it.
    pub(crate) fn retract(&self, rows: &HourRows) {
        if let Ok(table) = &mut *self.table.lock().unwrap_or_else(PoisonError::into_inner) {
            table.forget(rows.hour.0);
        }
    }

    /// The file, whole.
    pub(crate) fn finish(&self) -> io::Result<NamedTempFile> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *table, Err(io::Error::other("the table was ended before")))?.finish()
    }

    fn object(&self, number: u32) -> String {
        let objects = self.objects.get().and_then(|objects| objects.get(number as usize));
        objects.map_or_else(String::new, Object::name)
    }
}

impl HourRows {
    /// Adds a row.
    pub(crate) fn push(&mut self, invocation: &Invocation) {
        self.rows.push(invocation);
    }

    /// Makes the rows ready to be written: here, since this runs on all threads.
    pub(crate) fn seal(&mut self) {
        if self.sealed.is_none() {
            let frame = self.rows.frame(&|number| self.table.object(number)).map_err(io::Error::other);
            self.sealed = Some(frame.and_then(|frame| Piece::new(self.table.format, frame)));
            self.rows.clear();
        }
    }
}
