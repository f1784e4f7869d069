//! Two whole configurations side by side: what appeared, what vanished, what changed.

use std::fmt;

use anyhow::Result;

use crate::fragment::{Value, read_whole};

/// One option that differs.
#[derive(Debug, Eq, PartialEq)]
pub struct Difference {
    /// The whole name, `CONFIG_` included.
    pub option: String,
    /// How it differs.
    pub kind: Kind,
}

/// How an option differs.
#[derive(Debug, Eq, PartialEq)]
pub enum Kind {
    /// The later configuration alone has it.
    Appeared(Value),
    /// The earlier configuration alone has it.
    Vanished(Value),
    /// Both have it.
    Changed(Value, Value),
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |value: &Value| value.line_for(&self.option);
        match &self.kind {
            Kind::Appeared(value) => write!(out, "appeared  {}", line(value)),
            Kind::Vanished(value) => write!(out, "vanished  {}", line(value)),
            Kind::Changed(before, after) => write!(out, "changed   {}, now {}", line(before), line(after)),
        }
    }
}

/// The differences, by the options' names.
pub fn compare(before: &str, after: &str) -> Result<Vec<Difference>> {
    let (mut before, after) = (read_whole(before)?, read_whole(after)?);
    let mut differences = Vec::new();
    for (option, now) in after {
        let kind = match before.remove(&option) {
            None => Kind::Appeared(now),
            Some(then) if then == now => continue,
            Some(then) => Kind::Changed(then, now),
        };
        differences.push(Difference { option, kind });
    }
    differences.extend(before.into_iter().map(|(option, then)| Difference { option, kind: Kind::Vanished(then) }));
    differences.sort_by(|one, other| one.option.cmp(&other.option));
    Ok(differences)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_differs() {
        let rows: [(&str, &str, &str, &[&str]); 8] = [
            ("the same", "CONFIG_A=y\n# CONFIG_B is not set\n", "# CONFIG_B is not set\nCONFIG_A=y\n", &[]),
            ("on, and new", "", "CONFIG_A=y\n", &["appeared  CONFIG_A=y"]),
            ("off, and new", "", "# CONFIG_A is not set\n", &["appeared  # CONFIG_A is not set"]),
            ("gone", "CONFIG_A=y\n", "", &["vanished  CONFIG_A=y"]),
            ("off now", "CONFIG_A=y\n", "# CONFIG_A is not set", &["changed   CONFIG_A=y, now # CONFIG_A is not set"]),
            ("a number", "CONFIG_A=1\n", "CONFIG_A=2\n", &["changed   CONFIG_A=1, now CONFIG_A=2"]),
            ("a comment", "# Linux 6.12\n", "# Linux 6.18\n", &[]),
            ("by name", "CONFIG_A=y\n", "CONFIG_B=y\n", &["vanished  CONFIG_A=y", "appeared  CONFIG_B=y"]),
        ];
        for (row, before, after, wanted) in rows {
            let got = compare(before, after).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(got, wanted, "{row}");
        }
    }
}
