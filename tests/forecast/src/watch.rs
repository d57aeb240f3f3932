//! The parent: watches RSS of the children, and compares.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use procfs::process::Process;

use crate::child::TOLD_PER_LOOK;
use crate::modes::{Doing, Gate, Mode};

/// What RSS may differ by for other reasons: the block that the traffic allocates is taken from the free pages and goes
/// back to them, and the child's own stacks and records grow by some pages.
const SLACK_BYTES: i64 = 512 << 10;

/// Share of observations that must lie in the band, over at least `MANY_RUNS` runs.
const COVERAGE: f64 = 0.95;
const MANY_RUNS: usize = 20;

/// The same over fewer. The looks of one run are one history: with three runs one that leaves the band, as one in twenty
/// may, takes a third of the looks with it, and of the 45 histories of the short test about two do.
const COVERAGE_OF_FEW: f64 = 0.66;

/// What `runs` runs must reach.
fn wanted(runs: usize) -> f64 {
    if runs < MANY_RUNS { COVERAGE_OF_FEW } else { COVERAGE }
}

/// The frees take no longer, on a machine that does nothing else. When in that time they were a forecast cannot know, so
/// that a machine that takes longer makes the band as much wider, and that is not held against it.
const FREED_WITHIN_MS: f64 = 30.0;

/// One child.
#[derive(Debug)]
pub struct Run {
    says: String,
    free_bytes: i64,
    /// (of parts that never go, all).
    never: (usize, usize),
    looks: Vec<Look>,
    /// In what time it freed, between two statements.
    freed_within_ms: f64,
    /// How late its traffic was.
    late_ms: f64,
    /// What the child's own check said.
    held: Option<bool>,
    check: String,
}

/// The band at a time, in milliseconds after the statement.
#[derive(Copy, Clone, Debug)]
struct Told {
    at_ms: f64,
    low: i64,
    high: i64,
}

#[derive(Copy, Clone, Debug)]
struct Look {
    /// When it was to be.
    planned: Told,
    /// Between which times it was.
    began_ms: f64,
    ended_ms: f64,
    low: i64,
    high: i64,
    found: i64,
}

impl Look {
    /// Bands only fall, so that of a look is between the last that was told before it and the first after it. Where it is
    /// later than all, what is left then is what is left at last; where nothing was told yet, what was free. Traffic that
    /// rested lets as much be left as earlier.
    fn judge(&mut self, told: &[Told], free: i64, late_ms: f64) {
        let before = told.iter().rfind(|told| told.at_ms <= self.began_ms - late_ms);
        let after = told.iter().find(|told| told.at_ms >= self.ended_ms).or(told.last());
        self.high = before.map_or(free, |told| told.high);
        self.low = after.map_or(0, |told| told.low);
    }

    fn holds(&self) -> bool {
        self.low - SLACK_BYTES <= self.found && self.found <= self.high + SLACK_BYTES
    }
}

/// Children that are at work without end and wait for nobody, for each processor: more would keep each other from looking
/// at the clock as often as the forecast assumes.
const BUSY_ON_A_PROCESSOR: usize = 2;

/// Between their starts: none makes its blocks ready while another one frees, which a forecast takes for frees that may
/// have come at any time of that.
const APART: Duration = Duration::from_millis(200);

/// So many children of one mode: all at once, or in turns if they are busy.
pub fn runs(mode: &'static Mode, count: usize) -> Result<Vec<Run>, String> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let at_once =
        if matches!(mode.doing, Doing::SlowPath | Doing::Decay) { BUSY_ON_A_PROCESSOR * processors } else { count };
    let all: Vec<usize> = (0..count).collect();
    let mut runs = Vec::with_capacity(count);
    for turn in all.chunks(at_once.max(1)) {
        let start = |run: usize| {
            let share = run as f64 / count as f64;
            thread::spawn(move || one(mode, share).map_err(|error| format!("{}: {error}", mode.name)))
        };
        let mut threads = Vec::with_capacity(turn.len());
        for run in turn {
            if at_once < count && !threads.is_empty() {
                thread::sleep(APART);
            }
            threads.push(start(*run));
        }
        for thread in threads {
            runs.push(thread.join().map_err(|_| "a watcher panicked".to_owned())??);
        }
    }
    Ok(runs)
}

