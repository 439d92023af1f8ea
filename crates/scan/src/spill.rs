//! Invocations that do not fit in memory: a compact form in one unnamed temporary file.
//!
//! In: the invocations of one hour. Out: the same, equal to the last bit. The file has no name (it vanishes
//! with the process, however that ends) and mode 0600. It holds what [`Invocation`] holds: ids and counts,
//! never a body.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use borehole_record::{Call, ContentKinds, Count, Facets, Invocation, RequestId, Timestamp};
use rustc_hash::FxHashMap;

use crate::compact::Shared;

/// Where one run of invocations lies in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    offset: u64,
    bytes: u32,
}

/// The temporary file.
#[derive(Debug)]
pub(crate) struct Spill {
    file: File,
    end: u64,
    buffer: Vec<u8>,
    known: Known,
}

/// What was read before, so that equal strings are shared again.
#[derive(Debug, Default)]
pub(crate) struct Known {
    strings: Shared<str>,
    calls: Shared<Call>,
}

impl Spill {
    /// A new file in `directory`.
    pub(crate) fn create(directory: &Path) -> io::Result<Self> {
        Ok(Spill {
            file: tempfile::tempfile_in(directory)?,
            end: 0,
            buffer: Vec::new(),
            known: Known::default(),
        })
    }

    /// Bytes written.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// Appends a run.
    pub(crate) fn write(&mut self, invocations: &[Invocation]) -> io::Result<Extent> {
        self.buffer.clear();
        encode(invocations, &mut self.buffer);
        let bytes =
            u32::try_from(self.buffer.len()).map_err(|_| io::Error::other("a spilled run exceeds 4 GiB"))?;
        self.file.write_all_at(&self.buffer, self.end)?;
        let extent = Extent { offset: self.end, bytes };
        self.end += u64::from(bytes);
        Ok(extent)
    }

    /// Reads a run back.
    pub(crate) fn read(&mut self, extent: Extent, each: &mut dyn FnMut(Invocation)) -> io::Result<()> {
        self.buffer.resize(extent.bytes as usize, 0);
        self.file.read_exact_at(&mut self.buffer, extent.offset)?;
        decode(&self.buffer, &mut self.known, each)
            .ok_or_else(|| io::Error::other("the spill file was changed from outside"))
    }
}

/// Strings once per run, then fixed fields; integers in LEB128.
pub(crate) fn encode(invocations: &[Invocation], out: &mut Vec<u8>) {
    let mut numbers: FxHashMap<*const Facets, u64> = FxHashMap::default();
    let mut facets: Vec<&Facets> = Vec::new();
    for invocation in invocations {
        numbers.entry(Arc::as_ptr(&invocation.facets)).or_insert_with(|| {
            facets.push(&invocation.facets);
            facets.len() as u64 - 1
        });
    }
    number(facets.len() as u64, out);
    for facets in facets {
        for field in optional_fields(facets) {
            optional(field.as_deref(), out);
        }
        text(&facets.model_id, out);
        number(facets.tags.len() as u64, out);
        for (key, value) in facets.tags.iter() {
            text(key, out);
            text(value, out);
        }
    }
    number(invocations.len() as u64, out);
    for invocation in invocations {
        number(numbers[&Arc::as_ptr(&invocation.facets)], out);
        number(zigzag(invocation.timestamp.seconds), out);
        number(u64::from(invocation.timestamp.nanos), out);
        match &invocation.request_id {
            RequestId::Missing => out.push(0),
            RequestId::Uuid(bytes) => {
                out.push(1);
                out.extend_from_slice(bytes);
            }
            RequestId::Text(id) => {
                out.push(2);
                text(id, out);
            }
        }
        for count in counts(invocation) {
            number(count.get().map_or(0, |value| value + 1), out);
        }
        number(u64::from(invocation.input_kinds.0), out);
        number(u64::from(invocation.output_kinds.0), out);
        number(u64::from(invocation.images), out);
        number(u64::from(invocation.documents), out);
        number(u64::from(invocation.http_status), out);
        out.push(
            u8::from(invocation.input_large)
                | u8::from(invocation.output_large) << 1
                | u8::from(invocation.payload_lost) << 2,
        );
        number(u64::from(invocation.object), out);
        number(invocation.offset, out);
    }
}

