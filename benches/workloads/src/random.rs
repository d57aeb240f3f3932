//! The workloads' random numbers: the same sequence on every machine and for every engine.

/// A xorshift64* generator. Cheap enough to sit in a timed loop; not fit for anything but choosing sizes and slots.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that starts from `seed`; two seeds give two unrelated sequences.
    pub fn new(seed: u64) -> Random {
        // A state of zero would stay zero, and small seeds would start with small numbers.
        let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
        if random.0 == 0 {
            random.0 = 1;
        }
        for _ in 0..8 {
            random.bits();
        }
        random
    }

    /// The next 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A random number below `end`, which must not be zero. The upper half of the bits decides, without a division.
    #[inline]
    pub fn below(&mut self, end: u32) -> usize {
        ((u64::from(end) * (self.bits() >> 32)) >> 32) as usize
    }

    /// A random number from `low` to `high`, both included.
    #[inline]
    pub fn between(&mut self, low: u32, high: u32) -> usize {
        low as usize + self.below(high - low + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_seed_does_not() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            [random.bits(), random.bits(), random.bits()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn every_number_of_a_small_range_comes_up_and_none_outside_it() {
        let mut random = Random::new(1);
        let mut seen = [false; 5];
        for _ in 0..1_000 {
            seen[random.between(3, 7) - 3] = true;
        }
        assert_eq!(seen, [true; 5]);
    }
}
