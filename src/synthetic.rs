//! A synthetic shop: events of the same shape as the Taobao user behaviour set.
//!
//! Every user is generated alone, from nothing but `(seed, user)`, so users can be made
//! in any order and on any number of threads, and memory stays flat. Only IEEE additions,
//! multiplications, divisions and square roots are used, no libm, so the rows are the same
//! on every machine.
//!
//! What is modelled on the real set (Alibaba Tianchi data set 649): the mix of actions,
//! the evening peak, events per user (mean 99 over nine days, quartiles 36, 75 and 136),
//! popular items and categories, more traffic on the promoted weekend, and two kinds of
//! dirt. What is invented is the order of a user's actions, which is meant to be *learnable*,
//! and only from more than a few steps back:
//!
//! - **Building up.** The longer a user has looked since the last cart or purchase, the
//!   likelier the next cart (`CART_BY_VIEWS`), and likelier still after repeated views of
//!   one item.
//! - **Thinking it over.** A cart is decided after `CONSIDERATION` further views, beyond
//!   the sight of a third-order Markov chain. Deciders then mostly buy, others rarely;
//!   which of the two a user is shows in the user's earlier carts.
//! - **Habit.** Collectors mark a favourite after every few views, each at an interval of
//!   their own.

use crate::calendar::TimeFeatures;
use crate::error::Error;
use crate::random::{Random, hash};

/// What a customer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `pv`.
    View,
    /// `cart`.
    Cart,
    /// `fav`.
    Favourite,
    /// `buy`.
    Buy,
}

impl Action {
    /// The name in the Taobao files.
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "pv",
            Self::Cart => "cart",
            Self::Favourite => "fav",
            Self::Buy => "buy",
        }
    }
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Who acts.
    pub user_id: i64,
    /// On what.
    pub item_id: i64,
    /// The same in every event of the item.
    pub category_id: i64,
    /// What is done.
    pub action: Action,
    /// Shop-local, microseconds since 1970-01-01, whole seconds.
    pub ts_us: i64,
}

/// The most users: ten times the real set's, 1 billion events.
pub const MAX_USERS: i64 = 10_000_000;
/// The greatest number a first user may have: a million shares of the most users.
pub const MAX_FIRST_USER: i64 = 10_000_000_000_000;
/// The most days: ten years.
pub const MAX_DAYS: i64 = 3_660;
/// 2017-11-25, a Saturday: the first day of the real set.
pub const DEFAULT_START: i32 = 17_495;
/// Length of the real set in days.
pub const DEFAULT_DAYS: i64 = 9;

const SECOND_US: i64 = 1_000_000;
const DAY_S: i64 = 86_400;

/// Mean number of events per user and day: 99 over nine days.
const EVENTS_PER_DAY: f64 = 11.0;

/// (probability, quantile) of a user's activity relative to the mean, straight lines
/// between: a gamma distribution of shape 1.3, which fits the real set's quartiles.
/// `[(p, scipy.stats.gamma(1.3).ppf(p) / 1.3) for p in …]`
const ACTIVITY: [(f64, f64); 18] = [
    (0.0, 0.0),
    (0.02, 0.044),
    (0.05, 0.091),
    (0.1, 0.161),
    (0.2, 0.296),
    (0.3, 0.435),
    (0.4, 0.586),
    (0.5, 0.758),
    (0.6, 0.963),
    (0.7, 1.219),
    (0.8, 1.571),
    (0.9, 2.158),
    (0.95, 2.734),
    (0.98, 3.485),
    (0.99, 4.047),
    (0.995, 4.606),
    (0.999, 5.894),
    (1.0, 9.5),
];

/// Relative number of sessions by hour of their start.
const HOUR_WEIGHTS: [f64; 24] = [
    30.0, 15.0, 7.0, 4.0, 5.0, 8.0, 16.0, 26.0, 34.0, 41.0, 44.0, 44.0, 41.0, 49.0, 51.0, 52.0, 51.0, 47.0, 51.0, 66.0,
    83.0, 90.0, 74.0, 58.0,
];

/// Relative number of sessions by ISO weekday, Monday first.
const WEEKDAY_WEIGHTS: [f64; 7] = [1.0, 1.0, 1.03, 1.0, 1.03, 1.02, 1.02];

