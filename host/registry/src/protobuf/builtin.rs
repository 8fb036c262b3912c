//! Files that need no dependency beside those of Protobuf itself: what Confluent's registry has at hand, as its clients and
//! converters refer to these without registering them. The names and numbers are the contract.

/// The text of a file by the name imports call it.
pub(super) fn text(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(file, _)| *file == name).map(|(_, text)| *text)
}

const FILES: [(&str, &str); 12] = [
    ("confluent/meta.proto", META),
    ("confluent/type/decimal.proto", DECIMAL),
    ("google/type/calendar_period.proto", CALENDAR_PERIOD),
    ("google/type/color.proto", COLOR),
    ("google/type/date.proto", DATE),
    ("google/type/datetime.proto", DATETIME),
    ("google/type/dayofweek.proto", DAY_OF_WEEK),
    ("google/type/fraction.proto", FRACTION),
    ("google/type/latlng.proto", LATLNG),
    ("google/type/money.proto", MONEY),
    ("google/type/month.proto", MONTH),
    ("google/type/timeofday.proto", TIME_OF_DAY),
];

/// What converters keep of a schema where Protobuf has no word for it, as options of files, messages, fields and enums.
const META: &str = r#"syntax = "proto3";
package confluent;
import "google/protobuf/descriptor.proto";
option java_package = "io.confluent.protobuf";
option java_outer_classname = "MetaProto";
message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; repeated Rule rules = 4; }
message Rule { string name = 1; string doc = 2; string expr = 3; string sql = 4; }
extend google.protobuf.FileOptions { Meta file_meta = 1088; }
extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }
"#;

/// `value` is the unscaled number in two's complement, its highest byte first.
const DECIMAL: &str = r#"syntax = "proto3";
package confluent.type;
option java_package = "io.confluent.protobuf.type";
option java_outer_classname = "DecimalProto";
option java_multiple_files = true;
message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }
"#;

const CALENDAR_PERIOD: &str = r#"syntax = "proto3";
package google.type;
enum CalendarPeriod {
  CALENDAR_PERIOD_UNSPECIFIED = 0; DAY = 1; WEEK = 2; FORTNIGHT = 3; MONTH = 4; QUARTER = 5; HALF = 6; YEAR = 7;
}
"#;

const COLOR: &str = r#"syntax = "proto3";
package google.type;
import "google/protobuf/wrappers.proto";
message Color { float red = 1; float green = 2; float blue = 3; google.protobuf.FloatValue alpha = 4; }
"#;

const DATE: &str = r#"syntax = "proto3";
package google.type;
message Date { int32 year = 1; int32 month = 2; int32 day = 3; }
"#;

const DATETIME: &str = r#"syntax = "proto3";
package google.type;
import "google/protobuf/duration.proto";
message DateTime {
  int32 year = 1; int32 month = 2; int32 day = 3; int32 hours = 4; int32 minutes = 5; int32 seconds = 6; int32 nanos = 7;
  oneof time_offset { google.protobuf.Duration utc_offset = 8; TimeZone time_zone = 9; }
}
message TimeZone { string id = 1; string version = 2; }
"#;

const DAY_OF_WEEK: &str = r#"syntax = "proto3";
package google.type;
enum DayOfWeek {
  DAY_OF_WEEK_UNSPECIFIED = 0; MONDAY = 1; TUESDAY = 2; WEDNESDAY = 3; THURSDAY = 4; FRIDAY = 5; SATURDAY = 6; SUNDAY = 7;
}
"#;

const FRACTION: &str = r#"syntax = "proto3";
package google.type;
message Fraction { int64 numerator = 1; int64 denominator = 2; }
"#;

const LATLNG: &str = r#"syntax = "proto3";
package google.type;
message LatLng { double latitude = 1; double longitude = 2; }
"#;

const MONEY: &str = r#"syntax = "proto3";
package google.type;
message Money { string currency_code = 1; int64 units = 2; int32 nanos = 3; }
"#;

const MONTH: &str = r#"syntax = "proto3";
package google.type;
enum Month {
  MONTH_UNSPECIFIED = 0; JANUARY = 1; FEBRUARY = 2; MARCH = 3; APRIL = 4; MAY = 5; JUNE = 6; JULY = 7; AUGUST = 8;
  SEPTEMBER = 9; OCTOBER = 10; NOVEMBER = 11; DECEMBER = 12;
}
"#;

const TIME_OF_DAY: &str = r#"syntax = "proto3";
package google.type;
message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }
"#;
