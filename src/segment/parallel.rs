//! Work cut into pieces that do not depend on the number of threads.

use super::job;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};

/// Calls `work(index, item)` once for every item, on up to `threads` threads.
/// Which thread takes which item is left open, so `work` must not depend on it.
pub fn for_each<T: Send>(threads: usize, items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
    let threads = threads.min(items.len());
    let work = |index, item: &mut T| {
        job::check();
        work(index, item);
    };
    if threads <= 1 {
        items.iter_mut().enumerate().for_each(|(index, item)| work(index, item));
        return;
    }
    let queue = Mutex::new(items.iter_mut().enumerate());
    let take = || {
        // A panic in another thread ends the scope anyway.
        while let Some((index, item)) = next(&queue) {
            work(index, item);
        }
    };
    let pace = job::current();
    let help = || {
        job::enter(pace.clone());
        take();
    };
    std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(help)).collect();
        take();
        for helper in helpers {
            // What unwinds a helper unwinds the caller, a panic with its message.
            helper.join().unwrap_or_else(|payload| resume_unwind(payload));
        }
    });
}

fn next<I: Iterator>(queue: &Mutex<I>) -> Option<I::Item> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).next()
}

/// Results of `work(0) .. work(count - 1)`, in that order.
pub fn map<R: Send>(threads: usize, count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let mut results: Vec<Option<R>> = (0..count).map(|_| None).collect();
    for_each(threads, &mut results, |index, slot| *slot = Some(work(index)));
    results.into_iter().flatten().collect()
}
