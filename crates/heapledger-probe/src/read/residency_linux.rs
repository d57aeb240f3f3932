//! Counting the resident bytes of ranges by the backends of `runs`.

use super::{Backend, Residency, Roots};
use crate::ReadError;
use crate::attribute::{PageKind, Run};
use crate::read::runs::{Pages, Range};

pub(super) fn resident_bytes(
    roots: Roots<'_>,
    ranges: impl IntoIterator<Item = (usize, usize)>,
) -> Result<Residency, ReadError> {
    // Without the pagemap file nothing is told, rather than bounds by mincore, which counts every page of zeroes.
    let pages = Pages::force(roots, Backend::Scan).or_else(|_| Pages::force(roots, Backend::Pagemap))?;
    let mut total = Residency::default();
    for (start, len) in ranges {
        let end = start.checked_add(len).unwrap_or(start);
        if start < end {
            pages.for_each_run(start, end, Range::Anonymous, |run| total += resident_in(run, start, end))?;
        }
    }
    Ok(total)
}

/// How much of a run that touches `start..end` lies inside and is in RSS.
fn resident_in(run: Run, start: usize, end: usize) -> Residency {
    let bytes = (run.end.min(end) - run.start.max(start)) as u64;
    match run.kind {
        PageKind::Anon | PageKind::File => Residency::exactly(bytes),
        PageKind::AnonOrZero => Residency { at_least_bytes: 0, at_most_bytes: bytes },
        PageKind::Zero | PageKind::Swapped => Residency::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than a page whatever its size.
    const BYTES: usize = 256 << 10;

    #[test]
    fn of_a_page_at_the_edge_only_the_bytes_inside_count() {
        let written = vec![1_u8; BYTES];
        let start = written.as_ptr() as usize + BYTES / 2;
        let found =
            resident_bytes(Roots::system(), [(start + 100, 50), (start + 200, 0)]).expect("pagemap can be read");
        assert_eq!(found, Residency::exactly(50));
    }

    #[test]
    fn a_hidden_pagemap_is_an_error_that_names_it() {
        let nowhere = Roots { proc: "/nowhere".as_ref(), sys: "/nowhere".as_ref() };
        let error = resident_bytes(nowhere, [(0, 1)]).expect_err("there is no such file");
        assert!(error.to_string().starts_with("/proc/self/pagemap"), "{error}");
    }
}
