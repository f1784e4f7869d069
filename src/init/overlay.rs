//! The root, put together: scratch over configuration over image.

use crate::failure::{Doing, Failure};
use crate::kernel_fs::{c_string, make_directory};
use crate::log::say;
use crate::places::Places;
use rustix::mount::MountFlags;

/// Mounts the new root; `config` is the directory laid over the image, if there is one.
pub fn mount(places: &Places, config: Option<String>) -> Result<(), Failure> {
    let Places { fs, cowspace, new_root, .. } = places;
    let (upper, work) = (format!("{cowspace}/upper"), format!("{cowspace}/work"));
    make_directory(&upper)?;
    make_directory(&work)?;
    let lower = match config {
        Some(config) => {
            say!("laying {config} over the root");
            format!("{config}:{fs}")
        }
        None => fs.clone(),
    };
    // No path here can hold a comma or a colon: basepath= is checked, the rest is ours.
    let options = c_string(&format!("lowerdir={lower},upperdir={upper},workdir={work}"));
    rustix::mount::mount("overlay", new_root, "overlay", MountFlags::empty(), Some(&*options))
        .doing(|| format!("mounting the overlay of {upper}, {lower} on {new_root}"))
}
