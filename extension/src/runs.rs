//! Training runs between two calls of the function that goes on with one.
//!
//! A run is some 40 bytes per parameter, so a recursive query hands on a ticket for it, beside the state from
//! which its epoch began. A ticket that is not known (any more) begins the epoch anew from that state, with the
//! same result, so what is kept here is never more than saved time.
//!
//! DuckDB does not say that a query is over. A run that no call has come for is dropped after a while; a thread that
//! lives as long as there are runs sees to it.

use footfall::train::Trainer;
use once_cell::sync::Lazy;
use siphasher::sip::SipHasher24;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The next call follows within milliseconds, unless other runs of the same query are trained in between.
const PATIENCE: Duration = Duration::from_secs(3);
/// Then a run is kept for so many times as long as it had to wait before.
const SLACK: u32 = 4;
/// Runs that were dropped within an epoch and are remembered, so that they are kept for longer next time.
const REMEMBERED: usize = 1 << 16;
/// Bytes at the beginning of a value that tell it from others: the header of a state has its losses.
const HEADER: usize = 1 << 16;

/// A ticket that is none.
pub const NO_TICKET: i64 = 0;

struct Kept {
    ticket: i64,
    run: Trainer,
    fingerprint: u64,
    is_within_epoch: bool,
    since: Instant,
    patience: Duration,
}

struct Runs {
    kept: Vec<Kept>,
    dropped: VecDeque<(i64, Instant)>,
    /// Whether the thread is there.
    is_watched: bool,
    last: i64,
}

/// Numbers begin anywhere, so that a ticket of another process is not taken for one of this.
static RUNS: Lazy<Mutex<Runs>> = Lazy::new(|| {
    Mutex::new(Runs {
        kept: Vec::new(),
        dropped: VecDeque::new(),
        is_watched: false,
        last: (RandomState::new().hash_one(0) >> 2) as i64,
    })
});

/// What a ticket stands for: the state that the epoch began from, and the dataset.
pub fn fingerprint(state: &[u8], dataset: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new();
    for bytes in [state, dataset] {
        hasher.write(&(bytes.len() as u64).to_le_bytes());
        hasher.write(&bytes[..bytes.len().min(HEADER)]);
    }
    hasher.finish()
}

/// The run of a ticket, for which nobody else can ask then, and how long to keep it after the call.
pub fn take(ticket: i64, fingerprint: u64) -> (Option<Trainer>, Duration) {
    let mut runs = runs();
    let place = runs.kept.iter().position(|kept| kept.ticket == ticket);
    if let Some(kept) = place.map(|place| runs.kept.swap_remove(place)) {
        let patience = kept.patience.max(SLACK * kept.since.elapsed());
        return ((kept.fingerprint == fingerprint).then_some(kept.run), patience);
    }
    let place = runs.dropped.iter().position(|&(dropped, _)| dropped == ticket);
    let since = place.and_then(|place| runs.dropped.remove(place));
    let waited = since.map(|(_, since)| SLACK * since.elapsed());
    (None, waited.unwrap_or_default().max(PATIENCE))
}

/// Keeps a run and gives the ticket for it.
pub fn keep(run: Trainer, fingerprint: u64, is_within_epoch: bool, patience: Duration) -> i64 {
    let mut runs = runs();
    if !runs.is_watched {
        let thread = std::thread::Builder::new().name("footfall runs".into());
        if thread.spawn(watch).is_err() {
            return NO_TICKET;
        }
        runs.is_watched = true;
    }
    runs.last += 1;
    let ticket = runs.last;
    runs.kept.push(Kept {
        ticket,
        run,
        fingerprint,
        is_within_epoch,
        since: Instant::now(),
        patience,
    });
    ticket
}

/// Drops the runs that no call has come for, until there are none.
fn watch() {
    loop {
        let mut runs = runs();
        let expired: Vec<Kept> = runs
            .kept
            .extract_if(.., |kept| kept.since.elapsed() >= kept.patience)
            .collect();
        // Between two epochs nothing is lost by it, and a client may take its time to read the row of an epoch.
        let lost = expired.iter().filter(|kept| kept.is_within_epoch);
        runs.dropped.extend(lost.map(|kept| (kept.ticket, kept.since)));
        let n_forgotten = runs.dropped.len().saturating_sub(REMEMBERED);
        runs.dropped.drain(..n_forgotten);
        let left = runs
            .kept
            .iter()
            .map(|kept| kept.patience.saturating_sub(kept.since.elapsed()))
            .min();
        runs.is_watched = left.is_some();
        drop(runs);
        drop(expired);
        let Some(left) = left else { return };
        std::thread::sleep(left.min(PATIENCE));
    }
}

fn runs() -> MutexGuard<'static, Runs> {
    // A panic elsewhere cannot leave the list half changed.
    RUNS.lock().unwrap_or_else(PoisonError::into_inner)
}
