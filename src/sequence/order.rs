//! A user's events in the order in which they happened, so far as the data say.
//!
//! Events of the same time and tie-break have no order. They get one that says nothing about
//! their actions: each such group is put in the order of its actions and then shuffled, and the
//! shuffle is a function of the user, the time and the group's place among those of that time.
//! Over users every order is equally frequent, whatever the actions are, so there is nothing in
//! it to learn; and the same events give the same history, however they arrive.

use crate::random::Random;
use siphasher::sip::SipHasher24;
use std::hash::Hasher;

/// An event whose place in the history is to be found.
pub trait Event: Copy {
    /// What the data say about its place: events with equal ones are tied.
    type Place: Ord;
    /// What the event is about besides its action: those that differ in it are tied as well.
    type Thing: Ord;

    /// What it is ordered by.
    fn place(self) -> Self::Place;

    /// Microseconds after the start.
    fn time_us(self) -> i64;

    /// The number by which the action is known.
    fn action(self) -> usize;

    /// What it is about.
    fn thing(self) -> Self::Thing;
}

/// An event in 8 bytes: microseconds after the start, times 256, plus the action's number, at
/// most 255.
#[derive(Clone, Copy)]
pub struct Packed(pub i64);

impl Event for Packed {
    type Place = i64;
    type Thing = ();

    fn place(self) -> i64 {
        self.time_us()
    }

    fn time_us(self) -> i64 {
        self.0 >> 8
    }

    fn action(self) -> usize {
        (self.0 & 0xff) as usize
    }

    fn thing(self) {}
}

/// What orders events of the same time; `None` comes last.
pub type Tie = Option<u64>;

/// An event with a tie-break, or one that does not fit into [`Packed`].
#[derive(Clone, Copy)]
pub struct Wide {
    /// Microseconds since the start.
    pub time_us: i64,
    /// What orders it among events of its time.
    pub tie: Tie,
    /// Number of the action.
    pub action: usize,
}

impl Event for Wide {
    type Place = (i64, bool, u64);
    type Thing = ();

    fn place(self) -> Self::Place {
        (self.time_us, self.tie.is_none(), self.tie.unwrap_or(0))
    }

    fn time_us(self) -> i64 {
        self.time_us
    }

    fn action(self) -> usize {
        self.action
    }

    fn thing(self) {}
}

/// An event with what it is about: the ranks of its item and of its category, and where it stood before.
#[derive(Clone, Copy)]
pub struct Placed {
    /// Time, tie-break and action.
    pub event: Wide,
    /// Which of two equal events is which does not matter, so equal things have equal ranks.
    pub thing: [Tie; 2],
    /// Number of the event before it was put in order.
    pub index: usize,
}

impl Event for Placed {
    type Place = (i64, bool, u64);
    type Thing = [Tie; 2];

    fn place(self) -> Self::Place {
        self.event.place()
    }

    fn time_us(self) -> i64 {
        self.event.time_us
    }

    fn action(self) -> usize {
        self.event.action
    }

    fn thing(self) -> Self::Thing {
        self.thing
    }
}

/// The key of the hash that shuffles, another than that of a split by users: "ties" in ASCII.
const KEY: u64 = 0x7469_6573;

