//! The `aws` layout: NDJSON objects by account, Region and hour, payload objects under `data/`.
//!
//! Always: every line is counted in the tally when it is decided, whatever folder it is written to later; an
//! object holds at most a few MiB, so memory does not grow with the dump.

use std::collections::BTreeMap;
use std::io;

use crate::body::{Dialect, INPUT};
use crate::calendar::{self, HOUR};
use crate::files::{Files, Packing};
use crate::request::{Fate, Id, Parts, Place, Request};
use crate::tally::Tally;
use crate::traffic::Traffic;
use crate::traps::{BAD_LINES, BadLine, Laid, Refused, Trap, bad_line, trapped};
use crate::world::World;
use crate::{Dump, Options};

const BUCKET: &str = "acme-bedrock-logs";

/// Bytes at which an object is closed; what Bedrock would deliver in one file.
const OBJECT_BYTES_MAX: usize = 8 << 20;

/// Seconds of traffic that one object holds.
const OBJECT_SECONDS: i64 = 300;

/// Records of one object before they are written.
struct OpenObject {
    stream: usize,
    hour: i64,
    slot: i64,
    lines: Vec<Vec<u8>>,
    bytes: usize,
}

/// How the records of an object follow each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Lines,
    NoFinalBreak,
    CarriageReturns,
    BlankLines,
    Array,
    Concatenated,
    ThreeMembers,
}

const FRAMINGS: [Framing; 7] = [
    Framing::Lines,
    Framing::NoFinalBreak,
    Framing::CarriageReturns,
    Framing::BlankLines,
    Framing::Array,
    Framing::Concatenated,
    Framing::ThreeMembers,
];

pub(crate) struct AwsDump<'a> {
    options: &'a Options,
    world: World,
    files: Files,
    tally: Tally,
    open: Option<OpenObject>,
    /// Lines that wait for an object of this (folder hour, stream).
    pending: BTreeMap<(i64, usize), Vec<Vec<u8>>>,
    /// Bad lines that wait for an object with good lines around them.
    bad_lines: Vec<Vec<u8>>,
    /// Record objects written so far; decides their framing.
    objects: usize,
}

impl<'a> AwsDump<'a> {
    pub(crate) fn new(options: &'a Options, world: World, files: Files, tally: Tally) -> Self {
        AwsDump {
            options,
            world,
            files,
            tally,
            open: None,
            pending: BTreeMap::new(),
            bad_lines: Vec::new(),
            objects: 0,
        }
    }

    fn region_folder(&self, stream: usize) -> String {
        let stream = &self.world.streams[stream];
        format!("{BUCKET}/AWSLogs/{}/BedrockModelInvocationLogs/{}", stream.account, stream.region)
    }

    fn hour_folder(&self, stream: usize, hour: i64) -> String {
        format!("{}/{}", self.region_folder(stream), calendar::hour_folder(hour))
    }

    /// Writes the payload objects of offloaded bodies, fills in their paths, and counts the references.
    fn write_payloads(&mut self, request: &mut Request, stream: usize) -> io::Result<()> {
        let folder = self.hour_folder(stream, request.seconds.div_euclid(HOUR));
        let id = request.id_text();
        for (side, name) in [(&mut request.input, "input"), (&mut request.output, "output")] {
            let Some(side) = side else { continue };
            if let Place::Offloaded(Fate::Resolved, path) = &mut side.place {
                let key = format!("{folder}/data/{id}_{name}.json.gz");
                let stored = self.files.put(&key, &side.body.json, Packing::Gzip)?;
                self.tally.ledger.payload("sidecar", stored);
                *path = format!("s3://{key}");
            }
        }
        Ok(())
    }

    /// Counts the record that stands in a folder of this stream and hour.
    fn count(&mut self, request: &Request, stream: usize, folder_hour: i64) {
        let ledger = &mut self.tally.ledger;
        ledger.documents_found += 1;
        for side in [&request.input, &request.output].into_iter().flatten() {
            if let Place::Offloaded(fate, _) = side.place {
                match fate {
                    Fate::Resolved => ledger.references_resolved += 1,
                    Fate::Missing => ledger.references_missing += 1,
                    Fate::Refused(reason) => *ledger.references_refused.entry(reason).or_default() += 1,
                }
            }
        }
        let here = &self.world.streams[stream];
        let sighting = request.sighting(Parts::RECORD, Some(&here.account), Some(&here.region));
        self.tally.record(sighting, stream, folder_hour);
    }

    /// Counts a record and hands its line to the object of its folder.
    fn place(&mut self, request: &Request, stream: usize, folder_hour: i64) -> io::Result<()> {
        self.count(request, stream, folder_hour);
        let mut line = Vec::with_capacity(4_096);
        request.write_record(&mut line, ",");
        self.hand_over(line, request.seconds, stream, folder_hour)
    }

