//! Where ours differ from Connect's, and why.

use serde_json::Value;

pub struct Difference {
    pub why: &'static str,
    /// How the names of the vectors end.
    pub cases: &'static [&'static str],
    /// Connect's result and ours.
    pub holds: fn(&Value, &Value) -> bool,
}

/// Ours refuse what Connect takes.
fn refused(theirs: &Value, ours: &Value) -> bool {
    theirs["error"].is_null() && ours["error"].is_string()
}
/// Ours refuse the text, before anybody looks at the value.
fn unreadable(_: &Value, ours: &Value) -> bool {
    ours["message"].as_str().is_some_and(|m| m.starts_with("Converting byte[]"))
}
/// Ours say what is wrong in the words of the schema; Connect makes up 0, false or null, or cuts the number off.
fn made_up(theirs: &Value, ours: &Value) -> bool {
    refused(theirs, ours) && ours["message"].as_str().is_some_and(|m| m.contains(" does not fit "))
}
/// Ours take what Connect takes, as another value.
fn another(theirs: &Value, ours: &Value) -> bool {
    theirs["error"].is_null() && ours["error"].is_null()
}
/// Ours leave the text a text.
fn text(theirs: &Value, ours: &Value) -> bool {
    theirs["error"].is_null() && ours["schema"]["type"] == "STRING"
}
/// A setting is refused in other words, which end as Connect's do or go on from them.
fn reworded(theirs: &Value, ours: &Value) -> bool {
    matches!((theirs.as_str(), ours.as_str()), (Some(theirs), Some(ours)) if ours.contains(theirs))
}
fn any(_: &Value, _: &Value) -> bool {
    true
}

