//! The decoder, from stored bytes to documents, rejects and failures.

mod any_bytes;
mod fixtures;
mod framing;
mod fuzzed;
mod generate;
mod payloads;
mod readers;
mod support;
