//! Connect's logical types, and the calendar that dates are written and read by: the proleptic Gregorian one, in UTC.

use crate::{Kind, Schema};

/// Connect's logical types that change how a value is written, or what is accepted for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logical {
    None,
    Decimal {
        scale: i32,
    },
    /// Days since 1970.
    Date,
    /// Milliseconds since midnight.
    Time,
    /// Milliseconds since 1970.
    Timestamp,
}

pub(super) const PREFIX: &str = "org.apache.kafka.connect.data.";
pub const DAY_MS: i64 = 86_400_000;

impl Logical {
    /// The one that a schema's name says, where its type is the right one.
    pub fn of(schema: &Schema) -> Logical {
        let Some(name) = schema.name.as_deref().and_then(|n| n.strip_prefix(PREFIX)) else { return Logical::None };
        match (name, schema.kind) {
            ("Decimal", Kind::Bytes) => schema.scale().map_or(Logical::None, |scale| Logical::Decimal { scale }),
            ("Date", Kind::Int32) => Logical::Date,
            ("Time", Kind::Int32) => Logical::Time,
            ("Timestamp", Kind::Int64) => Logical::Timestamp,
            _ => Logical::None,
        }
    }

    /// Milliseconds since 1970 of a date, time or timestamp; none for the others.
    pub fn millis(self, value: i64) -> Option<i64> {
        match self {
            Logical::Date => Some(value.saturating_mul(DAY_MS)),
            Logical::Time | Logical::Timestamp => Some(value),
            Logical::None | Logical::Decimal { .. } => None,
        }
    }

    /// The schema that Connect's `Date.SCHEMA` and its like are.
    pub fn schema(self) -> Option<Schema> {
        let (kind, name) = match self {
            Logical::Decimal { .. } => (Kind::Bytes, "Decimal"),
            Logical::Date => (Kind::Int32, "Date"),
            Logical::Time => (Kind::Int32, "Time"),
            Logical::Timestamp => (Kind::Int64, "Timestamp"),
            Logical::None => return None,
        };
        let mut schema = Schema::new(kind).named(&format!("{PREFIX}{name}"));
        schema.version = Some(1);
        if let Logical::Decimal { scale } = self {
            schema.parameters.push(("scale".into(), scale.to_string().into()));
        }
        Some(schema)
    }
}

/// Year, month and day of a day counted from 1970-01-01.
pub fn civil(days: i64) -> (i64, u32, u32) {
    // Eras of 400 years, each from the first of March: the leap day then ends its year.
    let z = days + 719_468;
    let (era, day) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + i64::from(month <= 2), month as u32, (of_year - (153 * shifted + 2) / 5 + 1) as u32)
}

/// The day, counted from 1970-01-01, of a date; none when there is no such day.
pub fn days(year: i64, month: u32, day: u32) -> Option<i64> {
    let (m, y) = (i64::from(month), if month <= 2 { year - 1 } else { year });
    let (era, of_era) = (y.div_euclid(400), y.rem_euclid(400));
    let of_year = (153 * (if m > 2 { m - 3 } else { m + 9 }) + 2) / 5 + i64::from(day) - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    ((1..=12).contains(&month) && civil(days) == (year, month, day)).then_some(days)
}

/// Hours, minutes, seconds and milliseconds of a time counted from 1970.
pub fn clock(millis: i64) -> (u32, u32, u32, u32) {
    let of_day = millis.rem_euclid(DAY_MS) as u32;
    (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1000 % 60, of_day % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted() {
        for (day, date) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (18_321, (2020, 2, 29)),
            (11_016, (2000, 2, 29)),
            (-719_162, (1, 1, 1)),
            (2_932_896, (9999, 12, 31)),
        ] {
            assert_eq!(civil(day), date);
            assert_eq!(days(date.0, date.1, date.2), Some(day));
        }
        for (y, m, d) in [(2021, 2, 29), (1900, 2, 29), (2020, 13, 1), (2020, 0, 1), (2020, 4, 31), (2020, 1, 0)] {
            assert_eq!(days(y, m, d), None, "{y}-{m}-{d}");
        }
        assert_eq!(clock(-1), (23, 59, 59, 999));
    }
}