/// The promotion is on the second Saturday and the second Sunday, in the real set
/// 2 and 3 December, and multiplies sessions by this.
const PROMOTION_LIFT: f64 = 1.3;

/// A session has between 1 and this many events, short ones more often (mean about 8).
const LONGEST_SESSION: f64 = 28.0;

/// A gap between two events of a session is under this many seconds (mean about 40).
const LONGEST_GAP_S: f64 = 160.0;

/// Probability that an event falls into the same second as the one before it.
const TIE: f64 = 0.002;
/// Probability that a row is delivered twice.
const DUPLICATE: f64 = 0.0005;
/// Probability that a row's time is wrong by weeks or decades.
const WRONG_TIME: f64 = 0.0005;

/// Events of a user before the first day, which are not told.
const EVENTS_BEFORE: u32 = 12;

/// Categories and items of the real set; every category has the same number of items.
const N_CATEGORIES: u64 = 9_439;
const ITEMS_PER_CATEGORY: u64 = 441;
const N_ITEMS: u64 = N_CATEGORIES * ITEMS_PER_CATEGORY;
/// Prime to [`N_ITEMS`] and [`N_CATEGORIES`], so that multiplying by it numbers them anew
/// and an id does not tell how popular the item or category is.
const STRIDE: u64 = 1_618_033;

/// Share of users who buy most of what they put into the cart.
const DECIDERS: f64 = 0.4;
const DECIDER_BUYS: f64 = 0.65;
const OTHERS_BUY: f64 = 0.1;
/// Views between the cart and the decision.
const CONSIDERATION: u32 = 4;

/// Share of users who mark a favourite after every 3 to 6 views.
const COLLECTORS: f64 = 0.16;
const HABIT_KEPT: f64 = 0.38;

/// Probability of a cart by the number of views since the last cart or purchase; the last
/// entry holds from there on.
const CART_BY_VIEWS: [f64; 14] = [
    0.008, 0.008, 0.008, 0.008, 0.012, 0.018, 0.025, 0.04, 0.07, 0.1, 0.14, 0.14, 0.1, 0.07,
];

/// Probability of a purchase or a favourite out of nowhere.
const WHIM_BUY: f64 = 0.0025;
const WHIM_FAVOURITE: f64 = 0.004;

/// Probability that a cart, favourite or purchase is followed by another of its kind at
/// once, and that a cart is paid for at once: the part of the order that a first-order
/// Markov chain does see.
const AGAIN: f64 = 0.14;
const PAY_AT_ONCE: f64 = 0.05;

/// Checked settings of a synthetic shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    users: u64,
    first_user: u64,
    days: u32,
    seed: u64,
    start: i32,
}

impl Settings {
    /// `start` is the first day, counted from 1970-01-01.
    ///
    /// # Errors
    /// When `users`, `days` or `start` is outside its range.
    pub fn new(users: i64, days: i64, seed: i64, start: i32) -> Result<Self, Error> {
        // 0001-01-01 and 9999-12-31.
        const CALENDAR: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;
        if !(1..=MAX_USERS).contains(&users) {
            return Err(Error::argument("users", users, format!("1 to {MAX_USERS}")));
        }
        if !(1..=MAX_DAYS).contains(&days) {
            return Err(Error::argument("days", days, format!("1 to {MAX_DAYS}")));
        }
        if !CALENDAR.contains(&start) {
            return Err(Error::argument(
                "start",
                format!("day {start} from 1970-01-01"),
                "0001-01-01 to 9999-12-31",
            ));
        }
        Ok(Self {
            users: users as u64,
            first_user: 0,
            days: days as u32,
            seed: seed as u64,
            start,
        })
    }

    /// The same shop, of which the users from number `first_user` on are made, counted from 1: machines share a shop so.
    ///
    /// # Errors
    /// When `first_user` is outside its range.
    pub fn beginning_at(self, first_user: i64) -> Result<Self, Error> {
        if !(1..=MAX_FIRST_USER).contains(&first_user) {
            return Err(Error::argument(
                "first_user",
                first_user,
                format!("1 to {MAX_FIRST_USER}"),
            ));
        }
        Ok(Self {
            first_user: first_user as u64 - 1,
            ..self
        })
    }

