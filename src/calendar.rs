//! Calendar features of shop-local timestamps.
//!
//! The input is a count of microseconds since 1970-01-01 00:00:00 in the shop's own
//! local time, negative before it; no time zone is read anywhere. The calendar is the
//! proleptic Gregorian one, weeks are those of ISO 8601.
//!
//! Everything is multiplication, shifts and table look-ups: no branch depends on the
//! data, so unordered timestamps cost as much as ordered ones. The date arithmetic is
//! Neri and Schneider, "Euclidean affine functions and their application to calendar
//! algorithms", Software: Practice and Experience 53 (2023), shifted so that every
//! day that fits in 64-bit microseconds is a positive number.

use std::ops::RangeInclusive;

/// Days from the shifted epoch, 0000-03-01 of a year 740 cycles of 400 years earlier,
/// to 1970-01-01. A multiple of 146,097 days (400 years, also a whole number of weeks)
/// beyond the 719,468 days between 0000-03-01 and 1970-01-01.
const EPOCH_SHIFT: u32 = 719_468 + 740 * 146_097;

/// 1024 × this is one hour in microseconds; the division by 1024 is an exact floor by
/// shift, and the rest fits 54 bits for every input.
const HOUR_OVER_1024: u64 = 3_515_625;

/// The calendar features of one timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeFeatures {
    /// Days since 1970-01-01, negative before it.
    pub date: i32,
    /// 0 to 23.
    pub hour: u8,
    /// ISO weekday: Monday = 1 to Sunday = 7.
    pub weekday: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// ISO week, 1 to 53: week 1 holds the year's first Thursday.
    pub week: u8,
    /// 1 to 12.
    pub month: u8,
}

/// Microseconds of the first and the last time that DuckDB can show, 290309-12-22 (BC) and
/// 294247-01-10; others end in an internal error that closes the database.
pub const SHOWN: RangeInclusive<i64> = -9_223_372_022_400_000_000..=i64::MAX - 1;

/// Microseconds of a day.
pub const DAY_US: i64 = 86_400_000_000;

/// The same day of the month and time of day some months later, or the last day of a month that is too short.
///
/// The days are counted as in Howard Hinnant's `chrono`-Compatible Low-Level Date Algorithms: in years
/// from March on, so that the leap day comes last.
pub fn add_months(ts_us: i64, months: i32) -> i64 {
    const MONTHS_FROM_MARCH: [i64; 12] = [31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 29];
    let days = ts_us.div_euclid(DAY_US) + i64::from(EPOCH_SHIFT);
    let of_cycle = days.rem_euclid(146_097);
    let year_of_cycle = (of_cycle - of_cycle / 1_460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5;

    let months = 12 * (400 * days.div_euclid(146_097) + year_of_cycle) + month + i64::from(months);
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12));
    let has_leap_day = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let too_long = i64::from(month == 11 && !has_leap_day(year + 1));
    let day = day.min(MONTHS_FROM_MARCH[month as usize] - too_long - 1);
    let year_of_cycle = year.rem_euclid(400);
    let of_cycle = 365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100 + (153 * month + 2) / 5 + day;
    let days = 146_097 * year.div_euclid(400) + of_cycle - i64::from(EPOCH_SHIFT);
    days.saturating_mul(DAY_US).saturating_add(ts_us.rem_euclid(DAY_US))
}

/// Whether `ts_us` names a moment. The two ends of the range stand for ±infinity (and
/// the lowest integer for nothing at all), which have no hour and no weekday.
#[inline]
pub fn is_finite(ts_us: i64) -> bool {
    ts_us > -i64::MAX && ts_us < i64::MAX
}

