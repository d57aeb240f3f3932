//! Numbers that are the same in every run.

/// A xorshift generator: small, and nothing but arithmetic on its own state.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of this seed.
    pub const fn new(seed: u64) -> Random {
        // Zero is the one state that xorshift never leaves.
        Random(seed ^ 0x9e37_79b9_7f4a_7c15 | 1)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        // The upper bits are the better ones; the remainder's bias does not matter here.
        (self.next() >> 16) as usize % bound
    }
}
