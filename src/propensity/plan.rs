//! What a model of propensity is learned from, and the list of its features.

use crate::error::Error;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Actions that have features of their own.
pub const MOST_ACTIONS: usize = 20;
/// Windows of counts.
pub const MOST_WINDOWS: usize = 8;
/// Cut-offs in time.
pub const MOST_CUTOFFS: usize = 100;
/// The user's own columns.
pub const MOST_OWN: usize = 50;
/// Levels of a category that have a feature of their own.
pub const MOST_LEVELS: usize = 20;
/// The longest name of an action, a column or a level, in bytes.
const LONGEST_NAME: usize = 10_000;
/// The longest plan, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// The horizon as an INTERVAL of DuckDB.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Horizon {
    /// Of the calendar.
    pub months: i64,
    /// Of 24 hours.
    pub days: i64,
    /// What is left.
    pub microseconds: i64,
}

/// A column of the user's own: a number, or a category with the levels that are told apart.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    /// As it is called in features and reasons.
    pub name: String,
    /// Without levels it is a number.
    pub levels: Option<Vec<String>>,
}

/// What is learned from, and how.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The actions with features of their own.
    pub actions: Vec<String>,
    /// The place of the one that is to be predicted.
    pub target: usize,
    /// The windows of the counts in days, shortest first.
    pub windows: Vec<f64>,
    /// Whether events have items.
    pub has_items: bool,
    /// Whether they have categories.
    pub has_categories: bool,
    /// Whether they have money.
    pub has_amounts: bool,
    /// The user's own columns.
    pub own: Vec<Own>,
    /// How far ahead is looked.
    pub horizon: Horizon,
    /// How long before a cut-off events count, in microseconds: as long at each, or what grows with time would be taken for a change.
    pub lookback: i64,
    /// The moments that were learned from, in microseconds since 1970 by the shop's clock, in order.
    pub cutoffs: Vec<i64>,
    /// When the last horizon that was learned from ended.
    pub learned_until: i64,
    /// The moment for the test, whose horizon begins where all others have ended.
    pub test_cutoff: i64,
    /// Until when the events are known.
    pub known_until: i64,
    /// The share of the users that the test has to itself; as many more choose the penalty.
    pub holdout: f64,
    /// Of the hash that parts the users.
    pub seed: i64,
}

/// What a feature says.
#[allow(missing_docs, reason = "the fields are places in the lists of the plan")]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Feature {
    /// log(1 + events) of an action in a window.
    Count { action: usize, window: usize },
    /// log(1 + events) of an action.
    Total { action: usize },
    /// Whether there is one in the shortest window.
    Any { action: usize },
    /// log(1 + events that count half after as long as the middle window).
    Decayed { action: usize },
    /// 1 / (1 + days since the last one); 0 without one.
    Freshness { action: usize },
    /// log(1 + days since the first event).
    Known,
    /// 1 / (1 + days since the last event of any action).
    Seen,
    /// log(1 + days with an event).
    ActiveDays,
    /// Days with an event per day since the first.
    ActiveShare,
    /// log(1 + sessions), of events no more than half an hour apart.
    Sessions,
    /// Mean over mean and standard deviation of the days between active days: 1 as a clock; 0 with fewer than three.
    Regularity,
    /// The share of events from 0 to 6 o'clock, 6 to 12, 12 to 18, in this order.
    Hours { quarter: usize },
    /// The share of events on Saturday and Sunday.
    Weekend,
    /// log(1 + different items).
    Items,
    /// log(1 + different categories).
    Categories,
    /// The logarithm of 1 and the money so far, with its sign.
    Money,
    /// The same in the longest window.
    RecentMoney,
    /// A number of the user's own; 0 where it is missing, which `Missing` tells.
    OwnNumber { own: usize },
    /// Whether a category is at a level.
    OwnLevel { own: usize, level: usize },
    /// Whether a column of the user's own is missing.
    Missing { own: usize },
}

/// What the reasons put together: features that tell of one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Theme {
    /// An action, by its place.
    Action(usize),
    /// When and how regularly somebody was here.
    Visits,
    /// Hours and days of the week.
    Hours,
    /// Items and categories.
    Variety,
    /// What was spent.
    Money,
    /// A column of the user's own, by its place.
    Own(usize),
}

impl Feature {
    /// The theme that it belongs to.
    pub fn theme(self) -> Theme {
        match self {
            Self::Count { action, .. }
            | Self::Total { action }
            | Self::Any { action }
            | Self::Decayed { action }
            | Self::Freshness { action } => Theme::Action(action),
            Self::Known | Self::Seen | Self::ActiveDays | Self::ActiveShare | Self::Sessions | Self::Regularity => {
                Theme::Visits
            }
            Self::Hours { .. } | Self::Weekend => Theme::Hours,
            Self::Items | Self::Categories => Theme::Variety,
            Self::Money | Self::RecentMoney => Theme::Money,
            Self::OwnNumber { own } | Self::OwnLevel { own, .. } | Self::Missing { own } => Theme::Own(own),
        }
    }
}

impl Plan {
    /// The features in their order.
    pub fn features(&self) -> Vec<Feature> {
        let windows = 0..self.windows.len();
        let of_action = |action| {
            let counts = windows.clone().map(move |window| Feature::Count { action, window });
            let others = [
                Feature::Total { action },
                Feature::Any { action },
                Feature::Decayed { action },
                Feature::Freshness { action },
            ];
            counts.chain(others)
        };
        let mut features: Vec<Feature> = (0..self.actions.len()).flat_map(of_action).collect();
        features.extend([
            Feature::Known,
            Feature::Seen,
            Feature::ActiveDays,
            Feature::ActiveShare,
            Feature::Sessions,
            Feature::Regularity,
        ]);
        features.extend((0..3).map(|quarter| Feature::Hours { quarter }));
        features.push(Feature::Weekend);
        features.extend(self.has_items.then_some(Feature::Items));
        features.extend(self.has_categories.then_some(Feature::Categories));
        if self.has_amounts {
            features.extend([Feature::Money, Feature::RecentMoney]);
        }
        for (own, column) in self.own.iter().enumerate() {
            match &column.levels {
                None => features.push(Feature::OwnNumber { own }),
                Some(levels) => features.extend((0..levels.len()).map(|level| Feature::OwnLevel { own, level })),
            }
            features.push(Feature::Missing { own });
        }
        features
    }