impl TimeFeatures {
    /// Splits `ts_us`, microseconds since 1970-01-01. Total: any integer has an answer,
    /// meaningful where [`is_finite`] holds.
    #[inline]
    pub fn at(ts_us: i64) -> Self {
        let shift = 24 * i64::from(EPOCH_SHIFT) * HOUR_OVER_1024 as i64;
        let hours = ((ts_us >> 10) + shift) as u64 / HOUR_OVER_1024;
        let shifted_day = (hours / 24) as u32;
        let (day, month) = day_and_month(shifted_day);
        // The shifted epoch is a Wednesday.
        let from_monday = (shifted_day + 2) % 7;
        // A week belongs to the year of its Thursday.
        let thursday = shifted_day - from_monday + 3;
        Self {
            date: shifted_day.wrapping_sub(EPOCH_SHIFT) as i32,
            hour: (hours % 24) as u8,
            weekday: from_monday as u8 + 1,
            day,
            week: (day_of_year(thursday) / 7) as u8 + 1,
            month,
        }
    }

    /// Saturday or Sunday.
    #[inline]
    pub fn is_weekend(&self) -> bool {
        self.weekday >= 6
    }

    /// English name of the weekday, `Monday` to `Sunday`.
    #[inline]
    pub fn weekday_name(&self) -> &'static str {
        WEEKDAY_NAMES[usize::from(self.weekday) - 1]
    }

    /// `(sin, cos)` of the hour's place on a circle of 24 hours; midnight is (0, 1).
    #[inline]
    pub fn hour_on_circle(&self) -> (f64, f64) {
        let hour = usize::from(self.hour);
        (SIN_OF_HOUR[hour], SIN_OF_HOUR[(hour + 6) % 24])
    }

    /// `(sin, cos)` of the weekday's place on a circle of 7 days; Monday is (0, 1).
    #[inline]
    pub fn weekday_on_circle(&self) -> (f64, f64) {
        let weekday = usize::from(self.weekday) - 1;
        (SIN_OF_WEEKDAY[weekday], COS_OF_WEEKDAY[weekday])
    }
}

/// Names by ISO weekday, Monday first.
pub const WEEKDAY_NAMES: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// sin(2π h / 24), the doubles nearest to the exact values; a quarter of the circle
/// further on it is the cosine.
const SIN_OF_HOUR: [f64; 24] = [
    0.0,
    0.25881904510252074,
    0.5,
    std::f64::consts::FRAC_1_SQRT_2,
    0.8660254037844386,
    0.9659258262890683,
    1.0,
    0.9659258262890683,
    0.8660254037844386,
    std::f64::consts::FRAC_1_SQRT_2,
    0.5,
    0.25881904510252074,
    0.0,
    -0.25881904510252074,
    -0.5,
    -std::f64::consts::FRAC_1_SQRT_2,
    -0.8660254037844386,
    -0.9659258262890683,
    -1.0,
    -0.9659258262890683,
    -0.8660254037844386,
    -std::f64::consts::FRAC_1_SQRT_2,
    -0.5,
    -0.25881904510252074,
];

/// sin(2π (weekday − 1) / 7).
const SIN_OF_WEEKDAY: [f64; 7] = [
    0.0,
    0.7818314824680298,
    0.9749279121818236,
    0.4338837391175581,
    -0.4338837391175581,
    -0.9749279121818236,
    -0.7818314824680298,
];

/// cos(2π (weekday − 1) / 7).
const COS_OF_WEEKDAY: [f64; 7] = [
    1.0,
    0.6234898018587335,
    -0.2225209339563144,
    -0.9009688679024191,
    -0.9009688679024191,
    -0.2225209339563144,
    0.6234898018587335,
];

/// A day inside a computational year, which runs from 1 March to the end of February so
/// that the leap day comes last.
struct YearOfMarch {
    /// Day of that year, 0 (1 March) to 365.
    day: u32,
    /// Whether the civil year in which it begins has 366 days.
    begins_in_leap_year: bool,
}

#[inline]
fn year_of_march(shifted_day: u32) -> YearOfMarch {
    let n1 = 4 * shifted_day + 3;
    let century = n1 / 146_097;
    // 4 ⌊(n1 mod 146,097) / 4⌋ + 3
    let n2 = (n1 % 146_097) | 3;
    let p2 = 2_939_745 * u64::from(n2);
    let year = (p2 >> 32) as u32;
    YearOfMarch {
        day: p2 as u32 / 2_939_745 / 4,
        begins_in_leap_year: year.is_multiple_of(4) & ((year != 0) | century.is_multiple_of(4)),
    }
}

