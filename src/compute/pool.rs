//! Buffers that outlive the call that made them.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Things that are costly to make, kept for the next call.
pub(crate) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Pool(Mutex::new(Vec::new()))
    }
}

impl<T> Pool<T> {
    pub(crate) fn take(&self) -> Option<T> {
        self.lock().pop()
    }

    pub(crate) fn put(&self, item: T) {
        self.lock().push(item);
    }

    /// What the lock guards is whole even when a thread panicked with it: it is held for one push or pop.
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
