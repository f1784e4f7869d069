//! The floor under a mirror's rate: who sends less than that over a whole window is given up. Virtual time.

use std::time::Duration;

/// Watches the rate of one answer.
pub struct Floor {
    window: Duration,
    least: u64,
    since: Duration,
    bytes: u64,
}

impl Floor {
    /// Bytes a second over a window, from `now` on.
    pub fn new(rate: u32, window: Duration, now: Duration) -> Floor {
        let least = u128::from(rate) * window.as_millis() / 1000;
        Floor { window, least: u64::try_from(least).unwrap_or(u64::MAX), since: now, bytes: 0 }
    }

    /// Counts bytes that have come. The error says how many came in a window that had too few.
    pub fn count(&mut self, bytes: u64, now: Duration) -> Result<(), u64> {
        self.bytes = self.bytes.saturating_add(bytes);
        if now.saturating_sub(self.since) < self.window {
            return Ok(());
        }
        let came = std::mem::take(&mut self.bytes);
        self.since = now;
        if came < self.least { Err(came) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::job::{Patience, milliseconds};
    use super::*;

    #[test]
    fn slow_mirrors_are_found_at_the_end_of_a_window() {
        let seconds = Duration::from_secs;
        for (row, every, bytes, found) in [
            ("a byte a second", 1, 1, Some((30, 30))),
            ("just too little", 1, 1023, Some((30, 30690))),
            ("just enough", 1, 1024, None),
            ("all at once", 29, 100_000, None),
            ("a long silence", 31, 30_000, Some((31, 30_000))),
        ] {
            let mut floor = Floor::new(1024, seconds(30), seconds(100));
            let slow = (1..=120 / every).find_map(|step| {
                let now = step * every;
                floor.count(bytes, seconds(100 + now)).err().map(|came| (now, came))
            });
            assert_eq!(slow, found, "{row}");
        }
    }

    #[test]
    fn the_usual_floor_is_ten_kib_a_second_over_half_a_minute() {
        let Patience { rate, window, .. } = Patience::default();
        for (bytes, found) in [(307_199, Err(307_199)), (307_200, Ok(()))] {
            let mut floor = Floor::new(rate, milliseconds(window), Duration::ZERO);
            assert_eq!(floor.count(bytes - 1, Duration::from_millis(29_999)), Ok(()));
            assert_eq!(floor.count(1, Duration::from_secs(30)), found);
        }
    }

    #[test]
    fn a_mirror_that_was_fast_once_may_not_be_slow_later() {
        let mut floor = Floor::new(1000, Duration::from_secs(10), Duration::ZERO);
        assert_eq!(floor.count(1 << 30, Duration::from_secs(10)), Ok(()));
        assert_eq!(floor.count(9_999, Duration::from_secs(20)), Err(9_999));
    }
}
