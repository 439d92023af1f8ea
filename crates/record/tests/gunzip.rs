//! The gzip reader against every fault of section D that a gzip file can have, and against flate2's own reader
//! on files without one.

use std::io::{Read, Write};

use borehole_record::ObjectFailure;
use borehole_record::gunzip::{Gunzip, GzipSummary, WHOLE_DECODED_BYTES_MAX, WholeGunzip, is_gzip};
use flate2::{Compression, Crc, GzBuilder, write::DeflateEncoder};
use proptest::prelude::*;

/// The limit of tests that are not about it.
const NO_LIMIT: u64 = u64::MAX;

const FLAG_HEADER_CRC: u8 = 1 << 1;
const FLAG_EXTRA: u8 = 1 << 2;
const FLAG_NAME: u8 = 1 << 3;
const FLAG_COMMENT: u8 = 1 << 4;

/// Deflate data of a stored block of length 0 that is the last one.
const EMPTY_FINAL_BLOCK: [u8; 5] = [1, 0, 0, 0xff, 0xff];
/// The same, with others to follow.
const EMPTY_BLOCK: [u8; 5] = [0, 0, 0, 0xff, 0xff];

/// The ten fixed bytes of a member header.
fn header(flags: u8) -> Vec<u8> {
    vec![0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 0xff]
}

fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).expect("a Vec takes all");
    encoder.finish().expect("a Vec takes all")
}

fn crc_of(content: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(content);
    crc.sum()
}

fn trailer(crc: u32, length: u32) -> Vec<u8> {
    [crc.to_le_bytes(), length.to_le_bytes()].concat()
}

/// A member behind any header.
fn member_behind(header: &[u8], content: &[u8]) -> Vec<u8> {
    [header, &deflated(content), &trailer(crc_of(content), content.len() as u32)].concat()
}

fn member(content: &[u8]) -> Vec<u8> {
    member_behind(&header(0), content)
}

/// All that can be seen of a reading.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Reading {
    decoded: Vec<u8>,
    end: Result<GzipSummary, ObjectFailure>,
    verified_decoded_bytes: u64,
}

fn read_chunks<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, decoded_bytes_max: u64) -> Reading {
    let mut gunzip = Gunzip::new(decoded_bytes_max);
    let mut decoded = Vec::new();
    let mut failure = None;
    for chunk in chunks {
        let pushed = gunzip.push(chunk, |bytes| {
            assert!(!bytes.is_empty() && bytes.len() <= 64 * 1024, "a chunk of {} bytes", bytes.len());
            decoded.extend_from_slice(bytes);
            Ok(())
        });
        if let Err(reason) = pushed {
            failure = Some(reason);
            break;
        }
    }
    let end = gunzip.finish();
    if let Some(reason) = failure {
        assert_eq!(end, Err(reason), "a failure must last");
    }
    assert_eq!(gunzip.finish(), end, "to ask again must change nothing");
    Reading { decoded, end, verified_decoded_bytes: gunzip.verified_decoded_bytes() }
}

/// Reads whole and byte by byte; both must agree.
fn read_with_limit(stored: &[u8], decoded_bytes_max: u64) -> Reading {
    let whole = read_chunks([stored], decoded_bytes_max);
    let by_byte = read_chunks(stored.chunks(1), decoded_bytes_max);
    assert!(whole == by_byte, "one chunk: {:?}, chunks of one byte: {:?}", whole.end, by_byte.end);
    whole
}

fn read(stored: &[u8]) -> Reading {
    read_with_limit(stored, NO_LIMIT)
}

#[track_caller]
fn assert_reads(stored: &[u8], content: &[u8], members: u64) {
    let reading = read(stored);
    let summary = GzipSummary {
        members,
        decoded_bytes: content.len() as u64,
        stored_bytes: stored.len() as u64,
        zero_padding: false,
    };
    assert_eq!(reading.end, Ok(summary));
    assert!(reading.decoded == content);
    assert_eq!(reading.verified_decoded_bytes, summary.decoded_bytes);
}

/// The reading fails so, and this much of it is verified all the same.
#[track_caller]
fn assert_fails(stored: &[u8], failure: ObjectFailure, verified: &[u8]) {
    let reading = read(stored);
    assert_eq!(reading.end, Err(failure));
    assert_eq!(reading.verified_decoded_bytes, verified.len() as u64);
    assert!(reading.decoded.starts_with(verified));
}

