//! The initrd itself: its bytes, its size, and what becomes of half of it.

use anyhow::Result;
use boot_tests::{Boot, Partition};
use dock0::initrd::Initrd;
use dock0::output::Existing;

#[test]
fn twice_built_it_has_the_same_bytes() -> Result<()> {
    let place = tempfile::tempdir()?;
    let init = boot_tests::init();
    let initrd = Initrd { init, shell: None, max_size: Some(1_150_000) };
    let path = place.path().join("initrd.img");
    initrd.write(&path, Existing::Refuse)?;
    let first = std::fs::read(&path)?;
    initrd.write(&path, Existing::Replace)?;
    assert!(first == std::fs::read(&path)?, "the second build differs");
    assert!(first == std::fs::read(boot_tests::initrd())?, "just initrd made other bytes");
    Ok(())
}

/// patches/: the kernel must not go on with half a root, so that panic= reboots it and the boot loader can fall back.
#[test]
fn half_an_initrd_is_a_kernel_panic_with_a_sentence() -> Result<()> {
    let whole = std::fs::read(boot_tests::initrd())?;
    let place = tempfile::tempdir()?;
    for length in [whole.len() / 2, whole.len() - 1, 5000] {
        let path = place.path().join(format!("{length}.img"));
        std::fs::write(&path, &whole[..length])?;
        let console = Boot::kernel_with(path, "").to_end()?;
        assert!(console.contains("Kernel panic - not syncing: "), "{length}: {console}");
        assert!(console.contains("the initramfs did not unpack completely"), "{length}: {console}");
        assert!(!console.contains("Run /init as init process"), "{length}: {console}");
    }
    Ok(())
}

#[test]
fn a_vm_of_64_megabytes_boots() -> Result<()> {
    let disk = Partition::with_probe()?.disk()?;
    let facts = Boot::kernel("").memory(64).scsi(&disk).facts()?;
    assert!(facts.meminfo["MemTotal"] < 65536, "{:?}", facts.meminfo);
    Ok(())
}
