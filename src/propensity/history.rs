//! The events of one user, and the features that they are at a moment.

use super::plan::{Feature, Own, Plan};

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = DAY / 24;
/// Events no more than this apart are in one session.
const SESSION_GAP: i64 = HOUR / 2;
/// Larger money is drawn in to it, which a logarithm makes no difference.
const MOST_MONEY: f64 = 1e30;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// Microseconds since 1970 by the shop's clock.
    pub at: i64,
    /// The place among the actions of the plan.
    pub action: Option<usize>,
    /// What is equal for events of one item, and of one category.
    pub item: Option<u64>,
    /// The same of categories.
    pub category: Option<u64>,
    /// Money, refunds below 0.
    pub amount: Option<f64>,
}

/// The user's own columns at a moment, as text.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnValues<'a> {
    /// As of an [`Event`].
    pub at: i64,
    /// In the order of the plan.
    pub values: Vec<Option<&'a str>>,
}

/// What is known of a user after some of the events, of which there are no more than there are seconds in a century.
struct Seen<'a> {
    plan: &'a Plan,
    first: i64,
    last: i64,
    /// Of each action: events, the last of them, and how many they are with what time took away from them.
    totals: Vec<(u32, i64, f64)>,
    n: u32,
    sessions: u32,
    active_days: u32,
    /// Days between active days: sum and sum of squares.
    gaps: (f64, f64),
    quarters: [u32; 4],
    weekend: u32,
    items: Vec<u64>,
    categories: Vec<u64>,
    money: f64,
}

impl<'a> Seen<'a> {
    fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            first: 0,
            last: 0,
            totals: vec![(0, 0, 0.0); plan.actions.len()],
            n: 0,
            sessions: 0,
            active_days: 0,
            gaps: (0.0, 0.0),
            quarters: [0; 4],
            weekend: 0,
            items: Vec::new(),
            categories: Vec::new(),
            money: 0.0,
        }
    }

    fn decay(&self, from: i64, to: i64) -> f64 {
        (-days(to.saturating_sub(from)) / self.plan.half_life()).exp2()
    }

    fn add(&mut self, event: &Event) {
        let day = event.at.div_euclid(DAY);
        if self.n == 0 {
            self.first = event.at;
            self.sessions = 1;
            self.active_days = 1;
        } else {
            self.sessions += u32::from(event.at.saturating_sub(self.last) > SESSION_GAP);
            let gap = (day - self.last.div_euclid(DAY)) as f64;
            self.active_days += u32::from(gap > 0.0);
            self.gaps = (self.gaps.0 + gap, self.gaps.1 + gap * gap);
        }
        self.n += 1;
        self.last = event.at;
        self.quarters[(event.at.rem_euclid(DAY) / (6 * HOUR)) as usize] += 1;
        // 1970 began on a Thursday.
        self.weekend += u32::from((day + 3).rem_euclid(7) >= 5);
        self.items.extend(event.item);
        self.categories.extend(event.category);
        self.money += event.amount.unwrap_or(0.0).clamp(-MOST_MONEY, MOST_MONEY);
        if let Some(action) = event.action {
            let (n, last, decayed) = self.totals[action];
            let left = if n == 0 {
                0.0
            } else {
                decayed * self.decay(last, event.at)
            };
            self.totals[action] = (n + 1, event.at, left + 1.0);
        }
    }

    fn regularity(&self) -> f64 {
        if self.active_days < 3 {
            return 0.0;
        }
        let n = f64::from(self.active_days - 1);
        let mean = self.gaps.0 / n;
        let deviation = (self.gaps.1 / n - mean * mean).max(0.0).sqrt();
        mean / (mean + deviation)
    }

    fn share(&self, of: u32) -> f64 {
        f64::from(of) / f64::from(self.n)
    }

    fn freshness(&self, action: usize, cut: i64) -> f64 {
        match self.totals[action] {
            (0, ..) => 0.0,
            (_, last, _) => freshness(last, cut),
        }
    }

    /// A feature of these events at `cut`, those of windows and the user's own columns left out.
    fn feature(&self, feature: Feature, cut: i64) -> f64 {
        let known = days(cut.saturating_sub(self.first));
        match feature {
            Feature::Total { action } => f64::from(self.totals[action].0).ln_1p(),
            Feature::Decayed { action } => {
                let (_, last, decayed) = self.totals[action];
                (decayed * self.decay(last, cut)).ln_1p()
            }
            Feature::Freshness { action } => self.freshness(action, cut),
            Feature::Known => known.ln_1p(),
            Feature::Seen => freshness(self.last, cut),
            Feature::ActiveDays => f64::from(self.active_days).ln_1p(),
            Feature::ActiveShare => f64::from(self.active_days) / (known + 1.0),
            Feature::Sessions => f64::from(self.sessions).ln_1p(),
            Feature::Regularity => self.regularity(),
            Feature::Hours { quarter } => self.share(self.quarters[quarter]),
            Feature::Weekend => self.share(self.weekend),
            Feature::Items => (self.items.len() as f64).ln_1p(),
            Feature::Categories => (self.categories.len() as f64).ln_1p(),
            Feature::Money => signed_log(self.money),
            _ => 0.0,
        }
    }
}

/// What lies in the windows before a cut-off.
struct Windows {
    /// By action, then window.
    counts: Vec<u32>,
    n_windows: usize,
    money: f64,
}

