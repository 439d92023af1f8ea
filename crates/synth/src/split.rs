//! The `split` layout: up to four documents a request by hour, large payloads by day in a second bucket.
//!
//! Always: a record is counted from the documents that lie in reach of its invocation document, as
//! `docs/rules.md` section 4 joins them. Absent: copies of one id in one folder, which the file names rule out.

use std::io;

use crate::body::{CACHE_READ, CACHE_WRITE, Dialect, INPUT, OUTPUT};
use crate::calendar::{self, DAY, HOUR, Stamp};
use crate::files::{Files, Packing};
use crate::request::{Fate, Logged, Object, Parts, Place, Request, Side, write_body};
use crate::tally::Tally;
use crate::traffic::Traffic;
use crate::traps::{BAD_LINES, BadLine, Laid, Refused, Trap, bad_line, trapped};
use crate::world::World;
use crate::{Dump, Options};

const BUCKET: &str = "bedrock-logs-mcp";
const LARGE_BUCKET: &str = "bedrock-large-data-mcp";

/// The four documents: folder and suffix.
const KINDS: [(&str, &str); 4] = [
    ("model-invocations", "invocation"),
    ("metadata", "metadata"),
    ("requests", "request"),
    ("responses", "response"),
];
const INVOCATION: usize = 0;
const METADATA: usize = 1;
const REQUEST: usize = 2;
const RESPONSE: usize = 3;

/// Which documents a request gets, where they lie and what stands in them.
#[derive(Clone, Copy, Debug)]
struct Form {
    /// Folder hours after the record's own, by document; `None`: there is no such document.
    offsets: [Option<i64>; 4],
    /// The bodies stand in the request and response documents, not in the invocation document.
    has_bodies_apart: bool,
    /// … there under `input` and `output`.
    is_nested: bool,
    /// The tags stand in the metadata document, not in the invocation document.
    has_tags_apart: bool,
    /// Metadata, request and response name the request id, too.
    has_ids: bool,
    /// Metadata repeats fields of the record.
    repeats_fields: bool,
    /// The error code stands in the response document alone.
    has_error_apart: bool,
    /// What the metadata document claims instead of the model.
    other_model: Option<&'static str>,
    /// The metadata document is gzip data in a `.json`.
    is_metadata_packed: bool,
}

impl Form {
    /// All four documents in the folder of the record's hour.
    const WHOLE: Form = Form {
        offsets: [Some(0); 4],
        has_bodies_apart: true,
        is_nested: false,
        has_tags_apart: true,
        has_ids: true,
        repeats_fields: false,
        has_error_apart: false,
        other_model: None,
        is_metadata_packed: false,
    };

    fn parts(&self) -> Parts {
        Parts {
            invocation: self.offsets[INVOCATION].is_some(),
            metadata: self.offsets[METADATA].is_some(),
            request: !self.has_bodies_apart || self.offsets[REQUEST].is_some(),
            response: !self.has_bodies_apart || self.offsets[RESPONSE].is_some(),
            status: self.offsets[RESPONSE].is_some(),
            tags: !self.has_tags_apart || self.offsets[METADATA].is_some(),
        }
    }

    /// The same, so many hours later.
    fn later(mut self, hours: i64) -> Self {
        self.offsets = self.offsets.map(|offset| offset.map(|offset| offset + hours));
        self
    }

    /// The invocation document alone.
    fn alone(mut self) -> Self {
        self.offsets = [self.offsets[INVOCATION], None, None, None];
        self
    }
}

pub(crate) struct SplitDump<'a> {
    options: &'a Options,
    world: World,
    files: Files,
    tally: Tally,
}

impl<'a> SplitDump<'a> {
    pub(crate) fn new(options: &'a Options, world: World, files: Files, tally: Tally) -> Self {
        SplitDump { options, world, files, tally }
    }

