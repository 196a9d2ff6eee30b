//! How far one user gets along the steps of a funnel, and when.
//!
//! A *chain* has one moment for each of the steps 1 to n, none before the one before it, all within
//! a window from the first. Of the chains that get furthest the one that is complete first is taken,
//! of those the one that began first, and so on step by step.
//!
//! Events of the same time are one moment, in which they may follow one another in any order. The
//! moments are walked once, with the best open chain of every length at hand. Which chain is best
//! depends on the question. *How far, and by when?* is answered by the chain that began last,
//! because its window closes last and nothing else tells two chains of one length apart. *Which
//! chain?* is answered by the earliest, once the end is known and chains are left out whose window
//! closes before it. So a user costs two walks, and one where there is no window.

use crate::calendar;
use crate::limits::MAX_STEPS;
use std::cmp::Ordering;

/// How long a chain may take, in DuckDB's parts of an INTERVAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Calendar months.
    pub months: i32,
    /// Days of 24 hours, after the months.
    pub days: i32,
    /// Microseconds, after the days.
    pub micros: i64,
}

impl Window {
    /// The last moment of a window that opens at `start_us`.
    fn end_us(self, start_us: i64) -> i64 {
        let days = i64::from(self.days) * calendar::DAY_US;
        let month = match self.months {
            0 => start_us,
            months => calendar::add_months(start_us, months),
        };
        month.saturating_add(days).saturating_add(self.micros)
    }
}

/// The steps and what is asked of a chain.
#[derive(Debug, Clone)]
pub struct Funnel {
    /// Per place of an action, from 1, the steps that it is, as bits.
    steps_of: [u8; MAX_STEPS + 1],
    n_steps: usize,
    /// Per step reached, the places of the actions that may come before the next one, as bits.
    kept_by: [u16; MAX_STEPS],
    within: Option<Window>,
    strict_increase: bool,
}

/// An event: what it belongs to, when it was, and at which step its action comes first, from 1;
/// 0 is an action that is no step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// What it belongs to.
    pub part: u64,
    /// Microseconds since 1970-01-01.
    pub time_us: i64,
    /// The first step of its action, from 1; 0 for none.
    pub place: u8,
}

/// What one user did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    times_us: [i64; MAX_STEPS],
    n_reached: usize,
    /// The steps whose action occurs at all, as bits.
    occurring: u8,
}

impl Progress {
    /// The times of the chain that got furthest, one for each step that it reached.
    pub fn times_us(&self) -> &[i64] {
        &self.times_us[..self.n_reached]
    }

    /// Whether the action of a step, counted from 0, occurs, in whatever order.
    pub fn occurs(&self, step: usize) -> bool {
        self.occurring >> step & 1 == 1
    }

    /// Further comes first, then sooner complete, then sooner begun.
    fn rank(&self, other: &Self) -> Ordering {
        let by_length = other.n_reached.cmp(&self.n_reached);
        let by_end = || self.times_us().last().cmp(&other.times_us().last());
        by_length
            .then_with(by_end)
            .then_with(|| self.times_us().cmp(other.times_us()))
    }
}

/// The events of one time in one part.
#[derive(Debug, Clone, Copy)]
struct Moment {
    time_us: i64,
    /// The steps that the actions are, as bits.
    steps: u8,
    /// The places of the actions, as bits.
    places: u16,
}

/// The times of a chain's steps so far, and the end of its window.
#[derive(Debug, Clone, Copy)]
struct Chain {
    times_us: [i64; MAX_STEPS],
    end_us: i64,
}

impl Chain {
    fn with(mut self, step: usize, time_us: i64) -> Self {
        self.times_us[step] = time_us;
        self
    }
}

/// Which of two open chains of one length is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preference {
    BeganLast,
    Earliest,
}

impl Funnel {
    /// `places` has for each step the place of its action: the step, from 1, that names it first.
    ///
    /// # Panics
    /// For no steps, more than [`MAX_STEPS`], or a place that is none.
    pub fn new(places: &[usize], within: Option<Window>, strict: bool, strict_increase: bool) -> Self {
        assert!((1..=MAX_STEPS).contains(&places.len()), "{} steps", places.len());
        let mut steps_of = [0; MAX_STEPS + 1];
        for (step, &place) in places.iter().enumerate() {
            assert!((1..=step + 1).contains(&place), "place {place} of step {step}");
            steps_of[place] |= 1 << step;
        }
        let kept_by = std::array::from_fn(|reached| {
            // Repeats of steps are no other event, but where the first one has led on, it begins anew.
            let known = &places[usize::from(reached > 0).min(places.len())..places.len().min(reached + 2)];
            if strict {
                known.iter().fold(0, |kept, place| kept | 1 << place)
            } else {
                u16::MAX
            }
        });
        Self {
            steps_of,
            n_steps: places.len(),
            kept_by,
            within,
            strict_increase,
        }
    }

    /// How far the user of these events gets within one part; the events are put in order.
    ///
    /// # Panics
    /// For an event whose place is beyond [`MAX_STEPS`].
    pub fn progress(&self, events: &mut [Event], moments: &mut Moments) -> Progress {
        if !events.is_sorted() {
            events.sort_unstable();
        }
        let mut best = Progress::default();
        let mut occurring = 0;
        for part in events.chunk_by(|a, b| a.part == b.part) {
            moments.0.clear();
            moments.0.extend(
                part.chunk_by(|a, b| a.time_us == b.time_us)
                    .map(|same| self.moment(same)),
            );
            occurring = moments.0.iter().fold(occurring, |all, moment| all | moment.steps);
            let found = self.furthest(&moments.0);
            if found.rank(&best) == Ordering::Less {
                best = found;
            }
        }
        Progress { occurring, ..best }
    }

