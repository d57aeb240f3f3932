//! What a region's name may be, and why another one is refused.

use core::fmt;

/// The longest name of a region, in bytes.
pub const NAME_MAX_BYTES: usize = 255;

/// Why a name cannot be a region's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty.
    Empty,
    /// The name is longer than [`NAME_MAX_BYTES`].
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest that is accepted.
        max: usize,
    },
    /// Names that start with `~` are the ledger's own.
    Reserved,
    /// The name has a control character, such as a newline.
    ControlCharacter {
        /// Its offset in bytes.
        at: usize,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("the region's name is empty: give it at least one character"),
            NameError::TooLong { len, max } => {
                write!(f, "the region's name has {len} bytes: use at most {max}")
            }
            NameError::Reserved => f.write_str("region names that start with `~` are the ledger's own: use another"),
            NameError::ControlCharacter { at } => {
                write!(f, "the region's name has a control character at byte {at}: remove it")
            }
        }
    }
}

impl std::error::Error for NameError {}

#[inline(never)]
pub(crate) fn validate(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NAME_MAX_BYTES {
        return Err(NameError::TooLong { len: name.len(), max: NAME_MAX_BYTES });
    }
    if name.starts_with('~') {
        return Err(NameError::Reserved);
    }
    match name.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, _)) => Err(NameError::ControlCharacter { at }),
        None => Ok(()),
    }
}
