//! The kernel's setting of transparent huge pages.

use crate::ReadError;

/// Who gets huge pages.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Thp {
    /// Everybody.
    Always,
    /// Who asks for them.
    Madvise,
    /// Nobody.
    Never,
}

impl Thp {
    /// The kernel's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Madvise => "madvise",
            Self::Never => "never",
        }
    }
}

/// The setting of the whole system, as it was when it was first read; later calls are a load. Allocates nothing.
pub fn system_thp() -> Result<Thp, ReadError> {
    #[cfg(target_os = "linux")]
    return linux::system_thp();
    #[cfg(not(target_os = "linux"))]
    Err(ReadError::NotLinux)
}

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::atomic::AtomicU8;
    use std::sync::atomic::Ordering::Relaxed;

    use super::{ReadError, Thp};
    use crate::read::Roots;
    use crate::read::file::{bytes, one_word};

    const FILE: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
    const MODES: [Thp; 3] = [Thp::Always, Thp::Madvise, Thp::Never];

    /// One more than the place in [`MODES`]; 0 is not read yet. Whoever reads twice reads the same, so Relaxed
    /// suffices.
    static SEEN: AtomicU8 = AtomicU8::new(0);

    pub(super) fn system_thp() -> Result<Thp, ReadError> {
        let seen = usize::from(SEEN.load(Relaxed));
        if let Some(mode) = seen.checked_sub(1).and_then(|place| MODES.get(place)) {
            return Ok(*mode);
        }
        let mode = read(Roots::system())?;
        SEEN.store(MODES.iter().zip(1..).find(|(known, _)| **known == mode).map_or(0, |(_, place)| place), Relaxed);
        Ok(mode)
    }

    fn read(roots: Roots<'_>) -> Result<Thp, ReadError> {
        one_word(FILE, &[bytes(roots.sys), b"/kernel/mm/transparent_hugepage/enabled"], chosen)
    }

    /// The word in brackets: `always [madvise] never`.
    fn chosen(line: &[u8]) -> Option<Thp> {
        let word = line.split(|byte| *byte == b'[').nth(1)?.split(|byte| *byte == b']').next()?;
        MODES.into_iter().find(|mode| mode.word().as_bytes() == word)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_word_in_brackets_is_in_force() {
            assert_eq!(chosen(b"always [madvise] never"), Some(Thp::Madvise));
            assert_eq!(chosen(b"[always] madvise never"), Some(Thp::Always));
            assert_eq!(chosen(b"always madvise [never]"), Some(Thp::Never));
            for bad in [&b""[..], b"always", b"[later]", b"[]"] {
                assert_eq!(chosen(bad), None);
            }
        }

        #[test]
        fn a_hidden_setting_is_an_error_that_names_the_file() {
            let nowhere = Roots { proc: "/nowhere".as_ref(), sys: "/nowhere".as_ref() };
            let error = read(nowhere).expect_err("there is no such file");
            assert!(error.to_string().starts_with(FILE), "{error}");
        }
    }
}
