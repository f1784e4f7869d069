//! The kernel's own menu, begun from a merged configuration; what was changed in it comes out as a fragment.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::compare::{Kind, compare};
use crate::fragment::{self, Asked, Value};
use crate::make;
use crate::places::Places;
use crate::{Recipe, Workbench, kconfig};

/// Shows the menu in this terminal and returns what was changed, as a fragment. Nothing else remembers it.
pub fn show(root: &Path, config: &str) -> Result<String> {
    let places = Places::below(root, config);
    let recipe = Recipe::read(&places, config)?;
    let Workbench { tree, mut log, _lock } = Workbench::of(&recipe, &places)?;
    let objects = format!("{config}-menu");
    let before = kconfig::merge(&tree, &objects, &recipe.asked, &mut log)?;
    // Not silent, make and the menu would end with what this program does not do: "Execute 'make' to start the build".
    let mut menu = make::command(&tree, &objects);
    let status = menu.args(["--silent", "menuconfig"]).status().context("starting make menuconfig")?;
    ensure!(status.success(), "make menuconfig failed ({status}): nothing was changed");
    let path = tree.dot_config(&objects);
    let after = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let head = format!("# Changed in {config} {}; it belongs in the fragment of its reason.", tree.version()?);
    let lines = write_fragment(&before, &after)?;
    if lines.is_empty() {
        return Ok(format!("# Nothing was changed in {config}.\n"));
    }
    let asked = replace(recipe.asked, fragment::parse("the menu's", &lines)?);
    let merged = kconfig::merge(&tree, &objects, &asked, &mut log)?;
    Ok(format!("{head}\n{lines}{}", turn_off(&merged, &after)?))
}

/// What is asked for with the menu's changes in it.
fn replace(mut asked: Vec<Asked>, changes: Vec<Asked>) -> Vec<Asked> {
    asked.retain(|one| changes.iter().all(|change| change.option != one.option));
    asked.extend(changes);
    asked
}

/// The lines for what comes up on, with something else, and was turned off in the menu.
fn turn_off(merged: &str, after: &str) -> Result<String> {
    let lines = compare(merged, after)?.into_iter().filter_map(|one| match one.kind {
        Kind::Changed(_, Value::Off) => Some(Value::Off.line_for(&one.option) + "\n"),
        Kind::Changed(..) | Kind::Appeared(_) | Kind::Vanished(_) => None,
    });
    Ok(lines.collect())
}

/// The lines that make the later configuration of the earlier one. What went with something else goes with it again, and most
/// options that came up and are off are off by themselves.
fn write_fragment(before: &str, after: &str) -> Result<String> {
    let lines = compare(before, after)?.into_iter().filter_map(|one| match one.kind {
        Kind::Changed(_, value) | Kind::Appeared(value @ Value::Is(_)) => Some(value.line_for(&one.option) + "\n"),
        Kind::Appeared(Value::Off) | Kind::Vanished(_) => None,
    });
    Ok(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::Lab;

    #[test]
    fn what_was_changed_comes_out_as_a_fragment() {
        let known = "CONFIG_DISK n\nCONFIG_CPUS 8\nCONFIG_NET n\nCONFIG_NET_PROTOCOL y CONFIG_NET\n";
        let lab = Lab::knowing(known);
        // The made-up kernel's menu does what this file says.
        let rows = [
            ("", "# Nothing was changed in linode.\n"),
            (
                "CONFIG_DISK=n CONFIG_CPUS=16",
                "# Changed in linode 6.12.117; it belongs in the fragment of its reason.\n\
                 CONFIG_CPUS=16\n# CONFIG_DISK is not set\n",
            ),
        ];
        // What comes with another one, on, is in the fragment only if it was turned off.
        let rows = rows.into_iter().chain([
            (
                "CONFIG_NET=y CONFIG_NET_PROTOCOL=y",
                "# Changed in linode 6.12.117; it belongs in the fragment of its reason.\nCONFIG_NET=y\nCONFIG_NET_PROTOCOL=y\n",
            ),
            (
                "CONFIG_NET=y CONFIG_NET_PROTOCOL=n",
                "# Changed in linode 6.12.117; it belongs in the fragment of its reason.\n\
                 CONFIG_NET=y\n# CONFIG_NET_PROTOCOL is not set\n",
            ),
        ]);
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