fn one(mode: &Mode, share: f64) -> Result<Run, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut child = Command::new(program)
        .args(["child", mode.name, &share.to_string()])
        .env_remove("_RJEM_MALLOC_CONF")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let stdout = child.stdout.take().ok_or("no output")?;
    let run = follow(mode, &mut child, BufReader::new(stdout));
    let _ = child.kill();
    let _ = child.wait();
    run
}

fn follow(mode: &Mode, child: &mut Child, mut lines: BufReader<ChildStdout>) -> Result<Run, String> {
    let mut run = Run {
        says: String::new(),
        free_bytes: 0,
        never: (0, 0),
        looks: Vec::new(),
        freed_within_ms: 0.0,
        late_ms: 0.0,
        held: None,
        check: String::new(),
    };
    let (mut told, mut first) = (Vec::new(), 0);
    let mut line = String::new();
    let taken_ms = loop {
        line.clear();
        if lines.read_line(&mut line).map_err(|error| error.to_string())? == 0 {
            return Err("it ended before it went on".to_owned());
        }
        let Some((key, value)) = line.trim_end().split_once(' ') else { continue };
        match key {
            "says" => run.says = value.to_owned(),
            "free" => run.free_bytes = number(value)?,
            "never" => {
                let (of, all) = value.split_once(" of ").ok_or("two numbers")?;
                run.never = (number(of)?, number(all)?);
            }
            "band" => {
                let words: Vec<&str> = value.split(' ').collect();
                let [at, low, high] = words[..] else { return Err(format!("three numbers: {value}")) };
                told.push(Told { at_ms: number(at)?, low: number(low)?, high: number(high)? });
            }
            "within" => run.freed_within_ms = number(value)?,
            "anon" => first = number(value)?,
            "taken" => break number::<f64>(value)?,
            _ => {}
        }
    };
    let process = Process::new(child.id().cast_signed()).map_err(|error| error.to_string())?;
    let since_ms = || now_ms() - taken_ms;
    for planned in told.iter().skip(TOLD_PER_LOOK - 1).step_by(TOLD_PER_LOOK) {
        thread::sleep(Duration::from_secs_f64((planned.at_ms - since_ms()).max(0.0) / 1e3));
        let began_ms = since_ms();
        let found = run.free_bytes - (first - rss(&process)?);
        run.looks.push(Look { planned: *planned, began_ms, ended_ms: since_ms(), low: 0, high: 0, found });
    }
    // That ends it: it checks for itself.
    drop(child.stdin.take());
    line.clear();
    lines.read_line(&mut line).map_err(|error| error.to_string())?;
    let longest_ms = line.trim_end().strip_prefix("pause ").ok_or_else(|| format!("no pause: {line}"))?;
    run.late_ms = mode.late_ms(number(longest_ms)?);
    for look in &mut run.looks {
        look.judge(&told, run.free_bytes, run.late_ms);
    }
    line.clear();
    lines.read_line(&mut line).map_err(|error| error.to_string())?;
    let words = line.trim_end().strip_prefix("check ").ok_or_else(|| format!("no check: {line}"))?;
    run.held = words.starts_with("Some").then(|| words.starts_with("Some(true)"));
    run.check = words.to_owned();
    Ok(run)
}

/// Of the clock that parent and child share.
fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1e3
}

impl Run {
    /// What its band is wider, as a share of all that was free, since its frees took longer than they need.
    fn slow(&self) -> f64 {
        let over_ms = self.looks.last().map_or(f64::INFINITY, |look| look.planned.at_ms);
        let never = self.looks.iter().all(|look| look.planned.low == look.planned.high);
        if never { 0.0 } else { (self.freed_within_ms - FREED_WITHIN_MS).max(0.0) / over_ms }
    }
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word} is no number"))
}

fn rss(process: &Process) -> Result<i64, String> {
    let status = process.status().map_err(|error| error.to_string())?;
    let kib = status.rssanon.ok_or("the kernel has no RssAnon")?;
    i64::try_from(kib * 1024).map_err(|error| error.to_string())
}