/// Text that compresses like a log, longer than any buffer on the way.
fn text(lines: u32) -> Vec<u8> {
    (0..lines)
        .flat_map(|line| format!("{{\"line\":{line},\"square\":{}}}\n", u64::from(line).pow(2)).into_bytes())
        .collect()
}

#[test]
fn gzip_is_known_by_its_two_magic_bytes() {
    assert!(is_gzip(&member(b"")));
    assert!(is_gzip(&[0x1f, 0x8b]));
    for other in [&b""[..], &[0x1f], &[0x8b, 0x1f], b"{}", b"PK\x03\x04"] {
        assert!(!is_gzip(other));
    }
}

#[test]
fn d01_every_member_is_read_and_a_record_may_span_members() {
    let long = text(20_000);
    assert_reads(&member(b"{\"a\":1}\n"), b"{\"a\":1}\n", 1);
    assert_reads(&[member(b"{\"a\":"), member(b"1}\n")].concat(), b"{\"a\":1}\n", 2);
    let (first, second) = long.split_at(long.len() / 3);
    assert_reads(&[member(first), member(second), member(b"\n")].concat(), &[&long[..], b"\n"].concat(), 3);
}

#[test]
fn d02_empty_members_are_fine_anywhere() {
    assert_reads(&member(b""), b"", 1);
    let stored = [member(b""), member(b"a"), member(b""), member(b""), member(b"b"), member(b"")].concat();
    assert_reads(&stored, b"ab", 6);
}

#[test]
fn d03_d04_d05_a_file_cut_anywhere_is_truncated_unless_a_member_ends_there() {
    let first = member_behind(&[header(FLAG_NAME), b"x.json\0".to_vec()].concat(), b"first");
    let second = member(b"second");
    let stored = [first.clone(), second.clone()].concat();
    for length in 1..stored.len() {
        let cut = &stored[..length];
        if length < first.len() {
            assert_fails(cut, ObjectFailure::GzTruncated, b"");
        } else if length == first.len() {
            assert_reads(cut, b"first", 1);
        } else if length == first.len() + 1 {
            // A lone 1f is no sign of a member yet.
            assert_fails(cut, ObjectFailure::GzTrailingGarbage, b"first");
        } else {
            assert_fails(cut, ObjectFailure::GzTruncated, b"first");
        }
    }
    // In the trailer all data is decoded, and yet not to be trusted.
    let in_trailer = read(&second[..second.len() - 1]);
    assert_eq!((&in_trailer.decoded[..], in_trailer.verified_decoded_bytes), (&b"second"[..], 0));
}

#[test]
fn d06_a_wrong_crc_fails() {
    let good = member(b"good");
    for byte in 0..4 {
        let mut bad = member(b"bad");
        let place = bad.len() - 8 + byte;
        bad[place] ^= 0x10;
        assert_fails(&bad, ObjectFailure::GzCrc, b"");
        assert_fails(&[&good[..], &bad, &good].concat(), ObjectFailure::GzCrc, b"good");
    }
}

#[test]
fn d07_a_wrong_length_fails() {
    for byte in 0..4 {
        let mut bad = member(b"bad");
        let place = bad.len() - 4 + byte;
        bad[place] ^= 0x10;
        assert_fails(&[member(b"good"), bad].concat(), ObjectFailure::GzIsize, b"good");
    }
    // With both wrong, the stronger check speaks.
    let mut bad = member(b"bad");
    for byte in bad.iter_mut().rev().take(8) {
        *byte ^= 0xff;
    }
    assert_fails(&bad, ObjectFailure::GzCrc, b"");
}

#[test]
fn d08_bytes_after_the_last_member_that_are_no_member_fail() {
    let garbage: [&[u8]; 8] = [
        b"x",
        b"{\"a\":1}\n",
        &[0x1f],
        &[0x1f, 0x8a],
        &[0x1f, 0x1f, 0x8b],
        &[0x8b],
        &[0, 0, 1],
        &[0, 0x1f, 0x8b, 8],
    ];
    for garbage in garbage {
        let stored = [&member(b"one")[..], &member(b"two"), garbage].concat();
        assert_fails(&stored, ObjectFailure::GzTrailingGarbage, b"onetwo");
    }
    // A member behind zeros is no padding; one behind garbage is not looked for.
    assert_fails(
        &[&member(b"one")[..], &[0; 512], &member(b"two")].concat(),
        ObjectFailure::GzTrailingGarbage,
        b"one",
    );
}

