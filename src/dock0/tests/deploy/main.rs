//! deploy, destroy, list and reboot as they are typed, against the stand-in for Linode. Its machines boot in one test alone; in the
//! others a VM of the test answers for them.

#[allow(dead_code, reason = "the tests of push need more of it")]
#[path = "../push/place.rs"]
mod keys;
#[allow(dead_code, reason = "the tests of push need more of it")]
#[path = "../push/vm.rs"]
mod vm;

mod faults;
mod life;
mod place;
mod refused;
mod whole;
