//! What libFuzzer drives: the target that the environment names.

#![no_main]

use fuzz::{TARGETS, Target, VARIABLE};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

static CHOSEN: OnceLock<&Target> = OnceLock::new();

fn choose() -> &'static Target {
    let name = std::env::var(VARIABLE).unwrap_or_default();
    TARGETS
        .iter()
        .find(|target| target.name == name)
        .unwrap_or_else(|| panic!("{VARIABLE}={name}: there is no such target"))
}

fuzz_target!(|bytes: &[u8]| (CHOSEN.get_or_init(choose).run)(bytes));
