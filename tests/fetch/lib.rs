//! What the tests of fetching are made of: a CA, a real nginx, a hostile server, and a place to fetch into.

pub mod ca;
pub mod hostile;
pub mod jail;
pub mod nginx;
pub mod operators;
pub mod place;
pub mod watched;

use std::time::{Duration, Instant};

/// How long a test waits for anything that should happen at once.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something is there.
///
/// # Panics
/// If it does not come.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Bytes that look like nothing and are the same every time.
pub fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; size];
    random.fill(&mut bytes);
    bytes
}
