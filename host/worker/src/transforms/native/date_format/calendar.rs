//! Java's `GregorianCalendar` in UTC: Julian before 15 October 1582, weeks from Sunday, the first one that of 1 January.
//!
//! It is lenient: what a set of fields adds up to is always a time, whatever their values.

pub const DAY_MS: i64 = 86_400_000;
pub const SUNDAY: i64 = 1;
/// The first day of the Gregorian calendar, in days since 1970-01-01.
const CUTOVER: i64 = -141_427;
const CUTOVER_YEAR: i64 = 1582;

/// The fields of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    /// Zero and below: before Christ.
    pub year: i64,
    pub week_year: i64,
    /// From 1, like what follows.
    pub month: i64,
    pub day: i64,
    pub day_of_year: i64,
    /// From Sunday.
    pub day_of_week: i64,
    pub day_of_week_in_month: i64,
    pub week_of_year: i64,
    pub week_of_month: i64,
    /// From 0, like what follows.
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub millisecond: i64,
}

/// Days since 1970-01-01 of the first day of a month.
fn first_of(gregorian: bool, year: i64, month: i64) -> i64 {
    // Years that begin in March have their odd day at the end.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    let leap = if gregorian { year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + 2 } else { year.div_euclid(4) };
    365 * year + leap + day_of_year - 719_470
}

/// Year, month and day of a day since 1970-01-01.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let (shifted, cycle, skipped) = if days >= CUTOVER {
        let shifted = days + 719_468;
        (shifted.rem_euclid(146_097), 400 * shifted.div_euclid(146_097), true)
    } else {
        let shifted = days + 719_470;
        (shifted.rem_euclid(1461), 4 * shifted.div_euclid(1461), false)
    };
    let years = if skipped {
        (shifted - shifted / 1460 + shifted / 36_524 - shifted / 146_096) / 365
    } else {
        (shifted - shifted / 1460) / 365
    };
    let day_of_year = shifted - 365 * years - if skipped { years / 4 - years / 100 } else { 0 };
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (cycle + years + i64::from(month <= 2), month, day)
}

fn day_of_week(days: i64) -> i64 {
    (days + 4).rem_euclid(7) + SUNDAY
}

/// The last such day of a week that is not after `days`.
fn on_or_before(days: i64, day_of_week: i64) -> i64 {
    days - (days + 4 - (day_of_week - SUNDAY)).rem_euclid(7)
}

fn year_start(year: i64) -> i64 {
    first_of(year > CUTOVER_YEAR, year, 1)
}

/// The Sunday that begins the week of a day.
fn week_start(days: i64) -> i64 {
    on_or_before(days, SUNDAY)
}

impl Fields {
    pub fn of(ms: i64) -> Fields {
        let (days, rest) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
        let (year, month, day) = civil(days);
        // The month of the change is counted from its Julian first.
        let month_start = if (year, month) == (CUTOVER_YEAR, 10) { first_of(false, year, month) } else { days - day + 1 };
        let ends_next_year = year_start(year + 1) <= week_start(days) + 6;
        let weeks_since = |start: i64| (days - week_start(start)) / 7 + 1;
        Fields {
            year,
            week_year: year + i64::from(ends_next_year),
            month,
            day,
            day_of_year: days - year_start(year) + 1,
            day_of_week: day_of_week(days),
            day_of_week_in_month: (days - month_start) / 7 + 1,
            week_of_year: if ends_next_year { 1 } else { weeks_since(year_start(year)) },
            week_of_month: weeks_since(month_start),
            hour: rest / 3_600_000,
            minute: rest / 60_000 % 60,
            second: rest / 1000 % 60,
            millisecond: rest % 1000,
        }
    }
}

/// What is set when a text is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Era,
    Year,
    WeekYear,
    /// From 0.
    Month,
    Day,
    DayOfYear,
    /// From Sunday, which is 1.
    DayOfWeek,
    DayOfWeekInMonth,
    WeekOfYear,
    WeekOfMonth,
    AmPm,
    Hour,
    HourOfDay,
    Minute,
    Second,
    Millisecond,
}

const FIELDS: usize = Field::Millisecond as usize + 1;

