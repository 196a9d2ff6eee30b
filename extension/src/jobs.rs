//! Clusterings between two calls of a function that goes on with one.
//!
//! DuckDB can be interrupted between two calls and not within one, so a macro asks again and again for the
//! same result until it is there. The job behind it stands still between the calls, and is known by a number.
//! A number that is not known (any more) begins the work anew and gives the same result later, so what is
//! kept here is never more than saved time.

use crate::value::Value;
use footfall::compute::job::{Job, Progress, Waited};
use footfall::error::Error as Failure;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long one call waits for the result.
const SLICE: Duration = Duration::from_millis(500);
/// The next call follows within milliseconds; after an interruption there is none, and a job without one ends
/// and frees its memory after this time.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same for work that has been begun anew: its query lives and is slow.
const LONG_PATIENCE: Duration = Duration::from_secs(120);

/// What a job ends with.
pub type Answer = Result<Value, Failure>;

struct Kept {
    number: i64,
    job: Job<Answer>,
    patience: Duration,
    since: Instant,
    begun: Instant,
}

impl Kept {
    /// Waits for a while and shows how far the work is.
    fn wait(&self, look: &mut dyn FnMut(Progress, f64)) -> Waited<Answer> {
        let mut look = |progress| look(progress, self.begun.elapsed().as_secs_f64());
        self.job.watch(SLICE, &mut look)
    }
}

static JOBS: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
static LAST: AtomicI64 = AtomicI64::new(0);

/// Goes on with job `number` for a while. A number that is not known begins with the `work` that is made for
/// it; 0 never is. Gives the number to go on with and, in the end, the answer. `look` is told now and then how far the
/// work is, and for how many seconds it is under way.
///
/// # Errors
/// The system has no thread left.
pub fn advance<W>(
    number: i64,
    look: &mut dyn FnMut(Progress, f64),
    work: impl FnOnce() -> W,
) -> std::io::Result<(i64, Option<Answer>)>
where
    W: FnOnce() -> Answer + Send + 'static,
{
    if let Some(kept) = take(number) {
        match kept.wait(look) {
            Waited::Done(answer) => return Ok((number, Some(answer))),
            Waited::Going => return Ok((keep(kept), None)),
            Waited::GivenUp => {}
        }
    }
    let patience = if number == 0 { PATIENCE } else { LONG_PATIENCE };
    let kept = Kept {
        number: LAST.fetch_add(1, Ordering::Relaxed) + 1,
        job: Job::start(patience, work())?,
        patience,
        since: Instant::now(),
        begun: Instant::now(),
    };
    match kept.wait(look) {
        Waited::Done(answer) => Ok((kept.number, Some(answer))),
        Waited::Going | Waited::GivenUp => Ok((keep(kept), None)),
    }
}

/// Job `number`, for which nobody else can wait then. Jobs that no call has come for are dropped.
fn take(number: i64) -> Option<Kept> {
    let mut jobs = jobs();
    jobs.retain(|kept| kept.number == number || kept.since.elapsed() < kept.patience);
    let place = jobs.iter().position(|kept| kept.number == number)?;
    Some(jobs.swap_remove(place))
}

fn keep(kept: Kept) -> i64 {
    let since = Instant::now();
    let number = kept.number;
    jobs().push(Kept { since, ..kept });
    number
}

fn jobs() -> MutexGuard<'static, Vec<Kept>> {
    // A panic elsewhere cannot leave the list half changed.
    JOBS.lock().unwrap_or_else(PoisonError::into_inner)
}