/// Day of the month (1 to 31) and month (1 to 12).
#[inline]
fn day_and_month(shifted_day: u32) -> (u8, u8) {
    let day_of_year = year_of_march(shifted_day).day;
    let n3 = 2_141 * day_of_year + 197_913;
    let month = n3 >> 16;
    let next_civil_year = u32::from(day_of_year >= FIRST_OF_JANUARY);
    (((n3 & 0xffff) / 2_141) as u8 + 1, (month - 12 * next_civil_year) as u8)
}

/// Day of the civil year, 0 (1 January) to 365.
#[inline]
fn day_of_year(shifted_day: u32) -> u32 {
    let YearOfMarch {
        day,
        begins_in_leap_year,
    } = year_of_march(shifted_day);
    let before_march = 59 + u32::from(begins_in_leap_year);
    if day >= FIRST_OF_JANUARY {
        day - FIRST_OF_JANUARY
    } else {
        day + before_march
    }
}

/// Days from 1 March to 1 January.
const FIRST_OF_JANUARY: u32 = 306;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST_FINITE: i64 = -i64::MAX + 1;

    /// (microseconds, days, hour, ISO weekday, day, ISO week, month), printed by DuckDB 2.0.0:
    /// ```sql
    /// SELECT epoch_us(ts), epoch_us(ts::DATE::TIMESTAMP) // 86400000000, hour(ts), isodow(ts),
    ///        day(ts), week(ts), month(ts), ts
    /// FROM (SELECT unnest(['290309-12-22 (BC) 00:00:00', …])::TIMESTAMP AS ts);
    /// ```
    #[rustfmt::skip]
    const FROM_DUCKDB: [(i64, i32, u8, u8, u8, u8, u8); 41] = [
        (-9223372022400000000, -106751991, 0, 1, 22, 52, 12), // 290309-12-22 (BC) 00:00:00
        (-377642044800000001, -4370858, 23, 2, 31, 1, 12), // 9999-12-31 (BC) 23:59:59.999999
        (-63517820400000000, -735160, 1, 5, 15, 11, 3), // 0044-03-15 (BC) 01:00:00
        (-62167176000000000, -719528, 12, 6, 1, 52, 1), // 0001-01-01 (BC) 12:00:00
        (-62135596800000000, -719162, 0, 1, 1, 1, 1), // 0001-01-01 00:00:00
        (-12219274800000000, -141427, 5, 5, 15, 41, 10), // 1582-10-15 05:00:00
        (-11670975000000000, -135081, 6, 2, 29, 9, 2), // 1600-02-29 06:30:00
        (-2203891200000001, -25509, 23, 3, 28, 9, 2), // 1900-02-28 23:59:59.999999
        (-2203891200000000, -25508, 0, 4, 1, 9, 3), // 1900-03-01 00:00:00
        (-2134918435000000, -24710, 7, 4, 8, 19, 5), // 1902-05-08 07:06:05
        (-1, -1, 23, 3, 31, 1, 12), // 1969-12-31 23:59:59.999999
        (0, 0, 0, 4, 1, 1, 1), // 1970-01-01 00:00:00
        (1, 0, 0, 4, 1, 1, 1), // 1970-01-01 00:00:00.000001
        (951825600000000, 11016, 12, 2, 29, 9, 2), // 2000-02-29 12:00:00
        (1104516000000000, 12783, 18, 5, 31, 53, 12), // 2004-12-31 18:00:00
        (1104537600000000, 12784, 0, 6, 1, 53, 1), // 2005-01-01 00:00:00
        (1104710399000000, 12785, 23, 7, 2, 53, 1), // 2005-01-02 23:59:59
        (1104710400000000, 12786, 0, 1, 3, 1, 1), // 2005-01-03 00:00:00
        (1230508800000000, 14242, 0, 1, 29, 1, 12), // 2008-12-29 00:00:00
        (1262217600000000, 14609, 0, 4, 31, 53, 12), // 2009-12-31 00:00:00
        (1262476800000000, 14612, 0, 7, 3, 53, 1), // 2010-01-03 00:00:00
        (1262563200000000, 14613, 0, 1, 4, 1, 1), // 2010-01-04 00:00:00
        (1356912000000000, 15705, 0, 1, 31, 1, 12), // 2012-12-31 00:00:00
        (1451520000000000, 16800, 0, 4, 31, 53, 12), // 2015-12-31 00:00:00
        (1451606400000000, 16801, 0, 5, 1, 53, 1), // 2016-01-01 00:00:00
        (1483142400000000, 17166, 0, 6, 31, 52, 12), // 2016-12-31 00:00:00
        (1511643600000000, 17495, 21, 6, 25, 47, 11), // 2017-11-25 21:00:00
        (1512334799500000, 17503, 20, 7, 3, 48, 12), // 2017-12-03 20:59:59.5
        (1546214400000000, 17896, 0, 1, 31, 1, 12), // 2018-12-31 00:00:00
        (1582945200000000, 18321, 3, 6, 29, 9, 2), // 2020-02-29 03:00:00
        (1609372800000000, 18627, 0, 4, 31, 53, 12), // 2020-12-31 00:00:00
        (1609632000000000, 18630, 0, 7, 3, 53, 1), // 2021-01-03 00:00:00
        (1609718400000000, 18631, 0, 1, 4, 1, 1), // 2021-01-04 00:00:00
        (1735563600000000, 20087, 13, 1, 30, 1, 12), // 2024-12-30 13:00:00
        (2122927800000000, 24570, 22, 4, 9, 15, 4), // 2037-04-09 22:10:00
        (2147483648000000, 24855, 3, 2, 19, 3, 1), // 2038-01-19 03:14:08
        (4107538800000000, 47540, 23, 7, 28, 8, 2), // 2100-02-28 23:00:00
        (4107542400000000, 47541, 0, 1, 1, 9, 3), // 2100-03-01 00:00:00
        (13574595600000000, 157113, 9, 2, 29, 9, 2), // 2400-02-29 09:00:00
        (253402300799999999, 2932896, 23, 5, 31, 52, 12), // 9999-12-31 23:59:59.999999
        (9223372036854775806, 106751991, 4, 7, 10, 1, 1), // 294247-01-10 04:00:54.775806
    ];

    #[test]
    fn agrees_with_duckdb_over_the_whole_calendar() {
        for (ts_us, date, hour, weekday, day, week, month) in FROM_DUCKDB {
            let expected = TimeFeatures {
                date,
                hour,
                weekday,
                day,
                week,
                month,
            };
            assert_eq!(TimeFeatures::at(ts_us), expected, "at {ts_us}");
        }
    }

    /// (time, months, time), as DuckDB 2.0.0 adds them: `SELECT ts, m, ts + to_months(m)`.
    #[test]
    fn months_are_added_as_duckdb_adds_them() {
        for (from, months, to) in [
            (1_517_443_199_999_999, 1, 1_519_862_399_999_999), // 2018-01-31 23:59:59.999999 to 2018-02-28
            (1_580_428_800_000_000, 1, 1_582_934_400_000_000), // 2020-01-31 to 2020-02-29
            (1_582_934_400_000_000, 12, 1_614_470_400_000_000), // 2020-02-29 to 2021-02-28
            (1_582_934_400_000_000, 48, 1_709_164_800_000_000), // 2020-02-29 to 2024-02-29
            (1_604_102_400_000_000, -1, 1_601_424_000_000_000), // 2020-10-31 to 2020-09-30
            (-62_135_596_800_000_000, 1_200, -58_979_923_200_000_000), // 0001-01-01 to 0101-01-01
        ] {
            assert_eq!(add_months(from, months), to, "{from} and {months} months");
        }
    }

    /// Counts days the way one does on paper: whole cycles of 400 years, then year by
    /// year, then month by month, and ISO weeks by counting Thursdays.
    fn counted_on_paper(ts_us: i64) -> TimeFeatures {
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days_in_year = |year: i64| if leap(year) { 366 } else { 365 };
        let date = ts_us.div_euclid(DAY_US);
        // 2001-01-01, a Monday, is day 11,323.
        let from_2001 = date - 11_323;
        let mut year = 2001 + 400 * from_2001.div_euclid(146_097);
        let mut rest = from_2001.rem_euclid(146_097);
        while rest >= days_in_year(year) {
            rest -= days_in_year(year);
            year += 1;
        }
        let day_of_year = rest;
        let february = if leap(year) { 29 } else { 28 };
        let mut month = 1;
        for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
            if rest < length {
                break;
            }
            rest -= length;
            month += 1;
        }
        let weekday = from_2001.rem_euclid(7) + 1;
        // Day of the year of this week's Thursday, in the year it falls in.
        let mut thursday = day_of_year + 4 - weekday;
        if thursday < 0 {
            thursday += days_in_year(year - 1);
        } else if thursday >= days_in_year(year) {
            thursday -= days_in_year(year);
        }
        let mut week = 1;
        while thursday >= 7 {
            thursday -= 7;
            week += 1;
        }
        TimeFeatures {
            date: date as i32,
            hour: (ts_us.rem_euclid(DAY_US) / 3_600_000_000) as u8,
            weekday: weekday as u8,
            day: rest as u8 + 1,
            week,
            month,
        }
    }

    #[test]
    fn agrees_with_paper_on_every_day_of_eight_centuries() {
        for day in -146_097..146_097 {
            let ts_us = day * DAY_US + 13 * 3_600_000_000;
            assert_eq!(TimeFeatures::at(ts_us), counted_on_paper(ts_us), "day {day}");
        }
    }

    #[test]
    fn agrees_with_paper_on_both_sides_of_each_hour() {
        for hour in -24 * 800..24 * 800 {
            for ts_us in [hour * 3_600_000_000 - 1, hour * 3_600_000_000] {
                assert_eq!(TimeFeatures::at(ts_us), counted_on_paper(ts_us), "at {ts_us}");
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_paper_anywhere(ts_us in FIRST_FINITE..i64::MAX) {
            prop_assert_eq!(TimeFeatures::at(ts_us), counted_on_paper(ts_us));
        }

        #[test]
        fn any_integer_has_an_answer_in_range(ts_us in any::<i64>()) {
            let f = TimeFeatures::at(ts_us);
            prop_assert!(f.hour < 24 && (1..=7).contains(&f.weekday) && (1..=31).contains(&f.day));
            prop_assert!((1..=53).contains(&f.week) && (1..=12).contains(&f.month));
        }
    }

    #[test]
    fn the_ends_of_the_range_are_infinite_and_do_not_panic() {
        for ts_us in [i64::MIN, -i64::MAX, i64::MAX] {
            assert!(!is_finite(ts_us));
            TimeFeatures::at(ts_us).hour_on_circle();
        }
        assert!(is_finite(FIRST_FINITE) && is_finite(0) && is_finite(i64::MAX - 1));
    }

    #[test]
    fn circles_agree_with_libm() {
        for step in 0..24 * 7 {
            let f = TimeFeatures::at(step * 3_600_000_000);
            for ((sin, cos), turn) in [
                (f.hour_on_circle(), f64::from(f.hour) / 24.0),
                (f.weekday_on_circle(), f64::from(f.weekday - 1) / 7.0),
            ] {
                let (s, c) = (std::f64::consts::TAU * turn).sin_cos();
                assert!((sin - s).abs() < 1e-15 && (cos - c).abs() < 1e-15);
            }
        }
    }

    #[test]
    fn names_and_weekends_follow_the_iso_weekday() {
        // 1970-01-01 was a Thursday.
        let week: Vec<_> = (0..7).map(|day| TimeFeatures::at(day * DAY_US)).collect();
        let names: Vec<_> = week.iter().map(TimeFeatures::weekday_name).collect();
        assert_eq!(
            names,
            [
                "Thursday",
                "Friday",
                "Saturday",
                "Sunday",
                "Monday",
                "Tuesday",
                "Wednesday"
            ]
        );
        let weekend: Vec<_> = week.iter().map(TimeFeatures::is_weekend).collect();
        assert_eq!(weekend, [false, false, true, true, false, false, false]);
    }
}
