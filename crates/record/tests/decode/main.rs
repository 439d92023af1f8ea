//! The decoder, from stored bytes to documents, rejects and failures.

mod fixtures;
mod support;