pub(crate) fn decode(bytes: &[u8], known: &mut Known, each: &mut dyn FnMut(Invocation)) -> Option<()> {
    let mut input = Input(bytes);
    let mut facets = Vec::new();
    for _ in 0..input.number()? {
        let mut fields: [Option<Arc<str>>; 8] = Default::default();
        for field in &mut fields {
            *field = input.optional()?.map(|text| known.strings.share(text));
        }
        let [account, region, operation, identity, error_code, inference_region, stop_reason, service_tier] =
            fields;
        let model_id = known.strings.share(input.text()?);
        let mut tags = Vec::new();
        for _ in 0..input.number()? {
            tags.push((input.text::<Box<str>>()?, input.text::<Box<str>>()?));
        }
        let call = Call { account, region, model_id, operation, error_code, inference_region, service_tier };
        facets.push(Arc::new(Facets {
            call: known.calls.share_owned(call),
            identity,
            stop_reason,
            tags: tags.into(),
        }));
    }
    for _ in 0..input.number()? {
        let facets = Arc::clone(facets.get(usize::try_from(input.number()?).ok()?)?);
        let seconds = unzigzag(input.number()?);
        let nanos = u32::try_from(input.number()?).ok()?;
        let request_id = match input.byte()? {
            0 => RequestId::Missing,
            1 => RequestId::Uuid(input.take(16)?.try_into().ok()?),
            _ => RequestId::Text(input.text()?),
        };
        let mut counts = [Count::UNKNOWN; COUNTS];
        for count in &mut counts {
            *count = input.number()?.checked_sub(1).into();
        }
        let [input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, ..] = counts;
        let [.., cache_write_5m_tokens, cache_write_1h_tokens, max_tokens, _, _, _, _] = counts;
        let [.., latency_ms, first_byte_ms, input_bytes, output_bytes] = counts;
        let input_kinds = ContentKinds(u16::try_from(input.number()?).ok()?);
        let output_kinds = ContentKinds(u16::try_from(input.number()?).ok()?);
        let images = u16::try_from(input.number()?).ok()?;
        let documents = u16::try_from(input.number()?).ok()?;
        let http_status = u16::try_from(input.number()?).ok()?;
        let flags = input.byte()?;
        each(Invocation {
            timestamp: Timestamp { seconds, nanos },
            request_id,
            facets,
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            cache_write_5m_tokens,
            cache_write_1h_tokens,
            max_tokens,
            latency_ms,
            first_byte_ms,
            input_bytes,
            output_bytes,
            input_kinds,
            output_kinds,
            images,
            documents,
            http_status,
            input_large: flags & 1 != 0,
            output_large: flags & 2 != 0,
            payload_lost: flags & 4 != 0,
            object: u32::try_from(input.number()?).ok()?,
            offset: input.number()?,
        });
    }
    input.0.is_empty().then_some(())
}

fn optional_fields(facets: &Facets) -> [&Option<Arc<str>>; 8] {
    [
        &facets.account,
        &facets.region,
        &facets.operation,
        &facets.identity,
        &facets.error_code,
        &facets.inference_region,
        &facets.stop_reason,
        &facets.service_tier,
    ]
}

/// How many quantities an invocation has.
const COUNTS: usize = 11;

fn counts(invocation: &Invocation) -> [Count; COUNTS] {
    [
        invocation.input_tokens,
        invocation.output_tokens,
        invocation.cache_read_tokens,
        invocation.cache_write_tokens,
        invocation.cache_write_5m_tokens,
        invocation.cache_write_1h_tokens,
        invocation.max_tokens,
        invocation.latency_ms,
        invocation.first_byte_ms,
        invocation.input_bytes,
        invocation.output_bytes,
    ]
}

