//! Handing the blocks of a value to another region.

use core::alloc::Layout;
use core::fmt;

use crate::hooks::{Outcome, hooks};
use crate::region::RegionId;

/// What [`RegionId::adopt`] did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Adopted {
    /// Blocks that are the region's from now on and were another's.
    pub blocks: u64,
    /// Their bytes, as requested.
    pub requested_bytes: u64,
    /// Blocks that were the region's already.
    pub kept_blocks: u64,
    /// Blocks that stay whose they were: no ledger charged them, or they lie in the arena of another, isolated region,
    /// or memory to note their owner was refused.
    pub refused_blocks: u64,
}

/// Why [`RegionId::adopt_raw`] did nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AdoptError {
    /// No ledger is installed.
    NotInstalled,
    /// The ledger charged no block at this address.
    NotCharged,
    /// Memory to note the block's owner was refused; it stays whose it was.
    NoMemory,
    /// The block lies in the arena of an isolated region, and no other region's block may lie there.
    Isolated,
}

impl fmt::Display for AdoptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AdoptError::NotInstalled => {
                "no ledger is installed: declare `#[global_allocator] static LEDGER: heapledger::Ledger = ...`"
            }
            AdoptError::NotCharged => "the ledger charged no block at this address: pass one of the global allocator",
            AdoptError::Isolated => {
                "the block lies in an isolated region's arena: allocate it anew in the other region"
            }
            AdoptError::NoMemory => "memory to note the block's owner was refused: raise the limit on address space",
        })
    }
}

impl std::error::Error for AdoptError {}

/// Values whose heap blocks can be handed to another region; see [`RegionId::adopt`].
///
/// Implemented for what has its blocks for itself and says where they are: `Box`, `Vec`, `String`, `OsString`,
/// `PathBuf`, `CString`, and arrays, tuples, `Option`s and `Result`s of such. Values of which parts may be somebody
/// else's (`Rc`, `Arc`) and maps, whose tables cannot be found from outside, have no implementation.
///
/// For a type of your own hand the parts on:
///
/// ```
/// use heapledger_core::{Adopt, Adopter};
///
/// struct Document { title: String, lines: Vec<String>, length: usize }
///
/// impl Adopt for Document {
///     fn adopt_blocks(&mut self, adopter: &mut Adopter) {
///         self.title.adopt_blocks(adopter);
///         self.lines.adopt_blocks(adopter);
///     }
/// }
/// ```
pub trait Adopt {
    /// Whether a value can own blocks. Collections of values that cannot are not looked through.
    const OWNS_BLOCKS: bool = true;

    /// Hands each block that the value owns to the adopter.
    fn adopt_blocks(&mut self, adopter: &mut Adopter);
}

/// Takes blocks; made by [`RegionId::adopt`].
#[derive(Debug)]
pub struct Adopter {
    adopted: Adopted,
}

impl Adopter {
    /// Takes one block. A layout of size 0 is no block.
    ///
    /// # Safety
    /// * The block is live, came from the global allocator for this layout, and is owned by the value that is being
    ///   adopted, so that nobody else frees, resizes or adopts it meanwhile.
    pub unsafe fn block(&mut self, block: *mut u8, layout: Layout) {
        if layout.size() == 0 {
            return;
        }
        // SAFETY: by the caller.
        let outcome = hooks().map_or(Outcome::NotCharged, |hooks| unsafe { (hooks.adopt)(block, layout) });
        match outcome {
            Outcome::Moved => {
                self.adopted.blocks += 1;
                self.adopted.requested_bytes += layout.size() as u64;
            }
            Outcome::Kept => self.adopted.kept_blocks += 1,
            Outcome::Refused | Outcome::Isolated | Outcome::NotCharged => self.adopted.refused_blocks += 1,
        }
    }
}

impl RegionId {
    /// Makes this region the owner of every heap block that the value owns, as if it had been built here: a
    /// `Vec<String>` comes with its strings. Whoever frees the blocks later credits this region.
    ///
    /// In the totals each block counts as freed by its earlier region and allocated by this one, as a `realloc` does.
    /// Costs a few nanoseconds per block, and some per page for blocks of 4 to 14 KiB; nothing is copied. Without an
    /// installed ledger nothing happens. The thread's own region stays in force. Two threads cannot adopt one value at
    /// once: it is borrowed mutably.
    ///
    /// ```
    /// use heapledger_core::Region;
    /// static PARSER: Region = Region::new("parser");
    /// static INDEX: Region = Region::new("index");
    ///
    /// let mut words: Vec<String> = PARSER.scope(|| "to be or not".split(' ').map(String::from).collect());
    /// let adopted = INDEX.adopt(&mut words);
    /// # assert_eq!(adopted.blocks, 0, "no ledger here");
    /// println!("{} blocks are the index's now", adopted.blocks);
    /// ```
    ///
    /// ```compile_fail
    /// # let region = heapledger_core::RegionId::UNTAGGED;
    /// let mut words = vec![String::new()];
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| region.adopt(&mut words));
    ///     scope.spawn(|| region.adopt(&mut words));             // the second borrow does not compile
    /// });
    /// ```
    ///
    /// ```compile_fail
    /// # let region = heapledger_core::RegionId::UNTAGGED;
    /// region.adopt(&mut std::sync::Arc::new(1_u8));             // others may own it too
    /// ```
    pub fn adopt<T: Adopt + ?Sized>(self, value: &mut T) -> Adopted {
        let _in_region = self.enter();
        let mut adopter = Adopter { adopted: Adopted::default() };
        value.adopt_blocks(&mut adopter);
        adopter.adopted
    }

    /// As [`adopt`](RegionId::adopt), for a single block that is known by its address.
    ///
    /// A block that no ledger charged is refused where its page shows it, which is a help and no proof.
    ///
    /// # Errors
    /// [`AdoptError`] says why nothing was done.
    ///
    /// # Safety
    /// * The block is live, came from the global allocator for this layout, and nobody frees, resizes or adopts it
    ///   meanwhile.
    pub unsafe fn adopt_raw(self, block: *mut u8, layout: Layout) -> Result<(), AdoptError> {
        let hooks = hooks().ok_or(AdoptError::NotInstalled)?;
        let _in_region = self.enter();
        // SAFETY: by the caller.
        match unsafe { (hooks.adopt)(block, layout) } {
            Outcome::Moved | Outcome::Kept => Ok(()),
            Outcome::Refused => Err(AdoptError::NoMemory),
            Outcome::Isolated => Err(AdoptError::Isolated),
            Outcome::NotCharged => Err(AdoptError::NotCharged),
        }
    }
}
