//! The KV cache: equal blocks, allocated and written once at the start, lent to requests.

use heapledger::Region;

static KV_CACHE: Region = Region::new("kv_cache");

/// Size of a block; every byte of it is written when it is allocated.
pub const BLOCK_BYTES: usize = 512 << 10;

/// Tokens that fit into a block.
pub const TOKENS_PER_BLOCK: usize = 16;

const TOKEN_BYTES: usize = BLOCK_BYTES / TOKENS_PER_BLOCK;

/// Enough for the longest request, and for a few shorter ones at once.
pub const MIN_BLOCKS: usize = 32;

/// Any byte but 0: the kernel maps untouched zero pages to nothing.
const FRESH: u8 = 0xee;

/// Blocks and which of them are free.
#[derive(Debug)]
pub struct KvCache {
    blocks: Vec<Box<[u8]>>,
    free: Vec<usize>,
}

impl KvCache {
    /// How many blocks go with that many bytes of weights: a quarter of them, as on a card that is mostly weights.
    pub fn blocks_for(weights_bytes: u64) -> usize {
        (weights_bytes as usize / 4 / BLOCK_BYTES).max(MIN_BLOCKS)
    }

    /// Allocates and writes `count` blocks in region `kv_cache`; the lists of blocks are not in it. `None` if there is
    /// no memory for them.
    pub fn allocate(count: usize, mut advance: impl FnMut(usize)) -> Option<Self> {
        let mut blocks = Vec::with_capacity(count);
        for done in 1..=count {
            let mut block = Vec::new();
            KV_CACHE.scope(|| block.try_reserve_exact(BLOCK_BYTES)).ok()?;
            block.resize(BLOCK_BYTES, FRESH);
            blocks.push(block.into_boxed_slice());
            advance(done);
        }
        Some(Self { blocks, free: (0..count).rev().collect() })
    }

    /// Exactly the live bytes of region `kv_cache`.
    pub fn live_bytes(&self) -> u64 {
        (self.blocks.len() * BLOCK_BYTES) as u64
    }

    /// Number of blocks, lent or not.
    pub fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// Lends blocks for that many tokens, or `None` if too few are free.
    pub fn lend(&mut self, tokens: usize) -> Option<Vec<usize>> {
        let rest = self.free.len().checked_sub(tokens.div_ceil(TOKENS_PER_BLOCK))?;
        Some(self.free.drain(rest..).collect())
    }

    /// Takes lent blocks back.
    pub fn give_back(&mut self, blocks: &[usize]) {
        self.free.extend_from_slice(blocks);
    }

    /// Writes the entry of token number `at` of a request that holds `blocks`, and mixes in the entry before it.
    pub fn remember(&mut self, blocks: &[usize], at: usize, token: u32) -> u32 {
        let before = if at == 0 { 0 } else { self.entry(blocks, at - 1)[0] };
        let mixed = token.wrapping_mul(31).wrapping_add(u32::from(before));
        let bytes = mixed.to_le_bytes();
        let entry = self.entry(blocks, at);
        for place in entry.chunks_exact_mut(1024) {
            place[..4].copy_from_slice(&bytes);
        }
        mixed
    }

    fn entry(&mut self, blocks: &[usize], at: usize) -> &mut [u8] {
        let start = at % TOKENS_PER_BLOCK * TOKEN_BYTES;
        &mut self.blocks[blocks[at / TOKENS_PER_BLOCK]][start..start + TOKEN_BYTES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_lent_once_and_come_back() {
        let mut cache = KvCache::allocate(3, |_| ()).unwrap();
        let two = cache.lend(TOKENS_PER_BLOCK + 1).unwrap();
        assert_eq!(two.len(), 2);
        assert!(cache.lend(2 * TOKENS_PER_BLOCK).is_none());
        let one = cache.lend(1).unwrap();
        assert!(!two.contains(&one[0]));
        assert!(cache.lend(1).is_none());
        cache.give_back(&two);
        assert_eq!(cache.lend(TOKENS_PER_BLOCK * 2).unwrap().len(), 2);
    }

    #[test]
    fn what_a_token_becomes_depends_on_the_one_before() {
        let mut cache = KvCache::allocate(2, |_| ()).unwrap();
        let blocks = cache.lend(20).unwrap();
        let first = cache.remember(&blocks, 0, 7);
        assert_ne!(cache.remember(&blocks, 1, 7), first);
        assert_ne!(cache.remember(&blocks, 16, 7), 0);
    }

    #[test]
    fn even_small_models_get_room_for_a_request() {
        assert_eq!(KvCache::blocks_for(0), MIN_BLOCKS);
        assert_eq!(KvCache::blocks_for(1 << 30), 512);
    }
}
