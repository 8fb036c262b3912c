//! Modes: who may write what.

use std::str::FromStr;

/// Of a subject, a context or all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    #[default]
    ReadWrite,
    ReadOnly,
    /// Set for all, it goes before the modes of subjects.
    ReadOnlyOverride,
    /// Schemas come with their ids and versions, unchecked.
    Import,
    /// Another registry writes, and this one passes requests on to it. There is none to pass them on to here: it refuses them.
    Forward,
}

const MODES: [(Mode, &str); 5] = [
    (Mode::ReadWrite, "READWRITE"),
    (Mode::ReadOnly, "READONLY"),
    (Mode::ReadOnlyOverride, "READONLY_OVERRIDE"),
    (Mode::Import, "IMPORT"),
    (Mode::Forward, "FORWARD"),
];

impl Mode {
    pub fn name(self) -> &'static str {
        MODES.iter().find(|(m, _)| *m == self).expect("all are listed").1
    }

    pub fn is_read_only(self) -> bool {
        matches!(self, Mode::ReadOnly | Mode::ReadOnlyOverride | Mode::Forward)
    }
}

impl FromStr for Mode {
    type Err = ();
    /// In any case, as Confluent's registry reads it.
    fn from_str(text: &str) -> Result<Self, ()> {
        MODES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)).map(|(m, _)| *m).ok_or(())
    }
}