    /// The users that are made, counted from 0.
    pub fn user_numbers(&self) -> std::ops::Range<u64> {
        self.first_user..self.first_user + self.users
    }

    /// Number of users.
    pub fn users(&self) -> u64 {
        self.users
    }

    /// About how many rows there will be.
    pub fn expected_rows(&self) -> u64 {
        (self.users as f64 * f64::from(self.days) * EVENTS_PER_DAY) as u64
    }
}

/// Makes users' histories. Shared by all threads.
#[derive(Debug, Clone)]
pub struct Generator {
    settings: Settings,
    /// Cumulative weights of the days and of the hours.
    days: Vec<f64>,
    hours: Vec<f64>,
    categories: Popularity,
    items: Popularity,
}

impl Generator {
    /// Costs a few kilobytes and microseconds.
    pub fn new(settings: Settings) -> Self {
        let mut weekend_days_seen = [0; 2];
        let days = (0..settings.days as i32).map(|day| {
            let date_us = i64::from(settings.start + day) * DAY_S * SECOND_US;
            let weekday = TimeFeatures::at(date_us).weekday;
            let mut weight = WEEKDAY_WEIGHTS[usize::from(weekday) - 1];
            if weekday >= 6 {
                let seen = &mut weekend_days_seen[usize::from(weekday) - 6];
                *seen += 1;
                if *seen == 2 {
                    weight *= PROMOTION_LIFT;
                }
            }
            weight
        });
        Self {
            settings,
            days: cumulate(days),
            hours: cumulate(HOUR_WEIGHTS),
            categories: Popularity::new(N_CATEGORIES, 8.0),
            items: Popularity::new(ITEMS_PER_CATEGORY, 2.0),
        }
    }

    /// The settings it was made from.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Appends the history of `user`, counted from 0, in the order in which it happened.
    pub fn user(&self, user: u64, events: &mut Vec<Event>) {
        let mut random = Random::new(hash(self.settings.seed, &[user]));
        let first_s = i64::from(self.settings.start) * DAY_S;
        let end_s = first_s + i64::from(self.settings.days) * DAY_S;
        let mut shopper = Shopper::new(self, &mut random);
        let mut now_s = first_s;
        for session in self.sessions(&mut random) {
            now_s = now_s.max(first_s + session.start_s);
            let mut interest = Interest::new(self, &mut random);
            for _ in 0..session.n_events {
                if now_s >= end_s {
                    return;
                }
                let (action, item) = shopper.act(&mut interest, self, &mut random);
                let event = Event {
                    user_id: user as i64 + 1,
                    item_id: item.id(),
                    category_id: item.category_id(),
                    action,
                    ts_us: now_s * SECOND_US,
                };
                push_with_dirt(event, first_s, end_s, &mut random, events);
                if !chance(&mut random, TIE) {
                    now_s += 1 + (random.uniform() * random.uniform() * LONGEST_GAP_S) as i64;
                }
            }
        }
    }

    /// A user's sessions in order of time.
    fn sessions(&self, random: &mut Random) -> Vec<Session> {
        let mean = EVENTS_PER_DAY * f64::from(self.settings.days);
        let mut events_left = 1 + (activity(random.uniform()) * mean) as u32;
        let mut sessions = Vec::new();
        while events_left > 0 {
            let length = 1 + (random.uniform() * random.uniform() * LONGEST_SESSION) as u32;
            let n_events = length.min(events_left);
            events_left -= n_events;
            let day = pick(&self.days, random) as i64;
            let hour = pick(&self.hours, random) as i64;
            let second = random.below(3_600) as i64;
            sessions.push(Session {
                start_s: day * DAY_S + hour * 3_600 + second,
                n_events,
            });
        }
        sessions.sort_unstable_by_key(|session| (session.start_s, session.n_events));
        sessions
    }

    fn item_of(&self, category: u64, random: &mut Random) -> Item {
        Item {
            category,
            rank: self.items.draw(random),
        }
    }
}

/// A visit to the shop.
struct Session {
    /// Seconds from the first day's midnight.
    start_s: i64,
    n_events: u32,
}

/// An item by its category's popularity rank and its own within the category, from 0.
#[derive(Clone, Copy)]
struct Item {
    category: u64,
    rank: u64,
}