#[test]
fn d09_zero_padding_is_accepted_and_told() {
    for padding in [1, 512, 70_000] {
        let stored = [member(b"one"), vec![0; padding]].concat();
        let reading = read(&stored);
        let summary = GzipSummary {
            members: 1,
            decoded_bytes: 3,
            stored_bytes: stored.len() as u64,
            zero_padding: true,
        };
        assert_eq!((reading.end, reading.verified_decoded_bytes), (Ok(summary), 3));
    }
    assert_fails(&[0; 20], ObjectFailure::GzHeader, b"");
}

#[test]
fn d10_a_header_against_the_rules_fails() {
    let with = |place: usize, value: u8| {
        let mut stored = member(b"x");
        stored[place] = value;
        stored
    };
    let mut bad = vec![with(0, 0x1e), with(1, 0x8a), with(2, 7), with(2, 0)];
    bad.extend([5, 6, 7].map(|reserved_bit| with(3, 1 << reserved_bit)));
    for stored in bad {
        assert_fails(&stored, ObjectFailure::GzHeader, b"");
    }
    for (place, value) in [(2, 9), (3, 0x20)] {
        assert_fails(&[member(b"good"), with(place, value)].concat(), ObjectFailure::GzHeader, b"good");
    }
    // The text flag says nothing.
    assert_reads(&with(3, 1), b"x", 1);
}

#[test]
fn d10_a_header_checksum_is_checked() {
    let fields = [header(FLAG_HEADER_CRC | FLAG_NAME), b"name\0".to_vec()].concat();
    let checksum = crc_of(&fields) as u16;
    let sealed = |checksum: u16| member_behind(&[&fields[..], &checksum.to_le_bytes()].concat(), b"x");
    assert_reads(&sealed(checksum), b"x", 1);
    assert_reads(&[sealed(checksum), sealed(checksum)].concat(), b"xx", 2);
    for bit in [0, 7, 8, 15] {
        assert_fails(&sealed(checksum ^ 1 << bit), ObjectFailure::GzHeader, b"");
    }
}

#[test]
fn d10_optional_fields_are_skipped_in_every_combination() {
    for flags in 0..32u8 {
        let mut fields = header(flags);
        if flags & FLAG_EXTRA != 0 {
            // Its length is what ends it: zeros and magic bytes inside are its own.
            fields.extend([&5u16.to_le_bytes()[..], &[0, 0x1f, 0x8b, 8, 0]].concat());
        }
        if flags & FLAG_NAME != 0 {
            fields.extend(b"a name\0");
        }
        if flags & FLAG_COMMENT != 0 {
            fields.extend(b"\0");
        }
        if flags & FLAG_HEADER_CRC != 0 {
            let checksum = crc_of(&fields) as u16;
            fields.extend(checksum.to_le_bytes());
        }
        assert_reads(&[member_behind(&fields, b"x"), member(b"y")].concat(), b"xy", 2);
    }
    let empty_extra = [header(FLAG_EXTRA), vec![0, 0]].concat();
    assert_reads(&member_behind(&empty_extra, b"x"), b"x", 1);
    // What flate2 itself writes.
    let mut encoder = GzBuilder::new()
        .extra("extra")
        .filename("name")
        .comment("comment")
        .mtime(7)
        .write(Vec::new(), Compression::best());
    encoder.write_all(b"content").expect("a Vec takes all");
    assert_reads(&encoder.finish().expect("a Vec takes all"), b"content", 1);
}

