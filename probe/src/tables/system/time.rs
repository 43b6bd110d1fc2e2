//! `time`: what the host's clock says.

use rustix::time::{ClockId, clock_gettime};

use crate::tables::{Failure, Rows, Scan, Table, all, bigint, integer, row, text};

pub(crate) static TABLE: Table = Table {
    name: "time",
    about: "What the host's clock says, in UTC.",
    sources: "clock_gettime, /etc/timezone, /etc/localtime",
    differences: "`local_timezone` is the zone's name where the host names it, not its abbreviation.",
    columns: &[
        text("weekday"),
        integer("year"),
        integer("month"),
        integer("day"),
        integer("hour"),
        integer("minutes"),
        integer("seconds"),
        text("timezone"),
        text("local_timezone"),
        integer("unix_time"),
        text("timestamp"),
        text("datetime"),
        text("iso_8601"),
        bigint("win_timestamp").hidden().absent(),
    ],
    per_user: false,
    rows,
};

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY: i64 = 86_400;

fn rows(scan: &Scan) -> Result<Rows, Failure> {
    scan.host.kernel()?;
    let now = clock_gettime(ClockId::Realtime).tv_sec;
    let (year, month, day) = date(now.div_euclid(DAY));
    let (hour, minute, second) = (now.rem_euclid(DAY) / 3600, now / 60 % 60, now % 60);
    let name = |names: &[&'static str], at: i64| {
        usize::try_from(at).ok().and_then(|at| names.get(at)).copied().unwrap_or_default()
    };
    let weekday = name(&WEEKDAYS, (now.div_euclid(DAY) + 4).rem_euclid(7));
    let short = weekday.get(..3).unwrap_or_default();
    let month_name = name(&MONTHS, month - 1);
    let zone = scan.host.read_line("/etc/timezone").filter(|zone| !zone.is_empty()).or_else(|| {
        let link = scan.host.read_link(b"/etc/localtime").ok()?;
        let link = String::from_utf8_lossy(&link).into_owned();
        link.split_once("zoneinfo/").map(|(_, zone)| zone.to_owned())
    });
    let iso = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z");
    Ok(all(vec![row![
        weekday,
        year,
        month,
        day,
        hour,
        minute,
        second,
        "UTC",
        zone.unwrap_or_else(|| "UTC".to_owned()),
        now,
        format!("{short} {month_name} {day:2} {hour:02}:{minute:02}:{second:02} {year} UTC"),
        &iso,
        &iso,
        ""
    ]]))
}

/// Year, month and day of a day since 1970 (Howard Hinnant's days-from-civil, backwards).
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(20_778), (2026, 11, 21));
        assert_eq!(date(-1), (1969, 12, 31));
    }
}
