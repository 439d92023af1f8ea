//! The floors: what listing, reading and inflating cost alone, for `benches/compare`.
//!
//! In: a directory or a file, and a number of threads (`bare --help` says how). Out: one JSON object on stdout: files,
//! gzip members, stored and decoded bytes, so that it can be checked that two runs did the same work; the seconds that
//! listing took, and those of the work after it. Always: every file is opened and read as a whole, buffers are reused,
//! every member is inflated and its checksum verified; what is no gzip in spite of its name is only read. Absent:
//! looking at what was decoded.

use std::ffi::c_void;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use libdeflate_sys::{
    libdeflate_alloc_decompressor, libdeflate_decompressor, libdeflate_free_decompressor,
    libdeflate_gzip_decompress_ex, libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE as INSUFFICIENT_SPACE,
    libdeflate_result_LIBDEFLATE_SUCCESS as SUCCESS,
};

const HELP: &str = "bare inflate PATH [--threads N]   every .gz file with libdeflate, as a whole
bare stream  PATH                 the same with zlib-rs, in chunks, on one thread
bare read    PATH [--threads N]   every file, opened and read

PATH is a directory or a file; threads are 1 where nothing else is said.";

/// What is read and written at a time while streaming, in bytes: as much as `borehole` hands on.
const CHUNK_BYTES: usize = 64 * 1024;

/// What a buffer for decoded bytes begins with, in bytes: more than most objects have, so that it seldom grows.
const DECODED_BYTES_FIRST: usize = 1 << 20;

/// Most decoded bytes of one member: an end of the doubling, should a file lie about itself.
const DECODED_BYTES_MAX: usize = 8 << 30;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Inflate,
    Stream,
    Read,
}

/// What was done, summed up over threads.
#[derive(Default)]
struct Done {
    files: u64,
    members: u64,
    stored_bytes: u64,
    decoded_bytes: u64,
}

impl Done {
    fn add(&mut self, other: &Done) {
        self.files += other.files;
        self.members += other.members;
        self.stored_bytes += other.stored_bytes;
        self.decoded_bytes += other.decoded_bytes;
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the figures are what it is for")]
fn main() -> ExitCode {
    let Some((mode, path, threads)) = arguments(std::env::args().skip(1)) else {
        eprintln!("{HELP}");
        return ExitCode::from(2);
    };
    match run(mode, &path, threads) {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Option<(Mode, PathBuf, usize)> {
    let mode = match words.next()?.as_str() {
        "inflate" => Mode::Inflate,
        "stream" => Mode::Stream,
        "read" => Mode::Read,
        _ => return None,
    };
    let path = PathBuf::from(words.next()?);
    let threads = match words.next().as_deref() {
        Some("--threads") if mode != Mode::Stream => words.next()?.parse().ok().filter(|&count| count > 0)?,
        Some(_) => return None,
        None => 1,
    };
    words.next().is_none().then_some((mode, path, threads))
}

/// The figures as one JSON object.
fn run(mode: Mode, path: &Path, threads: usize) -> io::Result<String> {
    let began = Instant::now();
    let mut files = Vec::new();
    if path.is_dir() {
        list(path, mode != Mode::Read, &mut files)?;
    } else {
        files.push(path.to_owned());
    }
    let listed = Instant::now();
    let next = AtomicUsize::new(0);
    let mut done = Done::default();
    std::thread::scope(|scope| -> io::Result<()> {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(mode, &files, &next))).collect();
        for worker in workers {
            let part = worker.join().map_err(|_| io::Error::other("a thread panicked"))?;
            done.add(&part?);
        }
        Ok(())
    })?;
    Ok(format!(
        r#"{{"files":{},"members":{},"stored_bytes":{},"decoded_bytes":{},"list_seconds":{:.6},"work_seconds":{:.6}}}"#,
        done.files,
        done.members,
        done.stored_bytes,
        done.decoded_bytes,
        (listed - began).as_secs_f64(),
        listed.elapsed().as_secs_f64(),
    ))
}

/// The files below a directory. It asks nothing about a file that the directory does not say itself.
fn list(directory: &Path, only_gzip: bool, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(&entry.path(), only_gzip, files)?;
        } else if kind.is_file() && (!only_gzip || entry.file_name().as_encoded_bytes().ends_with(b".gz")) {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Takes files one after the other until there are none left.
fn work(mode: Mode, files: &[PathBuf], next: &AtomicUsize) -> io::Result<Done> {
    let mut done = Done::default();
    let mut stored = vec![0; DECODED_BYTES_FIRST];
    let mut inflater = Inflater::new()?;
    while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
        let in_file = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.display()));
        done.files += 1;
        match mode {
            Mode::Read => done.stored_bytes += read(file, &mut stored).map_err(in_file)? as u64,
            Mode::Inflate => {
                let length = read(file, &mut stored).map_err(in_file)?;
                done.stored_bytes += length as u64;
                inflater.inflate(&stored[..length], &mut done).map_err(in_file)?;
            }
            Mode::Stream => stream(file, &mut done).map_err(in_file)?,
        }
    }
    Ok(done)
}