impl Item {
    /// 1 to [`N_ITEMS`], one-to-one.
    fn id(self) -> i64 {
        ((self.category * ITEMS_PER_CATEGORY + self.rank + 1) * STRIDE % N_ITEMS) as i64 + 1
    }

    /// 1 to [`N_CATEGORIES`], one-to-one.
    fn category_id(self) -> i64 {
        ((self.category + 1) * STRIDE % N_CATEGORIES) as i64 + 1
    }
}

/// What a session is about.
struct Interest {
    category: u64,
    /// The item the user keeps returning to.
    favourite: Item,
    /// Views of it in this session.
    repeats: u32,
    /// Carts relative to the average: categories convert differently.
    eagerness: f64,
}

impl Interest {
    fn new(shop: &Generator, random: &mut Random) -> Self {
        let category = shop.categories.draw(random);
        Self {
            category,
            favourite: shop.item_of(category, random),
            repeats: 0,
            eagerness: 0.7 + 0.06 * (hash(category, &[]) % 11) as f64,
        }
    }

    /// The item of the next view: the favourite again, another of the category, or
    /// something else altogether. A new item may become the favourite.
    fn next_item(&mut self, shop: &Generator, random: &mut Random) -> Item {
        let turn = random.uniform();
        if turn < 0.15 {
            self.repeats += 1;
            return self.favourite;
        }
        let category = if turn < 0.85 {
            self.category
        } else {
            shop.categories.draw(random)
        };
        let item = shop.item_of(category, random);
        if chance(random, 0.12) {
            self.favourite = item;
            self.repeats = 1;
        }
        item
    }
}

/// A user's character and state of mind; it outlives the session.
struct Shopper {
    buys_after_cart: f64,
    /// Views between two favourites; 0 without the habit.
    habit: u32,
    views_since_favourite: u32,
    /// Since the last cart or purchase.
    views_since_intent: usize,
    considered: Option<Considered>,
    last: Action,
}

/// An item in the cart that is not decided yet.
#[derive(Clone, Copy)]
struct Considered {
    item: Item,
    views_left: u32,
}

impl Shopper {
    fn new(shop: &Generator, random: &mut Random) -> Self {
        let decider = chance(random, DECIDERS);
        let collector = chance(random, COLLECTORS);
        let interval = 3 + random.below(4) as u32;
        let mut shopper = Self {
            buys_after_cart: if decider { DECIDER_BUYS } else { OTHERS_BUY },
            habit: if collector { interval } else { 0 },
            views_since_favourite: 0,
            views_since_intent: random.below(CART_BY_VIEWS.len() as u64) as usize,
            considered: None,
            last: Action::View,
        };
        // The first day finds most users in the middle of something.
        let mut interest = Interest::new(shop, random);
        for _ in 0..EVENTS_BEFORE {
            shopper.act(&mut interest, shop, random);
        }
        shopper
    }

    /// The next action and the item it concerns.
    fn act(&mut self, interest: &mut Interest, shop: &Generator, random: &mut Random) -> (Action, Item) {
        let (action, item) = self.decide(interest, random);
        let item = match action {
            Action::View => self.view(interest, shop, random),
            _ => item,
        };
        match action {
            Action::View => {}
            Action::Favourite => self.views_since_favourite = 0,
            Action::Buy => self.views_since_intent = 0,
            Action::Cart => {
                self.views_since_intent = 0;
                self.considered = Some(Considered {
                    item,
                    views_left: CONSIDERATION,
                });
            }
        }
        self.last = action;
        (action, item)
    }

    fn decide(&mut self, interest: &mut Interest, random: &mut Random) -> (Action, Item) {
        if self.last != Action::View && chance(random, AGAIN) {
            return (self.last, interest.favourite);
        }
        if self.last == Action::Cart && chance(random, PAY_AT_ONCE) {
            return (Action::Buy, interest.favourite);
        }
        if let Some(considered) = self.considered.take_if(|considered| considered.views_left == 0)
            && chance(random, self.buys_after_cart)
        {
            return (Action::Buy, considered.item);
        }
        if self.habit > 0 && self.views_since_favourite >= self.habit && chance(random, HABIT_KEPT) {
            return (Action::Favourite, interest.favourite);
        }
        let repeated = if interest.repeats >= 2 { 1.4 } else { 0.9 };
        let cart = CART_BY_VIEWS[self.views_since_intent.min(CART_BY_VIEWS.len() - 1)];
        if chance(random, cart * repeated * interest.eagerness) {
            return (Action::Cart, interest.favourite);
        }
        let whim = random.uniform();
        let action = if whim < WHIM_BUY {
            Action::Buy
        } else if whim < WHIM_BUY + WHIM_FAVOURITE {
            Action::Favourite
        } else {
            Action::View
        };
        (action, interest.favourite)
    }