#[test]
fn d10_optional_fields_of_128_kib_are_the_most() {
    const MOST: usize = 128 * 1024;
    let named = |name_bytes: usize| {
        let name = [vec![b'n'; name_bytes - 1], vec![0]].concat();
        member_behind(&[header(FLAG_NAME), name].concat(), b"x")
    };
    assert_reads(&named(MOST), b"x", 1);
    assert_fails(&named(MOST + 1), ObjectFailure::GzHeader, b"");
    // All three together: 2 + 65,535 bytes of extra field, the rest in the names.
    let all = |comment_bytes: usize| {
        let mut fields = header(FLAG_EXTRA | FLAG_NAME | FLAG_COMMENT);
        fields.extend(u16::MAX.to_le_bytes());
        fields.extend(vec![b'e'; usize::from(u16::MAX)]);
        fields.extend(b"name\0");
        fields.extend([vec![b'c'; comment_bytes - 1], vec![0]].concat());
        member_behind(&fields, b"x")
    };
    let rest = MOST - 2 - usize::from(u16::MAX) - b"name\0".len();
    assert_reads(&all(rest), b"x", 1);
    assert_fails(&all(rest + 1), ObjectFailure::GzHeader, b"");
    // A name that never ends is refused where the limit is, not where the file ends.
    let endless = [header(FLAG_NAME), vec![b'n'; MOST + 1]].concat();
    assert_fails(&endless, ObjectFailure::GzHeader, b"");
    // Each member has the whole allowance.
    assert_reads(&[named(MOST), named(MOST)].concat(), b"xx", 2);
}

#[test]
fn d11_nothing_at_all_is_no_gzip_file() {
    assert_fails(b"", ObjectFailure::GzTruncated, b"");
}

#[test]
fn d15_the_limit_of_decoded_bytes_is_exact() {
    let content = text(10_000);
    let stored = [member(&content), member(b"more")].concat();
    let length = content.len() as u64;
    assert!(read_with_limit(&stored, length + 4).end.is_ok());
    for (limit, verified) in [(length + 3, length), (length, length), (length - 1, 0), (1, 0), (0, 0)] {
        let reading = read_with_limit(&stored, limit);
        assert_eq!(reading.end, Err(ObjectFailure::DecodedLimit));
        assert_eq!((reading.decoded.len() as u64, reading.verified_decoded_bytes), (limit, verified));
    }
    assert!(read_with_limit(&member(b""), 0).end.is_ok());
}

#[test]
fn d15_the_densest_data_that_deflate_can_write_is_read() {
    let zeros = vec![0; 16 * 1024 * 1024];
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&zeros).expect("a Vec takes all");
    let data = encoder.finish().expect("a Vec takes all");
    assert!(zeros.len() / data.len() > 1_000, "a ratio of {} is no bomb", zeros.len() / data.len());
    let stored = [header(0), data, trailer(crc_of(&zeros), zeros.len() as u32)].concat();
    let reading = read_chunks([&stored[..]], NO_LIMIT);
    assert_eq!(reading.end.map(|summary| summary.decoded_bytes), Ok(zeros.len() as u64));
}

#[test]
fn d16_blocks_and_members_that_decode_to_nothing_end_with_the_file() {
    let blocks = EMPTY_BLOCK.repeat(100_000);
    let whole = [&header(0)[..], &blocks, &EMPTY_FINAL_BLOCK, &trailer(0, 0)].concat();
    assert_reads(&whole, b"", 1);
    assert_fails(&whole[..whole.len() - 20], ObjectFailure::GzTruncated, b"");
    let members = member(b"").repeat(10_000);
    assert_reads(&members, b"", 10_000);
}

#[test]
fn d17_the_length_is_compared_modulo_2_to_the_32() {
    // 4,097 equal blocks of one MiB that refer to nothing before them: 2^32 bytes and 2^20 more.
    const BLOCK_BYTES: usize = 1 << 20;
    const BLOCKS: u64 = (1 << 12) + 1;
    let block = vec![0; BLOCK_BYTES];
    let mut compress = flate2::Compress::new(Compression::best(), false);
    let mut data = Vec::with_capacity(BLOCK_BYTES);
    compress.compress_vec(&block, &mut data, flate2::FlushCompress::Full).expect("a sound stream");
    assert_eq!(compress.total_in(), BLOCK_BYTES as u64);
    let mut block_crc = Crc::new();
    block_crc.update(&block);
    let mut crc = Crc::new();
    (0..BLOCKS).for_each(|_| crc.combine(&block_crc));

    let mut gunzip = Gunzip::new(NO_LIMIT);
    let mut decoded_bytes = 0u64;
    let mut push = |stored: &[u8]| {
        gunzip.push(stored, |bytes| {
            decoded_bytes += bytes.len() as u64;
            Ok(())
        })
    };
    push(&header(0)).expect("a sound header");
    (0..BLOCKS).for_each(|_| push(&data).expect("sound data"));
    push(&EMPTY_FINAL_BLOCK).expect("sound data");
    push(&trailer(crc.sum(), BLOCK_BYTES as u32)).expect("the length modulo 2^32");
    assert_eq!(decoded_bytes, BLOCKS * BLOCK_BYTES as u64);
    assert_eq!(gunzip.finish().map(|summary| summary.decoded_bytes), Ok(decoded_bytes));
}

