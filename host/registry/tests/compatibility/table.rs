//! The table: every case at all seven levels, as this registry judges and as others do. `table.md` is written by the test with
//! `WRITE_TABLE=1` and must say the same otherwise.

use std::fmt::Write as _;

use millrace_registry::compatibility::LEVELS;
use millrace_registry::{ParsedSchema, SchemaType};

use crate::different::{ALONE, DIFFERENT};
use crate::{Case, Verdict, parse, read};

/// The files of cases, their format, and who judged them.
const FILES: [(&str, SchemaType, &[&str]); 5] = [
    ("avro", SchemaType::Avro, &["apicurio", "java"]),
    ("json", SchemaType::Json, &["apicurio", "karapace", "axonops"]),
    ("json-further", SchemaType::Json, &["apicurio", "karapace", "axonops"]),
    ("protobuf", SchemaType::Protobuf, &["apicurio", "karapace", "axonops"]),
    ("protobuf-further", SchemaType::Protobuf, &["apicurio", "karapace", "axonops"]),
];
/// How the levels are written in the table.
const SHORT: [&str; 7] = ["N", "B", "BT", "F", "FT", "U", "UT"];

/// One case and what was made of it.
struct Row {
    file: &'static str,
    name: String,
    ours: Vec<&'static str>,
    /// None where a judge broke on the case or does not take the schema.
    theirs: Vec<(&'static str, Option<Vec<String>>)>,
}

impl Row {
    fn agrees(&self, allowed: &[String]) -> bool {
        self.ours == allowed
    }

    fn agreed(&self) -> usize {
        self.theirs.iter().filter(|(_, allowed)| allowed.as_ref().is_some_and(|a| self.agrees(a))).count()
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (file, of, judges) in FILES {
        let cases: Vec<Case> = read(&format!("cases/{file}.json"));
        let verdicts = judges.iter().map(|judge| (*judge, read::<Verdict>(&format!("verdicts/{judge}-{file}.json"))));
        let verdicts: Vec<_> = verdicts.collect();
        for (place, case) in cases.into_iter().enumerate() {
            let versions: Vec<ParsedSchema> = case.versions.iter().map(|v| parse(of, v, &case.name)).collect();
            let versions: Vec<&ParsedSchema> = versions.iter().collect();
            let new = parse(of, &case.new, &case.name);
            let allowed = LEVELS.iter().filter(|(level, _)| level.violations(&new, &versions).is_none());
            let theirs = verdicts.iter().map(|(judge, verdicts)| {
                let verdict = verdicts.get(place).filter(|v| v.name == case.name);
                let verdict = verdict.unwrap_or_else(|| panic!("{judge}, {}: of another time: run record.sh", case.name));
                let judged = verdict.failed.is_none() && verdict.unjudged.is_none();
                (*judge, judged.then(|| verdict.allowed.clone()))
            });
            let (ours, theirs) = (allowed.map(|(_, name)| *name).collect(), theirs.collect());
            rows.push(Row { file, name: case.name, ours, theirs });
        }
    }
    rows
}

#[test]
fn every_verdict_is_that_of_the_others_or_says_why_not() {
    let rows = rows();
    let mut wrong = Vec::new();
    for row in &rows {
        for (judge, allowed) in &row.theirs {
            let Some(allowed) = allowed else { continue };
            let known = DIFFERENT.iter().any(|(j, f, names, _)| (*j, *f) == (*judge, row.file) && names.contains(&&*row.name));
            match (row.agrees(allowed), known) {
                (false, false) => wrong.push(format!("{}, {}: {judge} {allowed:?}, ours {:?}", row.file, row.name, row.ours)),
                (true, true) => wrong.push(format!("{}, {}: {judge} does not differ", row.file, row.name)),
                _ => {}
            }
        }
        let alone = ALONE.iter().any(|(file, name, _)| (*file, *name) == (row.file, &*row.name));
        if alone != (row.agreed() == 0) {
            wrong.push(format!("{}, {}: {} agree, and it is listed as {alone}", row.file, row.name, row.agreed()));
        }
    }
    for (_, file, names, _) in DIFFERENT {
        for name in *names {
            assert!(rows.iter().any(|r| r.file == *file && r.name == *name), "no case {name} in {file}");
        }
    }
    assert!(wrong.is_empty(), "{} verdicts:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn hundreds_of_cases_are_judged_alike_by_all() {
    let rows = rows();
    let all = |of: &str| {
        let rows = rows.iter().filter(|r| r.file.split('-').next() == Some(of));
        rows.filter(|r| r.agreed() == r.theirs.len()).count()
    };
    let (avro, json, protobuf) = (all("avro"), all("json"), all("protobuf"));
    assert!(avro >= 140 && json >= 140 && protobuf >= 60, "{avro} {json} {protobuf}");
}

#[test]
fn the_table_is_what_the_verdicts_say() {
    let mut text = String::from(include_str!("table_head.md"));
    let shown = |allowed: &mut dyn Iterator<Item = &str>| {
        let found: Vec<&str> = allowed.collect();
        let short = LEVELS.iter().zip(SHORT).filter(|((_, name), _)| found.contains(name)).map(|(_, short)| short);
        match found.len() {
            7 => "all".to_owned(),
            1 => "N".to_owned(),
            _ => short.skip(1).collect::<Vec<_>>().join(" "),
        }
    };
    let mut last = "";
    for row in rows() {
        if row.file != last {
            let judges: Vec<&str> = row.theirs.iter().map(|(judge, _)| *judge).collect();
            let (names, lines) = (judges.join(" | "), "---|".repeat(judges.len() + 2));
            writeln!(text, "\n## {}\n\n| case | ours | {names} |\n|{lines}", row.file).expect("a text takes all");
            last = row.file;
        }
        let theirs = row.theirs.iter().map(|(_, allowed)| match allowed {
            None => "?".to_owned(),
            Some(allowed) if row.agrees(allowed) => "=".to_owned(),
            Some(allowed) => shown(&mut allowed.iter().map(String::as_str)),
        });
        let theirs: Vec<String> = theirs.collect();
        let ours = shown(&mut row.ours.iter().copied());
        writeln!(text, "| {} | {ours} | {} |", row.name.replace('|', "\\|"), theirs.join(" | ")).expect("a text takes all");
    }
    let path = format!("{}/tests/compatibility/table.md", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("WRITE_TABLE").is_some() {
        std::fs::write(&path, &text).unwrap_or_else(|e| panic!("{path}: {e}"));
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "{path} is of another time: run this test with WRITE_TABLE=1");
}
