//! A tokenizer: very many small strings, twice, and a hash table. The kind of heap that fragments.

use std::collections::HashMap;

use heapledger::Region;

use super::random::Random;

static TOKENIZER: Region = Region::new("tokenizer");

/// Words known, as many as current models have.
pub const WORDS: usize = 150_000;

/// The id of every word that is not known.
pub const UNKNOWN: u32 = WORDS as u32;

/// Words are spelled from three of these, so there are 64³ stems, more than [`WORDS`].
const SYLLABLES: &[u8; 128] = b"bacadafagahajakalamanaparasatavabecedefegehejekelemeneperesetevebicidifigihijikiliminipirisitivibocodofogohojokolomonoporosotovo";

/// Endings of various lengths, so that the strings fall into several size classes.
const ENDINGS: [&str; 8] = ["", "", "s", "ed", "ing", "ation", "lessness", "ification"];

/// Words by id and ids by word.
#[derive(Debug)]
pub struct Tokenizer {
    words: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Tokenizer {
    /// What the two tables need at the least.
    pub const TABLE_BYTES: usize = WORDS * (size_of::<String>() + size_of::<(String, u32)>());

    /// Builds the same vocabulary every time, all of it in region `tokenizer`. `None` if there is no memory for the
    /// tables; the words themselves are small, and Rust ends a program that has no memory for those.
    pub fn build(mut advance: impl FnMut(usize)) -> Option<Self> {
        TOKENIZER.scope(|| {
            let mut words = Vec::new();
            words.try_reserve_exact(WORDS).ok()?;
            let mut ids = HashMap::new();
            ids.try_reserve(WORDS).ok()?;
            let mut random = Random::new(1);
            for id in 0..UNKNOWN {
                let word = spell(id, &mut random);
                ids.insert(word.clone(), id);
                words.push(word);
                advance(words.len());
            }
            Some(Self { words, ids })
        })
    }

    /// A lower bound of the live bytes of region `tokenizer`, from the lengths alone: every word twice, the table of
    /// words exactly, and of the hash table what its entries need. Its empty buckets and control bytes come on top; how
    /// many there are is the standard library's affair.
    pub fn least_live_bytes(&self) -> u64 {
        let letters: usize = self.words.iter().map(String::capacity).sum();
        let table = self.words.capacity() * size_of::<String>();
        // One control byte per entry, whatever the layout.
        let map = self.ids.capacity() * (size_of::<(String, u32)>() + 1);
        (2 * letters + table + map) as u64
    }

    /// Appends the id of each word of `text`.
    pub fn encode(&self, text: &str, ids: &mut Vec<u32>) {
        ids.extend(text.split_ascii_whitespace().map(|word| self.ids.get(word).copied().unwrap_or(UNKNOWN)));
    }

    /// The word of an id; empty for [`UNKNOWN`] and beyond.
    pub fn word(&self, id: u32) -> &str {
        self.words.get(id as usize).map_or("", String::as_str)
    }
}

/// A word that no other id has: a multiplication by an odd number is a permutation of the stems.
fn spell(id: u32, random: &mut Random) -> String {
    let stem = id.wrapping_mul(0x2_c1b3) as usize & 0x3_ffff;
    let ending = ENDINGS[random.below(ENDINGS.len())];
    let mut word = String::with_capacity(6 + ending.len());
    for syllable in [stem & 63, stem >> 6 & 63, stem >> 12] {
        word.extend(SYLLABLES[2 * syllable..2 * syllable + 2].iter().map(|&letter| char::from(letter)));
    }
    word.push_str(ending);
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_one_id_and_comes_back() {
        let tokenizer = Tokenizer::build(|_| ()).unwrap();
        assert_eq!((tokenizer.words.len(), tokenizer.ids.len()), (WORDS, WORDS));
        let mut ids = Vec::new();
        for id in [0, 1, 77_777, UNKNOWN - 1] {
            ids.clear();
            tokenizer.encode(tokenizer.word(id), &mut ids);
            assert_eq!(ids, [id]);
        }
        ids.clear();
        tokenizer.encode("  Zzz \n", &mut ids);
        assert_eq!(ids, [UNKNOWN]);
        assert_eq!(tokenizer.word(UNKNOWN), "");
    }

    #[test]
    fn words_have_no_spare_capacity() {
        let tokenizer = Tokenizer::build(|_| ()).unwrap();
        assert!(tokenizer.words.iter().all(|word| word.capacity() == word.len()));
        assert!(tokenizer.ids.keys().all(|word| word.capacity() == word.len()));
    }
}