impl fmt::Display for Run {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: i64| bytes as f64 / f64::from(1 << 20);
        writeln!(out, "  {} | late {:.0} ms | {}", self.says, self.late_ms, self.check)?;
        for look in &self.looks {
            let mark = if look.holds() { ' ' } else { '!' };
            let (low, high, found) = (mib(look.low), mib(look.high), mib(look.found));
            let (began, ended) = (look.began_ms, look.ended_ms);
            writeln!(out, "  {mark} {began:8.0}-{ended:<8.0} ms  {low:6.1} - {high:6.1}  {found:6.1}")?;
        }
        Ok(())
    }
}

/// All runs of a mode.
#[derive(Debug)]
pub struct Sum {
    runs: usize,
    looks: usize,
    held: usize,
    checks_held: usize,
    width: f64,
    /// Of that, what is so because the frees took longer than they need.
    slow: f64,
    free_mib: f64,
    all_never: bool,
    none_never: bool,
    says: String,
}

impl Sum {
    pub fn of(runs: &[Run]) -> Self {
        let looks = || runs.iter().flat_map(|run| &run.looks);
        let free: i64 = runs.iter().map(|run| run.free_bytes).sum();
        // Each look stands for the time since the one before, so the mean over looks is the mean over time.
        let width: f64 = runs
            .iter()
            .filter(|run| run.free_bytes > 0)
            .map(|run| {
                let widths: f64 = run.looks.iter().map(|look| (look.planned.high - look.planned.low) as f64).sum();
                widths / run.looks.len() as f64 / run.free_bytes as f64
            })
            .sum();
        Self {
            runs: runs.len(),
            looks: looks().count(),
            held: looks().filter(|look| look.holds()).count(),
            checks_held: runs.iter().filter(|run| run.held == Some(true)).count(),
            slow: runs.iter().map(Run::slow).sum::<f64>() / runs.len() as f64 + 0.0,
            // An empty sum is a negative zero.
            width: width / runs.len() as f64 + 0.0,
            free_mib: free as f64 / runs.len() as f64 / f64::from(1 << 20),
            all_never: runs.iter().all(|run| run.never.0 > 0 && run.never.0 == run.never.1),
            none_never: runs.iter().all(|run| run.never.0 == 0),
            says: runs.first().map(|run| run.says.clone()).unwrap_or_default(),
        }
    }

    fn coverage(&self) -> f64 {
        self.held as f64 / self.looks as f64
    }

    pub fn line(&self, mode: &Mode) -> String {
        format!(
            "{:22} {:3} runs  {:5} looks  in band {:5.1} %  width {:.3} of {:5.1} MiB, {:.3} for slow frees  checks {:3}  says {}",
            mode.name,
            self.runs,
            self.looks,
            100.0 * self.coverage(),
            self.width,
            self.free_mib,
            self.slow,
            self.checks_held,
            self.says
        )
    }

    pub fn failures(&self, mode: &Mode) -> Vec<String> {
        let name = mode.name;
        let mut failures = Vec::new();
        if self.coverage() < wanted(self.runs) {
            failures.push(format!("{name}: {:.1} % of the looks are in the band", 100.0 * self.coverage()));
        }
        let (width, slow, allowed) = (self.width, self.slow, mode.gate.width());
        if width > if allowed > 0.0 { allowed + slow } else { 0.0 } {
            failures.push(format!(
                "{name}: the band is {width:.3} wide, {allowed} is allowed and {slow:.3} for slow frees"
            ));
        }
        if (mode.gate == Gate::Never) != self.all_never || (mode.gate != Gate::Never) != self.none_never {
            failures.push(format!("{name}: it says {}", self.says));
        }
        // What the traffic frees itself is found too, and a background thread leaves some of it.
        let own = mode.doing == Doing::SlowPath && mode.background;
        if !own && (self.checks_held as f64) < wanted(self.runs) * self.runs as f64 {
            failures.push(format!("{name}: {} of {} checks of their own held", self.checks_held, self.runs));
        }
        failures
    }
}
