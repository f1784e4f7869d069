//! Configuration fragments: what was asked for, whether two of them quarrel, and what did not survive the merge.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// What an option is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// `# CONFIG_X is not set`.
    Off,
    /// `CONFIG_X=` and this, quotes included.
    Is(String),
}

impl Value {
    /// The line that says it of an option, in a fragment and in a `.config`.
    pub fn line_for(&self, option: &str) -> String {
        match self {
            Self::Off => format!("# {option} is not set"),
            Self::Is(value) => format!("{option}={value}"),
        }
    }
}

/// One option as one line of a fragment asked for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// The whole name, `CONFIG_` included.
    pub option: String,
    /// What it is to be.
    pub value: Value,
    /// The fragment, without `.config`.
    pub fragment: String,
    /// Counted from 1.
    pub line: usize,
}

impl fmt::Display for Asked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.value.line_for(&self.option);
        write!(out, "{line} (kernel-configs/{}.config, line {})", self.fragment, self.line)
    }
}

/// Reads the fragments in merging order; two that contradict one another are an error.
pub fn read_all(folder: &Path, names: &[String]) -> Result<Vec<Asked>> {
    let mut asked = Vec::new();
    for name in names {
        let path = folder.join(format!("{name}.config"));
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading fragment {}", path.display()))?;
        asked.extend(parse(name, &text)?);
    }
    refuse_contradictions(&asked)?;
    Ok(asked)
}

/// Parses one fragment: options, options that are off, comments and empty lines, nothing else.
pub fn parse(fragment: &str, text: &str) -> Result<Vec<Asked>> {
    let mut asked = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let place = || format!("kernel-configs/{fragment}.config, line {}: {line:?}", index + 1);
        if let Some((option, value)) = parse_line(line).with_context(place)? {
            asked.push(Asked { option, value, fragment: fragment.to_owned(), line: index + 1 });
        }
    }
    Ok(asked)
}

/// What a line of a fragment or of a `.config` says, if it says anything.
fn parse_line(line: &str) -> Result<Option<(String, Value)>> {
    let line = line.trim_end();
    if let Some(comment) = line.strip_prefix('#') {
        return match comment.trim_start().strip_suffix(" is not set") {
            Some(option) if is_option(option) => Ok(Some((option.to_owned(), Value::Off))),
            Some(_) => Ok(None),
            None if comment.trim_start().starts_with("CONFIG_") => bail!("say \"# CONFIG_X is not set\" and no more"),
            None => Ok(None),
        };
    }
    if line.is_empty() {
        return Ok(None);
    }
    match line.split_once('=') {
        Some((_, "m")) => bail!("this kernel has no modules: say y"),
        Some((_, "n")) => bail!("say \"# CONFIG_X is not set\" instead of =n"),
        Some((option, value)) if is_option(option) && is_value(value) => {
            Ok(Some((option.to_owned(), Value::Is(value.to_owned()))))
        }
        _ => bail!("not an option, not a comment"),
    }
}

fn is_option(text: &str) -> bool {
    text.strip_prefix("CONFIG_")
        .is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
}

/// `y`, a number, or a quoted string.
fn is_value(text: &str) -> bool {
    let number = text.strip_prefix("0x").map_or_else(
        || text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit()),
        |hex| !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
    );
    let quoted = text.len() >= 2 && text.starts_with('"') && text.ends_with('"');
    !text.is_empty() && (text == "y" || number || quoted)
}

/// The same option twice is fine, and often clearer; with two values it is a mistake in one of the places.
fn refuse_contradictions(asked: &[Asked]) -> Result<()> {
    let mut first: BTreeMap<&str, &Asked> = BTreeMap::new();
    for one in asked {
        let earlier = first.entry(&one.option).or_insert(one);
        if earlier.value != one.value {
            bail!("two fragments contradict one another: {earlier}, but {one}");
        }
    }
    Ok(())
}

/// Every option of a whole `.config`.
pub fn read_whole(text: &str) -> Result<BTreeMap<String, Value>> {
    let mut all = BTreeMap::new();
    for line in text.lines() {
        all.extend(parse_line(line).with_context(|| format!("{line:?}"))?);
    }
    Ok(all)
}