#[test]
fn invalid_deflate_data_fails_and_what_precedes_it_is_delivered() {
    let reserved_block_type = [0b111];
    let good = [header(0), [0, 3, 0, 0xfc, 0xff].to_vec(), b"abc".to_vec()].concat();
    let reading = read(&[&member(b"good")[..], &good, &reserved_block_type].concat());
    assert_eq!(reading.end, Err(ObjectFailure::GzCorrupt));
    assert_eq!((&reading.decoded[..], reading.verified_decoded_bytes), (&b"goodabc"[..], 4));
    // A match that reaches before the first byte of its own member: members share no window.
    let mut compress = flate2::Compress::new(Compression::best(), false);
    compress.set_dictionary(b"a dictionary that the reader lacks").expect("before the first byte");
    let mut data = Vec::with_capacity(200);
    compress
        .compress_vec(b"a dictionary that the reader lacks", &mut data, flate2::FlushCompress::Finish)
        .expect("a sound stream");
    let lacking = [member(b"a dictionary that the reader lacks"), header(0), data, vec![0; 8]].concat();
    assert_fails(&lacking, ObjectFailure::GzCorrupt, b"a dictionary that the reader lacks");
}

#[test]
fn whoever_takes_the_bytes_can_end_the_file() {
    let mut gunzip = Gunzip::new(NO_LIMIT);
    let stored = [member(b"first"), member(b"second")].concat();
    let mut calls = 0;
    let mut stop = |_: &[u8]| {
        calls += 1;
        if calls == 2 { Err(ObjectFailure::NestedCompression) } else { Ok(()) }
    };
    assert_eq!(gunzip.push(&stored, &mut stop), Err(ObjectFailure::NestedCompression));
    assert_eq!(gunzip.push(&stored, &mut stop), Err(ObjectFailure::NestedCompression));
    assert_eq!(calls, 2);
    assert_eq!(gunzip.verified_decoded_bytes(), 5);
    assert_eq!(gunzip.finish(), Err(ObjectFailure::NestedCompression));
}

/// Contents of members: text, noise, and runs that make deflate dense.
fn contents() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let content = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        (0..4_000u32).prop_map(text),
        (any::<u8>(), 0..200_000usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    proptest::collection::vec(content, 1..4)
}

/// A gzip file of these members at a level.
fn compressed(contents: &[Vec<u8>], level: u32) -> Vec<u8> {
    let mut stored = Vec::new();
    for content in contents {
        let mut encoder = GzBuilder::new().write(&mut stored, Compression::new(level));
        encoder.write_all(content).expect("a Vec takes all");
        encoder.finish().expect("a Vec takes all");
    }
    stored
}

/// Cuts bytes into chunks of these lengths, over and over.
fn chunks<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    for length in lengths.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (chunk, rest) = bytes.split_at((*length).min(bytes.len()));
        chunks.push(chunk);
        bytes = rest;
    }
    chunks
}

