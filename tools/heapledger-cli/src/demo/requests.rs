//! Requests: each in a region of its own that ends with it, several at a time, some of which leave a session behind.

use std::collections::VecDeque;

use heapledger::{OwnedRegion, Region};

use super::kv_cache::{KvCache, MIN_BLOCKS, TOKENS_PER_BLOCK};
use super::random::Random;
use super::tokenizer::{Tokenizer, WORDS};

static SESSIONS: Region = Region::new("sessions");

/// Requests in flight at a time, as long as the KV cache has blocks for them.
const IN_FLIGHT: usize = 8;

/// Bounds of a prompt's length, in tokens.
const PROMPT_TOKENS: std::ops::Range<usize> = 16..400;

/// Tokens produced per request.
const ANSWER_TOKENS: usize = 32;

/// Every so many requests one leaves a session.
const SESSION_EVERY: u32 = 8;

/// The most sessions kept; then the oldest is replaced.
const MAX_SESSIONS: usize = 1024;

// The longest request must fit into the smallest cache, or serving would never end.
const _: () = assert!((PROMPT_TOKENS.end + ANSWER_TOKENS).div_ceil(TOKENS_PER_BLOCK) <= MIN_BLOCKS);

/// What is remembered of a request after it has ended.
#[derive(Debug)]
struct Session {
    summary: Box<str>,
}

/// A request in flight. Everything in it but the region is owned by the region.
#[derive(Debug)]
struct Request {
    number: u32,
    region: OwnedRegion,
    tokens: Vec<u32>,
    blocks: Vec<usize>,
}

/// A server that takes requests.
#[derive(Debug)]
pub struct Server<'stage> {
    tokenizer: &'stage Tokenizer,
    cache: &'stage mut KvCache,
    in_flight: VecDeque<Request>,
    random: Random,
    sessions: Sessions,
    tokens: u64,
}

/// What is left when all requests have ended.
#[derive(Debug)]
pub struct Sessions {
    kept: Vec<Session>,
    next: usize,
}

impl Sessions {
    /// Exactly the live bytes of region `sessions`: the list and the text of each entry.
    pub fn live_bytes(&self) -> u64 {
        let text: usize = self.kept.iter().map(|session| session.summary.len()).sum();
        (self.kept.capacity() * size_of::<Session>() + text) as u64
    }

    /// Number of sessions kept.
    pub fn count(&self) -> usize {
        self.kept.len()
    }

    fn keep(&mut self, summary: &str) {
        let session = SESSIONS.scope(|| Session { summary: Box::from(summary) });
        if self.kept.len() < MAX_SESSIONS {
            self.kept.push(session);
        } else {
            self.kept[self.next] = session;
            self.next = (self.next + 1) % MAX_SESSIONS;
        }
    }
}

impl<'stage> Server<'stage> {
    /// A server without requests. `requests` is how many will come.
    pub fn new(tokenizer: &'stage Tokenizer, cache: &'stage mut KvCache, requests: u32) -> Self {
        let capacity = MAX_SESSIONS.min(requests.div_ceil(SESSION_EVERY) as usize);
        let sessions = Sessions { kept: SESSIONS.scope(|| Vec::with_capacity(capacity)), next: 0 };
        let in_flight = VecDeque::with_capacity(IN_FLIGHT);
        Self { tokenizer, cache, in_flight, random: Random::new(2), sessions, tokens: 0 }
    }

    /// Takes request `number` in; ends older ones as far as they are in its way.
    pub fn take(&mut self, number: u32) {
        let region = OwnedRegion::new(format!("request/{number}"));
        let mut tokens = region.scope(|| {
            let prompt = self.prompt();
            let mut tokens = Vec::new();
            self.tokenizer.encode(&prompt, &mut tokens);
            tokens
        });
        if self.in_flight.len() == IN_FLIGHT {
            self.end_oldest();
        }
        let needed = tokens.len() + ANSWER_TOKENS;
        let blocks = loop {
            if let Some(blocks) = region.scope(|| self.cache.lend(needed)) {
                break blocks;
            }
            // With nothing in flight every block is free, and the longest request fits.
            self.end_oldest();
        };
        for (at, token) in tokens.iter_mut().enumerate() {
            *token = self.cache.remember(&blocks, at, *token);
        }
        self.in_flight.push_back(Request { number, region, tokens, blocks });
    }

    /// Ends all requests. Returns the sessions that remain and the number of tokens seen.
    pub fn finish(mut self) -> (Sessions, u64) {
        while !self.in_flight.is_empty() {
            self.end_oldest();
        }
        (self.sessions, self.tokens)
    }

    /// Made-up text of words that the tokenizer knows.
    fn prompt(&mut self) -> String {
        let length = PROMPT_TOKENS.start + self.random.below(PROMPT_TOKENS.len());
        let mut prompt = String::new();
        for _ in 0..length {
            prompt.push_str(self.tokenizer.word(self.random.below(WORDS) as u32));
            prompt.push(' ');
        }
        prompt
    }

    /// Answers the oldest request and ends it; its region ends with it.
    fn end_oldest(&mut self) {
        let Some(request) = self.in_flight.pop_front() else { return };
        let Request { number, region, tokens, blocks } = request;
        let answer = region.scope(|| {
            let mut answer = String::new();
            for at in tokens.len()..tokens.len() + ANSWER_TOKENS {
                let id = self.cache.remember(&blocks, at, at as u32) as usize % WORDS;
                answer.push_str(self.tokenizer.word(id as u32));
                answer.push(' ');
            }
            answer
        });
        self.tokens += (tokens.len() + ANSWER_TOKENS) as u64;
        if number % SESSION_EVERY == 0 {
            self.sessions.keep(&answer);
        }
        self.cache.give_back(&blocks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_requests_share_the_smallest_cache_and_give_all_blocks_back() {
        let tokenizer = Tokenizer::build(|_| ()).unwrap();
        let mut cache = KvCache::allocate(MIN_BLOCKS, |_| ()).unwrap();
        let mut server = Server::new(&tokenizer, &mut cache, 100);
        (0..100).for_each(|number| server.take(number));
        let (sessions, tokens) = server.finish();
        assert_eq!(sessions.count(), 13);
        assert!(tokens >= 100 * (PROMPT_TOKENS.start + ANSWER_TOKENS) as u64);
        assert!(cache.lend(MIN_BLOCKS * TOKENS_PER_BLOCK).is_some(), "a block was lost");
    }

    #[test]
    fn the_oldest_session_makes_room_for_a_new_one() {
        let mut sessions = Sessions { kept: Vec::with_capacity(MAX_SESSIONS), next: 0 };
        (0..=MAX_SESSIONS).for_each(|_| sessions.keep("four"));
        assert_eq!(sessions.count(), MAX_SESSIONS);
        assert_eq!(sessions.live_bytes(), (MAX_SESSIONS * (size_of::<Session>() + 4)) as u64);
    }
}
