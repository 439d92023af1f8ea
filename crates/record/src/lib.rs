//! Bytes to invocations and rejects: key grammar, gunzip, framing, decoding, time, model ids.
//!
//! In: the stored bytes of an object, in chunks of any size. Out: [`Document`]s and [`Reject`]s, or one typed
//! [`ObjectFailure`] for the object as a whole. Always: the result does not depend on where the chunks were
//! cut. Absent: I/O, clocks, threads, and any text of a prompt or an answer.

pub mod decode;
pub mod document;
pub mod gunzip;
pub mod identity;
mod inflate;
pub mod invocation;
pub mod key;
pub mod model;
pub mod reject;
pub mod time;

pub use decode::{DecodeOptions, ObjectDecoder, ObjectSummary, PayloadDecoder, Sink};
pub use document::{BodyPlace, Document, DocumentKind, Payload, TagText, Tags};
pub use invocation::{Call, ContentKinds, Count, Facets, Invocation, RequestId, Tag};
pub use key::Key;
pub use model::{Model, ProfileMap, Scope};
pub use reject::{ObjectFailure, Reject, RejectReason, Warning, Warnings};
pub use time::{Timestamp, UtcDay, UtcHour, UtcMinute, UtcSecond};
