//! Where PID 1 mounts things: the predecessor's names below `basepath=`, and the new root.

use crate::failure::Failure;
use crate::kernel_fs::make_directory;

/// The name of the directory that the boot partition is mounted on.
pub const BOOTMNT: &str = "bootmnt";
/// The name of the file beside it that says which release's root runs: its id, a space, and the number of the device that
/// the boot partition lies on (st_dev of stat(2), decimal).
pub const RUNNING: &str = "release";

/// The name of the file beside it that says which configuration the root is laid over: the number of its directory (st_ino).
pub const RUNNING_CONFIG: &str = "running-config";

/// Absolute paths; all but `new_root` are below /run and go with it into the root.
pub struct Places {
    /// The boot partition.
    pub bootmnt: String,
    /// A file that tells the running system which release it runs from.
    pub running: String,
    /// A file that tells the running system which configuration it is laid over.
    pub running_config: String,
    /// The image of the root, read-only.
    pub fs: String,
    /// The scratch layer, where all writes go.
    pub cowspace: String,
    /// A configuration that is kept in memory alone.
    pub config: String,
    /// An image that holds nothing but the root's image, if the root came that way.
    pub outer: String,
    /// The three laid over one another. It becomes /.
    pub new_root: String,
}

/// Makes the directories that every boot needs.
pub fn create(basepath: &str) -> Result<Places, Failure> {
    for (at, _) in basepath.match_indices('/').skip(2) {
        make_directory(basepath.split_at(at).0)?;
    }
    make_directory(basepath)?;
    let below = |name: &str| format!("{basepath}/{name}");
    let places = Places {
        bootmnt: below(BOOTMNT),
        running: below(RUNNING),
        running_config: below(RUNNING_CONFIG),
        fs: below("fs"),
        cowspace: below("cowspace"),
        config: below("config"),
        outer: below("outer"),
        new_root: "/newroot".into(),
    };
    for directory in [&places.bootmnt, &places.fs, &places.cowspace, &places.new_root] {
        make_directory(directory)?;
    }
    Ok(places)
}