/// The year where none is set.
const EPOCH_YEAR: i64 = 1970;

/// Fields and when each was set: what was set last decides between those that contradict each other.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    values: [i64; FIELDS],
    /// 0: not set.
    stamps: [u32; FIELDS],
    last: u32,
    /// Milliseconds to the east of Greenwich.
    pub offset: i64,
}

/// How the day of a year is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Day,
    WeekOfMonth,
    DayOfWeekInMonth,
    DayOfYear,
    WeekOfYear,
}

impl Builder {
    pub fn set(&mut self, field: Field, value: i64) {
        self.last += 1;
        self.stamps[field as usize] = self.last;
        self.values[field as usize] = value;
    }

    /// Day of the week from Monday, which is 1; others than the seven stand as they are.
    pub fn set_iso_day_of_week(&mut self, value: i64) {
        self.set(Field::DayOfWeek, calendar_day_of_week(value));
    }

    pub fn add_years(&mut self, years: i64) {
        self.values[Field::Year as usize] += years;
        self.values[Field::WeekYear as usize] += years;
    }

    fn get(&self, field: Field) -> i64 {
        self.values[field as usize]
    }
    fn stamp(&self, field: Field) -> u32 {
        self.stamps[field as usize]
    }
    fn is_set(&self, field: Field) -> bool {
        self.stamp(field) > 0
    }

    /// Milliseconds since the epoch. None: an era that is none, or a day that is in no week.
    pub fn time(&self) -> Option<i64> {
        if !self.is_set(Field::WeekYear) || self.stamp(Field::WeekYear) < self.stamp(Field::Year) {
            return self.plain_time();
        }
        let mut week = if self.is_set(Field::WeekOfYear) { self.get(Field::WeekOfYear) } else { 1 };
        let mut day = if self.is_set(Field::DayOfWeek) { self.get(Field::DayOfWeek) } else { SUNDAY };
        if !(1..=7).contains(&day) {
            if day >= 8 {
                day -= 1;
                week += day / 7;
                day = day % 7 + 1;
            } else {
                week -= (7 - day) / 7;
                day = day.rem_euclid(7);
                if day == 0 {
                    day = 7;
                }
            }
            day = calendar_day_of_week(day);
        }
        let before_christ = Fields::of(self.plain_time()?).year <= 0;
        let year = self.get(Field::WeekYear);
        let first = week_start(year_start(if before_christ { 1 - year } else { year }));
        let days = first + (day - SUNDAY) + 7 * (week - 1);
        let (year, month, day) = civil(days);
        let mut made = self.clone();
        made.set(Field::Era, i64::from(year > 0));
        made.set(Field::Year, if year > 0 { year } else { 1 - year });
        made.set(Field::Month, month - 1);
        made.set(Field::Day, day);
        made.plain_time()
    }

    fn plain_time(&self) -> Option<i64> {
        let year = if self.is_set(Field::Year) { self.get(Field::Year) } else { EPOCH_YEAR };
        let year = match (self.is_set(Field::Era), self.get(Field::Era)) {
            (false, _) | (true, 1) => year,
            (true, 0) => 1 - year,
            _ => return None,
        };
        let time = self.time_of_day();
        let (carried, rest) = (time.div_euclid(DAY_MS), time.rem_euclid(DAY_MS));
        let by = self.by();
        let [gregorian, julian] = [true, false].map(|g| carried + self.day(g, year, by));
        let yearly = matches!(by, By::DayOfYear | By::WeekOfYear);
        let days = match year {
            ..CUTOVER_YEAR => julian,
            CUTOVER_YEAR if yearly => julian,
            _ if gregorian >= CUTOVER => gregorian,
            _ => julian,
        };
        Some(days.wrapping_mul(DAY_MS).wrapping_add(rest).wrapping_sub(self.offset))
    }

