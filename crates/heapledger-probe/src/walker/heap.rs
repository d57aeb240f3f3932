//! Pages where jemalloc's extents can lie.

use super::Walker;
use super::pieces::{Piece, PieceKind};
use super::told::Told;
use crate::ReadError;
use crate::attribute::{Classes, Extent, Gap, KernelPages, Owners, PageKind, Run, Sheet, World};
use crate::read::Residency;
use crate::read::emap::{Cursor, Emap};
use crate::read::mapbuf::MapList;
use crate::read::maps::Vma;
use crate::read::runs::{Pages, Range};

impl Walker {
    pub(super) fn heap_pages(&mut self, pages: &Pages, owners: &impl Owners) -> Result<(), ReadError> {
        let emap = self.jemalloc.as_ref().ok().map(|(emap, _)| *emap);
        let found = &mut self.found;
        let mut pass = Pass {
            pages,
            vmas: self.maps.vmas(),
            classes: &self.classes,
            emap,
            runs: &mut self.runs,
            extents: &mut self.extents,
            gaps: &mut self.gaps,
            unlisted: &mut found.unlisted,
            kernel: &mut found.pages[0],
            sheet: Sheet {
                regions: &mut self.regions,
                classes: &mut self.by_class,
                arenas: &mut self.by_arena,
                totals: &mut found.totals,
            },
        };
        for piece in self.pieces.iter().filter(|piece| piece.kind == PieceKind::Heap) {
            pass.piece(owners, piece)?;
        }
        Ok(())
    }
}

struct Pass<'a> {
    pages: &'a Pages,
    vmas: &'a [Vma],
    classes: &'a Classes,
    emap: Option<Emap>,
    runs: &'a mut MapList<Run>,
    extents: &'a mut MapList<Extent>,
    gaps: &'a mut MapList<Gap>,
    unlisted: &'a mut Residency,
    kernel: &'a mut KernelPages,
    sheet: Sheet<'a>,
}

impl<'a> Pass<'a> {
    fn piece(&mut self, owners: &impl Owners, piece: &Piece) -> Result<(), ReadError> {
        let mut cursor = self.emap.map(|emap| emap.cursor(self.vmas, piece.start, piece.end));
        let mut pending = None;
        let mut from = piece.start;
        while from < piece.end {
            let to = piece.end.min(from + super::WINDOW_BYTES);
            self.runs.clear();
            let runs = &mut self.runs;
            let mut fits = true;
            self.pages.for_each_run(from, to, Range::Anonymous, |run| fits &= runs.push(run))?;
            debug_assert!(fits, "there is room for a run for each page of a window");
            let done = self.window(owners, cursor.as_mut(), &mut pending, (from, to));
            for run in self.runs.iter() {
                add_run(self.kernel, run, from, done);
            }
            from = done;
        }
        Ok(())
    }

    /// A window whose runs are known; as far as it got, which is less when a slab reaches beyond it.
    fn window(
        &mut self,
        owners: &impl Owners,
        mut cursor: Option<&mut Cursor<'a>>,
        pending: &mut Option<Extent>,
        (mut from, mut to): (usize, usize),
    ) -> usize {
        let mut used = 0;
        while from < to {
            self.extents.clear();
            if let Some(extent) = pending.take().filter(|extent| extent.end > from) {
                let _ = self.extents.push(extent);
            }
            let mut until = to;
            if let Some(cursor) = cursor.as_deref_mut() {
                let extents = &mut self.extents;
                cursor.fill(to, |extent| extents.push(extent));
                until = cursor.at.min(to);
                match self.extents.last().copied().filter(|last| last.end > to) {
                    // The rest of it comes with the next window.
                    Some(last) if last.slab && last.start > from => {
                        self.extents.pop();
                        cursor.at = last.start;
                        (until, to) = (last.start, last.start);
                    }
                    last => *pending = last,
                }
            }
            used += self.add(owners, cursor.as_deref(), used, (from, until));
            from = until;
        }
        to
    }

    fn add(&mut self, owners: &impl Owners, cursor: Option<&Cursor<'a>>, used: usize, window: (usize, usize)) -> usize {
        let told = Told { classes: self.classes, vmas: self.vmas, emap: self.emap, cursor };
        let runs = self.runs.get(used..).unwrap_or_default();
        let (gaps, unlisted) = (&mut self.gaps, &mut self.unlisted);
        self.sheet.add(&told, owners, runs, self.extents, window, |gap| {
            // The same range, cut by a window.
            let joins = |last: &&mut Gap| {
                last.end == gap.start && last.kind == gap.kind && told.mapping_end(last.start) > gap.start
            };
            if let Some(last) = gaps.last_mut().filter(joins) {
                last.end = gap.end;
                last.resident += gap.resident;
            } else if !gaps.push(gap) {
                **unlisted += gap.resident;
            }
        })
    }
}

/// Counts a run of private anonymous memory as the kernel does.
pub(super) fn add_run(kernel: &mut KernelPages, run: &Run, start: usize, end: usize) {
    let (from, to) = (run.start.max(start), run.end.min(end));
    if from >= to {
        return;
    }
    match run.kind {
        PageKind::Zero => kernel.zero_bytes += (to - from) as u64,
        PageKind::Swapped => kernel.swapped_bytes += (to - from) as u64,
        PageKind::Anon | PageKind::AnonOrZero | PageKind::File => kernel.anon += run.resident_in(start, end),
    }
}
