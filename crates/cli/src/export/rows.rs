//! The invocations of a run as a table, while they are counted.
//!
//! In: the hours of the run, a record at a time on any thread, each hour once or again. Out: a file with the rows of
//! each hour as they were given last. Always: a row is written if and only if its record is counted; a file that cannot
//! be written stops the run. Absent: what the columns are (the table's).

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use borehole_record::{Invocation, ProfileMap, UtcHour};
use borehole_table::columns::{Format, HourlyTable, Piece};
use borehole_table::invocations::InvocationRows;
use tempfile::NamedTempFile;

/// The rows of a run.
pub(crate) struct RowTable {
    format: Format,
    profiles: Arc<ProfileMap>,
    table: Mutex<io::Result<HourlyTable>>,
}

/// The rows of one hour.
pub(crate) struct HourRows {
    hour: UtcHour,
    format: Format,
    rows: InvocationRows,
    sealed: Option<io::Result<Piece>>,
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
        Ok(RowTable { format, profiles, table: Mutex::new(Ok(table)) })
    }

    /// The run begins; what an attempt before it gave is nothing.
    pub(crate) fn begin(&self) {
        self.with_table(|table| {
            table.forget_all();
            Ok(())
        });
    }

    /// An hour begins.
    pub(crate) fn open(&self, hour: UtcHour) -> HourRows {
        let rows = InvocationRows::new(Arc::clone(&self.profiles));
        HourRows { hour, format: self.format, rows, sealed: None }
    }

    /// The hour is complete; what was given for it before is nothing now.
    pub(crate) fn close(&self, rows: HourRows) {
        let piece = rows.sealed.unwrap_or_else(|| Err(io::Error::other("an hour without end")));
        self.with_table(|table| table.put(rows.hour.0, &piece?));
    }

    /// What was given for an hour is nothing; it is given anew, if there is anything left of it.
    pub(crate) fn retract(&self, hour: UtcHour) {
        self.with_table(|table| {
            table.forget(hour.0);
            Ok(())
        });
    }

    /// Whether nothing can be written any more.
    pub(crate) fn has_failed(&self) -> bool {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).is_err()
    }

    /// Why nothing can be written any more.
    pub(crate) fn failure(&self) -> Option<io::Error> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let error = table.as_ref().err()?.kind();
        std::mem::replace(&mut *table, Err(error.into())).err()
    }

    /// The file, whole.
    pub(crate) fn finish(&self) -> io::Result<NamedTempFile> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *table, Err(io::Error::other("the table was ended before")))?.finish()
    }

    /// Does something to the table. The first thing that goes wrong is what is told, and nothing is done after it.
    fn with_table(&self, act: impl FnOnce(&mut HourlyTable) -> io::Result<()>) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let done = table.as_mut().map_or(Ok(()), act);
        if let Err(error) = done {
            *table = Err(error);
        }
    }
}

impl HourRows {
    /// Adds a row.
    pub(crate) fn push(&mut self, invocation: &Invocation) {
        self.rows.push(invocation);
    }

    /// Makes the rows ready to be written: here, since this runs on all threads. `object` names an object of the run.
    pub(crate) fn seal(&mut self, object: &dyn Fn(u32) -> String) {
        let frame = self.rows.frame(object).map_err(io::Error::other);
        self.sealed = Some(frame.and_then(|frame| Piece::new(self.format, frame)));
        self.rows.clear();
    }
}
