//! Parquet's encodings of integers, codes, levels and strings, as far as rows need them.
//!
//! In: plain slices. Out: bytes in the spelling of the Parquet format, and back. Always: bytes that are no such
//! spelling, or end too early, are an error and never a panic; what is read never has more values than the caller
//! asked for. Absent: pages, compression, types.

use crate::Error;

const DAMAGED: Error = Error::Damaged("a column's values");

/// Equal values in a row from which on a run is shorter than the values themselves, and does not break up rows of
/// values that compress well as they are.
const RUN_LENGTH_MIN: usize = 64;

/// Integers in a block of deltas, and in each of its miniblocks: the smallest that the format allows, so that one
/// large value makes few others large.
const BLOCK: usize = 128;
const MINIBLOCK: usize = 32;

/// How many bits the largest code needs.
pub(super) fn width_of(largest: u64) -> u32 {
    64 - largest.leading_zeros()
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes an integer from the front of the bytes.
pub(super) fn take_varint(bytes: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(DAMAGED)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(DAMAGED)
}

/// Takes so many bytes from the front.
pub(super) fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], Error> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(DAMAGED)?;
    *bytes = rest;
    Ok(taken)
}

/// Appends the low `width` bits of each value, low bits first, and fills up the last byte.
fn pack(out: &mut Vec<u8>, width: u32, values: impl Iterator<Item = u64>) {
    let (mut gathered, mut bits) = (0u128, 0);
    for value in values {
        gathered |= u128::from(value) << bits;
        bits += width;
        if bits >= 64 {
            out.extend_from_slice(&(gathered as u64).to_le_bytes());
            gathered >>= 64;
            bits -= 64;
        }
    }
    out.extend_from_slice(&(gathered as u64).to_le_bytes()[..bits.div_ceil(8) as usize]);
}

/// Appends values of which `IN_BYTE` fill a byte.
fn pack_small<const IN_BYTE: usize>(out: &mut Vec<u8>, values: &[u32]) {
    let width = 8 / IN_BYTE;
    let byte = |values: &[u32]| {
        let bits = values.iter().enumerate().map(|(at, value)| value << (at * width));
        bits.fold(0, |byte, bits| byte | bits) as u8
    };
    let (whole, rest) = values.as_chunks::<IN_BYTE>();
    out.extend(whole.iter().map(|values| byte(values)));
    if !rest.is_empty() {
        out.push(byte(rest));
    }
}

/// Reads values of `width` bits (at most 64), as many as `each` is asked for. The bytes hold them all.
#[inline]
fn unpack(bytes: &[u8], width: u32, count: usize, mut each: impl FnMut(u64)) {
    let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
    let mut padded = [0; 24];
    for index in 0..count {
        let bit = index * width as usize;
        let (at, shift) = (bit / 8, (bit % 8) as u32);
        let value = match bytes.get(at..at + 8).and_then(|word| word.try_into().ok()) {
            Some(word) if width + shift <= 64 => u64::from_le_bytes(word) >> shift,
            _ => {
                // The last values, and those so wide that they reach into a ninth byte.
                let rest = bytes.get(at..).unwrap_or_default();
                let rest = &rest[..rest.len().min(9)];
                padded[..rest.len()].copy_from_slice(rest);
                padded[rest.len()..].fill(0);
                let low = padded[..16].try_into().map_or(0, u128::from_le_bytes);
                (low >> shift) as u64
            }
        };
        each(value & mask);
    }
}