pub static KNOWN: &[Difference] = &[
    Difference {
        why: "a value of another JSON type than its schema's, or beyond its range, is an error: Connect makes up 0, false, null or \
              an empty list, or cuts digits off, and nobody learns of it",
        cases: &[""],
        holds: made_up,
    },
    Difference {
        why: "as above, with Connect's own text for a wrong timestamp",
        cases: &["envelope/Timestamp 9223372036854775808"],
        holds: refused,
    },
    Difference {
        why: "an empty record is no value where schema.content asks for one: Connect makes up 0",
        cases: &["decode content/"],
        holds: refused,
    },
    Difference {
        why: "NaN and the infinities come back as what the converter itself wrote for them: Connect reads 0.0",
        cases: &["float \"NaN\"", "double \"NaN\"", "float \"Infinity\"", "double \"Infinity\""],
        holds: another,
    },
    Difference {
        why: "floats are printed as Java 19 and later do, in the fewest digits; the vectors were recorded with Java 17",
        cases: &["simple/FLOAT32 1.17549435E-38", "simple/FLOAT64 1.0E23", "simple/FLOAT64 2.0E23", "envelope/float 2147483648"],
        holds: another,
    },
    Difference {
        why: "text behind the document is an error: Connect drops it",
        cases: &[
            "json/1 2",
            "json/{\"a\":1} x",
            "json/{\"a\":1}{\"b\":2}",
            "json/\"a\" \"b\"",
            "json/\"a\"b",
            "\"payload\":1} x",
            "\"payload\":1}}",
            "\"payload\":1}\u{0}",
        ],
        holds: unreadable,
    },
    Difference {
        why: "text is UTF-8 throughout, which has no half of a surrogate pair and no overlong form",
        cases: &["json/\"\\ud83d\"", "json/\"\\ude00\"", "json/\"\\ud83dx\"", "json/overlong", "\"payload\":\"\\ud83d\"}"],
        holds: unreadable,
    },
    Difference {
        why: "schemaless numbers keep their digits: Connect wraps around beyond 64 bits, loses a zero's sign, or makes infinity",
        cases: &[
            "json/9223372036854775808",
            "json/123456789012345678901234567890",
            "json/long number 1000",
            "json/1E400",
            "json/-0",
            "envelope/untyped big",
        ],
        holds: another,
    },
    Difference {
        why: "schemaless documents are written as they stand",
        cases: &[
            "encode untyped/big double",
            "encode untyped/small double",
            "encode untyped/astral",
            "encode untyped/many",
            "encode untyped/nested maps",
        ],
        holds: another,
    },
    Difference {
        why: "decimals have their schema's scale: Connect keeps that of the number's text and fails when it is written",
        cases: &["envelope/decimal 12", "envelope/decimal 12.3", "envelope/decimal 1e3"],
        holds: another,
    },
    Difference {
        why: "a default of a struct is read: Connect refuses every one",
        cases: &["/struct default", "/struct optional default", "/struct default field"],
        holds: |theirs, ours| theirs["message"] == "Invalid default value" && ours["message"] != "Invalid default value",
    },
    Difference {
        why: "the name of a logical type says nothing on another type than its own, or without a scale",
        cases: &[
            "envelope/date on string",
            "envelope/decimal on string",
            "envelope/decimal bad scale",
            "envelope/decimal without scale",
        ],
        holds: |theirs, ours| theirs["error"].is_string() && ours["error"].is_null(),
    },
    Difference {
        why: "padding ends base64: Connect reads on behind it",
        cases: &["envelope/base64 inner padding"],
        holds: refused,
    },
    Difference {
        why: "a null key of a map is an error: Connect writes the text null",
        cases: &["encode nested/map null key"],
        holds: refused,
    },
    Difference {
        why: "a setting that is refused is named, with its value",
        cases: &["{\"schema.content\":\"{\"}", "{\"schema.content\":\"1\"}", "{\"schema.content\":\"[]\"}"],
        holds: reworded,
    },
    Difference {
        why: "a setting that is refused is named, with its value",
        cases: &[
            "{\"schema.content\":\"{\\\"type\\\":\\\"nope\\\"}\"}",
            "{\"converter.encoding\":\"nope\"}",
            "{\"converter.encoding\":\"UTF_8\"}",
            "{\"converter.encoding\":\"\"}",
            "{\"converter.encoding\":\"x y\"}",
        ],
        holds: reworded,
    },
    Difference {
        why: "the character sets are those of Unicode, ISO-8859-1 and US-ASCII",
        cases: &["{\"converter.encoding\":\"windows-1252\"}"],
        holds: |theirs, ours| theirs.is_null() && ours.is_string(),
    },
    Difference {
        why: "bytes as text are base64: Java prints the address of the object",
        cases: &[
            "simple/BYTES empty",
            "/BYTES one",
            "/BYTES two",
            "/BYTES text",
            "/BYTES high",
            "/BYTES long",
            "/array bytes",
            "/full",
        ],
        holds: |theirs, _| theirs["bytes"].as_str().is_some_and(|b| b.contains("[B@")),
    },
    Difference {
        why: "dates before 1582 are of the Gregorian calendar, as the days that sources count: Java's are of the Julian",
        cases: &["encode logical/date -719162", "encode logical/timestamp -62135596800000", "header/0001-01-01"],
        holds: another,
    },
    Difference {
        why: "the header null is null: Connect fails on it",
        cases: &["header/null", "header/ null "],
        holds: |theirs, ours| theirs["error"] == "java.lang.NullPointerException" && ours["value"].is_null(),
    },
    Difference {
        why: "a header is of a type only as a whole: Connect drops what follows a number, a time, a list or a map",
        cases: &[
            "header/1,000",
            "header/12:34:56",
            "header/12:34:56.7891",
            "header/12:34:56.78xZ",
            "header/12:34:56.789z",
            "header/12:34:56.789Z,",
            "header/1]",
            "header/[1]x",
            "header/{\"a\":1}x",
        ],
        holds: text,
    },
    Difference {
        why: "a date or time is one only when there is such a day and hour: Connect reads 2020-02-30 as the first of March",
        cases: &[
            "header/0000-00-00",
            "header/2020-01-0x",
            "header/2020-02-30",
            "header/2020-13-45",
            "header/20200-1-02",
            "header/24:00:00.000Z",
            "header/99:99:99.999Z",
            "header/1:34:56.7890Z",
            "header/2020-01-02T25:61:61.999Z",
        ],
        holds: text,
    },
    Difference { why: "digits are those of ASCII", cases: &["header/12٣", "header/١٢"], holds: text },
    Difference {
        why: "a header's number of more digits than 1000, or so far from the point, stays text: each scale makes a schema for good",
        cases: &["header/1e99999", "header/1e2147483647", "header/407127e212797209", "header/long digits"],
        holds: text,
    },
    Difference {
        why: "a header's fraction is a float where that has its digits, else a double: Connect's float loses them",
        cases: &[
            "header/1e-50",
            "header/[0.1,1.23456789012]",
            "header/[0.1,123456789]",
            "header/[0.1,16777217.0,+3]",
            "header/[1.23456789012,9007199254740993]",
        ],
        holds: another,
    },
    Difference {
        why: "a list or map whose values have no type in common is open; what stands in it stands as JSON",
        cases: &[
            "header/[\"2020-01-02\",\"x\"]",
            "header/[123456789012345678901234567890,1]",
            "header/[[1],[\"a\"]]",
            "header/[[0.1],[\"a\"]]",
            "header/{\"a\":[1],\"b\":[\"x\"]}",
        ],
        holds: any,
    },
];
