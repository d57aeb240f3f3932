//! Pages where no extent of jemalloc's can lie: files, shared memory, stacks, variables, and what is our own.

use super::Walker;
use super::heap::add_run;
use super::pieces::{Piece, PieceKind};
use crate::ReadError;
use crate::attribute::{Gap, GapKind, KernelPages, Outside, PageKind, Place, Run};
use crate::read::runs::{Pages, Range};
use crate::read::{Backend, Residency, statm};

/// How often these pages are counted again while the kernel's counter changes around the count: reading a file's code
/// maps the pages beside it too.
const TRIES: usize = 4;

/// What one count found.
#[derive(Copy, Clone, Default)]
struct Count {
    pages: KernelPages,
    outside: Outside,
    unlisted: Residency,
}

impl Walker {
    pub(super) fn other_pages(&mut self, pages: &Pages) -> Result<(), ReadError> {
        let gaps = self.gaps.len();
        let mut before = statm::mapped_pages(self.roots).ok();
        let mut count = Count::default();
        for _ in 0..TRIES {
            self.gaps.set_len(gaps);
            count = self.count_others(pages)?;
            let after = statm::mapped_pages(self.roots).ok();
            if after == before {
                break;
            }
            before = after;
        }
        // Of the last count, however it ended.
        let found = &mut self.found;
        found.pages[1] = count.pages;
        found.outside = count.outside;
        found.unlisted += count.unlisted;
        Ok(())
    }

    fn count_others(&mut self, pages: &Pages) -> Result<Count, ReadError> {
        let mut count = Count::default();
        for piece in self.pieces.iter() {
            let range = match piece.kind {
                PieceKind::Heap | PieceKind::OwnTable | PieceKind::Scratch => continue,
                PieceKind::Bss | PieceKind::MainStack => Range::Anonymous,
                _ => Range::Any,
            };
            if range == Range::Any && matches!(pages.backend(), Backend::Mincore | Backend::None) {
                count.pages.unknown_file_bytes += (piece.end - piece.start) as u64;
                continue;
            }
            let mut nameless = Residency::default();
            pages.for_each_run(piece.start, piece.end, range, |run| nameless += count.add(piece, &run))?;
            if nameless != Residency::default() {
                let gap = Gap { start: piece.start, end: piece.end, resident: nameless, kind: GapKind::Plain };
                if !self.gaps.push(gap) {
                    count.unlisted += nameless;
                }
            }
        }
        Ok(count)
    }

    pub(super) fn own_pages(&mut self, pages: &Pages) -> Result<(), ReadError> {
        let found = &mut self.found;
        for piece in self.pieces.iter() {
            let sum = match piece.kind {
                PieceKind::OwnTable => &mut found.own_tables,
                PieceKind::Scratch => &mut found.scratch,
                _ => continue,
            };
            let kernel = &mut found.pages[2];
            let range = if piece.anonymous { Range::Anonymous } else { Range::Any };
            pages.for_each_run(piece.start, piece.end, range, |run| {
                *sum += run.resident_in(piece.start, piece.end);
                match run.kind {
                    PageKind::File => kernel.file += run.resident_in(piece.start, piece.end),
                    _ => add_run(kernel, &run, piece.start, piece.end),
                }
            })?;
        }
        Ok(())
    }
}

impl Count {
    /// Puts a run on its line; what of it has none.
    fn add(&mut self, piece: &Piece, run: &Run) -> Residency {
        let none = Residency::default();
        let resident = run.resident_in(piece.start, piece.end);
        let is_file = run.kind == PageKind::File;
        match (run.kind, piece.kind) {
            (PageKind::Zero | PageKind::Swapped, _) => {
                add_run(&mut self.pages, run, piece.start, piece.end);
                return none;
            }
            // Memory of a device: not a page of any file, and not in RSS.
            (kind, PieceKind::SharedFile | PieceKind::SharedMemory) if kind != PageKind::File => return none,
            _ => {}
        }
        let place = match piece.kind {
            PieceKind::Vdso => Some(Place::Vdso),
            PieceKind::MainStack => Some(Place::MainStack),
            PieceKind::Bss => Some(Place::Bss),
            PieceKind::SharedFile => Some(Place::SharedFile),
            PieceKind::SharedMemory => Some(Place::SharedMemory),
            PieceKind::PrivateMemory if is_file => Some(Place::SharedMemory),
            PieceKind::File if is_file => Some(Place::FilePages),
            PieceKind::File | PieceKind::PrivateMemory => Some(Place::FileWritten),
            _ => None,
        };
        match (is_file || piece.kind == PieceKind::Vdso, place) {
            (true, Some(Place::SharedMemory)) => self.pages.shmem += resident,
            (true, _) => self.pages.file += resident,
            (false, _) => self.pages.anon += resident,
        }
        match place {
            Some(place) => {
                self.outside.add(place, resident);
                none
            }
            None => resident,
        }
    }
}