    /// Stores one document and counts it as found.
    fn store(&mut self, kind: usize, id: &str, hour: i64, content: &[u8], is_packed: bool) -> io::Result<()> {
        let (folder, suffix) = KINDS[kind];
        let extension = if self.options.gzip { ".gz" } else { "" };
        let key = format!("{BUCKET}/{}/{folder}/{id}-{suffix}.json{extension}", calendar::hour_folder(hour));
        let packing = if self.options.gzip || is_packed { Packing::Gzip } else { Packing::Plain };
        let stored = self.files.put(&key, content, packing)?;
        let ledger = &mut self.tally.ledger;
        ledger.objects_listed += 1;
        ledger.objects_read += 1;
        ledger.bytes_listed += stored;
        ledger.bytes_decompressed += content.len() as u64;
        ledger.documents_found += 1;
        if is_packed && !self.options.gzip {
            ledger.warn("ext_mismatch");
        }
        self.tally.entries[0].folders.insert(hour);
        Ok(())
    }

    /// Writes the documents of one record and counts it.
    fn write(&mut self, request: &Request, form: Form) -> io::Result<()> {
        let hour = request.seconds.div_euclid(HOUR);
        self.write_in(request, form, hour)
    }

    /// As [`Self::write`], with the folder hour that the offsets count from.
    fn write_in(&mut self, request: &Request, form: Form, hour: i64) -> io::Result<()> {
        let id = request.id_text();
        for (kind, offset) in form.offsets.into_iter().enumerate() {
            let Some(offset) = offset else { continue };
            let mut content = Vec::with_capacity(2_048);
            match kind {
                INVOCATION => {
                    let mut shown = request.clone();
                    if form.has_error_apart {
                        shown.error = None;
                    }
                    shown.write_invocation(&mut content, !form.has_bodies_apart, !form.has_tags_apart);
                }
                METADATA => self.metadata_document(&mut content, request, form),
                REQUEST => side_document(&mut content, request, form, "input"),
                _ => side_document(&mut content, request, form, "output"),
            }
            let is_packed = form.is_metadata_packed && kind == METADATA;
            self.store(kind, &id, hour + offset, &content, is_packed)?;
        }
        let documents = form.offsets.iter().flatten().count() as u64;
        self.tally.ledger.documents_joined += documents - 1;
        if form.other_model.is_some() {
            self.tally.ledger.warn("document_conflict");
        }
        self.count(
            request,
            form.parts(),
            hour + form.offsets.iter().flatten().min().copied().unwrap_or(0),
            form,
            hour,
        );
        Ok(())
    }

    /// Counts a record. It belongs to the folder of its invocation document, else to its earliest folder.
    fn count(&mut self, request: &Request, parts: Parts, earliest: i64, form: Form, hour: i64) {
        let ledger = &mut self.tally.ledger;
        let sides = [(&request.input, parts.request), (&request.output, parts.response)];
        let mut is_conventional = false;
        for (side, present) in sides {
            let Some(side) = side else { continue };
            match side.place {
                Place::Conventional => is_conventional = true,
                Place::Offloaded(fate, _) if present => match fate {
                    Fate::Resolved => ledger.references_resolved += 1,
                    Fate::Missing => ledger.references_missing += 1,
                    Fate::Refused(reason) => *ledger.references_refused.entry(reason).or_default() += 1,
                },
                _ => {}
            }
        }
        // The conventional payload is one reference, whatever it holds.
        ledger.references_resolved += u64::from(is_conventional);
        let folder_hour = form.offsets[INVOCATION].map_or(earliest, |offset| hour + offset);
        self.tally.record(request.sighting(parts, None, None), 0, folder_hour);
    }