/// Sorts `events` by place and shuffles those that are tied. Gives the number of events whose
/// place is a matter of that shuffle: those tied with one of another action or about another thing. What the events are
/// about makes no difference to the order of the actions.
///
/// `start_us` is the start in microseconds since 1970; `name` gives an action's text.
pub fn arrange<'a, E: Event>(events: &mut [E], start_us: i64, user: &[u8], name: impl Fn(usize) -> &'a [u8]) -> usize {
    events.sort_unstable_by_key(|event| event.place());
    let mut hasher = SipHasher24::new_with_keys(KEY, 0);
    hasher.write(user);
    let (mut n_tied, mut last_time, mut nth_of_time) = (0, None, 0u64);
    for tied in events.chunk_by_mut(|left, right| left.place() == right.place()) {
        let time = tied[0].time_us();
        nth_of_time = if last_time == Some(time) { nth_of_time + 1 } else { 0 };
        last_time = Some(time);
        let [first, rest @ ..] = &*tied else { continue };
        let of_first = (name(first.action()), first.thing());
        if rest
            .iter()
            .all(|event| (name(event.action()), event.thing()) == of_first)
        {
            continue;
        }
        tied.sort_unstable_by_key(|event| (name(event.action()), event.thing()));
        let mut hasher = hasher;
        hasher.write(&start_us.wrapping_add(time).to_le_bytes());
        hasher.write(&nth_of_time.to_le_bytes());
        Random::new(hasher.finish()).shuffle(tied);
        n_tied += tied.len();
    }
    n_tied
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const NAMES: [&str; 5] = ["", "buy", "cart", "fav", "pv"];

    fn name(action: usize) -> &'static [u8] {
        NAMES[action].as_bytes()
    }

    fn packed(time_us: i64, action: i64) -> Packed {
        Packed(time_us * 256 + action)
    }

    fn wide(time_us: i64, tie: Tie, action: usize) -> Wide {
        Wide { time_us, tie, action }
    }

    fn actions<E: Event>(mut events: Vec<E>, user: &str) -> (String, usize) {
        let n_tied = arrange(&mut events, 0, user.as_bytes(), name);
        let names: Vec<&str> = events.iter().map(|event| NAMES[event.action()]).collect();
        (names.join(" "), n_tied)
    }

    /// How often each order of `events` occurs over `n_users` users.
    fn orders<E: Event>(events: &[E], n_users: usize) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for user in 0..n_users {
            *counts.entry(actions(events.to_vec(), &user.to_string()).0).or_default() += 1;
        }
        counts
    }

    #[test]
    fn an_event_is_its_time_and_its_action() {
        for (time, action) in [(0, 1), (1, 255), ((1 << 55) - 1, 7), (-1, 3), (-(1 << 55), 200)] {
            assert_eq!(packed(time, action).time_us(), time);
            assert_eq!(packed(time, action).action(), action as usize);
        }
    }

    #[test]
    fn time_comes_first_then_the_tie_and_no_tie_last() {
        let events = vec![packed(2, 1), packed(-1, 3), packed(1, 4)];
        assert_eq!(actions(events, "7"), ("fav pv buy".into(), 0));
        let events = vec![
            wide(2, Some(0), 1),
            wide(1, Some(u64::MAX), 3),
            wide(1, None, 2),
            wide(1, Some(5), 4),
        ];
        assert_eq!(actions(events, "7"), ("pv fav cart buy".into(), 0));
    }

    #[test]
    fn tied_are_those_with_another_action_at_their_place() {
        let tied = |events| actions(events, "7").1;
        assert_eq!(tied(vec![packed(1, 4), packed(1, 4), packed(2, 1)]), 0);
        assert_eq!(tied(vec![packed(1, 4), packed(1, 4), packed(1, 1), packed(2, 1)]), 3);
    }

    #[test]
    fn every_order_of_a_tie_is_equally_frequent() {
        // Four different actions have 24 orders, and with one of them twice there are 12.
        for (group, n_orders) in [([1, 2, 3, 4], 24), ([4, 1, 4, 2], 12)] {
            let events = group.map(|action| packed(1_511_600_000_000_000, action));
            let counts = orders(&events, 1000 * n_orders);
            assert_eq!(counts.len(), n_orders);
            let chi: f64 = counts.values().map(|&n| (n as f64 - 1e3).powi(2) / 1e3).sum();
            // The 99.99th percentile of chi-square with 23 degrees of freedom is 57, with 11 it is 38.
            assert!(chi < [57.0, 38.0][usize::from(n_orders == 12)], "{chi} {counts:?}");
        }
    }

    #[test]
    fn the_orders_of_two_ties_of_a_user_are_independent() {
        // Two times, and one time with two tie-breaks; each pair of orders in a quarter of the users.
        let times = [wide(1, None, 1), wide(1, None, 4), wide(2, None, 1), wide(2, None, 4)];
        let ties = [
            wide(1, Some(1), 1),
            wide(1, Some(1), 4),
            wide(1, Some(2), 1),
            wide(1, Some(2), 4),
        ];
        for events in [times, ties] {
            let counts = orders(&events, 8000);
            assert_eq!(counts.len(), 4);
            // Five standard deviations of a binomial count.
            assert!(counts.values().all(|&n| n.abs_diff(2000) < 194), "{counts:?}");
        }
    }

    #[test]
    fn neither_arrival_nor_the_numbers_of_the_actions_play_a_part() {
        let events = [(1, 1), (1, 2), (1, 3), (1, 4), (1, 4), (0, 4), (2, 1)];
        let expected = actions(events.map(|(time, action)| packed(time, action)).to_vec(), "Ada");
        for seed in 0..20 {
            let mut arrived = events.map(|(time, action)| wide(time, Some(3), action as usize));
            Random::new(seed).shuffle(&mut arrived);
            assert_eq!(actions(arrived.to_vec(), "Ada"), expected);
            let mut renumbered = arrived.map(|event| Wide {
                action: 4 - event.action,
                ..event
            });
            arrange(&mut renumbered, 0, b"Ada", |action| name(4 - action));
            let names: Vec<&str> = renumbered.iter().map(|event| NAMES[4 - event.action]).collect();
            assert_eq!(names.join(" "), expected.0);
        }
    }

    #[test]
    fn what_events_are_about_is_shuffled_with_them_and_leaves_the_actions_as_they_are() {
        let events = [
            (1, 4, 7),
            (1, 4, 8),
            (1, 1, 7),
            (2, 4, 9),
            (2, 4, 8),
            (3, 4, 7),
            (3, 4, 7),
        ];
        let mut counts = HashMap::new();
        for user in 0..8000 {
            let user = user.to_string();
            let plain = events.map(|(time, action, _)| packed(time, action));
            let mut placed: Vec<Placed> = (0..events.len())
                .map(|index| Placed {
                    event: wide(events[index].0, None, events[index].1 as usize),
                    thing: [Some(events[index].2), None],
                    index,
                })
                .collect();
            Random::new(9).shuffle(&mut placed);
            // Both of the time 3 are the same; of the time 2 only the items differ.
            assert_eq!(arrange(&mut placed, 0, user.as_bytes(), name), 5);
            let names: Vec<&str> = placed.iter().map(|event| NAMES[event.action()]).collect();
            assert_eq!(names.join(" "), actions(plain.to_vec(), &user).0);
            let order: Vec<usize> = placed[..5].iter().map(|event| event.index).collect();
            *counts.entry(order).or_insert(0) += 1;
        }
        // Three of one time in 6 orders, two of the next in 2; five standard deviations of a binomial count.
        assert_eq!(counts.len(), 12);
        assert!(counts.values().all(|&n: &i32| n.abs_diff(667) < 124), "{counts:?}");
    }

    #[test]
    fn the_order_of_a_tie_is_for_good() {
        // By an implementation in Python: see order_events.test.
        let events = [1, 2, 3, 4].map(|action| packed(0, action));
        for (user, order) in [
            ("1", "cart fav buy pv"),
            ("2", "cart pv buy fav"),
            ("Ada", "cart fav pv buy"),
        ] {
            let mut moved = events.to_vec();
            assert_eq!(arrange(&mut moved, 1_000_000, user.as_bytes(), name), 4);
            let names: Vec<&str> = moved.iter().map(|event| NAMES[event.action()]).collect();
            assert_eq!(names.join(" "), order);
        }
    }
}
