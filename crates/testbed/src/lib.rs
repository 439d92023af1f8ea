//! Real S3 servers, real faults and a real browser for the tests of every crate, and for the benches.
//!
//! In: nothing but Python 3 and two package registries. Out: running servers, filled buckets, and a [`Proxy`] that
//! breaks answers on purpose. Always: everything binds loopback, and ends with the test, however that ends. Where a
//! server cannot be had the test says so on stderr and is skipped; with `CI` set it fails. Absent: anything that a
//! released program uses.
//!
//! - [`SeaweedFs`] is for everything that S3 does with signatures, permissions, listings and bytes;
//! - [`Moto`] is for archives and restores (its page says what it does not do);
//! - [`Browser`] is Chromium, for pages (Debian's packages chromium and chromium-driver; it is not installed here);
//! - [`table_readers`] are no servers, but Python with what reads exported tables;
//! - [`mcp_sdk`] and [`mcp_inspector`] are clients for a server of our own;
//! - [`Proxy`] stands before either, and loses, cuts, stalls and alters what they answer.
//!
//! ```no_run
//! use borehole_testbed::{Fault, Faults, Identity, Proxy, SeaweedFs};
//!
//! // In a test: the one server of this test binary, or the end of the test.
//! let Some(server) = SeaweedFs::shared() else { return };
//! let bucket = server.own_bucket("logs");
//! bucket.put("2024/03/11/07/a.json", b"{}");
//! bucket.put_directory(std::path::Path::new("fixtures/dumps/aws"));
//!
//! // A third of the GETs are refused, one object breaks off at its second byte.
//! let faults = Faults { seed: 7, slow_down: 300, ..Faults::default() };
//! let proxy = Proxy::start(&server.endpoint(), faults.once("a.json", Fault::Reset { at: Some(1) }));
//!
//! // A child process reads as somebody who may only read, with nothing of the user's own configuration …
//! let mut command = std::process::Command::new("borehole");
//! server.equip(&mut command, Identity::Reader, &proxy.endpoint()).args(["ls", &bucket.url()]);
//! // … and a test that opens an `S3Store` itself is written into `SeaweedFs::with(|server| …)`, which runs it in a
//! // child whose SDK finds the profiles `reader`, `admin`, `limited`.
//!
//! let tally = proxy.tally();
//! assert_eq!((tally.faults("reset"), tally.broken), (1, 0));
//! assert!(tally.gets_total() as f64 / tally.gets.len() as f64 <= 1.7);
//! ```

mod browser;
mod bucket;
mod child;
mod clients;
mod install;
mod leash;
mod moto;
mod proxy;
mod readers;
mod seaweedfs;
mod skip;

pub use browser::{Browser, Look, key};
pub use bucket::{Bucket, Extras, REGION, wait_for};
pub use clients::{mcp_inspector, mcp_inspector_or_skip, mcp_sdk, mcp_sdk_or_skip};
pub use moto::Moto;
pub use proxy::{Fault, Faults, Kind, Proxy, SERVER_WORDS, Script, Seen, Tally};
pub use readers::{table_readers, table_readers_or_skip};
pub use seaweedfs::{Identity, SeaweedFs};
pub use skip::Skip;
