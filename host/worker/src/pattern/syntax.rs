//! From Java's syntax to ours.

/// The expression in our syntax, or what Java says of it.
pub(super) fn translated(pattern: &str) -> Result<String, String> {
    let mut t = Translator {
        pattern: pattern.chars().collect(),
        at: 0,
        out: String::with_capacity(pattern.len() + 16),
        names: Vec::new(),
    };
    t.alternatives(0)?;
    if t.peek().is_some() {
        return Err(t.error("Unmatched closing ')'", t.at as i64 - 1));
    }
    Ok(t.out)
}

struct Translator {
    pattern: Vec<char>,
    at: usize,
    out: String,
    /// Of the groups so far.
    names: Vec<String>,
}

const DIGIT: &str = "0-9";
const WORD: &str = "a-zA-Z0-9_";
const SPACE: &str = " \\t\\n\\x0B\\f\\r";
const HORIZONTAL: &str = " \\t\\xA0\\x{1680}\\x{180e}\\x{2000}-\\x{200a}\\x{202f}\\x{205f}\\x{3000}";
const VERTICAL: &str = "\\n\\x0B\\f\\r\\x{85}\\x{2028}\\x{2029}";

/// Java's names of classes in ASCII, and a few of its own.
const CLASSES: [(&str, &str); 18] = [
    ("Lower", "a-z"),
    ("Upper", "A-Z"),
    ("ASCII", "\\x00-\\x7F"),
    ("Alpha", "a-zA-Z"),
    ("Digit", DIGIT),
    ("Alnum", "a-zA-Z0-9"),
    ("Punct", "!-/:-@\\[-`{-~"),
    ("Graph", "!-~"),
    ("Print", " -~"),
    ("Blank", " \\t"),
    ("Cntrl", "\\x00-\\x1F\\x7F"),
    ("XDigit", "0-9a-fA-F"),
    ("Space", SPACE),
    ("javaLowerCase", "\\p{Lowercase}"),
    ("javaUpperCase", "\\p{Uppercase}"),
    ("javaWhitespace", "\\s"),
    ("IsDigit", "\\p{Nd}"),
    ("IsPunctuation", "\\p{P}"),
];

