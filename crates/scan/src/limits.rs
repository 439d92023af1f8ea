//! Every bound of the scan, each with its reason.

/// Invocations a worker hands over at a time: large enough that the hand-over does not show, small enough
/// (about 1 MiB) that an object of millions of records is never held whole by its worker.
pub const BATCH_INVOCATIONS: usize = 4_096;

/// Batches that wait for the coordinating thread; readers stand still beyond that. About 16 MiB at most, and more
/// than all objects in flight can fill where objects are small, so that many small ones never wait.
pub const MESSAGES_WAITING: usize = 16;

/// How long the coordinating thread waits for readers before it asks again whether the run is to be stopped: whoever
/// stops one should not notice the wait, and a question costs a few microseconds.
pub const ASKED_WHETHER_STOPPED: std::time::Duration = std::time::Duration::from_millis(100);

/// Chunks of local objects in flight per thread: one being decoded and one waiting, so that no thread idles between
/// two.
pub const CHUNKS_IN_FLIGHT_PER_THREAD: usize = 2;

/// Folder hours that reading may run ahead of the oldest unfinished one, beyond one per thread: a dump may
/// have one object an hour, and a slow object must not let the hours behind it pile up in memory.
pub const HOURS_AHEAD: usize = 2;

/// As `CHUNKS_IN_FLIGHT_PER_THREAD`, of single objects for the whole run, where a source is reached over a network: what is asked for
/// waits there, not here. Twice as many as the store has requests under way, so that it never runs dry.
pub const OBJECTS_IN_FLIGHT_REMOTE: usize = 512;

/// As `HOURS_AHEAD`, where a source is reached over a network: a quiet account has an object an hour, and one after
/// the other they would take a day.
pub const HOURS_AHEAD_REMOTE: usize = 64;

/// Bytes of the temporary file that closed hours may take: some 40 million records. They are kept for the rare stray that
/// belongs to one of them; beyond this the folders of such an hour are read again instead.
pub const RETIRED_BYTES_MAX: u64 = 4 << 30;

/// The part of `--memory` that hours may take of which all is read: 64 MiB by default, some 250,000 records. As long
/// as they fit they are not closed, and a stray into one of them costs nothing.
pub const READ_HOURS_MEMORY_SHARE: usize = 4;

/// Most stored bytes of one object that a thread holds at once, so that it is unpacked in one call. Beyond it an
/// object is read in pieces.
pub const WHOLE_STORED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Stored bytes of local objects that a thread is given at a time: about a millisecond of work, so that handing over
/// does not show and threads end together.
pub const CHUNK_BYTES: u64 = 512 * 1024;

/// Local objects that a thread is given at a time, where they are tiny.
pub const CHUNK_OBJECTS: usize = 256;

/// Records of one object that wait for their payloads: about 1 KiB each. Beyond it the object's reading waits.
pub const RECORDS_WAITING_FOR_PAYLOADS: usize = 1_024;

/// Folders below the start of a source in a bucket that are looked into although nothing about them looks like a
/// layout: a key prefix rarely has more parts, and each folder costs a request.
pub const UNKNOWN_FOLDERS_DEPTH: usize = 3;

/// Folder hours beside its own whose records an hour may hold; further ones are strays.
pub const SLACK_HOURS: i64 = 1;

/// Folders beyond an hour that must be read before it closes: its neighbours (slack) and theirs, since a copy
/// in a neighbouring hour decides about a duplicate.
pub const CLOSING_HOURS: i64 = 2;

/// As `CLOSING_HOURS`, where a run has split roots: two more. Documents without an invocation document are a
/// record with those of the next folder, and whether those have one is known after the folder behind that.
pub const CLOSING_HOURS_SPLIT: i64 = 4;

/// Strays of one object that wait for its end: about 15 MiB. More of them are read a second time, whatever
/// becomes of the object.
pub const STRAYS_UNDECIDED: usize = 65_536;

/// Request ids compared at once when an hour closes. Larger hours close in several passes by a hash of the id,
/// so that closing one takes at most about 16 MiB however busy it was.
pub const IDENTITIES_PER_PASS: u64 = 64_000;

/// Payload facts kept, since several records may refer to one payload: about 4 MiB at most.
pub const PAYLOADS_CACHED: usize = 8_192;

/// Ledger lines kept for `--rejects`: 2 million are about 200 MiB of text; the rest is counted in one last line.
pub const LEDGER_LINES_MAX: usize = 2_000_000;

/// Ledger lines shown on stderr per reason; the rest is counted in one line.
pub const LEDGER_LINES_SHOWN: usize = 10;

/// Days beside the record's own that are tried for a conventional payload key.
pub const PAYLOAD_DAYS: i64 = 1;

/// Most bytes of one object after decompression, unless the operator says otherwise.
pub const DECODED_BYTES_MAX: u64 = 64 << 30;

/// Bytes of a foreign file that are looked at before it is taken for something else than JSON.
pub const FOREIGN_PROBE_BYTES: usize = 64 * 1024;