impl Windows {
    fn new(plan: &Plan, before: &[Event], cut: i64) -> Self {
        let n_windows = plan.windows.len();
        let starts: Vec<i64> = plan
            .windows
            .iter()
            .map(|days| cut.saturating_sub((days * DAY as f64) as i64))
            .collect();
        let mut windows = Self {
            counts: vec![0; plan.actions.len() * n_windows],
            n_windows,
            money: 0.0,
        };
        let longest = before.partition_point(|event| event.at < starts[n_windows - 1]);
        for event in &before[longest..] {
            windows.money += event.amount.unwrap_or(0.0).clamp(-MOST_MONEY, MOST_MONEY);
            let Some(action) = event.action else { continue };
            for (window, &start) in starts.iter().enumerate() {
                windows.counts[action * n_windows + window] += u32::from(event.at >= start);
            }
        }
        windows
    }

    fn count(&self, action: usize, window: usize) -> u32 {
        self.counts[action * self.n_windows + window]
    }
}

fn days(microseconds: i64) -> f64 {
    microseconds as f64 / DAY as f64
}

fn freshness(last: i64, cut: i64) -> f64 {
    1.0 / (1.0 + days(cut.saturating_sub(last)))
}

/// The logarithm of 1 and the size, with the sign.
fn signed_log(value: f64) -> f64 {
    value.abs().ln_1p().copysign(value)
}

/// What is to be known of a user at a cut-off.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The place of the cut-off.
    pub cutoff: usize,
    /// Whether the target happened within the horizon, where that is known.
    pub label: Option<bool>,
    /// In the order of the plan.
    pub features: Vec<f32>,
}

/// The features of a user at each cut-off with an event in the lookback before it; `ends` holds where the horizons end, or nothing.
///
/// Events and own values come in any order; the cut-offs in theirs.
pub fn known(
    plan: &Plan,
    features: &[Feature],
    mut events: Vec<Event>,
    mut own: Vec<OwnValues>,
    cutoffs: &[i64],
    ends: &[i64],
) -> Vec<Known> {
    // Events of one moment differ in nothing that their order would show in, but for the sums of their amounts.
    events.sort_unstable_by(|a, b| {
        let amounts = |event: &Event| event.amount.unwrap_or(0.0);
        a.at.cmp(&b.at).then(amounts(a).total_cmp(&amounts(b)))
    });
    own.sort_unstable_by(|a, b| a.at.cmp(&b.at).then_with(|| a.values.cmp(&b.values)));
    let mut seen = Seen::new(plan);
    let (mut start, mut end) = (0, 0);
    let mut all = Vec::new();
    for (cutoff, &cut) in cutoffs.iter().enumerate() {
        let since = cut.saturating_sub(plan.lookback);
        let first = events.partition_point(|event| event.at < since);
        let n_before = events.partition_point(|event| event.at < cut);
        if first > start {
            (seen, start, end) = (Seen::new(plan), first, first);
        }
        if n_before <= start {
            continue;
        }
        events[end..n_before].iter().for_each(|event| seen.add(event));
        end = n_before;
        for different in [&mut seen.items, &mut seen.categories] {
            different.sort_unstable();
            different.dedup();
        }
        let windows = Windows::new(plan, &events[start..n_before], cut);
        let values = own_at(plan, &own, cut);
        let value = |&feature: &Feature| match feature {
            Feature::Count { action, window } => f64::from(windows.count(action, window)).ln_1p(),
            Feature::Any { action } => f64::from(u8::from(windows.count(action, 0) > 0)),
            Feature::RecentMoney => signed_log(windows.money),
            Feature::OwnNumber { own } => number(values[own]).unwrap_or(0.0),
            Feature::OwnLevel { own, level } => {
                f64::from(u8::from(level_of(&plan.own[own], values[own]) == Some(level)))
            }
            Feature::Missing { own } => f64::from(u8::from(is_missing(&plan.own[own], values[own]))),
            other => seen.feature(other, cut),
        };
        all.push(Known {
            cutoff,
            label: ends.get(cutoff).map(|&end| {
                let within = events[n_before..].iter().take_while(|event| event.at < end);
                within.into_iter().any(|event| event.action == Some(plan.target))
            }),
            features: features.iter().map(|feature| value(feature) as f32).collect(),
        });
    }
    all
}

/// The last value of each own column before a cut-off that says something.
fn own_at<'a>(plan: &Plan, own: &[OwnValues<'a>], cut: i64) -> Vec<Option<&'a str>> {
    let before = &own[..own.partition_point(|values| values.at < cut)];
    let last = |column: usize| {
        let mut values = before
            .iter()
            .rev()
            .map(|values| values.values.get(column).copied().flatten());
        values.find(|&value| !is_missing(&plan.own[column], value)).flatten()
    };
    (0..plan.own.len()).map(last).collect()
}

fn number(value: Option<&str>) -> Option<f64> {
    let number: f64 = match value?.trim() {
        "true" => 1.0,
        "false" => 0.0,
        text => text.parse().ok()?,
    };
    // Beyond this a FLOAT's square is none.
    (number.abs() <= 1e15).then_some(number)
}

fn level_of(own: &Own, value: Option<&str>) -> Option<usize> {
    own.levels
        .as_ref()?
        .iter()
        .position(|level| Some(level.as_str()) == value)
}

fn is_missing(own: &Own, value: Option<&str>) -> bool {
    match own.levels {
        None => number(value).is_none(),
        Some(_) => value.is_none_or(|text| text.trim().is_empty()),
    }
}
