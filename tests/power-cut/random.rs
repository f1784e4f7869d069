//! Numbers that look random and are the same at every run: SplitMix64 (Steele, Lea, Flood 2014).

/// A source of numbers.
pub struct Random(u64);

impl Random {
    /// The source for a seed and a purpose, so that no two places draw the same numbers.
    pub fn new(seed: u64, purpose: u64) -> Random {
        let mut random = Random(seed);
        random.0 = random.draw() ^ purpose;
        random
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number below a limit (0 below 0). The bias is the limit's share of 2⁶⁴.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.draw() % (limit.max(1) as u64)) as usize
    }

    /// So many of the numbers below a limit, in their order and spread over all of them.
    pub fn sample(&mut self, count: usize, limit: usize) -> Vec<usize> {
        let count = count.min(limit);
        let start = |slot: usize| slot * limit / count;
        (0..count).map(|slot| start(slot) + self.below(start(slot + 1) - start(slot))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_numbers_for_the_same_seed() {
        let draw = |seed, purpose| {
            let mut random = Random::new(seed, purpose);
            [random.draw(), random.draw()]
        };
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(2, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
    }

    #[test]
    fn a_sample_is_spread_and_in_order() {
        for (count, limit) in [(0, 5), (1, 5), (4, 1000), (5, 5), (9, 5), (3, 0)] {
            let sample = Random::new(1, 1).sample(count, limit);
            assert_eq!(sample.len(), count.min(limit), "{count} of {limit}");
            assert!(sample.is_sorted_by(|one, next| one < next), "{sample:?}");
            assert!(sample.iter().all(|&number| number < limit), "{sample:?}");
        }
        let sample = Random::new(1, 1).sample(4, 1000);
        assert!(sample.iter().enumerate().all(|(slot, number)| number / 250 == slot), "{sample:?}");
    }
}