/// The options of `asked` that the kernel's own merge took back, each as a sentence.
///
/// `merged` is the text of the `.config` that came out. Kconfig drops an option in silence when its name is unknown or
/// something it depends on is off, and turns one on in silence when another selects it.
pub fn find_lost(asked: &[Asked], merged: &str) -> Result<Vec<String>> {
    let got = read_whole(merged).context("the merged .config")?;
    let lost = asked.iter().filter_map(|one| match (&one.value, got.get(&one.option)) {
        (Value::Off, None | Some(Value::Off)) => None,
        (Value::Off, Some(Value::Is(value))) => Some(format!("{one} became {value}: another option selects it")),
        (Value::Is(_), None) => Some(format!("{one} is gone: it depends on something off, or its name is unknown")),
        (Value::Is(_), Some(Value::Off)) => Some(format!("{one} is off: it depends on something off")),
        (Value::Is(wanted), Some(Value::Is(value))) if wanted == value => None,
        (Value::Is(_), Some(Value::Is(value))) => Some(format!("{one} became {value}")),
    });
    Ok(lost.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(option: &str, value: Value) -> Asked {
        Asked { option: option.to_owned(), value, fragment: "f".to_owned(), line: 1 }
    }

    fn is(value: &str) -> Value {
        Value::Is(value.to_owned())
    }

    type Line = Option<(&'static str, Value)>;

    #[test]
    fn parses_lines() {
        let rows: [(&str, &str, Result<Line, &str>); 16] = [
            ("empty", "", Ok(None)),
            ("comment", "# Why not?", Ok(None)),
            ("comment that ends alike", "# the disk is not set", Ok(None)),
            ("bare hash", "#", Ok(None)),
            ("on", "CONFIG_NET=y", Ok(Some(("CONFIG_NET", is("y"))))),
            ("on, blank behind", "CONFIG_NET=y  ", Ok(Some(("CONFIG_NET", is("y"))))),
            ("number", "CONFIG_NR_CPUS=64", Ok(Some(("CONFIG_NR_CPUS", is("64"))))),
            ("hexadecimal", "CONFIG_A=0xff", Ok(Some(("CONFIG_A", is("0xff"))))),
            ("string", "CONFIG_L=\"-dock0\"", Ok(Some(("CONFIG_L", is("\"-dock0\""))))),
            ("off", "# CONFIG_VT is not set", Ok(Some(("CONFIG_VT", Value::Off)))),
            ("off, with a remark", "# CONFIG_VT is not set, no screen", Err("and no more")),
            ("commented out", "# CONFIG_VT=y", Err("and no more")),
            ("module", "CONFIG_VT=m", Err("no modules")),
            ("=n", "CONFIG_VT=n", Err("is not set")),
            ("no CONFIG_", "VT=y", Err("not an option")),
            ("unquoted string", "CONFIG_L=dock0", Err("not an option")),
        ];
        for (row, line, wanted) in rows {
            match (parse_line(line), wanted) {
                (Ok(got), Ok(wanted)) => {
                    assert_eq!(got, wanted.map(|(option, value)| (option.to_owned(), value)), "{row}");
                }
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{row}: {error}"),
                (got, wanted) => panic!("{row}: {got:?} instead of {wanted:?}"),
            }
        }
    }

    #[test]
    fn a_bad_line_is_named_with_its_fragment() {
        let error = parse("net", "CONFIG_NET=y\nCONFIG INET=y\n").unwrap_err();
        let sentence = "kernel-configs/net.config, line 2: \"CONFIG INET=y\": not an option, not a comment";
        assert_eq!(format!("{error:#}"), sentence);
    }

    #[test]
    fn contradictions_are_refused() {
        let rows = [
            ("said twice", "CONFIG_A=y", "CONFIG_A=y", None),
            (
                "on and off",
                "CONFIG_A=y",
                "# CONFIG_A is not set",
                Some("CONFIG_A=y (kernel-configs/one.config, line 1)"),
            ),
            ("two numbers", "CONFIG_A=1", "CONFIG_A=2", Some("CONFIG_A=2 (kernel-configs/two.config, line 1)")),
            ("different options", "CONFIG_A=1", "CONFIG_B=2", None),
        ];
        for (row, one, two, refusal) in rows {
            let all = [parse("one", one).unwrap(), parse("two", two).unwrap()].concat();
            match (refuse_contradictions(&all), refusal) {
                (Ok(()), None) => {}
                (Err(error), Some(words)) => assert!(error.to_string().contains(words), "{row}: {error}"),
                (got, _) => panic!("{row}: {got:?}"),
            }
        }
    }

    #[test]
    fn what_did_not_survive_is_named() {
        let merged = "# CONFIG_OFF is not set\nCONFIG_ON=y\nCONFIG_CPUS=8\n#\n# Menu\n#\nCONFIG_S=\"x\"\n";
        let rows = [
            ("on", asked("CONFIG_ON", is("y")), None),
            ("number", asked("CONFIG_CPUS", is("8")), None),
            ("string", asked("CONFIG_S", is("\"x\"")), None),
            ("off and listed", asked("CONFIG_OFF", Value::Off), None),
            ("off and unlisted", asked("CONFIG_NONE", Value::Off), None),
            ("unmet", asked("CONFIG_OFF", is("y")), Some("CONFIG_OFF=y (kernel-configs/f.config, line 1) is off")),
            ("unknown", asked("CONFIG_NONE", is("y")), Some("CONFIG_NONE=y (kernel-configs/f.config, line 1) is gone")),
            ("clamped", asked("CONFIG_CPUS", is("64")), Some("became 8")),
            ("selected", asked("CONFIG_ON", Value::Off), Some("another option selects it")),
        ];
        for (row, one, refusal) in rows {
            let lost = find_lost(&[one], merged).unwrap();
            match refusal {
                None => assert_eq!(lost, Vec::<String>::new(), "{row}"),
                Some(words) => assert!(lost.len() == 1 && lost[0].contains(words), "{row}: {lost:?}"),
            }
        }
    }

    #[test]
    fn the_repositorys_own_fragments_are_good_and_recorded() {
        let root = crate::places::root().unwrap();
        let spec = crate::spec::Spec::read(&root.join("kernel-configs/kernel.toml")).unwrap();
        for (name, one) in spec.configurations() {
            let all = read_all(&root.join("kernel-configs"), &one.fragments).unwrap();
            assert!(all.iter().any(|one| one.option == "CONFIG_FS_VERITY" && one.value == is("y")), "{name}");
            let path = crate::places::Places::below(&root, name).released(spec.version(), name);
            let released = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let lost = find_lost(&all, &released).unwrap();
            assert!(lost.is_empty(), "run just kernel-record: {name}: {lost:?}");
        }
    }

    #[test]
    fn each_fragment_has_a_configuration() {
        let root = crate::places::root().unwrap();
        let spec = crate::spec::Spec::read(&root.join("kernel-configs/kernel.toml")).unwrap();
        let used = spec.configurations().flat_map(|(_, one)| one.fragments.clone()).collect::<Vec<_>>();
        for entry in std::fs::read_dir(root.join("kernel-configs")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if let Some(name) = name.strip_suffix(".config") {
                assert!(used.iter().any(|one| one == name), "nobody merges {name}");
            }
        }
    }
}
