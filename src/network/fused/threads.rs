//! Jobs on threads that end with the call, with buffers that outlive it.

use std::panic::resume_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Things that are costly to make, kept for the next call.
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Pool(Mutex::new(Vec::new()))
    }
}

impl<T> Pool<T> {
    pub(super) fn take(&self) -> Option<T> {
        lock(&self.0).pop()
    }

    pub(super) fn put(&self, item: T) {
        lock(&self.0).push(item);
    }
}

/// What the lock guards is whole even when a thread panicked with it: every critical
/// section here is one push, pop or step of an iterator.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does the jobs on at most `threads` threads, this one among them. The answers come in the
/// order of the jobs, whichever thread did them.
pub(super) fn do_all<J: Send, A: Send>(threads: usize, jobs: Vec<J>, work: impl Fn(J) -> A + Sync) -> Vec<A> {
    let n_helpers = threads.min(jobs.len()).saturating_sub(1);
    if n_helpers == 0 {
        return jobs.into_iter().map(work).collect();
    }
    let queue = Mutex::new(jobs.into_iter().enumerate());
    let run = || {
        let mut answers = Vec::new();
        loop {
            // Its own statement: the lock is released before the work.
            let next = lock(&queue).next();
            let Some((number, job)) = next else { break };
            answers.push((number, work(job)));
        }
        answers
    };
    let mut answers = std::thread::scope(|scope| {
        let helpers: Vec<_> = (0..n_helpers).map(|_| scope.spawn(run)).collect();
        let mut answers = run();
        for helper in helpers {
            answers.extend(helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        answers
    });
    answers.sort_unstable_by_key(|&(number, _)| number);
    answers.into_iter().map(|(_, answer)| answer).collect()
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
