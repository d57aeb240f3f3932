//! The address space, cut into pieces that are each looked at in one way.

use crate::read::maps::{Vma, VmaName};

/// How a piece is looked at, and on which line its pages stand.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum PieceKind {
    /// Private anonymous memory, in which jemalloc's extents may lie.
    #[default]
    Heap,
    /// A table of the ledger's.
    OwnTable,
    /// A buffer of the walk.
    Scratch,
    /// Zero-initialised variables.
    Bss,
    /// `[stack]`.
    MainStack,
    /// `[vdso]`.
    Vdso,
    /// A file on disk, private.
    File,
    /// A file on disk, shared.
    SharedFile,
    /// Shared memory, or a file in memory, shared.
    SharedMemory,
    /// A file in memory, private: its pages count as shared memory, those that were written as the process's own.
    PrivateMemory,
    /// Nothing is known.
    Unknown,
}

/// A range that is looked at in one way.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Piece {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: PieceKind,
    /// Whether the whole of it lies in an own table or buffer whose mapping is shared with others' pages.
    pub(crate) anonymous: bool,
}

impl Piece {
    /// Whether the two can be one. A call for the kernel's word costs as much as three hundred pages of it.
    fn takes(&self, behind: &Self) -> bool {
        let alike = match self.kind {
            PieceKind::Heap | PieceKind::File => true,
            PieceKind::OwnTable | PieceKind::Scratch => self.anonymous == behind.anonymous,
            _ => false,
        };
        alike && self.kind == behind.kind && self.end == behind.start
    }
}

/// A range of the ledger's own.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Own {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) scratch: bool,
}

/// What a device holds.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Storage {
    /// Files on a disk, or none.
    Disk,
    /// Files in memory.
    Memory,
    /// Huge pages that RSS does not count.
    Huge,
}

/// Cuts mappings, which are by address, at the ledger's own ranges and at the variables of loaded objects, both by
/// address too. Calls `each` with the pieces by address; what is looked at alike and lies side by side is one piece.
///
/// `false` from `each` ends it.
pub(crate) fn cut(
    vmas: &[Vma],
    own: &[Own],
    segments: &[(usize, usize)],
    page_bytes: usize,
    storage: impl Fn(&Vma) -> Storage,
    each: impl FnMut(Piece) -> bool,
) -> bool {
    let mut joined = Joined { last: None, each };
    for vma in vmas {
        let Some(kind) = kind_of(vma, storage(vma)) else { continue };
        let mut at = vma.start;
        while at < vma.end {
            let next = own.get(own.partition_point(|own| own.end <= at)).filter(|own| own.start < vma.end);
            let (end, piece) = match next {
                Some(own) if own.start <= at => {
                    (own.end.min(vma.end), if own.scratch { PieceKind::Scratch } else { PieceKind::OwnTable })
                }
                next => cut_bss(segments, at, next.map_or(vma.end, |own| own.start), kind, page_bytes),
            };
            if !joined.push(Piece { start: at, end, kind: piece, anonymous: vma.is_anonymous() }) {
                return false;
            }
            at = end;
        }
    }
    joined.finish()
}

/// The part from `start` on that is of one kind: variables of a loaded object, or what the mapping is.
fn cut_bss(
    segments: &[(usize, usize)],
    start: usize,
    end: usize,
    kind: PieceKind,
    page_bytes: usize,
) -> (usize, PieceKind) {
    if kind != PieceKind::Heap {
        return (end, kind);
    }
    let at = segments.partition_point(|segment| segment.1.next_multiple_of(page_bytes) <= start);
    match segments.get(at) {
        Some(segment) if segment.0 <= start => (end.min(segment.1.next_multiple_of(page_bytes)), PieceKind::Bss),
        Some(segment) => (end.min(segment.0 - segment.0 % page_bytes).max(start + 1).min(end), kind),
        None => (end, kind),
    }
}