    /// The place of a feature.
    pub fn place(&self, of: Feature) -> usize {
        let place = self.features().into_iter().position(|feature| feature == of);
        place.expect("every plan has the features of its actions")
    }

    /// A feature in words.
    pub fn name(&self, feature: Feature) -> String {
        let action = |action: usize| &self.actions[action];
        match feature {
            Feature::Count { action: a, window } => {
                format!("{}: count, last {} days", action(a), self.windows[window])
            }
            Feature::Total { action: a } => format!("{}: count", action(a)),
            Feature::Any { action: a } => format!("{}: any, last {} days", action(a), self.windows[0]),
            Feature::Decayed { action: a } => format!("{}: decayed count", action(a)),
            Feature::Freshness { action: a } => format!("{}: freshness", action(a)),
            Feature::Known => "days known".into(),
            Feature::Seen => "freshness".into(),
            Feature::ActiveDays => "active days".into(),
            Feature::ActiveShare => "share of days active".into(),
            Feature::Sessions => "sessions".into(),
            Feature::Regularity => "regularity".into(),
            Feature::Hours { quarter } => {
                ["share at night", "share in the morning", "share in the afternoon"][quarter].into()
            }
            Feature::Weekend => "share on weekends".into(),
            Feature::Items => "items".into(),
            Feature::Categories => "categories".into(),
            Feature::Money => "money".into(),
            Feature::RecentMoney => format!("money, last {} days", self.longest_window()),
            Feature::OwnNumber { own } => self.own[own].name.clone(),
            Feature::OwnLevel { own, level } => {
                let Own { name, levels } = &self.own[own];
                format!("{name} = {}", levels.as_ref().map_or("", |levels| &levels[level]))
            }
            Feature::Missing { own } => format!("{} missing", self.own[own].name),
        }
    }

    /// The half-life of the decayed counts, in days.
    pub fn half_life(&self) -> f64 {
        self.windows[self.windows.len() / 2]
    }

    /// The longest window, in days.
    pub fn longest_window(&self) -> f64 {
        self.windows[self.windows.len() - 1]
    }

    /// The plan in the options of a call.
    ///
    /// # Errors
    /// Options that are unknown, missing or of another type, and plans that cannot be.
    pub fn of_options(json: serde_json::Value) -> Result<Self, Error> {
        let plan: Self =
            crate::options::read("options", json, "{actions: ['buy'], target: 0, windows: [1, 7, 30], …}")?;
        let allowed = "the plan of footfall.train_propensity";
        plan.check()
            .map_err(|reason| Error::argument("options", reason, allowed))?;
        Ok(plan)
    }

    /// The plan as JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and names are JSON")
    }

    /// Reads and checks what [`Plan::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Damaged`] for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > MOST_BYTES {
            return Err(Error::damaged("plan", format!("it has {} bytes", bytes.len())));
        }
        let plan: Self = serde_json::from_slice(bytes).map_err(|error| Error::damaged("plan", error))?;
        plan.check().map_err(|reason| Error::damaged("plan", reason))?;
        Ok(plan)
    }

    /// What is wrong with it, if anything is.
    ///
    /// # Errors
    /// The reason.
    pub fn check(&self) -> Result<(), String> {
        let names = self.actions.iter().chain(self.own.iter().flat_map(|own| {
            let levels = own.levels.iter().flatten();
            std::iter::once(&own.name).chain(levels)
        }));
        if names.clone().any(|name| name.len() > LONGEST_NAME) {
            return Err(format!("a name of more than {LONGEST_NAME} bytes"));
        }
        let distinct: HashSet<_> = self.actions.iter().collect();
        if !(1..=MOST_ACTIONS).contains(&self.actions.len()) || distinct.len() < self.actions.len() {
            return Err(format!("{} actions", self.actions.len()));
        }
        if self.target >= self.actions.len() {
            return Err(format!("target {}", self.target));
        }
        let in_order = self.windows.windows(2).all(|pair| pair[0] < pair[1]);
        let in_range = self.windows.iter().all(|days| (0.01..=36_525.0).contains(days));
        if !(1..=MOST_WINDOWS).contains(&self.windows.len()) || !in_order || !in_range {
            return Err(format!("windows {:?}", self.windows));
        }
        if self.lookback <= 0 {
            return Err(format!("a lookback of {} microseconds", self.lookback));
        }
        let cutoffs_in_order = self.cutoffs.windows(2).all(|pair| pair[0] < pair[1]);
        if !(1..=MOST_CUTOFFS).contains(&self.cutoffs.len()) || !cutoffs_in_order {
            return Err(format!("{} cut-offs", self.cutoffs.len()));
        }
        if !(0.05..=0.4).contains(&self.holdout) {
            return Err(format!("a held-out share of {}", self.holdout));
        }
        let levels = |own: &Own| own.levels.as_ref().map_or(0, Vec::len);
        if self.own.len() > MOST_OWN || self.own.iter().any(|own| levels(own) > MOST_LEVELS) {
            return Err("more columns or levels than there can be".into());
        }
        Ok(())
    }
}
