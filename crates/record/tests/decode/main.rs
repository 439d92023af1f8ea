//! The decoder, from stored bytes to documents, rejects and failures.

mod fixtures;
mod framing;
mod generate;
mod payloads;
mod readers;
mod support;
