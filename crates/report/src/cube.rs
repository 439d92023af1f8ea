//! The cube as text: names bounded, everything compressed.
//!
//! In: the names and bytes of `usage`. Out: the text that stands in a page and in a report's `cube`. Always: equal cubes
//! give equal texts; names are bounded like all strings of a report. Absent: what the bytes mean (see `docs/cube.md`).

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use borehole_usage::cube::{self, VERSION};
use borehole_usage::packed::Packer;
use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::model::{Cube, Strings};

/// The word of [`Cube::encoding`].
pub const ENCODING: &str = "deflate-raw+base64";

/// How hard it is tried to compress. Of a week of busy keys, 9 saves less than one percent and takes several times as
/// long.
const LEVEL: u32 = 6;

impl Cube {
    /// Packs a cube.
    #[must_use]
    pub fn new(cube: &cube::Cube) -> Cube {
        let mut strings = Strings::default();
        let mut head = Packer::default();
        head.count(VERSION);
        head.count(cube.names.len() as u64);
        cube.names.iter().for_each(|name| head.text(&strings.bounded(name)));
        let packed = deflated(&[head.from(0), &cube.body]);
        Cube { encoding: ENCODING.to_owned(), slot_hours: cube.slot_hours, data: STANDARD.encode(packed) }
    }
}

/// A raw DEFLATE stream of these parts.
fn deflated(parts: &[&[u8]]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(LEVEL));
    let written = parts.iter().try_for_each(|part| encoder.write_all(part)).and_then(|()| encoder.finish());
    written.expect("memory can be written to")
}