pub(crate) fn number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn text(value: &str, out: &mut Vec<u8>) {
    number(value.len() as u64, out);
    out.extend_from_slice(value.as_bytes());
}

pub(crate) fn optional(value: Option<&str>, out: &mut Vec<u8>) {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(1);
            text(value, out);
        }
    }
}

pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn text<T: From<&'a str>>(&mut self) -> Option<T> {
        let count = usize::try_from(self.number()?).ok()?;
        std::str::from_utf8(self.take(count)?).ok().map(T::from)
    }

    pub(crate) fn optional(&mut self) -> Option<Option<&'a str>> {
        if self.byte()? == 0 { Some(None) } else { self.text().map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn invocation()(
            seconds in any::<i64>(),
            nanos in 0u32..1_000_000_000,
            id in prop_oneof![Just(RequestId::Missing), any::<[u8; 16]>().prop_map(RequestId::Uuid), ".{1,9}".prop_map(|text| RequestId::Text(text.into()))],
            counts in proptest::array::uniform11(proptest::option::of(0u64..1 << 53)),
            strings in proptest::collection::vec(proptest::option::of(".{0,6}"), 8),
            model in ".{0,8}",
            tags in proptest::collection::vec((".{0,4}", ".{0,4}"), 0..3),
            (kinds, blocks, status, flags, object, offset) in (any::<(u16, u16)>(), any::<(u16, u16)>(), any::<u16>(), any::<(bool, bool, bool)>(), any::<u32>(), any::<u64>()),
        ) -> Invocation {
            let mut strings = strings.into_iter().map(|text| text.map(Arc::<str>::from));
            let mut next = || strings.next().flatten();
            let count = |index: usize| Count::from(counts[index]);
            Invocation {
                timestamp: Timestamp { seconds, nanos },
                request_id: id,
                facets: Arc::new(Facets {
                    call: Arc::new(Call {
                        account: next(), region: next(), operation: next(), error_code: next(),
                        inference_region: next(), service_tier: next(), model_id: model.into(),
                    }),
                    identity: next(),
                    stop_reason: next(),
                    tags: tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
                }),
                input_tokens: count(0), output_tokens: count(1), cache_read_tokens: count(2), cache_write_tokens: count(3),
                max_tokens: count(4), latency_ms: count(5), first_byte_ms: count(6), input_bytes: count(7), output_bytes: count(8),
                cache_write_5m_tokens: count(9), cache_write_1h_tokens: count(10), images: blocks.0, documents: blocks.1,
                input_kinds: ContentKinds(kinds.0), output_kinds: ContentKinds(kinds.1), http_status: status,
                input_large: flags.0, output_large: flags.1, payload_lost: flags.2, object, offset,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_spilled_comes_back_equal(invocations in proptest::collection::vec(invocation(), 0..20)) {
            let mut spill = Spill::create(&std::env::temp_dir()).unwrap();
            let first = spill.write(&invocations).unwrap();
            let second = spill.write(&invocations[..invocations.len() / 2]).unwrap();
            let mut back = Vec::new();
            spill.read(first, &mut |invocation| back.push(invocation)).unwrap();
            prop_assert_eq!(&back, &invocations);
            back.clear();
            spill.read(second, &mut |invocation| back.push(invocation)).unwrap();
            prop_assert_eq!(&back[..], &invocations[..invocations.len() / 2]);
        }

        #[test]
        fn a_damaged_spill_is_an_error_and_no_panic(invocations in proptest::collection::vec(invocation(), 1..5), cut in any::<prop::sample::Index>()) {
            let mut bytes = Vec::new();
            encode(&invocations, &mut bytes);
            bytes.truncate(cut.index(bytes.len()));
            let read = decode(&bytes, &mut Known::default(), &mut |_| ());
            prop_assert!(read.is_none());
        }
    }
}