/// What a mapping is; `None` for what RSS does not count.
fn kind_of(vma: &Vma, storage: Storage) -> Option<PieceKind> {
    Some(match vma.name {
        VmaName::Vvar | VmaName::Vsyscall | VmaName::HugeTlb => return None,
        VmaName::Vdso => PieceKind::Vdso,
        // jemalloc can be told to take memory from there too (`opt.dss`).
        VmaName::Heap => PieceKind::Heap,
        VmaName::Stack => PieceKind::MainStack,
        VmaName::OtherSpecial => PieceKind::Unknown,
        _ if vma.is_anonymous() => PieceKind::Heap,
        _ => match (storage, vma.shared) {
            (Storage::Huge, _) => return None,
            (Storage::Memory, true) => PieceKind::SharedMemory,
            (Storage::Memory, false) => PieceKind::PrivateMemory,
            (Storage::Disk, true) => PieceKind::SharedFile,
            (Storage::Disk, false) => PieceKind::File,
        },
    })
}

/// Joins what is looked at alike and lies side by side.
struct Joined<F> {
    last: Option<Piece>,
    each: F,
}

impl<F: FnMut(Piece) -> bool> Joined<F> {
    fn push(&mut self, piece: Piece) -> bool {
        match &mut self.last {
            Some(last) if last.takes(&piece) => {
                last.end = piece.end;
                true
            }
            last => last.replace(piece).is_none_or(&mut self.each),
        }
    }

    fn finish(mut self) -> bool {
        self.last.take().is_none_or(&mut self.each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vma(start: usize, end: usize, name: VmaName) -> Vma {
        Vma { start, end, readable: true, writable: true, name, ..Vma::default() }
    }

    fn pieces(vmas: &[Vma], own: &[Own], segments: &[(usize, usize)]) -> Vec<(usize, usize, PieceKind)> {
        let mut pieces = Vec::new();
        let done = cut(
            vmas,
            own,
            segments,
            0x1000,
            |_| Storage::Disk,
            |piece| {
                pieces.push((piece.start, piece.end, piece.kind));
                true
            },
        );
        assert!(done);
        pieces
    }

    #[test]
    fn anonymous_memory_side_by_side_is_one_piece() {
        let vmas = [
            vma(0x1000, 0x3000, VmaName::None),
            vma(0x3000, 0x5000, VmaName::Named),
            vma(0x6000, 0x7000, VmaName::None),
        ];
        assert_eq!(pieces(&vmas, &[], &[]), [(0x1000, 0x5000, PieceKind::Heap), (0x6000, 0x7000, PieceKind::Heap)]);
    }

    #[test]
    fn own_ranges_and_variables_are_cut_out_of_what_surrounds_them() {
        let mut file = vma(0x1000, 0x3000, VmaName::Path);
        file.inode = 7;
        let vmas = [file, vma(0x3000, 0x9000, VmaName::None), vma(0x9000, 0xa000, VmaName::Heap)];
        let own =
            [Own { start: 0x2f00, end: 0x3100, scratch: false }, Own { start: 0x7000, end: 0x8000, scratch: true }];
        assert_eq!(
            pieces(&vmas, &own, &[(0x1000, 0x4800)]),
            [
                (0x1000, 0x2f00, PieceKind::File),
                (0x2f00, 0x3000, PieceKind::OwnTable),
                (0x3000, 0x3100, PieceKind::OwnTable),
                (0x3100, 0x5000, PieceKind::Bss),
                (0x5000, 0x7000, PieceKind::Heap),
                (0x7000, 0x8000, PieceKind::Scratch),
                (0x8000, 0xa000, PieceKind::Heap),
            ]
        );
    }

    #[test]
    fn what_rss_does_not_count_is_left_out() {
        let vmas = [
            vma(0x1000, 0x2000, VmaName::Vvar),
            vma(0x2000, 0x3000, VmaName::Vsyscall),
            vma(0x3000, 0x4000, VmaName::HugeTlb),
            vma(0x4000, 0x5000, VmaName::Vdso),
        ];
        assert_eq!(pieces(&vmas, &[], &[]), [(0x4000, 0x5000, PieceKind::Vdso)]);
    }
}