    /// Appends a line to the open object if it is of this folder; else the line waits for one that is.
    fn hand_over(&mut self, line: Vec<u8>, seconds: i64, stream: usize, folder_hour: i64) -> io::Result<()> {
        let slot = seconds.div_euclid(OBJECT_SECONDS);
        if seconds.div_euclid(HOUR) != folder_hour {
            self.pending.entry((folder_hour, stream)).or_default().push(line);
            return Ok(());
        }
        let fits = self.open.as_ref().is_some_and(|open| {
            let lines_max = self.options.records_per_object.map_or(usize::MAX, |max| max as usize);
            (open.stream, open.hour) == (stream, folder_hour)
                && (open.slot == slot || self.options.records_per_object.is_some())
                && open.bytes < OBJECT_BYTES_MAX
                && open.lines.len() < lines_max
        });
        if !fits {
            self.close_object()?;
            self.open = Some(OpenObject { stream, hour: folder_hour, slot, lines: Vec::new(), bytes: 0 });
        }
        if let Some(open) = &mut self.open {
            open.bytes += line.len();
            open.lines.push(line);
        }
        Ok(())
    }

    fn close_object(&mut self) -> io::Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let mut lines = open.lines;
        // What waited for this folder comes first, so that an object is not in order of time.
        if self.options.records_per_object.is_none()
            && let Some(mut waiting) = self.pending.remove(&(open.hour, open.stream))
        {
            waiting.append(&mut lines);
            lines = waiting;
        }
        self.write_object(lines, open.stream, open.hour, (open.slot + 1) * OBJECT_SECONDS)
    }

    /// Writes one record object, with a bad line in its midst where one is waiting.
    fn write_object(
        &mut self,
        mut lines: Vec<Vec<u8>>,
        stream: usize,
        hour: i64,
        written_seconds: i64,
    ) -> io::Result<()> {
        let ordinal = self.objects;
        self.objects += 1;
        let mut framing = if self.options.traps && self.options.records_per_object != Some(1) {
            // Every framing in turn, then one in eight.
            if ordinal < 7 || ordinal.is_multiple_of(8) { FRAMINGS[ordinal % 7] } else { Framing::Lines }
        } else {
            Framing::Lines
        };
        if lines.len() >= 2 && !self.bad_lines.is_empty() {
            // A good line before and after it: a bad one costs only itself.
            let position = self.world.random.between(1, lines.len() as u64 - 1) as usize;
            lines.insert(position, self.bad_lines.remove(0));
            framing = Framing::Lines;
        }
        let (opening, between, closing): (&[u8], &[u8], &[u8]) = match framing {
            Framing::Lines | Framing::ThreeMembers => (b"", b"\n", b"\n"),
            Framing::NoFinalBreak => (b"", b"\n", b""),
            Framing::CarriageReturns => (b"", b"\r\n", b"\r\n"),
            Framing::BlankLines => (b"\n", b"\n \n\n", b"\n\n"),
            Framing::Array => (b"[", b",\n", b"]\n"),
            Framing::Concatenated => (b"", b"", b""),
        };
        let mut content = opening.to_vec();
        content.extend(lines.join(between));
        content.extend_from_slice(closing);
        let packing = if framing == Framing::ThreeMembers { Packing::ThreeMembers } else { Packing::Gzip };
        self.store(&content, packing, stream, hour, written_seconds)
    }

    /// Stores a record object and counts it.
    fn store(
        &mut self,
        content: &[u8],
        packing: Packing,
        stream: usize,
        hour: i64,
        written_seconds: i64,
    ) -> io::Result<()> {
        let random = &mut self.world.random;
        let seconds = (written_seconds + random.below(20) as i64).clamp(hour * HOUR, (hour + 1) * HOUR - 1);
        let name =
            format!("{}_{:016x}.json.gz", calendar::file_stamp(seconds, random.below(1_000)), random.next());
        let key = format!("{}/{name}", self.hour_folder(stream, hour));
        let stored = self.files.put(&key, content, packing)?;
        let ledger = &mut self.tally.ledger;
        ledger.objects_listed += 1;
        ledger.objects_read += 1;
        ledger.bytes_listed += stored;
        ledger.bytes_decompressed += content.len() as u64;
        if packing == Packing::ZeroPadded {
            // The padding is not decoded.
            ledger.warn("gz_zero_padding");
        }
        self.tally.entries[stream].folders.insert(hour);
        Ok(())
    }

    /// Writes records to an object of their own.
    fn own_object(&mut self, requests: &[Request], laid: Laid) -> io::Result<()> {
        let hour = laid.seconds.div_euclid(HOUR);
        let (opening, separator, packing) = match laid.trap {
            Trap::Pretty => ("", ",\n  ", Packing::Gzip),
            Trap::ByteOrderMark => ("\u{feff}", ",", Packing::Gzip),
            Trap::ZeroPadding => ("", ",", Packing::ZeroPadded),
            _ => ("", ", ", Packing::Plain),
        };
        let mut content = opening.as_bytes().to_vec();
        for request in requests {
            self.count(request, laid.stream, hour);
            request.write_record(&mut content, separator);
            content.push(b'\n');
        }
        if packing == Packing::Plain {
            self.tally.ledger.warn("ext_mismatch");
        }
        self.store(&content, packing, laid.stream, hour, laid.seconds)
    }

    /// A folder hour far from this one, open and within the range if it is long enough.
    fn far_folder(&mut self, traffic: &Traffic, stream: usize, hour: i64) -> Option<i64> {
        crate::far_folder(traffic, &mut self.world.random, stream, hour)
    }

    /// A record far from its folder, in an object of its own.
    fn write_stray(&mut self, request: &Request, stream: usize, folder_hour: i64) -> io::Result<()> {
        self.count(request, stream, folder_hour);
        let mut line = Vec::new();
        request.write_record(&mut line, ",");
        line.push(b'\n');
        self.store(&line, Packing::Gzip, stream, folder_hour, folder_hour * HOUR)
    }
}