/// Codes or levels as Parquet's hybrid of runs and packed bits.
pub(super) fn put_hybrid(out: &mut Vec<u8>, width: u32, values: &[u32]) {
    let mut packed = 0;
    // No run that is long enough lies between two of these places.
    let mut at = RUN_LENGTH_MIN;
    while at < values.len() {
        let value = values[at];
        if values[at - 1] != value {
            at += RUN_LENGTH_MIN;
            continue;
        }
        let before = values[packed..at].iter().rev().take_while(|&&other| other == value).count();
        let behind = values[at..].iter().take_while(|&&other| other == value).count();
        // What is packed before a run comes in eights.
        let start = packed + (at - before - packed).next_multiple_of(8);
        let end = at + behind;
        if start + RUN_LENGTH_MIN <= end {
            put_packed(out, width, &values[packed..start]);
            put_run(out, width, value, end - start);
            packed = end;
        }
        at = end + RUN_LENGTH_MIN;
    }
    put_packed(out, width, &values[packed..]);
}

/// One code or level, so many times.
pub(super) fn put_run(out: &mut Vec<u8>, width: u32, value: u32, length: usize) {
    put_varint(out, length as u64 * 2);
    out.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
}

fn put_packed(out: &mut Vec<u8>, width: u32, values: &[u32]) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(8);
    put_varint(out, groups as u64 * 2 + 1);
    let end = out.len() + groups * width as usize;
    match width {
        1 => pack_small::<8>(out, values),
        2 => pack_small::<4>(out, values),
        4 => pack_small::<2>(out, values),
        8 => pack_small::<1>(out, values),
        _ => pack(out, width, values.iter().map(|&value| u64::from(value))),
    }
    out.resize(end, 0);
}

/// Reads `count` codes or levels behind those that `out` has. None may be larger than `largest`.
pub(super) fn take_hybrid(
    mut bytes: &[u8],
    width: u32,
    count: usize,
    largest: u32,
    out: &mut Vec<u32>,
) -> Result<(), Error> {
    if width > 32 {
        return Err(DAMAGED);
    }
    let start = out.len();
    let end = start + count;
    while out.len() < end {
        let header = take_varint(&mut bytes)?;
        let length = usize::try_from(header >> 1).map_err(|_| DAMAGED)?;
        let left = end - out.len();
        if length == 0 {
            return Err(DAMAGED);
        }
        if header & 1 == 0 {
            let mut value = [0; 4];
            let run = take(&mut bytes, width.div_ceil(8) as usize)?;
            value[..run.len()].copy_from_slice(run);
            out.resize(out.len() + length.min(left), u32::from_le_bytes(value));
        } else {
            let packed = take(&mut bytes, length.checked_mul(width as usize).ok_or(DAMAGED)?)?;
            let length = length.saturating_mul(8).min(left);
            match width {
                0 => out.resize(out.len() + length, 0),
                1 => take_small::<8>(packed, length, out),
                2 => take_small::<4>(packed, length, out),
                4 => take_small::<2>(packed, length, out),
                8 => take_small::<1>(packed, length, out),
                _ => unpack(packed, width, length, |value| out.push(value as u32)),
            }
        }
    }
    match out[start..].iter().max() {
        Some(&greatest) if greatest > largest => Err(DAMAGED),
        _ => Ok(()),
    }
}

/// Reads values of which `IN_BYTE` fill a byte.
fn take_small<const IN_BYTE: usize>(packed: &[u8], count: usize, out: &mut Vec<u32>) {
    let width = 8 / IN_BYTE;
    let start = out.len();
    out.resize(start + packed.len() * IN_BYTE, 0);
    let (values, _) = out[start..].as_chunks_mut::<IN_BYTE>();
    for (values, &byte) in values.iter_mut().zip(packed) {
        *values = std::array::from_fn(|at| u32::from(byte) >> (at * width) & ((1 << width) - 1));
    }
    out.truncate(start + count);
}