/// Reads a file into a buffer that only ever grows; its length.
fn read(path: &Path, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut file = File::open(path)?;
    let mut length = 0;
    loop {
        if length == buffer.len() {
            buffer.resize(2 * length, 0);
        }
        match file.read(&mut buffer[length..])? {
            0 => return Ok(length),
            count => length += count,
        }
    }
}

/// The members of one file in chunks, as far as they are gzip.
#[expect(clippy::disallowed_types, reason = "the floor is a plain inflater; nothing it hands out is used")]
fn stream(path: &Path, done: &mut Done) -> io::Result<()> {
    let file = File::open(path)?;
    done.stored_bytes += file.metadata()?.len();
    let mut stored = BufReader::with_capacity(CHUNK_BYTES, file);
    let mut chunk = vec![0; CHUNK_BYTES];
    // Member by member, so that they can be counted and that zero bytes after the last one are no error.
    while io::BufRead::fill_buf(&mut stored)?.first() == Some(&0x1f) {
        let mut member = flate2::bufread::GzDecoder::new(&mut stored);
        loop {
            match member.read(&mut chunk)? {
                0 => break,
                count => done.decoded_bytes += count as u64,
            }
        }
        done.members += 1;
    }
    Ok(())
}

/// libdeflate and the buffer that it inflates into.
struct Inflater {
    decompressor: NonNull<libdeflate_decompressor>,
    decoded: Vec<u8>,
}

impl Inflater {
    fn new() -> io::Result<Self> {
        // SAFETY: it has no preconditions, and says null where there is no memory.
        #[expect(unsafe_code, reason = "libdeflate is a C library")]
        let decompressor = unsafe { libdeflate_alloc_decompressor() };
        let decompressor = NonNull::new(decompressor).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Inflater { decompressor, decoded: vec![0; DECODED_BYTES_FIRST] })
    }

    /// Every member of a file.
    fn inflate(&mut self, mut stored: &[u8], done: &mut Done) -> io::Result<()> {
        // The length at the end of the file is that of its last member, mostly its only one. Deflate makes at most
        // 1,032 bytes of one, so what says more is no length.
        let length = stored.last_chunk().map_or(0, |&bytes| u32::from_le_bytes(bytes) as usize);
        if length > self.decoded.len() && length / 1_032 <= stored.len() {
            self.decoded.resize(length, 0);
        }
        while stored.first() == Some(&0x1f) {
            let (read, decoded) = self.member(stored)?;
            done.members += 1;
            done.decoded_bytes += decoded as u64;
            stored = &stored[read..];
        }
        Ok(())
    }

    /// One member: its stored and its decoded bytes.
    fn member(&mut self, stored: &[u8]) -> io::Result<(usize, usize)> {
        loop {
            let (mut read, mut decoded) = (0, 0);
            // SAFETY: the decompressor is live and used by this thread alone. Both pointers are those of slices, given
            // with their lengths, which do not overlap; the last two point at integers that outlive the call.
            #[expect(unsafe_code, reason = "libdeflate is a C library")]
            let result = unsafe {
                libdeflate_gzip_decompress_ex(
                    self.decompressor.as_ptr(),
                    stored.as_ptr().cast::<c_void>(),
                    stored.len(),
                    self.decoded.as_mut_ptr().cast::<c_void>(),
                    self.decoded.len(),
                    &raw mut read,
                    &raw mut decoded,
                )
            };
            match result {
                SUCCESS => return Ok((read, decoded)),
                INSUFFICIENT_SPACE if self.decoded.len() < DECODED_BYTES_MAX => {
                    self.decoded.resize(2 * self.decoded.len(), 0);
                }
                _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "no sound gzip member")),
            }
        }
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        // SAFETY: it came from `libdeflate_alloc_decompressor`, is freed here only, and nothing uses it afterwards.
        #[expect(unsafe_code, reason = "libdeflate is a C library")]
        unsafe {
            libdeflate_free_decompressor(self.decompressor.as_ptr());
        }
    }
}
