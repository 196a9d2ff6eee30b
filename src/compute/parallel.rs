//! Work cut into pieces that do not depend on the number of threads.

use crate::compute::job;
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

/// Does the jobs on up to `threads` threads. The answers come in the order of the jobs, whichever thread did them.
pub fn do_all<J: Send, A: Send>(threads: usize, jobs: Vec<J>, work: impl Fn(J) -> A + Sync) -> Vec<A> {
    let mut slots: Vec<(Option<J>, Option<A>)> = jobs.into_iter().map(|job| (Some(job), None)).collect();
    for_each(threads, &mut slots, |_, (job, answer)| *answer = job.take().map(&work));
    slots.into_iter().filter_map(|(_, answer)| answer).collect()
}

/// Results of `work(0) .. work(count - 1)`, in that order.
pub fn map<R: Send>(threads: usize, count: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    do_all(threads, (0..count).collect(), work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_keep_the_order_of_the_jobs() {
        for threads in [1, 2, 7, 100] {
            let answers = do_all(threads, (0..50).collect(), |job: u64| job * job);
            assert_eq!(answers, (0..50).map(|job| job * job).collect::<Vec<_>>());
        }
        assert!(do_all(3, Vec::<u8>::new(), |job| job).is_empty());
    }
}
