//! Whose blocks can be handed over: the standard library's values that have their blocks for themselves.

use core::alloc::Layout;
use std::ffi::{CString, OsString};
use std::path::PathBuf;

use crate::adopt::{Adopt, Adopter};

macro_rules! without_blocks {
    ($($plain:ty)*) => {
        $(impl Adopt for $plain {
            const OWNS_BLOCKS: bool = false;
            fn adopt_blocks(&mut self, _: &mut Adopter) {}
        })*
    };
}

without_blocks! { () bool char u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 }

impl<T: ?Sized> Adopt for &T {
    const OWNS_BLOCKS: bool = false;
    fn adopt_blocks(&mut self, _: &mut Adopter) {}
}

fn each<T: Adopt>(values: &mut [T], adopter: &mut Adopter) {
    if T::OWNS_BLOCKS {
        values.iter_mut().for_each(|value| value.adopt_blocks(adopter));
    }
}

impl<T: Adopt, const N: usize> Adopt for [T; N] {
    const OWNS_BLOCKS: bool = T::OWNS_BLOCKS;
    fn adopt_blocks(&mut self, adopter: &mut Adopter) {
        each(self, adopter);
    }
}

impl<T: Adopt> Adopt for [T] {
    const OWNS_BLOCKS: bool = T::OWNS_BLOCKS;
    fn adopt_blocks(&mut self, adopter: &mut Adopter) {
        each(self, adopter);
    }
}

impl Adopt for str {
    const OWNS_BLOCKS: bool = false;
    fn adopt_blocks(&mut self, _: &mut Adopter) {}
}

impl<T: Adopt> Adopt for Option<T> {
    const OWNS_BLOCKS: bool = T::OWNS_BLOCKS;
    fn adopt_blocks(&mut self, adopter: &mut Adopter) {
        if let Some(value) = self {
            value.adopt_blocks(adopter);
        }
    }
}

impl<T: Adopt, E: Adopt> Adopt for Result<T, E> {
    const OWNS_BLOCKS: bool = T::OWNS_BLOCKS || E::OWNS_BLOCKS;
    fn adopt_blocks(&mut self, adopter: &mut Adopter) {
        match self {
            Ok(value) => value.adopt_blocks(adopter),
            Err(error) => error.adopt_blocks(adopter),
        }
    }
}

macro_rules! tuples {
    ($(($($part:ident $number:tt)+))*) => {
        $(impl<$($part: Adopt),+> Adopt for ($($part,)+) {
            const OWNS_BLOCKS: bool = false $(|| $part::OWNS_BLOCKS)+;
            fn adopt_blocks(&mut self, adopter: &mut Adopter) {
                $(self.$number.adopt_blocks(adopter);)+
            }
        })*
    };
}

tuples! { (A 0) (A 0 B 1) (A 0 B 1 C 2) (A 0 B 1 C 2 D 3) }

impl<T: Adopt + ?Sized> Adopt for Box<T> {
    fn adopt_blocks(&mut self, adopter: &mut Adopter) {
        let layout = Layout::for_value::<T>(self);
        // SAFETY: a box owns the one block that it was allocated as, with its value's layout, and is borrowed mutably.
        unsafe { adopter.block((&raw mut **self).cast(), layout) };
        (**self).adopt_blocks(adopter);
    }
}

impl<T: Adopt> Adopt for Vec<T> {
    fn adopt_blocks(&mut self, adopter: &mut Adopter) {
        // A capacity that was allocated has a layout; one of values without size has none, and no block.
        if let Ok(layout) = Layout::array::<T>(self.capacity()) {
            // SAFETY: a vector owns the block of its capacity, and is borrowed mutably.
            unsafe { adopter.block(self.as_mut_ptr().cast(), layout) };
        }
        each(self, adopter);
    }
}

/// The block of a string of bytes with this capacity.
///
/// # Safety
/// * As for [`Adopter::block`], with the layout of so many bytes.
unsafe fn bytes(start: *const u8, capacity: usize, adopter: &mut Adopter) {
    if let Ok(layout) = Layout::array::<u8>(capacity) {
        // SAFETY: by the caller. The bytes themselves are not touched.
        unsafe { adopter.block(start.cast_mut(), layout) };
    }
}

impl Adopt for String {
    fn adopt_blocks(&mut self, adopter: &mut Adopter) {
        // SAFETY: a string owns the block of its capacity, and is borrowed mutably.
        unsafe { bytes(self.as_ptr(), self.capacity(), adopter) };
    }
}

impl Adopt for OsString {
    fn adopt_blocks(&mut self, adopter: &mut Adopter) {
        // SAFETY: as for `String`, which it is made like.
        unsafe { bytes(self.as_encoded_bytes().as_ptr(), self.capacity(), adopter) };
    }
}

impl Adopt for PathBuf {
    fn adopt_blocks(&mut self, adopter: &mut Adopter) {
        self.as_mut_os_string().adopt_blocks(adopter);
    }
}

impl Adopt for CString {
    fn adopt_blocks(&mut self, adopter: &mut Adopter) {
        let contents = self.as_bytes_with_nul();
        // SAFETY: it is a box of exactly these bytes, borrowed mutably.
        unsafe { bytes(contents.as_ptr(), contents.len(), adopter) };
    }
}
