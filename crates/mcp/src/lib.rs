//! Borehole's answers over the Model Context Protocol: what an assistant asks while a ticket is written.
//!
//! In: frames of a client, and an [`Engine`] that reads logs. Out: answers to ten tools, as typed JSON. Always: a tool
//! computes no figure, it shows those of a report; text from logs stands only in fields that say so, escaped and cut;
//! a call is answered within the time that clients wait, or says how far the reading is. Absent: reading logs, files
//! or the network, any output but the frames, and anything that changes what it reads.

mod calls;
mod engine;
mod server;
mod tools;
mod transport;
mod untrusted;

pub use engine::{
    Asked, Basis, Engine, Entry, Event, Events, Failure, FailureKind, Listing, Measured, Moments, Object,
    Others, Pattern, Period, Restored, Slot, Subject, Text, Tickets, Watch,
};
pub use server::{ServeError, ServeOptions, serve, serve_stdio};
