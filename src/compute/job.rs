//! Long work for a caller that must have control back after a bounded time.
//!
//! A [`Job`] runs in a thread of its own as long as somebody waits for it. Between two calls of
//! [`Job::wait`] it stands still at the next checkpoint, where it is: nothing is written down and read
//! again, so where a wait ended leaves no trace in the result. Work that nobody waits for any more ends
//! itself and frees its memory.
//!
//! Checkpoints are calls of [`check`] or [`Steps::count`] in the work; [`crate::compute::parallel`] has one for each of its
//! items. Outside a job they do nothing.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a wait looks at where the work stands.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Steps between two checkpoints of a loop: about a millisecond.
const OFTEN: usize = 1 << 18;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Pace>>> = const { RefCell::new(None) };
}

/// Work in a thread of its own.
#[derive(Debug)]
pub struct Job<T> {
    pace: Arc<Pace>,
    outcome: Arc<Mutex<Option<thread::Result<T>>>>,
}

/// Where a job stands after a wait.
#[derive(Debug, PartialEq, Eq)]
pub enum Waited<T> {
    /// What the work gave.
    Done(T),
    /// It is not done yet.
    Going,
    /// It had ended itself because nobody waited for it, or its result was taken before.
    GivenUp,
}

/// How far the work of a job has come, as it says itself; 0 of 0 where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Parts that are done, and how many there are.
    pub parts: (usize, usize),
    /// Steps that are done of the part under way, and how many it has.
    pub steps: (usize, usize),
}

impl<T: Send + 'static> Job<T> {
    /// Begins `work`, which ends without a result when it has stood still for as long as `patience`.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(patience: Duration, work: impl FnOnce() -> T + Send + 'static) -> std::io::Result<Self> {
        let pace = Arc::new(Pace {
            held: AtomicBool::new(false),
            state: Mutex::new(State::Running),
            changed: Condvar::new(),
            patience,
            parts: Default::default(),
            steps: Default::default(),
        });
        let outcome = Arc::new(Mutex::new(None));
        let job = Self {
            pace: pace.clone(),
            outcome: outcome.clone(),
        };
        thread::Builder::new().name("footfall job".into()).spawn(move || {
            enter(Some(pace.clone()));
            let result = catch_unwind(AssertUnwindSafe(work));
            *lock(&outcome) = Some(result);
            pace.end();
        })?;
        Ok(job)
    }

    /// Lets the work go on until it is done, for no longer than `time`.
    ///
    /// # Panics
    /// When the work did.
    pub fn wait(&self, time: Duration) -> Waited<T> {
        self.watch(time, &mut |_| ())
    }

    /// [`Job::wait`], with a look at the work now and then.
    ///
    /// # Panics
    /// When the work did.
    pub fn watch(&self, time: Duration, look: &mut dyn FnMut(Progress)) -> Waited<T> {
        match self.pace.run(time, look) {
            State::Over => match lock(&self.outcome).take() {
                Some(Ok(result)) => Waited::Done(result),
                Some(Err(panic)) => resume_unwind(panic),
                None => Waited::GivenUp,
            },
            State::GivenUp => Waited::GivenUp,
            State::Running | State::Held => Waited::Going,
        }
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.pace.give_up();
    }
}

/// Whether the threads of one job run.
#[derive(Debug)]
pub struct Pace {
    /// Whether a checkpoint has to look at the state.
    held: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
    patience: Duration,
    parts: Counter,
    steps: Counter,
}

/// How many are done, and how many there are.
type Counter = [AtomicUsize; 2];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Held,
    GivenUp,
    Over,
}

/// What unwinds the threads of a job that is given up.
struct Unwanted;

impl Pace {
    /// Sets the state if it is `from`, and gives the one that holds then.
    fn change(&self, state: &mut MutexGuard<State>, from: State, to: State) -> State {
        if **state == from {
            **state = to;
            self.held.store(to != State::Running, Ordering::Relaxed);
            self.changed.notify_all();
        }
        **state
    }

    fn run(&self, time: Duration, look: &mut dyn FnMut(Progress)) -> State {
        let until = Instant::now() + time;
        let mut state = lock(&self.state);
        self.change(&mut state, State::Held, State::Running);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let waited = self
                .changed
                .wait_timeout_while(state, left.min(BETWEEN_LOOKS), |state| *state == State::Running);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if *state != State::Running || left <= BETWEEN_LOOKS {
                return self.change(&mut state, State::Running, State::Held);
            }
            drop(state);
            look(self.progress());
            state = lock(&self.state);
        }
    }

    fn progress(&self) -> Progress {
        let read = |[done, all]: &Counter| (done.load(Ordering::Relaxed), all.load(Ordering::Relaxed));
        Progress {
            parts: read(&self.parts),
            steps: read(&self.steps),
        }
    }

    /// Waits until somebody waits for the job.
    #[cold]
    fn stand(&self) {
        let state = lock(&self.state);
        let waited = self
            .changed
            .wait_timeout_while(state, self.patience, |state| *state == State::Held);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let state = self.change(&mut state, State::Held, State::GivenUp);
        if state == State::GivenUp {
            // Unlike a panic this prints nothing.
            resume_unwind(Box::new(Unwanted));
        }
    }

    fn give_up(&self) {
        let mut state = lock(&self.state);
        self.change(&mut state, State::Running, State::GivenUp);
        self.change(&mut state, State::Held, State::GivenUp);
    }

    fn end(&self) {
        let mut state = lock(&self.state);
        self.change(&mut state, State::Running, State::Over);
        self.change(&mut state, State::Held, State::Over);
    }
}

/// The job of this thread.
pub(crate) fn current() -> Option<Arc<Pace>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Makes this thread work for a job.
pub(crate) fn enter(pace: Option<Arc<Pace>>) {
    CURRENT.set(pace);
}

/// A checkpoint: stands still while nobody waits for this thread's job, and unwinds when it is given up.
#[inline(never)]
pub fn check() {
    CURRENT.with_borrow(|pace| {
        if let Some(pace) = pace.as_ref().filter(|pace| pace.held.load(Ordering::Relaxed)) {
            pace.stand();
        }
    });
}

/// Says that so many parts of this thread's job are done, of how many.
pub fn at_part(done: usize, all: usize) {
    tell(|pace| set(&pace.parts, done, all));
}

/// Says that the part under way has so many steps, of which none is done.
pub fn begin_steps(all: usize) {
    tell(|pace| set(&pace.steps, 0, all));
}

/// Says that one more step of the part is done.
pub fn step_done() {
    tell(|pace| {
        pace.steps[0].fetch_add(1, Ordering::Relaxed);
    });
}

fn tell(what: impl FnOnce(&Pace)) {
    CURRENT.with_borrow(|pace| {
        if let Some(pace) = pace {
            what(pace);
        }
    });
}

fn set([of_done, of_all]: &Counter, done: usize, all: usize) {
    of_done.store(done, Ordering::Relaxed);
    of_all.store(all, Ordering::Relaxed);
}

/// Checkpoints of a loop with short turns.
#[derive(Debug, Default)]
pub struct Steps(usize);

impl Steps {
    /// After `steps` more, each of a few nanoseconds.
    #[inline(always)]
    pub fn count(&mut self, steps: usize) {
        self.0 += steps;
        if self.0 >= OFTEN {
            self.0 = 0;
            check();
        }
    }
}

/// No panic leaves what is locked here half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