impl Dump for AwsDump<'_> {
    fn world(&mut self) -> &mut World {
        &mut self.world
    }

    fn begin(&mut self) -> io::Result<()> {
        for stream in 0..self.world.streams.len() {
            let key = format!("{}/amazon-bedrock-logs-permission-check", self.region_folder(stream));
            self.files.put(&key, b"", Packing::Plain)?;
            self.tally.ledger.objects_listed += 1;
            self.tally.ledger.skip("permission_marker");
        }
        Ok(())
    }

    fn ordinary(&mut self, mut request: Request, stream: usize, traffic: &Traffic) -> io::Result<()> {
        self.write_payloads(&mut request, stream)?;
        let hour = request.seconds.div_euclid(HOUR);
        let next_is_open = traffic.is_open(stream, hour + 1);
        let is_late = self.world.random.per_mille(self.options.late_per_mille) && next_is_open;
        self.place(&request, stream, if is_late { hour + 1 } else { hour })?;
        if self.world.random.per_mille(self.options.duplicates_per_mille) {
            match self.world.random.below(10) {
                0..3 if next_is_open => self.place(&request, stream, hour + 1)?,
                3..5 if request.counts[INPUT].value().is_some() => {
                    self.place(&World::empty_twin(&request), stream, hour)?;
                }
                _ => self.place(&request, stream, hour)?,
            }
        }
        Ok(())
    }

    fn stray(&mut self, mut request: Request, stream: usize, traffic: &Traffic) -> io::Result<()> {
        self.write_payloads(&mut request, stream)?;
        let hour = request.seconds.div_euclid(HOUR);
        match self.far_folder(traffic, stream, hour) {
            Some(folder_hour) => self.write_stray(&request, stream, folder_hour),
            None => self.place(&request, stream, hour),
        }
    }

    fn trap(&mut self, laid: Laid, traffic: &Traffic) -> io::Result<()> {
        let Laid { trap, stream, seconds } = laid;
        let hour = seconds.div_euclid(HOUR);
        let trapped = trapped(&mut self.world, laid, BUCKET);
        for warning in trapped.warnings {
            self.tally.ledger.warn(warning);
        }
        let mut request = trapped.request;
        self.write_payloads(&mut request, stream)?;
        match trap {
            Trap::OtherSchema => {
                let ledger = &mut self.tally.ledger;
                ledger.documents_found += 1;
                *ledger.records_filtered.entry("other_schema").or_default() += 1;
                let mut line = Vec::new();
                request.write_record(&mut line, ",");
                self.hand_over(line, seconds, stream, hour)
            }
            Trap::LostCounts => {
                self.tally.ledger.counts_lost += 1;
                self.place(&request, stream, hour)
            }
            Trap::EmptyTwin => {
                self.place(&World::empty_twin(&request), stream, hour)?;
                self.place(&request, stream, hour)
            }
            Trap::BorderPair { .. } | Trap::Chain | Trap::TwoHoursApart => {
                for copy in crate::copies_in_time(trap, &request) {
                    self.place(&copy, stream, copy.seconds.div_euclid(HOUR))?;
                }
                Ok(())
            }
            Trap::TwoAccounts => {
                self.place(&request, stream, hour)?;
                let own = self.world.streams[stream].account.clone();
                let other = self.world.streams.iter().position(|other| other.account != own);
                if let Some(other) = other.filter(|&other| traffic.is_open(other, hour)) {
                    request.account = Some(self.world.streams[other].account.clone());
                    request.region = Some(self.world.streams[other].region.clone());
                    let mut line = Vec::new();
                    request.write_record(&mut line, ",");
                    self.count(&request, other, hour);
                    self.pending.entry((hour, other)).or_default().push(line);
                }
                Ok(())
            }
            Trap::StrayCopy => {
                self.place(&request, stream, hour)?;
                match self.far_folder(traffic, stream, hour) {
                    Some(folder_hour) => self.write_stray(&request, stream, folder_hour),
                    None => Ok(()),
                }
            }
            Trap::NoRequestId | Trap::EmptyRequestId => {
                request.id = if trap == Trap::NoRequestId { Id::Absent } else { Id::Empty };
                self.place(&request, stream, hour)
            }
            Trap::OtherAccount => {
                request.account = Some("999988887777".into());
                self.place(&request, stream, hour)
            }
            Trap::OtherRegion => {
                request.region = Some("sa-east-1".into());
                self.place(&request, stream, hour)
            }
            Trap::NamesFromKey => {
                request.account = None;
                request.region = None;
                self.place(&request, stream, hour)
            }
            Trap::EmptyObject => {
                self.tally.ledger.warn("empty_object");
                self.store(b"", Packing::Plain, stream, hour, seconds)
            }
            Trap::PlainNamedGzip | Trap::ZeroPadding | Trap::ByteOrderMark | Trap::Pretty => {
                let second = self.world.plain(stream, seconds, "Converse", Dialect::Converse);
                self.own_object(&[request, second], laid)
            }
            Trap::Media => {
                let key = format!(
                    "{}/data/{}_input_media_00.pdf",
                    self.hour_folder(stream, hour),
                    request.id_text()
                );
                let stored = self.files.put(&key, b"%PDF-1.4\n%%EOF\n", Packing::Plain)?;
                self.tally.ledger.payload("sidecar", stored);
                self.place(&request, stream, hour)
            }
            Trap::Outlier => {
                // Its folder is that of the hour it was laid in.
                self.count(&request, stream, hour);
                let mut line = Vec::new();
                request.write_record(&mut line, ",");
                self.hand_over(line, seconds, stream, hour)
            }
            _ => self.place(&request, stream, hour),
        }
    }

    fn reject(&mut self, ordinal: u64, stream: usize, seconds: i64) -> io::Result<()> {
        let kind = (ordinal % BAD_LINES as u64) as usize;
        let BadLine { text: line, reason, .. } = bad_line(kind, &mut self.world, stream, seconds);
        let ledger = &mut self.tally.ledger;
        ledger.documents_found += 1;
        match reason {
            Refused::Document(reason) => *ledger.documents_rejected.entry(reason).or_default() += 1,
            Refused::Record(reason) => *ledger.records_rejected.entry(reason).or_default() += 1,
        }
        if kind == BAD_LINES - 1 {
            // A cut line ends its object.
            let request = self.world.plain(stream, seconds, "Converse", Dialect::Converse);
            self.count(&request, stream, seconds.div_euclid(HOUR));
            let mut content = Vec::new();
            request.write_record(&mut content, ",");
            content.push(b'\n');
            content.extend(line);
            return self.store(&content, Packing::Gzip, stream, seconds.div_euclid(HOUR), seconds);
        }
        self.bad_lines.push(line);
        Ok(())
    }

    fn finish_hour(&mut self, hour: i64) -> io::Result<()> {
        self.close_object()?;
        // What still waits for this hour, or for one that had no object of its own.
        let later = self.pending.split_off(&(hour + 1, 0));
        let due = std::mem::replace(&mut self.pending, later);
        for ((hour, stream), mut lines) in due {
            let most = self.options.records_per_object.map_or(1_000, |max| max.max(1) as usize);
            while !lines.is_empty() {
                let rest = lines.split_off(most.min(lines.len()));
                self.write_object(lines, stream, hour, (hour + 1) * HOUR)?;
                lines = rest;
            }
        }
        self.tally.finish_before(hour + 1);
        Ok(())
    }

    fn finish(mut self: Box<Self>, last_hour: i64) -> io::Result<(Files, Tally)> {
        // Bad lines that no object could take lie between two good records, which are counted as any other.
        let stream = 0;
        let seconds = self.options.to_seconds - 1;
        for line in std::mem::take(&mut self.bad_lines) {
            let mut lines = Vec::new();
            for _ in 0..2 {
                let request = self.world.plain(stream, seconds, "Converse", Dialect::Converse);
                self.count(&request, stream, last_hour);
                let mut good = Vec::new();
                request.write_record(&mut good, ",");
                lines.push(good);
            }
            lines.insert(1, line);
            let mut content = lines.join(&b'\n');
            content.push(b'\n');
            self.store(&content, Packing::Gzip, stream, last_hour, seconds)?;
        }
        // Late records wait for the hour after the range.
        self.finish_hour(last_hour + 1)?;
        self.tally.finish();
        Ok((self.files, self.tally))
    }
}
