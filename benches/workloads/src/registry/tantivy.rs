//! `tantivy`: a search engine that indexes text and answers queries.

#[cfg(not(feature = "programs"))]
use crate::workload::not_built;
use crate::{Class, Info, Mix, Outcome, Tagger, Workload};

workloads![Tantivy];

/// Documents of about 60 words indexed in memory on this thread, then the finished index asked for terms.
pub struct Tantivy;

impl Workload for Tantivy {
    const INFO: Info = Info {
        id: "tantivy",
        about: "tantivy: 3000 documents of 60 words indexed in memory, then 300 queries",
        operation: "index",
        mix: Mix::Pure,
        class: Class::LargeProgram,
        iterations: 2,
    };

    fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        #[cfg(feature = "programs")]
        return work::run(tagger, iterations);
        #[cfg(not(feature = "programs"))]
        not_built(Self::INFO.id, tagger, iterations)
    }
}

#[cfg(feature = "programs")]
mod work {
    use std::hint::black_box;

    use tantivy::collector::TopDocs;
    use tantivy::directory::RamDirectory;
    use tantivy::query::QueryParser;
    use tantivy::schema::{STORED, Schema, TEXT};
    use tantivy::{Index, doc};

    use crate::{Outcome, Random, Tagger};

    const DOCUMENTS: usize = 3_000;
    const WORDS: u32 = 60;
    const VOCABULARY: u32 = 20_000;
    const QUERIES: usize = 300;
    const BUDGET_BYTES: usize = 64 << 20;

    pub fn run<T: Tagger>(tagger: T, iterations: u64) -> Outcome {
        let mut random = Random::new(12);
        let texts: Vec<String> = (0..DOCUMENTS).map(|_| text(&mut random, WORDS)).collect();
        let queries: Vec<String> = (0..QUERIES).map(|_| text(&mut random, 2)).collect();
        let _in = tagger.enter(0);
        Outcome::time(|| {
            for _ in 0..iterations {
                index_and_ask(&texts, &queries).expect("an index in memory has no file that could fail");
            }
            iterations
        })
    }

    fn index_and_ask(texts: &[String], queries: &[String]) -> tantivy::Result<()> {
        let mut schema = Schema::builder();
        let title = schema.add_text_field("title", TEXT | STORED);
        let body = schema.add_text_field("body", TEXT);
        let mut writer = Index::builder()
            .schema(schema.build())
            .single_segment_index_writer(RamDirectory::create(), BUDGET_BYTES)?;
        for text in texts {
            writer.add_document(doc!(title => &text[..text.len() / 8], body => text.as_str()))?;
        }
        let index = writer.finalize()?;
        let searcher = index.reader()?.searcher();
        let parser = QueryParser::for_index(&index, vec![title, body]);
        for query in queries {
            let found = searcher.search(&parser.parse_query(query)?, &TopDocs::with_limit(10).order_by_score())?;
            black_box(found);
        }
        Ok(())
    }

    /// Words of which the low numbers are much more frequent than the high ones, as in a language.
    fn text(random: &mut Random, words: u32) -> String {
        let mut text = String::new();
        for _ in 0..words {
            let range = (random.below(VOCABULARY) + 1) as u32;
            text.push_str(&format!("w{:x} ", random.below(range)));
        }
        text
    }
}