    fn metadata_document(&mut self, out: &mut Vec<u8>, request: &Request, form: Form) {
        let is_priority = self.world.random.per_mille(200);
        let id = request.id_text();
        let mut object = Object::open(out, ",");
        if form.has_ids {
            object.text("requestId", &id);
        }
        if form.repeats_fields && request.stamp == Stamp::Zulu {
            object.text("timestamp", &request.stamp.text(request.seconds).0);
            object.text_if("accountId", request.account.as_deref());
            object.text_if("region", request.region.as_deref());
        }
        object.text_if("modelId", form.other_model);
        object.number_if("latencyMs", request.metadata.latency_ms);
        object.number_if("firstByteLatencyMs", request.metadata.first_byte_ms);
        object.number_if("requestBytes", request.metadata.request_bytes);
        object.number_if("responseBytes", request.metadata.response_bytes);
        if is_priority {
            object.raw("serviceTier", r#"{"type":"priority"}"#);
        } else {
            object.text("serviceTier", "default");
        }
        if form.has_tags_apart
            && let Some(tags) = request.tag_object()
        {
            object.raw("requestMetadata", &tags);
        }
        object.close();
    }

    /// Stores a payload object: the day is that of the record, `days` later.
    fn store_payload(&mut self, request: &Request, content: &[u8], days: i64) -> io::Result<String> {
        let key = format!(
            "{LARGE_BUCKET}/{}/{}/payload.json",
            calendar::day_folder(request.seconds + days * DAY),
            request.id_text()
        );
        let stored = self.files.put(&key, content, Packing::Plain)?;
        self.tally.ledger.payload("payload", stored);
        Ok(format!("s3://{key}"))
    }

    /// Writes the payload object of the offloaded bodies; one object holds both. Without `by_path` they are to
    /// be found by the conventional key alone.
    fn write_payload(
        &mut self,
        request: &mut Request,
        by_path: bool,
        wrap: bool,
        days: i64,
    ) -> io::Result<()> {
        let offloaded = |side: &Option<Side>| {
            side.as_ref()
                .filter(|side| matches!(side.place, Place::Offloaded(Fate::Resolved, _)))
                .map(|side| side.body.json.clone())
        };
        let content = match (offloaded(&request.input), offloaded(&request.output)) {
            (None, None) => return Ok(()),
            (Some(raw), None) | (None, Some(raw)) if !wrap => raw,
            (input, output) => {
                let mut content = Vec::new();
                let mut object = Object::open(&mut content, ",");
                for (name, body) in [("input", input), ("output", output)] {
                    if let Some(body) = body {
                        object.key(name).extend_from_slice(&body);
                    }
                }
                object.close();
                content
            }
        };
        let path = self.store_payload(request, &content, days)?;
        for side in [&mut request.input, &mut request.output].into_iter().flatten() {
            if matches!(side.place, Place::Offloaded(Fate::Resolved, _)) {
                side.place = if by_path {
                    Place::Offloaded(Fate::Resolved, path.clone())
                } else {
                    Place::Conventional
                };
            }
        }
        Ok(())
    }

    /// Marks a side as offloaded; the next `write_payload` stores it.
    fn offload(side: &mut Option<Side>) {
        if let Some(side) = side {
            side.place = Place::Offloaded(Fate::Resolved, String::new());
        }
    }

    /// A form as they come: some documents are missing, some lie in the next hour.
    fn draw_form(&mut self, is_next_open: bool) -> Form {
        let random = &mut self.world.random;
        let mut form = Form {
            has_bodies_apart: random.per_mille(750),
            is_nested: random.per_mille(300),
            has_tags_apart: random.per_mille(700),
            has_ids: random.per_mille(800),
            repeats_fields: random.per_mille(300),
            ..Form::WHOLE
        };
        for kind in [METADATA, REQUEST, RESPONSE] {
            if random.per_mille(50) {
                form.offsets[kind] = None;
            } else if is_next_open && random.per_mille(20) {
                form.offsets[kind] = Some(1);
            }
        }
        form
    }

    /// A response document, or a metadata document too, without an invocation document.
    fn write_orphan(&mut self, request: &Request, trap: Trap) -> io::Result<()> {
        let hour = request.seconds.div_euclid(HOUR);
        let id = request.id_text();
        let mut orphan = request.clone();
        orphan.operation = None;
        orphan.identity = None;
        orphan.inference_region = None;
        orphan.input = None;
        orphan.counts = [Logged::Absent; 4];
        let is_pair = trap == Trap::OrphanPair;
        if !is_pair {
            orphan.tags = std::rc::Rc::default();
        }
        if (trap == Trap::OrphanResponse { is_named: false }) {
            orphan.account = None;
            orphan.region = None;
        }
        let mut response = Vec::new();
        let mut object = Object::open(&mut response, ",");
        object.text("modelId", &orphan.model.text);
        if !is_pair {
            object.text("timestamp", &orphan.stamp.text(orphan.seconds).0);
            object.text_if("accountId", orphan.account.as_deref());
            object.text_if("region", orphan.region.as_deref());
        }
        object.raw("status", &orphan.status.to_string());
        if let Some(side) = &orphan.output {
            write_body(&mut object, "output", side);
        }
        object.close();
        self.store(RESPONSE, &id, hour + i64::from(is_pair), &response, false)?;
        if is_pair {
            let mut metadata = Vec::new();
            let form = Form { repeats_fields: true, ..Form::WHOLE };
            self.metadata_document(&mut metadata, &orphan, form);
            self.store(METADATA, &id, hour, &metadata, false)?;
            self.tally.ledger.documents_joined += 1;
        }
        let parts = Parts {
            invocation: false,
            metadata: is_pair,
            request: false,
            response: true,
            status: true,
            tags: is_pair,
        };
        self.tally.record(orphan.sighting(parts, None, None), 0, hour);
        Ok(())
    }
}

/// The request document (`side` is `input`) or the response document (`output`).
fn side_document(out: &mut Vec<u8>, request: &Request, form: Form, side_name: &str) {
    let id = request.id_text();
    let side = if side_name == "input" { &request.input } else { &request.output };
    let mut object = Object::open(out, ",");
    if form.has_ids {
        object.text("requestId", &id);
    }
    if side_name == "output" {
        object.raw("status", &request.status.to_string());
        if let Some(code) = request.error.filter(|code| !code.is_empty()) {
            object.text("errorCode", code);
            object.text("errorMessage", "The call failed; nothing of it is said here.");
        }
    }
    object.raw(
        "headers",
        r#"{"content-type":"application/json","x-amzn-bedrock-input-token-count":"1","status":"999"}"#,
    );
    if form.has_bodies_apart
        && let Some(side) = side
    {
        if form.is_nested {
            let mut inner = Object::open(object.key(side_name), ",");
            write_body(&mut inner, side_name, side);
            inner.close();
        } else {
            write_body(&mut object, side_name, side);
        }
    }
    object.close();
}

impl Dump for SplitDump<'_> {
    fn world(&mut self) -> &mut World {
        &mut self.world
    }

    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn ordinary(&mut self, mut request: Request, stream: usize, traffic: &Traffic) -> io::Result<()> {
        let hour = request.seconds.div_euclid(HOUR);
        let is_next_open = traffic.is_open(stream, hour + 1);
        let is_large =
            [&request.input, &request.output].into_iter().flatten().any(|side| side.place.is_large());
        let is_late = is_next_open && self.world.random.per_mille(self.options.late_per_mille);
        let is_doubled = is_next_open && self.world.random.per_mille(self.options.duplicates_per_mille);
        let mut form = self.draw_form(is_next_open);
        if is_large {
            // All documents are there: what names the payload is what the reference is counted by.
            form.offsets = [Some(0); 4];
            let by_path = self.world.random.per_mille(500);
            let wrap = self.world.random.per_mille(300);
            self.write_payload(&mut request, by_path, wrap, 0)?;
            self.write(&request, form)?;
            if is_doubled && by_path {
                self.write(&request, form.later(1))?;
            }
            return Ok(());
        }
        if is_doubled {
            // Siblings in the next hour would belong to the copy there.
            form.offsets = form.offsets.map(|offset| offset.map(|_| 0));
            self.write(&request, form)?;
            return match self.world.random.below(3) {
                0 => self.write(&request, form.later(1)),
                1 if request.counts[INPUT].value().is_some() => {
                    let twin = World::empty_twin(&request);
                    let form = Form { has_bodies_apart: false, ..form.later(1).alone() };
                    self.write(&twin, form)
                }
                _ => self.write(&request, form.later(1).alone()),
            };
        }
        if is_late {
            form.offsets = form.offsets.map(|offset| offset.map(|_| 1));
        }
        self.write(&request, form)
    }

