//! What moves a score, in words.
//!
//! The model is linear, so its score is the sum of what its features add, compared with the mean of all users. Features that tell
//! of one thing, such as the counts of one action, are added up first: apart they share or undo each other's work.

use super::model::PropensityModel;
use super::plan::{Feature, Plan, Theme};

/// Less than this on the scale of the logarithm of the odds is no reason: five in a hundred of the odds.
const LITTLE: f64 = 0.05;

/// The themes that move the score of somebody most, at most `most`, in words.
pub fn reasons(model: &PropensityModel, features: &[f32], most: usize) -> Vec<String> {
    let plan = &model.plan;
    let mut themes: Vec<(Theme, f64)> = Vec::new();
    let contributions = model.regression.contributions(features.iter().copied());
    let list = plan.features();
    for (feature, contribution) in list.iter().zip(contributions) {
        let theme = feature.theme();
        match themes.iter_mut().find(|(known, _)| *known == theme) {
            Some((_, total)) => *total += contribution,
            None => themes.push((theme, contribution)),
        }
    }
    // A stable sort: of equal ones the first of the list comes first.
    themes.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let words = Words {
        plan,
        list: &list,
        features,
    };
    let told = themes.into_iter().filter(|(_, moves)| moves.abs() >= LITTLE).take(most);
    told.map(|(theme, moves)| format!("{} (odds x {})", words.theme(theme), times(moves.exp())))
        .collect()
}

/// A factor with two digits that say something.
fn times(factor: f64) -> String {
    if factor >= 9.95 {
        format!("{factor:.0}")
    } else if factor >= 0.095 {
        format!("{factor:.1}")
    } else {
        format!("{factor:.2}")
    }
}

struct Words<'a> {
    plan: &'a Plan,
    list: &'a [Feature],
    features: &'a [f32],
}

impl Words<'_> {
    fn value(&self, feature: Feature) -> f64 {
        self.list
            .iter()
            .zip(self.features)
            .find(|(known, _)| **known == feature)
            .map_or(0.0, |(_, &value)| value.into())
    }

    /// The number whose logarithm a feature is.
    fn count(&self, feature: Feature) -> f64 {
        self.value(feature).exp_m1().round()
    }

    fn days_ago(&self, feature: Feature) -> String {
        ago(1.0 / self.value(feature) - 1.0)
    }

    fn theme(&self, theme: Theme) -> String {
        match theme {
            Theme::Action(action) => self.action(action),
            Theme::Visits => format!(
                "{} active, last seen {}",
                plural(self.count(Feature::ActiveDays), "day"),
                self.days_ago(Feature::Seen)
            ),
            Theme::Hours => "hours and days of the week".into(),
            Theme::Variety => self.variety(),
            Theme::Money => {
                let money = self.value(Feature::Money);
                format!("{:.0} spent", money.abs().exp_m1().copysign(money))
            }
            Theme::Own(own) => self.own(own),
        }
    }

    fn action(&self, action: usize) -> String {
        let name = &self.plan.actions[action];
        let total = self.count(Feature::Total { action });
        if total == 0.0 {
            return format!("{name}: none");
        }
        let lately = self.count(Feature::Count { action, window: 0 });
        let last = self.days_ago(Feature::Freshness { action });
        let window = match self.plan.windows[0] {
            1.0 => "day".into(),
            days => plural(days, "day"),
        };
        format!("{name}: {total}, {lately} of them in the last {window}, the last {last}")
    }

    fn variety(&self) -> String {
        let items = self
            .plan
            .has_items
            .then(|| plural(self.count(Feature::Items), "different item"));
        let categories = self.plan.has_categories.then(|| match self.count(Feature::Categories) {
            1.0 => "1 category".into(),
            n => format!("{n} categories"),
        });
        items.into_iter().chain(categories).collect::<Vec<_>>().join(" in ")
    }

    fn own(&self, own: usize) -> String {
        let column = &self.plan.own[own];
        let name = &column.name;
        if self.value(Feature::Missing { own }) > 0.0 {
            return format!("{name} missing");
        }
        let Some(levels) = &column.levels else {
            return format!("{name} {}", self.value(Feature::OwnNumber { own }));
        };
        let mut places = 0..levels.len();
        match places.find(|&level| self.value(Feature::OwnLevel { own, level }) > 0.0) {
            Some(level) => format!("{name} {}", levels[level]),
            None => format!("another {name}"),
        }
    }
}

fn plural(n: f64, thing: &str) -> String {
    if n == 1.0 {
        format!("1 {thing}")
    } else {
        format!("{n} {thing}s")
    }
}

/// How long ago, in the unit in which it is a number above 1.
fn ago(days: f64) -> String {
    let hours = (days * 24.0).round();
    if hours < 1.0 {
        "within the hour".into()
    } else if hours < 48.0 {
        plural(hours, "hour") + " ago"
    } else {
        plural(days.round(), "day") + " ago"
    }
}
