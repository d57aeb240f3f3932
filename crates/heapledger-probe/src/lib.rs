//! Reading the operating system and jemalloc.
