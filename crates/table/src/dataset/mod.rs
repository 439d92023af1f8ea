//! A directory of closed hours that survives any crash.