#[expect(clippy::disallowed_types, reason = "the reader that ours is held to, on files without a fault")]
fn reference(stored: &[u8]) -> impl Read {
    flate2::read::MultiGzDecoder::new(stored)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn d19_a_good_file_reads_as_flate2_reads_it_in_any_chunks(
        contents in contents(),
        level in 0..10u32,
        lengths in proptest::collection::vec(1..5_000usize, 1..6),
    ) {
        let stored = compressed(&contents, level);
        let mut expected = Vec::new();
        let _ = reference(&stored).read_to_end(&mut expected).expect("a good file");
        let reading = read(&stored);
        prop_assert!(reading.decoded == expected);
        prop_assert_eq!(reading.end.map(|summary| summary.members), Ok(contents.len() as u64));
        prop_assert!(read_chunks(chunks(&stored, &lengths), NO_LIMIT) == reading);
    }

    #[test]
    fn d19_a_damaged_file_ends_alike_in_any_chunks(
        contents in contents(),
        level in 0..10u32,
        lengths in proptest::collection::vec(1..5_000usize, 1..6),
        damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        tail in proptest::collection::vec(prop_oneof![Just(0), Just(0x1f), Just(0x8b), any::<u8>()], 0..12),
        kept in any::<prop::sample::Index>(),
        limit in prop_oneof![Just(NO_LIMIT), 0..100_000u64],
    ) {
        let mut stored = [compressed(&contents, level), tail].concat();
        for (place, bits) in damages {
            let place = place.index(stored.len());
            stored[place] ^= bits;
        }
        // Half of the files are cut, too.
        let kept = kept.index(stored.len() * 2).clamp(1, stored.len());
        let reading = read_with_limit(&stored[..kept], limit);
        prop_assert!(reading.decoded.len() as u64 <= limit);
        prop_assert!(reading.verified_decoded_bytes <= reading.decoded.len() as u64);
        prop_assert!(read_chunks(chunks(&stored[..kept], &lengths), limit) == reading);
    }
}

/// What the reader of whole files makes of a file: all of it, or nothing.
fn read_at_once(stored: &[u8]) -> Option<(Vec<u8>, GzipSummary)> {
    let mut whole = WholeGunzip::default();
    let first = whole.unpack(stored).map(|(decoded, summary)| (decoded.to_vec(), summary));
    let again = whole.unpack(stored).map(|(decoded, summary)| (decoded.to_vec(), summary));
    assert!(first == again, "what was read before must not matter");
    first
}

#[test]
fn d02_a_file_at_once_is_what_it_is_in_chunks() {
    let long = text(30_000);
    let files = [
        member(b"one"),
        member(b""),
        [member(b"one"), member(b""), member(&long), member(b"two")].concat(),
        // The last length says nothing about the first member's.
        [member(&long), member(b"")].concat(),
        member_behind(&[&header(FLAG_NAME)[..], b"name\0"].concat(), b"one"),
    ];
    for stored in files {
        let in_chunks = read(&stored);
        let (decoded, summary) = read_at_once(&stored).expect("a sound file");
        assert!(decoded == in_chunks.decoded);
        assert_eq!(Ok(summary), in_chunks.end);
    }
}

#[test]
fn a_file_with_anything_odd_is_left_to_the_chunks() {
    let sound = member(b"some content");
    let mut odd = vec![
        Vec::new(),
        b"{}".to_vec(),
        [&sound[..], b"\0\0\0"].concat(),
        [&sound[..], &sound[sound.len() - 8..]].concat(),
        [&sound[..], b"\x1f\x8b"].concat(),
        member(&vec![b' '; WHOLE_DECODED_BYTES_MAX + 1]),
        [member(&vec![b' '; WHOLE_DECODED_BYTES_MAX]), member(b"x")].concat(),
    ];
    odd.extend((0..sound.len()).map(|length| sound[..length].to_vec()));
    for at in sound.len() - 8..sound.len() {
        let mut flipped = sound.clone();
        flipped[at] ^= 1;
        odd.push(flipped);
    }
    for stored in odd {
        assert!(read_at_once(&stored).is_none(), "{} bytes", stored.len());
    }
    assert!(read_at_once(&member(&vec![b' '; WHOLE_DECODED_BYTES_MAX])).is_some());
}

proptest! {
    #[test]
    fn whatever_is_read_at_once_is_read_so_in_chunks(
        contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 1..4),
        flip in proptest::option::of((any::<prop::sample::Index>(), 1u8..)),
    ) {
        let mut stored: Vec<u8> = contents.iter().flat_map(|content| member(content)).collect();
        if let Some((at, bits)) = flip {
            let at = at.index(stored.len());
            stored[at] ^= bits;
        }
        let in_chunks = read(&stored);
        match read_at_once(&stored) {
            Some((decoded, summary)) => {
                prop_assert_eq!(decoded, in_chunks.decoded);
                prop_assert_eq!(Ok(summary), in_chunks.end);
            }
            None => prop_assert!(flip.is_some()),
        }
    }
}
