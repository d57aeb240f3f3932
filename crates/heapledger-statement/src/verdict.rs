//! What becomes of memory: does it live, is it held, does it wait, or is it not the allocator's?

use std::borrow::Cow;
use std::fmt;

use crate::lines::Section;
use crate::{Figure, LineId, PageFlow, Part, Statement, Went, When};

/// What bytes are kept for.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Verdict {
    /// Blocks that the program holds.
    Live,
    /// Freed, resident, and nothing will give it back by itself: free slots beside live blocks, thread caches, pages
    /// whose clock stands still.
    Held,
    /// Freed, and given back within a window: see the forecast.
    Waiting,
    /// Freed and in use by another region, without having left memory; part of that region's *live*.
    Reused,
    /// What keeping books costs: jemalloc's and the ledger's records.
    Overhead,
    /// Not the allocator's: the program's files, stacks, other heaps, shared memory.
    Outside,
    /// What no line explains.
    Unexplained,
}

/// Every verdict with what it means and what to do; `docs/reading-the-findings.md` shows it.
pub static VERDICTS: [(Verdict, &str, &str); 7] = [
    (
        Verdict::Live,
        "live",
        "Blocks that the program holds. It goes when the program frees it; a region whose live bytes grow at every mark is a leak suspect.",
    ),
    (
        Verdict::Held,
        "held",
        "Freed and resident, and nothing will give it back by itself: free slots that live blocks pin, blocks that threads cache, pages whose clock stands still or is off. The findings say what would.",
    ),
    (Verdict::Waiting, "waiting", "Freed, and given back within the window of the forecast; nothing need be done."),
    (
        Verdict::Reused,
        "reused",
        "Freed by this region and now in use by another one, without having left memory; those bytes are that other region's live ones. Only a page flow between two marks tells it.",
    ),
    (
        Verdict::Overhead,
        "overhead",
        "Records of jemalloc and of the ledger, and what large blocks have beyond their size.",
    ),
    (Verdict::Outside, "outside", "Not the allocator's: pages of files, stacks, glibc's heap, shared memory."),
    (Verdict::Unexplained, "unexplained", "Resident, and no rule says what it is."),
];

impl Verdict {
    /// Its word.
    pub fn key(self) -> &'static str {
        VERDICTS.iter().find(|(verdict, ..)| *verdict == self).map_or("", |(_, key, _)| key)
    }
}

/// How resident bytes are divided among verdicts.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Judged {
    /// The region; `None` for the process.
    pub region: Option<Cow<'static, str>>,
    /// How many regions had its id before it.
    pub generation: u32,
    /// Resident bytes of each verdict that there are any of.
    pub bytes: Vec<(Verdict, Figure)>,
}

impl Judged {
    /// The bytes of one verdict; 0 if there are none.
    pub fn of(&self, verdict: Verdict) -> Figure {
        let found = self.bytes.iter().find(|(of, _)| *of == verdict);
        found.map_or(Figure::Exact(0), |(_, bytes)| bytes.clone())
    }

    /// The verdict with the most bytes; `None` if there are none.
    pub fn main(&self) -> Option<Verdict> {
        self.bytes.iter().max_by_key(|(_, bytes)| bytes.high()).map(|(verdict, _)| *verdict)
    }

    fn add(&mut self, verdict: Verdict, bytes: Figure) {
        match self.bytes.iter_mut().find(|(of, _)| *of == verdict) {
            Some((_, sum)) => *sum = std::mem::replace(sum, Figure::Exact(0)) + bytes,
            None => self.bytes.push((verdict, bytes)),
        }
    }

    fn finish(mut self) -> Self {
        self.bytes.retain(|(_, bytes)| *bytes != Figure::Exact(0));
        self.bytes.sort_by_key(|(verdict, _)| *verdict);
        self
    }
}

/// `kv_cache: live 600.0, held 91.0`, in MiB.
impl fmt::Display for Judged {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.region {
            Some(region) => write!(out, "{}: ", crate::text::escaped(region))?,
            None => out.write_str("process: ")?,
        }
        for (place, (verdict, bytes)) in self.bytes.iter().enumerate() {
            write!(out, "{}{} {}", if place > 0 { ", " } else { "" }, verdict.key(), bytes.mib())?;
        }
        Ok(())
    }
}

/// Verdicts on a process and each of its regions, made by [`Statement::verdicts`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Verdicts {
    /// The whole process: these sum to RSS, as the lines do.
    pub process: Judged,
    /// Each region that has any bytes: its own blocks, the free slots that only it pins, and the pages that it used
    /// last. Free slots that several regions pin, and pages of several, are the process's only.
    pub regions: Vec<Judged>,
}

impl Verdicts {
    /// The verdict on one region.
    pub fn region(&self, name: &str) -> Option<&Judged> {
        self.regions
            .iter()
            .filter(|judged| judged.region.as_deref() == Some(name))
            .max_by_key(|judged| judged.generation)
    }

    /// The same with what each region freed and others use now, by the page flow between two marks.
    #[must_use]
    pub fn with_flow(mut self, flow: &PageFlow) -> Self {
        for row in flow.rows() {
            let others = row.cells.iter().filter(|cell| matches!(cell.went, Went::Region(_)));
            let reused: Figure = others.map(|cell| cell.reused.clone()).sum();
            if reused == Figure::Exact(0) {
                continue;
            }
            let same = |judged: &&mut Judged| {
                judged.region.as_ref() == Some(&row.region.name) && judged.generation == row.region.generation
            };
            match self.regions.iter_mut().find(same) {
                Some(judged) => judged.add(Verdict::Reused, reused),
                None => self.regions.push(Judged {
                    region: Some(row.region.name.clone()),
                    generation: row.region.generation,
                    bytes: vec![(Verdict::Reused, reused)],
                }),
            }
        }
        self
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.process)?;
        self.regions.iter().try_for_each(|region| writeln!(out, "{region}"))
    }
}

