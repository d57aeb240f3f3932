//! Whether jemalloc has the settings that this process was started with: of a pair that it does not know it only warns.

use std::ffi::{CStr, CString, c_char};
use std::ptr::null_mut;

use tikv_jemalloc_sys::mallctl;

/// Where jemalloc under the prefix of tikv-jemalloc-sys looks for settings.
pub const VARIABLE: &str = "_RJEM_MALLOC_CONF";

/// As they are told to a child: a pair that jemalloc does not know ends it.
pub fn told(settings: &str) -> String {
    if settings.is_empty() { String::new() } else { format!("abort_conf:true,{settings}") }
}

/// The longest name of an option, its prefix, and the zero at its end.
const NAME_BYTES: usize = 64;

/// Reads back every setting that the environment names. But for `slab_sizes` it uses no heap, for some who call this
/// count its blocks.
///
/// # Panics
/// When one is not in force.
pub fn assert_in_force() {
    // SAFETY: the name is a C string, and nobody changes the environment meanwhile.
    let set = unsafe { libc::getenv(c"_RJEM_MALLOC_CONF".as_ptr()) };
    if set.is_null() {
        return;
    }
    // SAFETY: what the environment has is a C string.
    let set = unsafe { CStr::from_ptr(set) }.to_str().expect("settings are ASCII");
    for (name, value) in set.split(',').filter_map(|pair| pair.split_once(':')) {
        assert!(is_in_force(name, value), "{name} is not {value}");
    }
}

fn is_in_force(name: &str, value: &str) -> bool {
    // No option of these names can be read: that guards are there the walk sees.
    if name.starts_with("san_guard") {
        return true;
    }
    if name == "slab_sizes" {
        // Sizes, and pages of their slabs as far as there are bits for so many blocks.
        assert!(value == "1-4096:16", "the class of 4 KiB is asked here");
        let class = (0..SMALL_CLASSES).find(|class| of_class(*class, "size") == Some(4096));
        return class.is_some_and(|class| of_class(class, "slab_size") == Some(16 * 4096));
    }
    let mut bytes = [0; NAME_BYTES];
    let (prefix, rest) = bytes.split_at_mut(4);
    prefix.copy_from_slice(b"opt.");
    rest[..name.len()].copy_from_slice(name.as_bytes());
    let key = CStr::from_bytes_until_nul(&bytes).expect("there is a zero behind it");
    if let Ok(set) = value.parse::<bool>() {
        return read::<u8>(key).is_some_and(|read| (read != 0) == set);
    }
    if let Ok(number) = value.parse::<i64>() {
        // Of type ssize_t, size_t or unsigned; jemalloc refuses another size.
        return read::<i64>(key) == Some(number) || read::<u32>(key).map(i64::from) == Some(number);
    }
    let Some(word) = read::<usize>(key) else { return false };
    // SAFETY: an option that is neither a number nor a truth value is a C string of jemalloc's own.
    unsafe { CStr::from_ptr(std::ptr::with_exposed_provenance::<c_char>(word)) }.to_bytes() == value.as_bytes()
}

/// As many as there are of pages of 4 KiB.
const SMALL_CLASSES: usize = 36;

fn of_class(class: usize, what: &str) -> Option<usize> {
    read(&CString::new(format!("arenas.bin.{class}.{what}")).ok()?)
}

/// `None` if there is no such option, or none of this size.
fn read<T: Copy + Default>(key: &CStr) -> Option<T> {
    let (mut value, mut len) = (T::default(), size_of::<T>());
    // SAFETY: jemalloc writes a value of just this size or none; it is a number, so every bit pattern is one.
    let result = unsafe { mallctl(key.as_ptr().cast(), (&raw mut value).cast(), &raw mut len, null_mut(), 0) };
    (result == 0).then_some(value)
}

/// Whether huge pages are asked for by the environment.
pub fn ask_for_huge_pages() -> bool {
    std::env::var(VARIABLE).is_ok_and(|set| set.split(',').any(|pair| pair == "thp:always"))
}

/// Bytes of this process in huge pages, by the kernel; 0 where it does not tell.
pub fn huge_bytes() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let kib = rollup.lines().find_map(|line| line.strip_prefix("AnonHugePages:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Why there may be none.
pub fn no_huge_pages() -> String {
    let system = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    format!("the kernel gave no huge page; its setting is {}", system.trim())
}
