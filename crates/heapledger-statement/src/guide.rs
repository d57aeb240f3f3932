//! The guide for readers, generated from the tables: `docs/reading-the-statement.md` is this text, which a test
//! asserts.

use crate::doubts::KINDS;
use crate::lines::{LINES, Role, Section};
use crate::settings::SETTINGS;

/// The width of the file's paragraphs.
const COLUMNS: usize = 120;

const HEAD: &str = "\
# Reading the statement

<!-- Generated from the tables of crates/heapledger-statement; HEAPLEDGER_BLESS=1 cargo test -p heapledger-statement -->

Every figure is exact, an interval, or unknown. An exact figure prints in MiB with one decimal, beside its bytes. An
interval prints as `310.0-562.0`: the truth lies inside it, and its ends are rounded outwards. An unknown figure prints
as `?` with a mark like `[1]`; the reason and what to do about it stand below the table under that mark. Zero is a
measurement: nothing that was not measured prints as zero.

`heapledger::quick()` reads the ledger's counters, the kernel's status file and jemalloc's statistics, and states the
lines below. Such a summary does not sum to RSS, because how much of a block is in memory takes a walk over its pages.

In the JSON a figure is `bytes`, or `at_least` with `at_most`, or `unknown` with `remedy`. `measure` says which bytes
are counted: *requested* by the program, *usable* in the size class, *resident* in memory, *virtual* addresses, or
*charged* by the kernel to a control group. Lines of `lines` are kinds of memory that a full statement sums; `of_which`
are parts of another line, `not_resident` is not in RSS, and `totals` overlap the lines. None of these three is ever
added to `lines`.
";

/// The whole guide, in Markdown.
pub fn reading_the_statement() -> String {
    let mut out = HEAD.to_owned();
    for section in Section::ALL {
        out.push_str(&format!("\n## {}\n", section.title()));
        for line in LINES.iter().filter(|line| line.section == section) {
            let role = match line.role {
                Role::Summand => "a kind of memory".to_owned(),
                Role::OfWhich(whole) => format!("part of `{}`", whole.key()),
                Role::NotResident => "not in RSS".to_owned(),
                Role::Total => "a total".to_owned(),
            };
            out.push_str(&format!(
                "\n### {}\n\n`{}`: {role}, in bytes {}. Read from {}.\n\n{}",
                line.label,
                line.key,
                line.measure.key(),
                line.source,
                wrapped(line.doc)
            ));
        }
    }
    out.push_str("\n## Settings\n\n| id | read from | what it decides |\n|---|---|---|\n");
    for row in &SETTINGS {
        // Markdown would take what stands between the two signs for HTML.
        let source = row.source.replace('<', "\\<");
        out.push_str(&format!("| `{}` | {source} | {} |\n", row.key, row.doc));
    }
    out.push_str(
        "\n## Doubts\n\nA doubt is printed as a `note:` below the table and stands in `notes` of the JSON.\n\n",
    );
    out.push_str("| id | what it means |\n|---|---|\n");
    for (key, meaning) in &KINDS {
        out.push_str(&format!("| `{key}` | {meaning} |\n"));
    }
    out
}

/// The paragraph in lines of at most [`COLUMNS`].
fn wrapped(paragraph: &str) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in paragraph.split(' ') {
        // A break costs nothing, a space one column.
        if used > 0 && used + 1 + word.len() > COLUMNS {
            out.push('\n');
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += word.len();
    }
    out.push('\n');
    out
}
