//! Names as a terminal can show them: control characters escaped, the width known, the middle cut out where too long.

use crate::{Figure, Part};

/// Parts named in a note; the rest is summed up in one.
const PARTS_NAMED: usize = 4;

/// The largest parts of a line in words, `weights 308.2, ~untagged 5.4`, between `before` and `after`; nothing if all
/// are too small to show.
pub(super) fn biggest(parts: &[Part], before: &str, after: &str) -> String {
    let mib = |figure: &Figure| match figure.mib() {
        text if text == "0.0" => None,
        text => Some(text),
    };
    let shown: Vec<(&Part, String)> = parts.iter().filter_map(|part| Some((part, mib(&part.figure)?))).collect();
    if shown.is_empty() {
        return String::new();
    }
    let named = if shown.len() > PARTS_NAMED + 1 { PARTS_NAMED } else { shown.len() };
    let name = |part: &Part| match &*part.name {
        Part::SHARED | Part::MIXED => "several regions".to_owned(),
        Part::NOBODY => "nobody".to_owned(),
        region => shortened(&escaped(region), PART_COLUMNS),
    };
    let mut words: Vec<String> = shown[..named].iter().map(|(part, mib)| format!("{} {mib}", name(part))).collect();
    let rest: Figure = shown[named..].iter().map(|(part, _)| part.figure.clone()).sum();
    if shown.len() > named {
        words.push(format!("{} more {}", shown.len() - named, rest.mib()));
    }
    format!("{before}{}{after}", words.join(", "))
}

/// The widest name of a part.
const PART_COLUMNS: usize = 24;

/// The name with every character escaped that a terminal would obey or hide: control characters, and marks that change
/// the direction of writing.
pub(crate) fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for symbol in name.chars() {
        if symbol.is_control() || is_invisible(symbol) {
            out.extend(symbol.escape_default());
        } else {
            out.push(symbol);
        }
    }
    out
}

/// The name in at most `most` columns; a longer one keeps its beginning and its end around an ellipsis, for both tell
/// paths apart.
pub(super) fn shortened(name: &str, most: usize) -> String {
    if columns(name) <= most {
        return name.to_owned();
    }
    // One column is the ellipsis; two thirds of the rest go to the beginning.
    let tail_columns = (most - 1) / 3;
    let head_columns = most - 1 - tail_columns;
    let head = fitting(name.chars(), head_columns);
    let tail: Vec<char> = fitting(name.chars().rev(), tail_columns);
    head.into_iter().chain(['…']).chain(tail.into_iter().rev()).collect()
}

fn fitting(symbols: impl Iterator<Item = char>, most: usize) -> Vec<char> {
    let mut used = 0;
    symbols
        .take_while(|symbol| {
            used += width(*symbol);
            used <= most
        })
        .collect()
}

/// Columns that a terminal uses for `text`, near enough for a table: wide scripts take two, combining marks none.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

fn width(symbol: char) -> usize {
    match u32::from(symbol) {
        0x0300..=0x036f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x2_0000..=0x3_fffd => 2,
        _ => 1,
    }
}

fn is_invisible(symbol: char) -> bool {
    matches!(u32::from(symbol), 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x2069 | 0xfeff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(escaped("a\nb\u{1b}[2J\u{202e}c"), "a\\nb\\u{1b}[2J\\u{202e}c");
        assert_eq!(escaped("kv_cache/größe"), "kv_cache/größe");
    }

    #[test]
    fn a_long_name_keeps_both_ends() {
        assert_eq!(shortened("tenant/7", 28), "tenant/7");
        let cut = shortened("tenant/0123456789012345678901234567890123456789/leaf", 28);
        assert_eq!(cut, "tenant/01234567890…6789/leaf");
        assert_eq!(columns(&cut), 28);
    }

    #[test]
    fn wide_scripts_are_cut_by_columns() {
        let cut = shortened(&"模".repeat(40), 28);
        assert!(columns(&cut) <= 28);
        assert!(cut.contains('…'));
    }
}
