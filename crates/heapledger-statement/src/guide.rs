//! The guide for readers, generated from the tables: `docs/reading-the-statement.md` is this text, which a test
//! asserts.

use crate::CheckId;
use crate::VERDICTS;
use crate::doubts::KINDS;
use crate::findings::FINDINGS;
use crate::lines::{Depth, LINES, Line, Role, Section};
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

`heapledger::statement()` puts every resident page on a line, and the lines sum to RSS: the rows between *RSS by the
kernel* and the rule are its terms, *unexplained* among them, and the row below the rule is what they sum to. Unexplained
is computed from pages that no rule claims and from the kernel's counters, never as what remains, so that a sum that is
RSS is a proof. Where a line is an interval, the sum of the lower ends is at most RSS, and that of the upper ends at
least, each with its end of unexplained, which is exact with PAGEMAP_SCAN, else an interval too. The head says how long
the reading took, and the *skew*: what can have moved between its first and last word. Below the sum stand lines that
take no part in it.

`heapledger::quick()` reads the ledger's counters, the kernel's status file and jemalloc's statistics, and states the
lines marked *both* below. Such a summary does not sum to RSS, because how much of a block is in memory takes a walk
over its pages.

In the JSON a figure is `bytes`, or `at_least` with `at_most`, or `unknown` with `remedy`. `measure` says which bytes
are counted: *requested* by the program, *usable* in the size class, *resident* in memory, *virtual* addresses, or
*charged* by the kernel to a control group. `depth` is `full` for a statement and `quick` for a summary. Lines of `lines`
are kinds of memory, which in a statement are all resident and sum to RSS with `unexplained_bytes`; `of_which` are parts
of another line, `not_resident` is not in RSS, and `totals` overlap the lines. None of these three is ever added to
`lines`. The `parts` of a line sum to it: regions by name, and with a `~` in front what is no single region's, such as
`~shared` (free slots that several regions pin together), `~mixed` (pages on which blocks of several regions lay) and
`~nobody` (pages on which no region ever had a block).

A statement's object also has `fragmentation`: `classes`, each with its slabs, slots in use and free, and `pins`, what
each region's blocks keep of them, or `unknown` with `remedy`; and `findings`, which docs/reading-the-findings.md explains.
";

const FINDINGS_HEAD: &str = "\
# Reading the findings

<!-- Generated from the tables of crates/heapledger-statement; HEAPLEDGER_BLESS=1 cargo test -p heapledger-statement -->

`statement.verdicts()` says what becomes of the memory of the process and of each region. Those of the process sum to
RSS, as the lines do.

`statement.findings()` says what would give memory back or make a figure known. The list is closed. Each finding has the
lines that prove it, the gain as an interval at most a fifth or 1 MiB wide, the remedy to be taken literally, its price,
and how to see that it worked. Nothing below 16 MiB and a twentieth of RSS is told, so an empty list is the usual one.
They stand in the statement's JSON too, under `findings`, with `gain` as a figure of the line `gain_on`.

`statement.forecast()` says when dirty and muzzy pages go back, and `statement.fragmentation()` whose blocks keep free
slots. Findings stand on both.

A forecast is as true as what it assumes of threads: that they do nothing, that they use their caches only, or that they
allocate so much beyond them that jemalloc looks at an arena's clocks in each hundredth of its shorter decay time. What
goes at once, because it lies side by side, widens the band. Dirty pages that become muzzy may go as they come and stay
no longer than both times say; where more than 3 % lies side by side that is all that is said. Where less does, the band
is what runs of jemalloc's own bookkeeping leave: 95 of 100 looks are to lie in it, not all.
";

/// The guide to findings and verdicts, in Markdown: `docs/reading-the-findings.md` is this text, which a test asserts.
pub fn reading_the_findings() -> String {
    let mut out = FINDINGS_HEAD.to_owned();
    out.push_str("\n## Verdicts\n\n| verdict | what it means, and what to do |\n|---|---|\n");
    for (_, key, doc) in &VERDICTS {
        out.push_str(&format!("| `{key}` | {doc} |\n"));
    }
    out.push_str("\n## Findings\n");
    for row in &FINDINGS {
        out.push_str(&format!("\n### {}\n\n{}", row.key, wrapped(&format!("{} {}", row.when, row.doc))));
        let (remedy, price, check) = (row.remedy, row.price, row.check);
        out.push_str(&format!("\n* Remedy: `{remedy}`\n* Price: {price}.\n* Check: {check}.\n"));
    }
    out
}

/// The whole guide, in Markdown.
pub fn reading_the_statement() -> String {
    let mut out = HEAD.to_owned();
    for section in Section::ALL {
        out.push_str(&format!("\n## {}\n", section.title()));
        for line in LINES.iter().filter(|line| line.section == section) {
            let role = match line.role {
                Role::Summand => "a term of the sum".to_owned(),
                Role::OfWhich(whole) => format!("part of `{}`", whole.key()),
                Role::NotResident => "not in RSS".to_owned(),
                Role::Total => "a total".to_owned(),
            };
            out.push_str(&format!(
                "\n### {}\n\n`{}`: {role}, in bytes {}. {}\n\n{}",
                line.label,
                line.key,
                measures(line),
                sources(line),
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
        "\n## Checks\n\nA statement compares independent sources; each comparison has a name in `checks` of the JSON. \
         While threads\nallocate, sources of different moments differ rightly, and most checks are not judged. One \
         that fails is a doubt.\n\n| id | what must agree |\n|---|---|\n",
    );
    for id in CheckId::ALL {
        out.push_str(&format!("| `{}` | {} |\n", id.key(), id.meaning()));
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

/// Which bytes it counts, and who states it.
fn measures(line: &Line) -> String {
    let (quick, full) = (line.measure_in(Depth::Quick).key(), line.measure_in(Depth::Full).key());
    match line.depth {
        Depth::Full => format!("{full}; in a statement only"),
        Depth::Quick if quick == full => format!("{full}; in both"),
        Depth::Quick => format!("{full} in a statement, {quick} in a summary; in both"),
    }
}

fn sources(line: &Line) -> String {
    let (quick, full) = (line.source_in(Depth::Quick), line.source_in(Depth::Full));
    if quick == full { format!("Read from {full}.") } else { format!("Read from {full}; in a summary from {quick}.") }
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
