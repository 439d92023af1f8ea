//! The threads that wait for the network.
//!
//! In: futures. Out: their values, to threads that may wait. Always: the last to let go of it may be one of its own
//! tasks, which cannot wait for itself: whatever is left then is let go, not waited for. Absent: any choice of what
//! runs.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// A runtime that can be dropped anywhere.
pub(crate) struct Runtime {
    handle: Handle,
    /// `None` only while it is dropped.
    owned: Option<tokio::runtime::Runtime>,
}

impl Runtime {
    pub(crate) fn new(runtime: tokio::runtime::Runtime) -> Self {
        Runtime { handle: runtime.handle().clone(), owned: Some(runtime) }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Waits for `future` on this thread, which must not be one of the runtime's own.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.owned.take() {
            runtime.shutdown_background();
        }
    }
}