    fn moment(&self, same: &[Event]) -> Moment {
        let mut moment = Moment {
            time_us: same[0].time_us,
            steps: 0,
            places: 0,
        };
        for event in same {
            moment.steps |= self.steps_of[usize::from(event.place)];
            moment.places |= 1 << event.place;
        }
        moment
    }

    fn furthest(&self, moments: &[Moment]) -> Progress {
        if self.within.is_none() {
            return self.walk(moments, Preference::Earliest, i64::MIN);
        }
        let furthest = self.walk(moments, Preference::BeganLast, i64::MIN);
        match furthest.times_us().last() {
            Some(&end_us) if furthest.n_reached > 1 => self.walk(moments, Preference::Earliest, end_us),
            _ => furthest,
        }
    }

    /// The chain that is first to get as far as any, among those whose window is open at `until_us`.
    fn walk(&self, moments: &[Moment], preference: Preference, until_us: i64) -> Progress {
        let mut open: [Option<Chain>; MAX_STEPS] = [None; MAX_STEPS];
        let mut furthest = Progress::default();
        for moment in moments {
            // The chain one step shorter: as it was before this moment, and as it is after a step in it.
            let (mut before, mut now): (Option<Chain>, Option<Chain>) = (None, None);
            for (step, open) in open.iter_mut().enumerate().take(self.n_steps) {
                let goes_on = if moment.steps >> step & 1 == 0 {
                    None
                } else if step == 0 {
                    self.begin(moment.time_us, until_us)
                } else {
                    let now = if self.strict_increase { None } else { now };
                    best(before, now, step, preference).filter(|chain| moment.time_us <= chain.end_us)
                };
                // Copied only where the next step will look at it: most moments are of one step.
                before = if u16::from(moment.steps) >> (step + 1) == 0 {
                    None
                } else {
                    *open
                };
                now = goes_on.map(|chain| chain.with(step, moment.time_us));
                if moment.places & !self.kept_by[step] != 0 {
                    *open = now;
                } else if now.is_some() {
                    *open = best(*open, now, step + 1, preference);
                }
                if let Some(chain) = now.filter(|_| step >= furthest.n_reached) {
                    furthest.times_us = chain.times_us;
                    furthest.n_reached = step + 1;
                }
            }
            if furthest.n_reached == self.n_steps {
                break;
            }
        }
        furthest
    }

    /// A chain of no steps yet, if its window holds `until_us`.
    fn begin(&self, start_us: i64, until_us: i64) -> Option<Chain> {
        let end_us = self.within.map_or(i64::MAX, |window| window.end_us(start_us));
        (end_us >= until_us).then_some(Chain {
            times_us: [0; MAX_STEPS],
            end_us,
        })
    }
}

/// The better of two chains of `length` steps.
fn best(a: Option<Chain>, b: Option<Chain>, length: usize, preference: Preference) -> Option<Chain> {
    let (Some(first), Some(second)) = (a, b) else {
        return a.or(b);
    };
    let keeps_first = match preference {
        Preference::BeganLast => first.times_us[0] >= second.times_us[0],
        Preference::Earliest => first.times_us[..length] <= second.times_us[..length],
    };
    Some(if keeps_first { first } else { second })
}

/// Room for the moments of a part, kept from user to user.
#[derive(Debug, Default)]
pub struct Moments(Vec<Moment>);

#[cfg(test)]
mod tests {
    use super::*;

    /// The times of the chain of events written as `action` and minute, for the steps `names`.
    fn chain(names: &str, events: &str, minutes: Option<i64>, strict: bool) -> Vec<i64> {
        let place = |name: char| names.find(name).map_or(0, |index| index + 1);
        let places: Vec<_> = names.chars().map(place).collect();
        let within = minutes.map(|micros| Window {
            months: 0,
            days: 0,
            micros,
        });
        let mut events: Vec<_> = events
            .split_whitespace()
            .map(|event| Event {
                part: 0,
                time_us: event[1..].parse().unwrap(),
                place: place(event.chars().next().unwrap()) as u8,
            })
            .collect();
        let funnel = Funnel::new(&places, within, strict, false);
        funnel
            .progress(&mut events, &mut Moments::default())
            .times_us()
            .to_vec()
    }

    #[test]
    fn the_times_are_those_of_the_chain_that_gets_furthest() {
        assert_eq!(chain("abc", "a0 b2 a50 b55 c58", Some(10), false), [50, 55, 58]);
        assert_eq!(chain("abc", "a0 b2 a50 b55 c58", None, false), [0, 2, 58]);
        assert_eq!(chain("ab", "a0 a5 a9 b12", Some(10), false), [5, 12]);
        assert_eq!(
            chain("abcdefgh", "a0 b1 c2 d3 e4 f5 g6 h7", Some(7), false),
            [0, 1, 2, 3, 4, 5, 6, 7]
        );
    }

    #[test]
    fn strict_allows_repeats_of_steps_but_no_other_event_in_between() {
        assert_eq!(chain("abc", "a0 a1 b2 b3 c4", None, true), [0, 2, 4]);
        assert_eq!(chain("abc", "a0 b1 x2 c3", None, true), [0, 1]);
        assert_eq!(chain("abc", "a0 b1 a2 c3", None, true), [0, 1]);
        assert_eq!(chain("abc", "a0 x1 a2 b3 x3 c4", None, true), [2, 3, 4]);
    }
}
