//! The kernel's own menu, begun from a merged configuration; what was changed in it comes out as a fragment.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::Recipe;
use crate::compare::{Kind, compare};
use crate::make::{self, Log};
use crate::places::Places;
use crate::{kconfig, tools, tree};

/// Shows the menu in this terminal and returns what was changed, as a fragment. Nothing else remembers it.
pub fn show(root: &Path, config: &str) -> Result<String> {
    let places = Places::below(root, config);
    let recipe = Recipe::read(&places, config)?;
    tools::require(&recipe.source, &recipe.asked)?;
    let _lock = places.lock()?;
    let mut log = Log::create(&places.check_log)?;
    let tree = tree::provide(&places, &recipe.source, &recipe.patches, &mut log)?;
    let objects = format!("{config}-menu");
    let before = kconfig::merge(&tree, &objects, &recipe.asked, &mut log)?;
    // Not silent, make and the menu would end with what this program does not do: "Execute 'make' to start the build".
    let mut menu = make::command(&tree, &objects);
    let status = menu.args(["--silent", "menuconfig"]).status().context("starting make menuconfig")?;
    ensure!(status.success(), "make menuconfig failed ({status}): nothing was changed");
    let path = tree.dot_config(&objects);
    let after = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let head = format!("# Changed in {config} {}; it belongs in the fragment of its reason.", tree.version()?);
    Ok(match write_fragment(&before, &after)? {
        lines if lines.is_empty() => format!("# Nothing was changed in {config}.\n"),
        lines => format!("{head}\n{lines}"),
    })
}

/// The lines that make the later configuration of the earlier one. What went with something else goes with it again, and an
/// option that came up and is off is off by itself.
fn write_fragment(before: &str, after: &str) -> Result<String> {
    let lines = compare(before, after)?.into_iter().filter_map(|one| match one.kind {
        Kind::Changed(_, value) | Kind::Appeared(value @ crate::fragment::Value::Is(_)) => {
            Some(value.line_for(&one.option) + "\n")
        }
        Kind::Appeared(crate::fragment::Value::Off) | Kind::Vanished(_) => None,
    });
    Ok(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Lab;

    #[test]
    fn what_was_changed_comes_out_as_a_fragment() {
        let lab = Lab::new();
        // The made-up kernel's menu does what this file says.
        let rows = [
            ("", "# Nothing was changed in linode.\n"),
            (
                "CONFIG_DISK=n CONFIG_CPUS=16",
                "# Changed in linode 6.12.117; it belongs in the fragment of its reason.\n\
                 CONFIG_CPUS=16\n# CONFIG_DISK is not set\n",
            ),
        ];
        for (choices, wanted) in rows {
            lab.choose_in_menu(choices);
            assert_eq!(show(lab.root(), "linode").unwrap(), wanted);
        }
        lab.choose_in_menu("fail");
        let error = show(lab.root(), "linode").unwrap_err().to_string();
        assert_eq!(error, "make menuconfig failed (exit status: 2): nothing was changed");
    }

    #[test]
    fn an_unknown_configuration_is_said() {
        let error = show(Lab::new().root(), "lindoe").unwrap_err().to_string();
        assert!(error.starts_with("no configuration \"lindoe\""), "{error}");
    }
}