    fn stray(&mut self, mut request: Request, stream: usize, traffic: &Traffic) -> io::Result<()> {
        self.write_payload(&mut request, true, false, 0)?;
        let hour = request.seconds.div_euclid(HOUR);
        let far = crate::far_folder(traffic, &mut self.world.random, stream, hour).unwrap_or(hour);
        self.write(&request, Form::WHOLE.later(far - hour))
    }

    fn trap(&mut self, laid: Laid, traffic: &Traffic) -> io::Result<()> {
        let Laid { trap, stream, seconds } = laid;
        let hour = seconds.div_euclid(HOUR);
        let trapped = trapped(&mut self.world, laid, LARGE_BUCKET);
        for warning in trapped.warnings {
            self.tally.ledger.warn(warning);
        }
        let mut request = trapped.request;
        let mut form = self.draw_form(false);
        form.offsets = [Some(0); 4];
        match trap {
            Trap::OtherSchema => {
                let mut content = Vec::new();
                request.write_record(&mut content, ",");
                self.store(INVOCATION, &request.id_text(), hour, &content, false)?;
                *self.tally.ledger.records_filtered.entry("other_schema").or_default() += 1;
                Ok(())
            }
            Trap::LostCounts => {
                self.tally.ledger.counts_lost += 1;
                self.write(&request, form)
            }
            Trap::EmptyTwin => {
                self.write(&request, form)?;
                let twin = World::empty_twin(&request);
                self.write(&twin, Form { has_bodies_apart: false, ..form.later(1).alone() })
            }
            Trap::BorderPair { .. } | Trap::Chain | Trap::TwoHoursApart => {
                for copy in crate::copies_in_time(trap, &request) {
                    // A copy that lacks counts lacks its siblings, too.
                    let is_whole = copy.counts[OUTPUT].value().is_some();
                    self.write(&copy, if is_whole { Form::WHOLE } else { Form::WHOLE.alone() })?;
                }
                Ok(())
            }
            Trap::TwoAccounts => {
                self.write(&request, form)?;
                let own = self.world.streams[stream].account.clone();
                if let Some(other) = self.world.streams.iter().find(|other| other.account != own) {
                    request.account = Some(other.account.clone());
                    request.region = Some(other.region.clone());
                    return self.write(&request, form.later(1));
                }
                Ok(())
            }
            Trap::StrayCopy => {
                self.write(&request, form)?;
                match crate::far_folder(traffic, &mut self.world.random, stream, hour) {
                    Some(far) => self.write(&request, form.later(far - hour).alone()),
                    None => Ok(()),
                }
            }
            Trap::LateSiblings => {
                form.offsets = [Some(0), Some(1), Some(0), Some(1)];
                self.write(&request, form)
            }
            Trap::LateInvocation => {
                form.offsets = [Some(1), Some(0), Some(0), Some(0)];
                self.write(&request, form)
            }
            Trap::OrphanResponse { .. } | Trap::OrphanPair => self.write_orphan(&request, trap),
            Trap::Superseded => {
                self.write(&request, form)?;
                let mut other = request.clone();
                other.metadata.latency_ms = Some(1);
                let mut content = Vec::new();
                self.metadata_document(&mut content, &other, form);
                self.store(METADATA, &request.id_text(), hour + 1, &content, false)?;
                self.tally.ledger.documents_joined += 1;
                self.tally.ledger.warn("document_superseded");
                Ok(())
            }
            Trap::Conflict => {
                form.other_model = Some("not.the-model");
                self.write(&request, form)
            }
            Trap::ErrorInResponse => {
                request.error = Some("ServiceUnavailableException");
                request.status = 503;
                request.counts = [Logged::Absent; 4];
                request.output = None;
                request.inference_region = None;
                form.has_error_apart = true;
                self.write(&request, form)
            }
            Trap::GzipNamedJson => {
                form.is_metadata_packed = true;
                self.write(&request, form)
            }
            Trap::ConventionalNextDay => {
                Self::offload(&mut request.input);
                self.write_payload(&mut request, false, true, 1)?;
                self.write(&request, form)
            }
            Trap::ConventionalBoth => {
                Self::offload(&mut request.input);
                Self::offload(&mut request.output);
                // The payload's usage fills the cache counts that are not logged.
                request.counts[CACHE_READ] = Logged::Absent;
                request.counts[CACHE_WRITE] = Logged::Absent;
                self.write_payload(&mut request, false, true, 0)?;
                self.write(&request, form)
            }
            Trap::ConventionalOutput { is_wrapped } => {
                Self::offload(&mut request.output);
                self.write_payload(&mut request, false, is_wrapped, 0)?;
                self.write(&request, form)
            }
            Trap::CountsInPayload => {
                let by_path = self.world.random.per_mille(500);
                self.write_payload(&mut request, by_path, false, 0)?;
                self.write(&request, form)
            }
            // Its folder is that of the hour it was laid in.
            Trap::Outlier => self.write_in(&request, form, hour),
            _ => self.write(&request, form),
        }
    }