/// Integers as Parquet's `DELTA_BINARY_PACKED`. Differences wrap around, so every `i64` is kept.
///
/// With `whole_bytes`, differences begin and end with a byte: those of times in whole seconds repeat, and what sees
/// bytes alone can see that.
pub(super) fn put_deltas(out: &mut Vec<u8>, values: &[i64], whole_bytes: bool) {
    put_varint(out, BLOCK as u64);
    put_varint(out, (BLOCK / MINIBLOCK) as u64);
    put_varint(out, values.len() as u64);
    let Some((&first, rest)) = values.split_first() else {
        put_varint(out, 0);
        return;
    };
    put_varint(out, zigzag(first));
    let mut before = first;
    for block in rest.chunks(BLOCK) {
        let mut deltas = [0; BLOCK];
        for (delta, &value) in deltas.iter_mut().zip(block) {
            *delta = value.wrapping_sub(before);
            before = value;
        }
        let deltas = &deltas[..block.len()];
        let least = deltas.iter().copied().min().unwrap_or_default();
        put_varint(out, zigzag(least));
        let widths = out.len();
        out.extend_from_slice(&[0; BLOCK / MINIBLOCK]);
        for (index, miniblock) in deltas.chunks(MINIBLOCK).enumerate() {
            let above = |delta: &i64| delta.wrapping_sub(least) as u64;
            let mut width = width_of(miniblock.iter().map(above).fold(0, |all, one| all | one));
            if whole_bytes {
                width = width.next_multiple_of(8);
            }
            out[widths + index] = width as u8;
            let end = out.len() + MINIBLOCK / 8 * width as usize;
            pack(out, width, miniblock.iter().map(above));
            out.resize(end, 0);
        }
    }
}

/// Reads `count` integers behind those that `out` has, and returns the bytes that follow them.
pub(super) fn take_deltas<'a>(
    mut bytes: &'a [u8],
    count: usize,
    out: &mut Vec<i64>,
) -> Result<&'a [u8], Error> {
    let block = take_varint(&mut bytes)?;
    let miniblocks = take_varint(&mut bytes)?;
    let total = take_varint(&mut bytes)?;
    // Only our own files are read, and they have one form.
    if (block, miniblocks, total) != (BLOCK as u64, (BLOCK / MINIBLOCK) as u64, count as u64) {
        return Err(DAMAGED);
    }
    let mut value = unzigzag(take_varint(&mut bytes)?);
    if count == 0 {
        return Ok(bytes);
    }
    out.push(value);
    let mut left = count - 1;
    while left > 0 {
        let least = unzigzag(take_varint(&mut bytes)?);
        let widths = take(&mut bytes, BLOCK / MINIBLOCK)?;
        for &width in widths {
            let length = left.min(MINIBLOCK);
            if length == 0 {
                break;
            }
            if width > 64 {
                return Err(DAMAGED);
            }
            let packed = take(&mut bytes, MINIBLOCK / 8 * usize::from(width))?;
            unpack(packed, width.into(), length, |delta| {
                value = value.wrapping_add(least).wrapping_add(delta as i64);
                out.push(value);
            });
            left -= length;
        }
    }
    Ok(bytes)
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// A string as Parquet's `PLAIN`: after its length.
pub(super) fn put_plain(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Takes one of such strings.
pub(super) fn take_plain<'a>(bytes: &mut &'a [u8]) -> Result<&'a str, Error> {
    let length = take(bytes, 4)?.try_into().map(u32::from_le_bytes).map_err(|_| DAMAGED)?;
    std::str::from_utf8(take(bytes, length as usize)?).map_err(|_| DAMAGED)
}

/// Takes an integer as Parquet's `PLAIN`.
pub(super) fn take_plain_integer(bytes: &mut &[u8]) -> Result<i64, Error> {
    take(bytes, 8)?.try_into().map(i64::from_le_bytes).map_err(|_| DAMAGED)
}

/// Booleans as Parquet's `PLAIN`: a bit each.
pub(super) fn put_booleans(out: &mut Vec<u8>, values: impl Iterator<Item = bool>) {
    pack(out, 1, values.map(u64::from));
}

/// Reads `count` of them.
pub(super) fn take_booleans(bytes: &[u8], count: usize, out: &mut Vec<u32>) -> Result<(), Error> {
    if bytes.len() != count.div_ceil(8) {
        return Err(DAMAGED);
    }
    unpack(bytes, 1, count, |bit| out.push(bit as u32));
    Ok(())
}
