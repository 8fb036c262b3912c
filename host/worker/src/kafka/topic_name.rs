//! What a topic may be called.

/// The longest name.
const MAX: usize = 249;

/// What is wrong with a name, and what to write.
pub fn check(name: &str) -> Result<(), String> {
    check_characters(name)?;
    check_length(name)
}

/// As [`check`], of a piece of a name.
pub fn check_characters(text: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match text.chars().find(|c| !allowed(*c)) {
        Some(wrong) => Err(format!("\"{wrong}\" is not allowed in a topic's name; use letters, digits, \".\", \"_\" and \"-\"")),
        None => Ok(()),
    }
}

/// As [`check`], whatever its characters.
pub fn check_length(name: &str) -> Result<(), String> {
    if name == "." || name == ".." || name.len() > MAX {
        return Err(format!("a topic's name has up to {MAX} characters and is neither \".\" nor \"..\""));
    }
    Ok(())
}
