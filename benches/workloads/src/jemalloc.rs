//! What the linked jemalloc says of its own build and configuration.

use serde_json::{Value, json};
use tikv_jemalloc_ctl::stats_print::{Options, stats_print};

/// The version, the build flags (`config`) and the run-time options (`opt`) of the jemalloc in this process.
///
/// jemalloc builds tables of a few hundred KiB when it is first asked, so this is never called in a process that is
/// measured.
pub fn describe() -> Value {
    let mut options = Options::default();
    options.json_format = true;
    options.skip_merged_arenas = true;
    options.skip_per_arena = true;
    options.skip_bin_size_classes = true;
    options.skip_large_size_classes = true;
    options.skip_mutex_statistics = true;
    let mut text = Vec::new();
    if let Err(error) = stats_print(&mut text, options) {
        return json!({ "name": "jemalloc", "unknown": error.to_string() });
    }
    match serde_json::from_slice::<Value>(&text) {
        Ok(report) => {
            let told = &report["jemalloc"];
            json!({ "name": "jemalloc", "version": told["version"], "config": told["config"], "opt": told["opt"] })
        }
        Err(error) => json!({ "name": "jemalloc", "unknown": error.to_string() }),
    }
}
