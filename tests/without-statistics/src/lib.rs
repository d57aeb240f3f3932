//! Nothing: what counts is the library that the build script of the dependency makes.
#![forbid(unsafe_code)]
