//! Where and from what a record was made.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::WORKSPACE;

/// The machine. What it does not say is `None`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's own name.
    pub cpu: Option<String>,
    /// Processors that this process may use.
    pub cores: Option<usize>,
    /// Whether a hypervisor lies in between: then other machines take part in the noise.
    pub virtual_machine: Option<bool>,
    /// Memory of the machine.
    pub memory_bytes: Option<u64>,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The kernel's choice of transparent huge pages: `always`, `madvise` or `never`.
    pub transparent_huge_pages: Option<String>,
    /// The load average of one minute when the run began. A whole number of it is a processor that was not ours.
    pub load_before: Option<f64>,
}

impl Machine {
    /// Reads what the machine says of itself.
    pub fn read() -> Machine {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").ok();
        let field = |name: &str| cpuinfo.as_deref().and_then(|text| value_of(text, name));
        Machine {
            cpu: field("model name").map(str::to_owned),
            cores: std::thread::available_parallelism().ok().map(Into::into),
            virtual_machine: field("flags").map(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            memory_bytes: fs::read_to_string("/proc/meminfo").ok().and_then(|text| memory_bytes(&text)),
            kernel: read_trimmed("/proc/sys/kernel/osrelease"),
            transparent_huge_pages: read_trimmed("/sys/kernel/mm/transparent_hugepage/enabled")
                .and_then(|text| chosen(&text)),
            load_before: load(),
        }
    }
}

/// The load average of one minute.
pub fn load() -> Option<f64> {
    read_trimmed("/proc/loadavg")?.split(' ').next()?.parse().ok()
}

/// The source that was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Source {
    /// The compiler, as it names itself.
    pub rustc: Option<String>,
    /// The commit, or `None` outside a repository.
    pub commit: Option<String>,
    /// Whether something besides the records differed from that commit.
    pub dirty: Option<bool>,
}

impl Source {
    /// Asks rustc and git.
    pub fn read() -> Source {
        let changes = ["status", "--porcelain", "--", ":/", ":(top,exclude)benches/records"];
        Source {
            rustc: first_line(Command::new("rustc").arg("--version")),
            commit: first_line(Command::new("git").args(["rev-parse", "HEAD"])),
            dirty: printed(Command::new("git").args(changes)).map(|text| !text.is_empty()),
        }
    }
}

fn printed(command: &mut Command) -> Option<String> {
    let output = command.current_dir(WORKSPACE).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn first_line(command: &mut Command) -> Option<String> {
    printed(command)?.lines().next().map(str::to_owned)
}

fn read_trimmed(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    bytes(value_of(meminfo, "MemTotal")?)
}

/// What the kernel says could be used without swapping, in the text of /proc/meminfo.
pub fn available_bytes(meminfo: &str) -> Option<u64> {
    bytes(value_of(meminfo, "MemAvailable")?)
}

fn bytes(kib: &str) -> Option<u64> {
    kib.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The word in brackets: how sysfs shows which of several choices is in force.
fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(word, _)| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{chosen, memory_bytes, value_of};

    #[test]
    fn fields_are_read_by_their_whole_name() {
        let text = "model\t\t: 17\nmodel name\t: Some CPU\n";
        assert_eq!(value_of(text, "model name"), Some("Some CPU"));
        assert_eq!(value_of(text, "cache size"), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(memory_bytes("MemFree:  1 kB\nMemTotal:     2048 kB\n"), Some(2_097_152));
        assert_eq!(memory_bytes("nothing"), None);
    }

    #[test]
    fn the_choice_in_brackets_is_the_one_in_force() {
        assert_eq!(chosen("always [madvise] never").as_deref(), Some("madvise"));
        assert_eq!(chosen("always"), None);
    }
}