    fn reject(&mut self, ordinal: u64, stream: usize, seconds: i64) -> io::Result<()> {
        let hour = seconds.div_euclid(HOUR);
        let kind = (ordinal % (BAD_LINES as u64 + 1)) as usize;
        // Two kinds are this layout's own: a document under another's name, and metadata that belongs to
        // nothing and does not say when.
        let is_mismatch = kind == BAD_LINES - 2;
        let is_orphan = kind == BAD_LINES;
        if is_mismatch || is_orphan {
            let request = self.world.plain(stream, seconds, "Converse", Dialect::Converse);
            let mut content = Vec::new();
            self.metadata_document(&mut content, &request, Form::WHOLE);
            let ledger = &mut self.tally.ledger;
            if is_mismatch {
                *ledger.documents_rejected.entry("request_id_mismatch").or_default() += 1;
                let other = self.world.plain(stream, seconds, "Converse", Dialect::Converse);
                return self.store(METADATA, &other.id_text(), hour, &content, false);
            }
            *ledger.records_rejected.entry("timestamp").or_default() += 1;
            return self.store(METADATA, &request.id_text(), hour, &content, false);
        }
        let BadLine { text, reason, id } = bad_line(kind, &mut self.world, stream, seconds);
        let ledger = &mut self.tally.ledger;
        match reason {
            Refused::Document(reason) => *ledger.documents_rejected.entry(reason).or_default() += 1,
            Refused::Record(reason) => *ledger.records_rejected.entry(reason).or_default() += 1,
        }
        self.store(INVOCATION, &id, hour, &text, false)
    }

    fn finish_hour(&mut self, hour: i64) -> io::Result<()> {
        self.tally.finish_before(hour + 1);
        Ok(())
    }

    fn finish(mut self: Box<Self>, _last_hour: i64) -> io::Result<(Files, Tally)> {
        self.tally.finish();
        Ok((self.files, self.tally))
    }
}
