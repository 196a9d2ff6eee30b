//! Jobs: work that is waited for in pieces.

use footfall::compute::job::{Job, Progress, Steps, Waited, at_part, begin_steps, check, step_done};
use footfall::compute::parallel;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);
/// On a busy machine a thread that shall stop is not looked at for a while.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits in pieces until the job is done; the result and the number of pieces.
fn finish<T: Send + 'static>(job: &Job<T>) -> (T, usize) {
    for n_waits in 1.. {
        match job.wait(SHORT) {
            Waited::Done(result) => return (result, n_waits),
            Waited::Going => {}
            Waited::GivenUp => panic!("given up"),
        }
    }
    unreachable!()
}

/// Counts up on both threads until it is given up or `until` is reached.
fn counting(counter: &Arc<AtomicUsize>, until: usize) -> impl FnOnce() -> usize + Send + use<> {
    let counter = counter.clone();
    move || {
        parallel::for_each(2, &mut [(); 2], |_, ()| {
            while counter.load(Ordering::SeqCst) < until {
                counter.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(1));
                check();
            }
        });
        until
    }
}

#[test]
fn work_goes_on_where_it_stood() {
    let counter = Arc::new(AtomicUsize::new(0));
    let job = Job::start(LONG, counting(&counter, 100)).unwrap();
    let (result, n_waits) = finish(&job);
    assert_eq!(result, 100);
    // Each turn counts at least once more where it had been, and never from the start.
    assert!(n_waits > 1, "{n_waits}");
    assert!(counter.load(Ordering::SeqCst) <= 101);
}

#[test]
fn nobody_waiting_means_no_work() {
    let counter = Arc::new(AtomicUsize::new(0));
    let job = Job::start(LONG, counting(&counter, usize::MAX)).unwrap();
    assert_eq!(job.wait(SHORT), Waited::Going);
    let since = Instant::now();
    loop {
        let stood = counter.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(200));
        if counter.load(Ordering::SeqCst) == stood {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "never stood");
    }
}

/// What the work holds is freed when it is given up: for want of patience, or with its job.
#[test]
fn work_that_is_given_up_frees_what_it_holds() {
    let freed = |patience: Duration, dropped: bool| {
        let held = Arc::new(());
        let (kept, counter) = (Arc::downgrade(&held), Arc::new(AtomicUsize::new(0)));
        let count = counting(&counter, usize::MAX);
        let job = Job::start(patience, move || {
            let _held = held;
            count()
        });
        let job = job.unwrap();
        // Who comes back late finds a short patience at its end.
        let waited = job.wait(SHORT);
        assert!(waited == Waited::Going || patience < LONG && waited == Waited::GivenUp);
        let job = (!dropped).then_some(job);
        let since = Instant::now();
        while kept.upgrade().is_some() {
            assert!(since.elapsed() < PATIENCE, "never freed");
            std::thread::sleep(Duration::from_millis(1));
        }
        if let Some(job) = job {
            assert_eq!(job.wait(SHORT), Waited::GivenUp);
        }
    };
    freed(Duration::from_millis(50), false);
    freed(LONG, true);
}

#[test]
fn a_result_is_given_once() {
    let job = Job::start(LONG, || 7).unwrap();
    assert_eq!(job.wait(LONG), Waited::Done(7));
    assert_eq!(job.wait(LONG), Waited::GivenUp);
}

#[test]
#[should_panic(expected = "in a helper or not")]
fn a_panic_arrives_with_its_message() {
    let work = || parallel::for_each(2, &mut [(); 8], |_, ()| panic!("in a helper or not"));
    Job::start(LONG, work).unwrap().wait(LONG);
}

#[test]
fn steps_stop_as_well() {
    let job = Job::start(Duration::from_millis(1), || {
        let mut steps = Steps::default();
        loop {
            steps.count(1);
        }
    });
    let job: Job<()> = job.unwrap();
    let since = Instant::now();
    while job.wait(SHORT) == Waited::Going {
        assert!(since.elapsed() < PATIENCE, "never given up");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_look_shows_the_part_and_the_step() {
    let work = || {
        at_part(2, 5);
        begin_steps(7);
        parallel::for_each(2, &mut [(); 3], |_, ()| step_done());
        loop {
            check();
        }
    };
    let job: Job<()> = Job::start(LONG, work).unwrap();
    let mut looks = Vec::new();
    let expected = Progress {
        parts: (2, 5),
        steps: (3, 7),
    };
    let since = Instant::now();
    while looks.last() != Some(&expected) {
        assert!(since.elapsed() < PATIENCE, "{looks:?}");
        let waited = job.watch(Duration::from_millis(500), &mut |progress| looks.push(progress));
        assert_eq!(waited, Waited::Going);
    }
}