impl Statement {
    /// What becomes of the memory of the process and of each region: live, held, waiting, or not the allocator's. Freed
    /// pages wait or are held by [`Statement::forecast`], if nobody allocates from now on.
    ///
    /// Where arenas have clocks of their own it is not known whose pages are in which, so that what waits and what is
    /// held of one region are intervals.
    pub fn verdicts(&self) -> Verdicts {
        let pages = Freed::of(self);
        let mut process = Judged { region: None, generation: 0, bytes: Vec::new() };
        for stated in self.lines() {
            let line = stated.id.line();
            if line.role != crate::lines::Role::Summand {
                continue;
            }
            match (stated.id, line.section) {
                (LineId::Dirty, _) => pages.dirty.divide(&stated.figure, &mut process),
                (LineId::Muzzy, _) => pages.muzzy.divide(&stated.figure, &mut process),
                (_, Section::InUse) => process.add(Verdict::Live, stated.figure.clone()),
                (_, Section::Freed) => process.add(Verdict::Held, stated.figure.clone()),
                (_, Section::Overhead) => process.add(Verdict::Overhead, stated.figure.clone()),
                (_, Section::Outside) => process.add(Verdict::Outside, stated.figure.clone()),
                _ => process.add(Verdict::Unexplained, stated.figure.clone()),
            }
        }
        process.add(Verdict::Unexplained, self.figure(LineId::Unexplained));
        let regions = self.regions_with_pages().into_iter().map(|judged| self.judge(judged, &pages));
        Verdicts { process: process.finish(), regions: regions.filter(|judged| !judged.bytes.is_empty()).collect() }
    }

    fn regions_with_pages(&self) -> Vec<Judged> {
        let mut all: Vec<Judged> = Vec::new();
        let regions = self.regions().iter().map(|region| (&region.name, region.generation));
        let free = [LineId::FreeSlots, LineId::Dirty, LineId::Muzzy, LineId::RetainedResident];
        let parts = self.lines().iter().filter(|line| free.contains(&line.id)).flat_map(|line| &line.parts);
        let parts = parts.filter(|part| ![Part::SHARED, Part::MIXED, Part::NOBODY].contains(&&*part.name));
        for (name, generation) in regions.chain(parts.map(|part| (&part.name, part.generation))) {
            if !all.iter().any(|judged| judged.region.as_ref() == Some(name) && judged.generation == generation) {
                all.push(Judged { region: Some(name.clone()), generation, bytes: Vec::new() });
            }
        }
        all
    }

    fn judge(&self, mut judged: Judged, freed: &Freed) -> Judged {
        let same = |part: &&Part| Some(&part.name) == judged.region.as_ref() && part.generation == judged.generation;
        let part = |id| {
            let line = self.lines().iter().find(|line| line.id == id)?;
            line.parts.iter().find(same).map(|part| part.figure.clone())
        };
        let region = self
            .regions()
            .iter()
            .find(|region| Some(&region.name) == judged.region.as_ref() && region.generation == judged.generation);
        let live = region.and_then(|region| region.resident.clone());
        let (slots, dirty) = (part(LineId::FreeSlots), part(LineId::Dirty));
        let (muzzy, retained) = (part(LineId::Muzzy), part(LineId::RetainedResident));
        live.into_iter().for_each(|bytes| judged.add(Verdict::Live, bytes));
        slots.into_iter().chain(retained).for_each(|bytes| judged.add(Verdict::Held, bytes));
        dirty.into_iter().for_each(|bytes| freed.dirty.divide(&bytes, &mut judged));
        muzzy.into_iter().for_each(|bytes| freed.muzzy.divide(&bytes, &mut judged));
        judged.finish()
    }
}

/// What of the free pages of one state goes within a window, and what never does; `None` if there is no forecast.
struct Free(Option<(Figure, Figure)>);

struct Freed {
    dirty: Free,
    muzzy: Free,
}

impl Freed {
    fn of(statement: &Statement) -> Self {
        let forecast = statement.forecast();
        let free = |line| {
            let sum = |never: bool| {
                let parts = forecast.parts().iter();
                let parts = parts.filter(|part| part.line == line && (part.when == When::Never) == never);
                parts.map(|part| part.bytes.clone()).sum::<Figure>()
            };
            Free(forecast.why().is_none().then(|| (sum(false), sum(true))))
        };
        Self { dirty: free(LineId::Dirty), muzzy: free(LineId::Muzzy) }
    }
}

impl Free {
    /// Divides `bytes` of these pages among *waiting* and *held*.
    fn divide(&self, bytes: &Figure, judged: &mut Judged) {
        let Some((waiting, held)) = &self.0 else {
            // Either may be all of it.
            let some = bytes.high().map_or_else(|| bytes.clone(), |high| Figure::within(0, high));
            judged.add(Verdict::Waiting, some.clone());
            return judged.add(Verdict::Held, some);
        };
        judged.add(Verdict::Waiting, part_of(bytes, waiting, held));
        judged.add(Verdict::Held, part_of(bytes, held, waiting));
    }
}

/// Of `bytes`, those that can be among `these`, while the others are among `rest`.
fn part_of(bytes: &Figure, these: &Figure, rest: &Figure) -> Figure {
    if *rest == Figure::Exact(0) {
        return bytes.clone();
    }
    match (bytes.ends(), these.high(), rest.high()) {
        (Some((low, high)), Some(these), Some(rest)) => Figure::within((low - rest).max(0), high.min(these)),
        _ => bytes.clone(),
    }
}