    fn time_of_day(&self) -> i64 {
        let both = |a: Field, b: Field| if self.is_set(a) && self.is_set(b) { self.stamp(a).max(self.stamp(b)) } else { 0 };
        let (of_day, of_half) = (self.stamp(Field::HourOfDay), both(Field::Hour, Field::AmPm));
        let mut best = of_day.max(of_half);
        if best == 0 {
            best = self.stamp(Field::Hour).max(self.stamp(Field::AmPm));
        }
        let hour = if best == of_day { self.get(Field::HourOfDay) } else { self.get(Field::Hour) + 12 * self.get(Field::AmPm) };
        ((hour * 60 + self.get(Field::Minute)) * 60 + self.get(Field::Second)) * 1000 + self.get(Field::Millisecond)
    }

    /// The fields that say the day: of those that are complete, the ones set last.
    fn by(&self) -> By {
        let week_day = self.stamp(Field::DayOfWeek);
        let with_week_day = |field: Field| match self.stamp(field) {
            0 => 0,
            stamp => {
                if week_day == 0 {
                    0
                } else {
                    stamp.max(week_day)
                }
            }
        };
        let mut day = self.stamp(Field::Day);
        let mut week_of_month = with_week_day(Field::WeekOfMonth);
        let mut in_month = with_week_day(Field::DayOfWeekInMonth);
        let day_of_year = self.stamp(Field::DayOfYear);
        let mut week_of_year = with_week_day(Field::WeekOfYear);
        let mut best = day.max(week_of_month).max(in_month).max(day_of_year).max(week_of_year);
        if best == 0 {
            week_of_month = self.stamp(Field::WeekOfMonth);
            in_month = self.stamp(Field::DayOfWeekInMonth).max(week_day);
            week_of_year = self.stamp(Field::WeekOfYear);
            best = week_of_month.max(in_month).max(week_of_year);
            if best == 0 {
                day = self.stamp(Field::Month);
                best = day;
            }
        }
        let year_week = self.stamp(Field::WeekOfYear);
        let (month_week, month_day) = (self.stamp(Field::WeekOfMonth), self.stamp(Field::DayOfWeekInMonth));
        if best == day {
            By::Day
        } else if (best == week_of_month && month_week >= year_week) || (best == in_month && month_day >= year_week) {
            let by_week = if week_of_month == in_month { month_week >= month_day } else { best == week_of_month };
            if by_week { By::WeekOfMonth } else { By::DayOfWeekInMonth }
        } else if best == day_of_year {
            By::DayOfYear
        } else {
            By::WeekOfYear
        }
    }

    /// The day in one of the calendars.
    fn day(&self, gregorian: bool, year: i64, by: By) -> i64 {
        let week_day = Some(Field::DayOfWeek).filter(|f| self.is_set(*f)).map(|f| self.get(f));
        if let By::DayOfYear | By::WeekOfYear = by {
            let first = first_of(gregorian, year, 1);
            if by == By::DayOfYear {
                return first + self.get(Field::DayOfYear) - 1;
            }
            let start = week_start(first);
            let day = week_day.map_or(start, |w| on_or_before(start + 6, w));
            return day + 7 * (self.get(Field::WeekOfYear) - 1);
        }
        let months = self.get(Field::Month);
        let (year, month) = (year + months.div_euclid(12), months.rem_euclid(12) + 1);
        let first = first_of(gregorian, year, month);
        match by {
            By::Day if self.is_set(Field::Day) => first + self.get(Field::Day) - 1,
            By::Day => first,
            By::WeekOfMonth => {
                let start = week_start(first);
                let day = week_day.map_or(start, |w| on_or_before(start + 6, w));
                day + 7 * (self.get(Field::WeekOfMonth) - 1)
            }
            _ => {
                let nth = if self.is_set(Field::DayOfWeekInMonth) { self.get(Field::DayOfWeekInMonth) } else { 1 };
                let week_day = week_day.unwrap_or(SUNDAY);
                if nth >= 0 {
                    return on_or_before(first + 7 * nth - 1, week_day);
                }
                let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                let gregorian_length = year > CUTOVER_YEAR;
                let length = first_of(gregorian_length, next_year, next_month) - first_of(gregorian_length, year, month);
                on_or_before(first + length + 7 * (nth + 1) - 1, week_day)
            }
        }
    }
}

fn calendar_day_of_week(iso: i64) -> i64 {
    match iso {
        7 => SUNDAY,
        1..=6 => iso + 1,
        _ => iso,
    }
}
