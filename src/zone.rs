//! The clocks of the world: what a shop's clock shows at an instant.

use crate::calendar;
use crate::error::Error;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// A zone of the IANA time zone database, which travels in the binary.
#[derive(Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of this name, such as `Europe/Berlin` or `UTC`.
    ///
    /// # Errors
    /// [`Error::Argument`] for a name that the database does not hold.
    pub fn named(name: &str) -> Result<Self, Error> {
        TimeZone::get(name).map(Self).map_err(|_| {
            let allowed = "a name of the IANA time zone database, such as 'Europe/Berlin', 'America/New_York' or 'UTC'";
            Error::argument("time_zone", format!("'{name}'"), allowed)
        })
    }

    /// What the zone's clock shows at an instant, both in microseconds since 1970-01-01 00:00:00.
    ///
    /// Infinite instants stay infinite. Rules are known for the years −9999 to 9999; beyond
    /// them the clock runs as at the nearer end.
    pub fn local_us(&self, instant_us: i64) -> i64 {
        if !calendar::is_finite(instant_us) {
            return instant_us;
        }
        let known = instant_us.clamp(Timestamp::MIN.as_microsecond(), Timestamp::MAX.as_microsecond());
        let offset = Timestamp::from_microsecond(known).map_or(Offset::UTC, |instant| self.0.to_offset(instant));
        let local = instant_us.saturating_add(1_000_000 * i64::from(offset.seconds()));
        local.clamp(*calendar::SHOWN.start(), *calendar::SHOWN.end() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `date -u -d '2026-10-25 00:50' +%s` gives 1792889400, and `TZ=Europe/Berlin date -d @1792889400`
    /// 02:50 CEST; 20 minutes later the clock shows 02:10 CET.
    #[test]
    fn the_hour_that_occurs_twice_is_shown_twice() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let minute_of_day = |seconds: i64| berlin.local_us(seconds * 1_000_000) / 60_000_000 % 1440;
        assert_eq!(minute_of_day(1_792_889_400), 2 * 60 + 50);
        assert_eq!(minute_of_day(1_792_889_400 + 1200), 2 * 60 + 10);
    }

    #[test]
    fn utc_changes_nothing_and_infinity_stays() {
        let (utc, tokyo) = (Zone::named("UTC").unwrap(), Zone::named("Asia/Tokyo").unwrap());
        for instant in [0, -1, 1 << 50, -(1 << 62)] {
            assert_eq!(utc.local_us(instant), instant);
        }
        for infinite in [i64::MAX, -i64::MAX] {
            assert_eq!(tokyo.local_us(infinite), infinite);
        }
        for end in [*calendar::SHOWN.start(), *calendar::SHOWN.end() - 1] {
            assert!(calendar::SHOWN.contains(&tokyo.local_us(end)));
        }
    }

    #[test]
    fn a_city_without_its_continent_is_refused() {
        let message = Zone::named("Berlin").unwrap_err().to_string();
        assert!(
            message.contains("'Berlin'") && message.contains("Europe/Berlin"),
            "{message}"
        );
    }
}
