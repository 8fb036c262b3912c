//! Lists of topics that may be written to: names, and beginnings of names with a `*` behind them.

/// A list as a setting holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topics(Vec<String>);

impl Topics {
    /// Separated by commas. The error says which entry is none.
    pub fn parse(list: &str) -> Result<Topics, String> {
        let entries: Vec<String> = list.split(',').map(str::trim).filter(|e| !e.is_empty()).map(str::to_owned).collect();
        let of_topic = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match entries.iter().find(|e| !e.strip_suffix('*').unwrap_or(e).chars().all(of_topic)) {
            None => Ok(Topics(entries)),
            Some(wrong) => Err(format!(
                "\"{wrong}\" is no topic: give names of letters, digits, \".\", \"_\" and \"-\", or the beginning of names and a \"*\""
            )),
        }
    }

    pub fn names(&self, topic: &str) -> bool {
        self.0.iter().any(|entry| match entry.strip_suffix('*') {
            Some(begins) => topic.starts_with(begins),
            None => topic == entry,
        })
    }

    /// The first entry of `asked` that goes beyond this.
    pub fn beyond<'a>(&self, asked: &'a Topics) -> Option<&'a str> {
        let within = |entry: &String| match entry.strip_suffix('*') {
            Some(begins) => self.0.iter().any(|own| own.strip_suffix('*').is_some_and(|own| begins.starts_with(own))),
            None => self.names(entry),
        };
        asked.0.iter().find(|entry| !within(entry)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_beginnings() {
        let topics = Topics::parse(" orders, audit-* ,,x.y_z").unwrap();
        for (topic, listed) in
            [("orders", true), ("orders2", false), ("audit-", true), ("audit-a", true), ("audit", false), ("x.y_z", true)]
        {
            assert_eq!(topics.names(topic), listed, "{topic}");
        }
        assert!(Topics::parse("*").unwrap().names("any"));
        for wrong in ["a b", "a*b", "ä", "a/b"] {
            assert!(Topics::parse(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_list_is_held_against_another() {
        let policy = Topics::parse("orders,audit-*").unwrap();
        let beyond = |policy: &Topics, list: &str| policy.beyond(&Topics::parse(list).unwrap()).map(str::to_owned);
        assert_eq!(beyond(&policy, "orders,audit-x,audit-x*"), None);
        assert_eq!(beyond(&policy, "orders*").as_deref(), Some("orders*"));
        assert_eq!(beyond(&policy, "audit-a,audi*").as_deref(), Some("audi*"));
        assert_eq!(beyond(&Topics::default(), "a").as_deref(), Some("a"));
    }
}
