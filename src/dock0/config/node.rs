//! A YAML file as it is written: values with their tags and where they stand, before a tag means anything.

use anyhow::{Result, anyhow, bail};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::{Spanned, Tagged};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// What the tags of YAML itself begin with (YAML 1.2.2, section 10); by now they have done their work.
const YAMLS_OWN: &str = "tag:yaml.org,2002:";

/// -2⁶³ and 2⁶⁴. A whole number becomes one with a fraction only if it has more than 64 bits, and would keep 53 of them.
const TOO_LONG: (f64, f64) = (i64::MIN as f64, u64::MAX as f64);

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub at: At,
    /// Its tag, if it is none of YAML's own: `!env`.
    pub tag: Option<String>,
    /// What it is.
    pub what: What,
}

/// A place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct At {
    /// The file, as it was asked for.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u64,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} line {}", self.file, self.line)
    }
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Nothing.
    Null,
    /// `true` or `false`; YAML 1.1's yes, no, on and off are texts.
    Bool(bool),
    /// A number; one with needless zeros before it (`0644`) is a text.
    Number(Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map.
    Map(BTreeMap<String, Node>),
}

impl Node {
    /// Reads a file's text. What is in the file must be a map; an empty file is an empty one.
    pub fn parse(file: &str, text: &str) -> Result<Node> {
        let options = serde_saphyr::options! {
            strict_booleans: true, // otherwise `PermitRootLogin: no` becomes "false" in a template
            leading_zero_numbers_as_strings: true, // and a mode 0644 becomes 644
            with_snippet: false,
        };
        let parsed = serde_saphyr::from_str_with_options(text, options);
        let mut node: Node = parsed.map_err(|error| anyhow!("{file}: {error}"))?;
        match &node.what {
            What::Map(_) => {}
            What::Null => node.what = What::Map(BTreeMap::new()),
            What::Bool(_) | What::Number(_) | What::Text(_) | What::List(_) => {
                bail!("{file} line {}: a map is wanted here (key: value)", node.at.line)
            }
        }
        node.put_into(&Arc::from(file));
        Ok(node)
    }

    fn put_into(&mut self, file: &Arc<str>) {
        self.at.file = file.clone();
        match &mut self.what {
            What::Null | What::Bool(_) | What::Number(_) | What::Text(_) => {}
            What::List(list) => list.iter_mut().for_each(|node| node.put_into(file)),
            What::Map(map) => map.values_mut().for_each(|node| node.put_into(file)),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Spanned { value: Tagged(what, tag), referenced, .. } = Spanned::<Tagged<What>>::deserialize(from)?;
        let tag = tag.filter(|tag| !tag.starts_with(YAMLS_OWN));
        Ok(Node { at: At { line: referenced.line(), ..At::default() }, tag, what })
    }
}

impl<'de> Deserialize<'de> for What {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyValue)
    }
}

/// The name of a value: any text, a number as it is written too.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let key = Option::<String>::deserialize(from)?;
        key.map(Key).ok_or_else(|| D::Error::custom("~ (null) is no name for a value (in quotes it is one)"))
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = What;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON has too")
    }

    fn visit_unit<E>(self) -> Result<What, E> {
        Ok(What::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<What, E> {
        Ok(What::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<What, E> {
        Ok(What::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<What, E> {
        Ok(What::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<What, E> {
        if value <= TOO_LONG.0 || value >= TOO_LONG.1 {
            return Err(E::custom("a number this long would lose digits (in quotes it is a text)"));
        }
        Number::from_f64(value).map(What::Number).ok_or_else(|| E::custom("a number that is none"))
    }

    fn visit_str<E>(self, value: &str) -> Result<What, E> {
        Ok(What::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<What, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = from.next_element()? {
            list.push(node);
        }
        Ok(What::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<What, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((Key(key), node)) = from.next_entry()? {
            map.insert(key, node);
        }
        Ok(What::Map(map))
    }
}