impl Translator {
    fn peek(&self) -> Option<char> {
        self.pattern.get(self.at).copied()
    }
    fn ahead(&self, by: usize) -> Option<char> {
        self.pattern.get(self.at + by).copied()
    }
    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }
    fn eat(&mut self, c: char) -> bool {
        let is = self.peek() == Some(c);
        self.at += usize::from(is);
        is
    }

    /// The message of a `PatternSyntaxException`.
    fn error(&self, what: &str, index: i64) -> String {
        let pattern: String = self.pattern.iter().collect();
        match usize::try_from(index) {
            Err(_) => format!("{what}\n{pattern}"),
            Ok(i) if i < self.pattern.len() => format!("{what} near index {i}\n{pattern}\n{}^", " ".repeat(i)),
            Ok(i) => format!("{what} near index {i}\n{pattern}"),
        }
    }
    fn here<T>(&self, what: &str) -> Result<T, String> {
        Err(self.error(what, self.at as i64))
    }

    /// Up to the end, or to a `)` that is left.
    fn alternatives(&mut self, depth: usize) -> Result<(), String> {
        // Java recurses too; what is nested deeper than this is nobody's.
        if depth > 200 {
            return self.here("Groups are nested too deeply");
        }
        let mut starts = true;
        while let Some(c) = self.peek() {
            match c {
                ')' => return Ok(()),
                '|' => {
                    self.plain();
                    starts = true;
                    continue;
                }
                '*' | '+' | '?' if starts => return self.here(&format!("Dangling meta character '{c}'")),
                '(' => self.group(depth)?,
                '[' => self.class(depth)?,
                '\\' => self.escape(false)?,
                '{' => {
                    self.at += 1;
                    return self.here("Illegal repetition");
                }
                '}' | ']' => {
                    self.at += 1;
                    self.literal(c);
                }
                _ => self.plain(),
            }
            // Anchors may be repeated in Java, which changes nothing.
            starts = self.quantifier()?;
        }
        Ok(())
    }

    fn plain(&mut self) {
        self.out.extend(self.peek());
        self.at += 1;
    }

    /// What may follow an atom. True: there was one, and another would dangle.
    fn quantifier(&mut self) -> Result<bool, String> {
        match self.peek() {
            Some('*' | '+' | '?') => self.plain(),
            Some('{') => self.counted()?,
            _ => return Ok(false),
        }
        if let Some('?' | '+') = self.peek() {
            self.plain();
        }
        // A count after a count applies to the whole before.
        while let Some('{') = self.peek() {
            self.counted()?;
        }
        Ok(true)
    }

    fn counted(&mut self) -> Result<(), String> {
        self.at += 1;
        let number = |t: &mut Self| {
            let from = t.at;
            while t.peek().is_some_and(|c| c.is_ascii_digit()) {
                t.at += 1;
            }
            t.pattern[from..t.at].iter().collect::<String>()
        };
        let least = number(self);
        if least.is_empty() {
            return self.here("Illegal repetition");
        }
        let most = if self.eat(',') { Some(number(self)) } else { None };
        if self.peek() != Some('}') {
            return self.here("Unclosed counted closure");
        }
        let value = |text: &str| text.parse::<u32>().ok().filter(|n| *n <= i32::MAX as u32);
        let range = match most.as_deref() {
            None => value(&least).is_some(),
            Some("") => value(&least).is_some(),
            Some(most) => value(&least).zip(value(most)).is_some_and(|(a, b)| a <= b),
        };
        if !range {
            return self.here("Illegal repetition range");
        }
        self.at += 1;
        let most = most.map_or(String::new(), |m| format!(",{m}"));
        self.out.push_str(&format!("{{{least}{most}}}"));
        Ok(())
    }

    fn group(&mut self, depth: usize) -> Result<(), String> {
        self.plain();
        if self.eat('?') {
            self.out.push('?');
            match (self.peek(), self.ahead(1)) {
                (Some(':' | '=' | '!' | '>'), _) => self.plain(),
                (Some('<'), Some('=' | '!')) => {
                    self.plain();
                    self.plain();
                }
                (Some('<'), _) => self.name()?,
                _ => {
                    if self.flags()? {
                        return Ok(());
                    }
                }
            }
        }
        self.alternatives(depth + 1)?;
        if self.peek() != Some(')') {
            return self.here("Unclosed group");
        }
        self.plain();
        Ok(())
    }

    fn name(&mut self) -> Result<(), String> {
        self.plain();
        if !self.peek().is_some_and(|c| c.is_ascii_alphabetic()) {
            return self.here("capturing group name does not start with a Latin letter");
        }
        let from = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric()) {
            self.plain();
        }
        let name: String = self.pattern[from..self.at].iter().collect();
        if self.peek() != Some('>') {
            return self.here("named capturing group is missing trailing '>'");
        }
        if self.names.contains(&name) {
            return self.here(&format!("Named capturing group <{name}> is already defined"));
        }
        self.names.push(name);
        self.plain();
        Ok(())
    }

    /// Flags of a group or of what follows; true: that was all. Those of Unicode and of line ends have no meaning here.
    fn flags(&mut self) -> Result<bool, String> {
        let (mut on, mut off, mut negated) = (String::new(), String::new(), false);
        loop {
            match self.peek() {
                Some(c @ ('i' | 'm' | 's' | 'x')) => if negated { &mut off } else { &mut on }.push(c),
                Some('d' | 'u' | 'U') => {}
                Some('-') if !negated => negated = true,
                Some(c @ (')' | ':')) => {
                    self.at += 1;
                    let off = if off.is_empty() { off } else { format!("-{off}") };
                    // Flags alone that are none of ours are an empty group.
                    let nothing = c == ')' && on.is_empty() && off.is_empty();
                    self.out.push_str(&if nothing { ":)".to_owned() } else { format!("{on}{off}{c}") });
                    return Ok(c == ')');
                }
                _ => return self.here("Unknown inline modifier"),
            }
            self.at += 1;
        }
    }

    fn class(&mut self, depth: usize) -> Result<(), String> {
        if depth > 200 {
            return self.here("Character classes are nested too deeply");
        }
        self.plain();
        if self.peek() == Some('^') {
            self.plain();
        }
        let mut first = true;
        loop {
            match self.peek() {
                None => return Err(self.error("Unclosed character class", self.pattern.len() as i64 - 1)),
                Some(']') if !first => {
                    self.plain();
                    return Ok(());
                }
                Some('[') => self.class(depth + 1)?,
                Some('&') if self.ahead(1) == Some('&') => {
                    self.plain();
                    self.plain();
                }
                Some(_) => self.member()?,
            }
            first = false;
        }
    }

    /// A character of a class, or a range.
    fn member(&mut self) -> Result<(), String> {
        let from = self.class_char()?;
        let ranges = self.peek() == Some('-') && !matches!(self.ahead(1), None | Some(']' | '['));
        let Some(from) = from.filter(|_| ranges) else { return Ok(()) };
        self.plain();
        let at = self.at;
        match self.class_char()? {
            Some(to) if from <= to => Ok(()),
            _ => {
                let end = if self.pattern[at] == '\\' { at + 1 } else { at };
                Err(self.error("Illegal character range", end as i64))
            }
        }
    }

    /// One character; none: a class of them.
    fn class_char(&mut self) -> Result<Option<char>, String> {
        let Some(c) = self.peek() else { return Ok(None) };
        if c != '\\' {
            self.at += 1;
            if c == ':' {
                // A range, lest `[:alpha:]` were a name, which it is not in Java.
                self.out.push_str(":-:");
                return Ok(Some(c));
            }
            self.literal(c);
            return Ok(Some(c));
        }
        let escaped = self.ahead(1);
        self.escape(true)?;
        Ok(match escaped {
            Some('t') => Some('\t'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('f') => Some('\x0c'),
            Some(c) if !c.is_ascii_alphanumeric() => Some(c),
            _ => None,
        })
    }

    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        self.at += 1;
        let Some(c) = self.peek() else { return self.here("Unexpected internal error") };
        let set = |t: &mut Self, members: &str, negated: bool| {
            t.at += 1;
            match (in_class, negated) {
                (true, false) => t.out.push_str(members),
                (_, true) => t.out.push_str(&format!("[^{members}]")),
                (false, false) => t.out.push_str(&format!("[{members}]")),
            }
        };
        match c {
            'd' | 'D' => set(self, DIGIT, c == 'D'),
            'w' | 'W' => set(self, WORD, c == 'W'),
            's' | 'S' => set(self, SPACE, c == 'S'),
            'h' | 'H' => set(self, HORIZONTAL, c == 'H'),
            'v' | 'V' => set(self, VERTICAL, c == 'V'),
            'p' | 'P' => self.property(c == 'P', in_class)?,
            'Q' => self.quoted(),
            'R' if !in_class => {
                self.at += 1;
                self.out.push_str(&format!("(?:\\r\\n|[{VERTICAL}])"));
            }
            'Z' if !in_class => {
                self.at += 1;
                self.out.push_str("(?=\\n?\\z)");
            }
            'A' | 'B' | 'G' | 'b' | 'k' | 'z' | '1'..='9' if !in_class => {
                self.out.push('\\');
                self.plain();
            }
            'a' | 'f' | 'n' | 'r' | 't' => {
                self.out.push('\\');
                self.plain();
            }
            'e' => self.code(1, 0x1b),
            'c' if self.ahead(1).is_some() => {
                let code = self.ahead(1).map_or(0, |c| u32::from(c) ^ 64);
                self.code(2, code);
            }
            '0' => self.number(8, 3, "Illegal octal escape sequence")?,
            'x' => self.number(16, 2, "Illegal hexadecimal escape sequence")?,
            'u' => self.number(16, 4, "Illegal Unicode escape sequence")?,
            c if c.is_ascii_alphabetic() => return self.here("Illegal/unsupported escape sequence"),
            c => {
                self.at += 1;
                self.literal(c);
            }
        }
        Ok(())
    }

    fn code(&mut self, length: usize, code: u32) {
        self.at += length;
        self.out.push_str(&format!("\\x{{{code:x}}}"));
    }

    /// The number of a character, in so many digits or, in base 16, in braces.
    fn number(&mut self, base: u32, digits: usize, wrong: &str) -> Result<(), String> {
        let letter = self.next();
        let braces = letter == Some('x') && self.eat('{');
        let from = self.at;
        while self.peek().is_some_and(|c| c.is_digit(base)) && (braces || self.at - from < digits) {
            self.at += 1;
        }
        let text: String = self.pattern[from..self.at].iter().collect();
        let complete = if braces { self.eat('}') } else { base == 8 || text.len() == digits };
        match u32::from_str_radix(&text, base) {
            Ok(code) if complete => {
                self.out.push_str(&format!("\\x{{{code:x}}}"));
                Ok(())
            }
            _ => self.here(wrong),
        }
    }

    fn property(&mut self, negated: bool, in_class: bool) -> Result<(), String> {
        self.at += 1;
        let (name, end) = match self.peek() {
            Some('{') => {
                let length = self.pattern[self.at..].iter().position(|c| *c == '}');
                let Some(length) = length else {
                    return Err(self.error("Unclosed character family", self.pattern.len() as i64 - 1));
                };
                (self.pattern[self.at + 1..self.at + length].iter().collect::<String>(), self.at + length)
            }
            Some(c) => (c.to_string(), self.at),
            None => return self.here("Unexpected internal error"),
        };
        self.at = end;
        let class = match CLASSES.iter().find(|(n, _)| *n == name) {
            Some((_, members)) => (*members).to_owned(),
            None => {
                let unicode = format!("\\p{{{}}}", name.strip_prefix("Is").unwrap_or(&name));
                if fancy_regex::Regex::new(&unicode).is_err() {
                    return self.here(&format!("Unknown character property name {{{name}}}"));
                }
                unicode
            }
        };
        self.at += 1;
        let (open, close) = if in_class && !negated { ("", "") } else { (if negated { "[^" } else { "[" }, "]") };
        self.out.push_str(&format!("{open}{class}{close}"));
        Ok(())
    }

    /// Between `\Q` and `\E`, or the end, everything stands for itself.
    fn quoted(&mut self) {
        self.at += 1;
        while let Some(c) = self.next() {
            if c == '\\' && self.eat('E') {
                return;
            }
            self.literal(c);
        }
    }

    /// A character that stands for itself.
    fn literal(&mut self, c: char) {
        if "\\.+*?()|[]{}^$#&-~".contains(c) {
            self.out.push('\\');
        }
        self.out.push(c);
    }
}