    fn view(&mut self, interest: &mut Interest, shop: &Generator, random: &mut Random) -> Item {
        self.views_since_favourite += 1;
        self.views_since_intent += 1;
        if let Some(considered) = &mut self.considered {
            considered.views_left -= 1;
            if chance(random, 0.3) {
                return considered.item;
            }
        }
        interest.next_item(shop, random)
    }
}

/// Adds the event, rarely at a wrong time, rarely twice.
fn push_with_dirt(mut event: Event, first_s: i64, end_s: i64, random: &mut Random, events: &mut Vec<Event>) {
    let dirt = random.uniform();
    if dirt < WRONG_TIME {
        event.ts_us = wrong_time_s(first_s, end_s, random) * SECOND_US;
    }
    events.push(event);
    if dirt > 1.0 - DUPLICATE {
        events.push(event);
    }
}

/// Mostly some weeks early; sometimes up to 115 years early or 19 years late, as in the
/// real set (1902 to 2037).
fn wrong_time_s(first_s: i64, end_s: i64, random: &mut Random) -> i64 {
    let mut within = |days: i64| random.below((days * DAY_S) as u64) as i64;
    match within(10) / DAY_S {
        0 => first_s - 1 - within(42_000),
        1 => end_s + within(7_000),
        _ => first_s - 1 - within(75),
    }
}

/// The quantile of [`ACTIVITY`] at `p` in [0, 1).
fn activity(p: f64) -> f64 {
    let above = ACTIVITY.partition_point(|&(q, _)| q <= p).clamp(1, ACTIVITY.len() - 1);
    let ((p0, q0), (p1, q1)) = (ACTIVITY[above - 1], ACTIVITY[above]);
    q0 + (q1 - q0) * (p - p0) / (p1 - p0)
}

fn cumulate(weights: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut sum = 0.0;
    let add = |weight| {
        sum += weight;
        sum
    };
    weights.into_iter().map(add).collect()
}

fn chance(random: &mut Random, probability: f64) -> bool {
    random.uniform() < probability
}

/// A position drawn in proportion to its weight.
fn pick(cumulated: &[f64], random: &mut Random) -> usize {
    let last = cumulated.len() - 1;
    let point = random.uniform() * cumulated[last];
    cumulated.partition_point(|&sum| sum <= point).min(last)
}

/// Ranks 0..n with probability falling as 1 / (rank + q): Zipf's law with Mandelbrot's
/// flattened head. Drawn by inverting the cumulative distribution, `q ((n + q) / q)^u − q`,
/// tabulated at 1,025 points by repeated square roots and multiplication.
#[derive(Debug, Clone)]
struct Popularity {
    quantiles: Vec<f64>,
    n: u64,
}

impl Popularity {
    fn new(n: u64, q: f64) -> Self {
        const HALVINGS: u32 = 10;
        let step = (0..HALVINGS).fold((n as f64 + q) / q, |ratio, _| ratio.sqrt());
        let mut power = q;
        let mut next = || {
            let quantile = power - q;
            power *= step;
            quantile
        };
        Self {
            quantiles: (0..=1 << HALVINGS).map(|_| next()).collect(),
            n,
        }
    }

