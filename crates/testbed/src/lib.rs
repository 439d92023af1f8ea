//! Real S3 servers and real faults for the tests: SeaweedFS, moto, and a proxy that breaks things on purpose.
//!
//! Only tests and benches use this crate. Always: everything binds loopback, and is stopped when it is dropped.

mod proxy;
mod servers;

pub use proxy::{Faults, Proxy};
pub use servers::{Bucket, Moto, SeaweedFs, Skip};
