//! A kernel built once more, from nothing and in another folder: the same inputs give the same bytes.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::make;
use crate::places::Places;
use crate::{Recipe, Workbench, kconfig, key, source, stamp, tools, tree};

/// Builds the kernel that is there once more and compares. Another one is kept, to be looked at.
pub fn build_again(root: &Path, config: &str) -> Result<String> {
    let places = Places::below(root, config);
    let recipe = Recipe::read(&places, config)?;
    let key = key::of_build(&recipe, &tools::compiler_version()?);
    let first = stamp::read_current(&places, &key);
    let first = first.with_context(|| format!("there is no kernel to compare with: just kernel {config}"))?;
    let Workbench { tree, mut log, _lock } = Workbench::of(&recipe, &places)?;
    let objects = format!("{config}-again-elsewhere");
    tree::remove_folder(&tree.objects(&objects))?;
    let merged = kconfig::merge(&tree, &objects, &recipe.asked, &mut log)?;
    let expected = first.effort.unwrap_or_else(|| make::first_estimate(&merged));
    make::build_image(&tree, &objects, &recipe.timestamp, Some(expected), &mut log)?;
    let (image, sum) = (tree.image(&objects), source::sum_of(&places.vmlinuz)?);
    let again = source::sum_of(&image)?;
    ensure!(
        again == sum,
        "{} differs from {}: {again} instead of {sum}: something of this machine or of the clock is in it",
        image.display(),
        places.vmlinuz.display()
    );
    tree::remove_folder(&tree.objects(&objects))?;
    Ok(format!("kernel {config} {}: built again, and the same: SHA-256 {sum}\n", first.version))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build_kernel;
    use crate::lab::Lab;

    #[test]
    fn without_a_kernel_there_is_nothing_to_compare_with() {
        let lab = Lab::new();
        let missing = "there is no kernel to compare with: just kernel tiny";
        assert_eq!(build_again(lab.root(), "tiny").unwrap_err().to_string(), missing);
        // One that was made from other fragments is none.
        build_kernel(lab.root(), "tiny").unwrap();
        lab.put("kernel-configs/tiny.config", "CONFIG_CPUS=2\n");
        assert_eq!(build_again(lab.root(), "tiny").unwrap_err().to_string(), missing);
    }

    #[test]
    fn the_same_bytes_are_the_same_kernel() {
        let lab = Lab::new();
        build_kernel(lab.root(), "tiny").unwrap();
        let sum = source::sum_of(&lab.root().join("build/kernel/tiny/vmlinuz")).unwrap();
        let wanted = format!("kernel tiny 6.12.117: built again, and the same: SHA-256 {sum}\n");
        assert_eq!(build_again(lab.root(), "tiny").unwrap(), wanted);
    }

    #[test]
    fn one_that_differs_is_said_and_kept() {
        let lab = Lab::new();
        build_kernel(lab.root(), "tiny").unwrap();
        let built = lab.read("build/kernel/tiny/vmlinuz");
        // As if it had been built at another host.
        lab.put("build/kernel/tiny/vmlinuz", &built.replace("=dock0", "=dock1"));
        let words = build_again(lab.root(), "tiny").unwrap_err().to_string();
        let kept = words.split(" differs from ").next().unwrap();
        assert_eq!(std::fs::read_to_string(kept).unwrap(), built);
        let vmlinuz = lab.root().join("build/kernel/tiny/vmlinuz");
        let [here, there] = [Path::new(kept), &vmlinuz].map(|path| source::sum_of(path).unwrap());
        let wanted = format!(
            "{kept} differs from {}: {here} instead of {there}: something of this machine or of the clock is in it",
            vmlinuz.display()
        );
        assert_eq!(words, wanted);
    }
}
