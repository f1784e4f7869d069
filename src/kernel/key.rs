//! The key of a build: a digest over everything the kernel's bytes depend on. An unchanged key means nothing to do.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::Recipe;
use crate::fragment::Asked;
use crate::series::Patch;
use crate::source::{Source, hex};

/// Raise this when this program builds another kernel from the same inputs.
const RECIPE: &[u8] = b"2";

/// Collects named parts; each goes in with its length, so two different lists never look alike.
struct Parts(Sha256);

impl Parts {
    fn new() -> Self {
        Self(Sha256::new())
    }

    fn add(&mut self, name: &str, content: &[u8]) {
        self.0.update(format!("{name} {}\n", content.len()));
        self.0.update(content);
    }

    fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// The key of a whole build. Comments in fragments and the order of options are not part of it.
pub fn of_build(recipe: &Recipe, compiler: &str) -> String {
    let mut parts = Parts::new();
    parts.add("recipe", RECIPE);
    parts.add("compiler", compiler.as_bytes());
    parts.add("timestamp", recipe.timestamp.as_bytes());
    parts.add("budget", &recipe.configuration.budget.to_le_bytes());
    parts.add("tree", of_tree(&recipe.source, &recipe.patches).as_bytes());
    parts.add("options", list_options(&recipe.asked).as_bytes());
    parts.finish()
}

/// The options in one order, each once: no two contradict one another, so neither order nor repetition means anything.
fn list_options(asked: &[Asked]) -> String {
    let lines: BTreeSet<String> =
        asked.iter().map(|Asked { option, value, .. }| value.line_for(option) + "\n").collect();
    lines.into_iter().collect()
}

/// The key of an unpacked and patched source.
pub fn of_tree(source: &Source, patches: &[Patch]) -> String {
    let mut parts = Parts::new();
    parts.add("source", source.identity().as_bytes());
    for patch in patches {
        parts.add(&patch.name, &patch.content);
    }
    parts.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fragment::Value;
    use crate::spec::Configuration;

    fn recipe() -> Recipe {
        let patch = Patch { name: "a.patch".into(), path: "/p/a.patch".into(), content: b"one".to_vec() };
        let asked = Asked { option: "CONFIG_A".into(), value: Value::Is("y".into()), fragment: "f".into(), line: 1 };
        Recipe {
            timestamp: "Monday".into(),
            configuration: Configuration { budget: 10, fragments: vec!["f".into()] },
            asked: vec![asked],
            patches: vec![patch],
            source: Source::Tarball { path: "/l.tar".into(), size: 3, modified: 4, recorded: None },
        }
    }

    type Change = fn(&mut Recipe);

    #[test]
    fn each_input_changes_the_key() {
        let rows: [(&str, Change, bool); 10] = [
            ("nothing", |_| {}, false),
            ("a comment above an option", |recipe| recipe.asked[0].line = 2, false),
            ("an option moves to another fragment", |recipe| recipe.asked[0].fragment = "g".into(), false),
            ("an option said twice", |recipe| recipe.asked.push(recipe.asked[0].clone()), false),
            ("an option's value", |recipe| recipe.asked[0].value = Value::Off, true),
            ("the timestamp", |recipe| recipe.timestamp = "Tuesday".into(), true),
            ("the budget", |recipe| recipe.configuration.budget = 11, true),
            ("a patch's content", |recipe| recipe.patches[0].content = b"two".to_vec(), true),
            ("a patch less", |recipe| recipe.patches.clear(), true),
            (
                "the tarball's time",
                |recipe| {
                    recipe.source = Source::Tarball { path: "/l.tar".into(), size: 3, modified: 5, recorded: None };
                },
                true,
            ),
        ];
        let before = of_build(&recipe(), "gcc 12");
        for (row, change, changes) in rows {
            let mut recipe = recipe();
            change(&mut recipe);
            assert_eq!(of_build(&recipe, "gcc 12") != before, changes, "{row}");
        }
        assert_ne!(of_build(&recipe(), "gcc 13"), before, "the compiler");
    }
}