    fn draw(&self, random: &mut Random) -> u64 {
        let point = random.uniform() * (self.quantiles.len() - 1) as f64;
        let below = point as usize;
        let (low, high) = (self.quantiles[below], self.quantiles[below + 1]);
        ((low + (high - low) * (point - below as f64)) as u64).min(self.n - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    fn generator(users: i64, seed: i64) -> Generator {
        Generator::new(Settings::new(users, DEFAULT_DAYS, seed, DEFAULT_START).unwrap())
    }

    fn all(generator: &Generator) -> Vec<Event> {
        let mut events = Vec::new();
        for user in 0..generator.settings.users() {
            generator.user(user, &mut events);
        }
        events
    }

    fn in_range(event: &Event) -> bool {
        let first = i64::from(DEFAULT_START) * DAY_S * SECOND_US;
        (first..first + DEFAULT_DAYS * DAY_S * SECOND_US).contains(&event.ts_us)
    }

    #[test]
    fn a_user_depends_on_seed_and_user_alone() {
        let history = |generator: &Generator, user| {
            let mut events = Vec::new();
            generator.user(user, &mut events);
            events
        };
        let (few, many, other_seed) = (generator(10, 1), generator(1_000, 1), generator(10, 2));
        for user in [9, 0, 4] {
            assert_eq!(history(&few, user), history(&many, user));
            assert_ne!(history(&few, user), history(&other_seed, user));
        }
        assert_ne!(history(&few, 0)[0].item_id, history(&few, 1)[0].item_id);
    }

    /// Written by this version; a change here changes everybody's synthetic data.
    #[test]
    fn the_first_rows_stay_the_same() {
        let mut events = Vec::new();
        generator(1, 42).user(0, &mut events);
        let first: Vec<_> = events[..3]
            .iter()
            .map(|event| {
                (
                    event.item_id,
                    event.category_id,
                    event.action.name(),
                    event.ts_us / SECOND_US,
                )
            })
            .collect();
        let expected = [
            (168_471, 6_448, "cart", 1_511_571_320),
            (376_306, 6_448, "pv", 1_511_571_325),
            (168_471, 6_448, "pv", 1_511_800_408),
        ];
        assert_eq!(first, expected);
    }

    #[test]
    fn actions_are_mixed_as_in_the_real_set() {
        let events = all(&generator(5_000, 42));
        let share = |action| {
            let count = events.iter().filter(|event| event.action == action).count();
            100.0 * count as f64 / events.len() as f64
        };
        // Real set: 89.6, 5.5, 2.9, 2.0.
        for (action, low, high) in [
            (Action::View, 88.5, 91.0),
            (Action::Cart, 5.0, 6.0),
            (Action::Favourite, 2.6, 3.4),
            (Action::Buy, 1.8, 2.4),
        ] {
            let share = share(action);
            assert!((low..high).contains(&share), "{} {share}", action.name());
        }
    }

    #[test]
    fn activity_has_a_heavy_tail() {
        let generator = generator(5_000, 42);
        let mut n_events: Vec<usize> = (0..5_000)
            .map(|user| {
                let mut events = Vec::new();
                generator.user(user, &mut events);
                events.len()
            })
            .collect();
        n_events.sort_unstable();
        // Real excerpt: quartiles 39, 76, 132, 95th percentile 272, mean 99.
        for (percent, low, high) in [(25, 33, 42), (50, 70, 82), (75, 126, 146), (95, 250, 295)] {
            let quantile = n_events[5_000 * percent / 100];
            assert!((low..=high).contains(&quantile), "{percent} % {quantile}");
        }
        let mean = n_events.iter().sum::<usize>() / 5_000;
        assert!((94..=106).contains(&mean), "{mean}");
        assert!(n_events[0] >= 1);
    }

    #[test]
    fn evenings_and_the_promoted_weekend_are_busy() {
        let mut by_hour = [0; 24];
        let mut by_day = HashMap::new();
        for event in all(&generator(5_000, 42)).iter().filter(|event| in_range(event)) {
            let features = TimeFeatures::at(event.ts_us);
            by_hour[usize::from(features.hour)] += 1;
            *by_day.entry(features.date - DEFAULT_START).or_insert(0) += 1;
        }
        let mut hours: Vec<usize> = (0..24).collect();
        hours.sort_unstable_by_key(|&hour| std::cmp::Reverse(by_hour[hour]));
        assert_eq!(hours[..3], [21, 20, 22]);
        let lift = f64::from(by_day[&7] + by_day[&8]) / f64::from(by_day[&0] + by_day[&1]);
        assert!((1.2..1.4).contains(&lift), "{lift}");
        assert_eq!(by_day.len(), 9);
    }

    #[test]
    fn an_item_has_one_category_and_some_are_popular() {
        let mut category_of = HashMap::new();
        let mut views = HashMap::new();
        let events = all(&generator(2_000, 42));
        for event in &events {
            assert_eq!(
                *category_of.entry(event.item_id).or_insert(event.category_id),
                event.category_id
            );
            assert!((1..=N_ITEMS as i64).contains(&event.item_id));
            assert!((1..=N_CATEGORIES as i64).contains(&event.category_id));
            *views.entry(event.category_id).or_insert(0) += 1;
        }
        let most = views.values().max().unwrap();
        assert!(most * views.len() > 20 * events.len(), "{most} of {}", events.len());
    }

    #[test]
    fn ids_are_numbered_one_to_one() {
        let ids: HashSet<i64> = (0..N_CATEGORIES)
            .flat_map(|category| (0..ITEMS_PER_CATEGORY).map(move |rank| Item { category, rank }.id()))
            .collect();
        assert_eq!(ids.len() as u64, N_ITEMS);
        let ids: HashSet<i64> = (0..N_CATEGORIES)
            .map(|category| Item { category, rank: 0 }.category_id())
            .collect();
        assert_eq!(ids.len() as u64, N_CATEGORIES);
    }

    #[test]
    fn some_rows_are_dirty_and_the_others_are_in_order() {
        let events = all(&generator(5_000, 42));
        let n = events.len() as f64;
        let (clean, outside): (Vec<Event>, Vec<Event>) = events.into_iter().partition(in_range);
        let repeated = clean.windows(2).filter(|pair| pair[0] == pair[1]).count() as f64;
        assert!((0.0003..0.0007).contains(&(outside.len() as f64 / n)));
        assert!((0.0003..0.0007).contains(&(repeated / n)));
        assert!(outside.iter().any(|event| event.ts_us < 0));
        assert!(outside.iter().any(|event| event.ts_us > clean[0].ts_us));
        assert!(
            clean
                .windows(2)
                .all(|pair| pair[0].user_id != pair[1].user_id || pair[0].ts_us <= pair[1].ts_us)
        );
    }

    /// The dependency that a Markov chain of order 3 cannot see: a purchase five steps
    /// after the cart, with nothing but views between.
    #[test]
    fn a_purchase_is_decided_out_of_sight_of_a_third_order_chain() {
        let events = all(&generator(5_000, 42));
        let (mut considered, mut bought, mut buys) = (0, 0, 0);
        for window in events.windows(CONSIDERATION as usize + 2) {
            let [cart, views @ .., decision] = window else { continue };
            buys += usize::from(decision.action == Action::Buy);
            if cart.user_id == decision.user_id
                && cart.action == Action::Cart
                && views.iter().all(|event| event.action == Action::View)
            {
                considered += 1;
                bought += usize::from(decision.action == Action::Buy);
            }
        }
        let base = buys as f64 / events.len() as f64;
        let rate = bought as f64 / considered as f64;
        assert!(considered > 1_000 && rate > 10.0 * base, "{rate} against {base}");
    }

    #[test]
    fn settings_outside_their_range_are_refused() {
        let refused = |users, days, start| Settings::new(users, days, 42, start).unwrap_err().to_string();
        assert_eq!(refused(0, 9, 0), "argument 'users' is 0; allowed: 1 to 10000000");
        assert_eq!(
            refused(i64::MIN, 9, 0),
            "argument 'users' is -9223372036854775808; allowed: 1 to 10000000"
        );
        assert_eq!(refused(1, -1, 0), "argument 'days' is -1; allowed: 1 to 3660");
        assert_eq!(
            refused(1, i64::MAX, 0),
            "argument 'days' is 9223372036854775807; allowed: 1 to 3660"
        );
        assert!(refused(1, 1, i32::MAX).contains("argument 'start'"));
    }

    #[test]
    fn the_shortest_and_the_longest_shop_work() {
        for (days, start) in [(1, -719_162), (MAX_DAYS, 2_932_896)] {
            let generator = Generator::new(Settings::new(MAX_USERS, days, i64::MIN, start).unwrap());
            let mut events = Vec::new();
            generator.user(MAX_USERS as u64 - 1, &mut events);
            assert!(!events.is_empty());
        }
    }
}
