//! What a summary and a statement have in common, for those who render either.

use std::borrow::Cow;

use crate::summary::figure_of;
use crate::{Depth, Doubt, Figure, LineId, RegionFigures, SettingId, SettingValue, StatedLine, Statement, Summary};

/// A report of either depth.
#[derive(Copy, Clone)]
pub(crate) struct View<'a> {
    #[cfg_attr(not(feature = "serde"), allow(dead_code, reason = "only the JSON asks"))]
    pub depth: Depth,
    pub stage: Option<&'a str>,
    pub pid: Option<u32>,
    pub cost_ns: Option<u64>,
    pub lines: &'a [StatedLine],
    pub regions: &'a [RegionFigures],
    pub retired_omitted: u64,
    pub settings: &'a [(SettingId, SettingValue)],
    pub doubts: &'a [Doubt],
}

impl<'a> View<'a> {
    pub fn figure(&self, id: LineId) -> Figure {
        figure_of(self.lines, id)
    }

    pub fn line(&self, id: LineId) -> Option<&'a StatedLine> {
        self.lines.iter().find(|line| line.id == id)
    }

    pub fn setting(&self, id: SettingId) -> Option<&'a SettingValue> {
        self.settings.iter().find(|(setting, _)| *setting == id).map(|(_, value)| value)
    }

    /// Name of a region as a text shows it: a retired one says so.
    pub fn shown_name(region: &RegionFigures) -> Cow<'_, str> {
        if region.retired { format!("{} (retired)", region.name).into() } else { Cow::Borrowed(&region.name) }
    }
}

impl<'a> From<&'a Summary> for View<'a> {
    fn from(summary: &'a Summary) -> Self {
        Self {
            depth: Depth::Quick,
            stage: summary.stage.as_deref(),
            pid: summary.pid,
            cost_ns: summary.cost_ns,
            lines: &summary.lines,
            regions: &summary.regions,
            retired_omitted: summary.retired_omitted,
            settings: &summary.settings,
            doubts: &summary.doubts,
        }
    }
}

impl<'a> From<&'a Statement> for View<'a> {
    fn from(statement: &'a Statement) -> Self {
        Self {
            depth: Depth::Full,
            stage: statement.stage.as_deref(),
            pid: statement.pid,
            cost_ns: statement.cost_ns,
            lines: &statement.lines,
            regions: &statement.regions,
            retired_omitted: statement.retired_omitted,
            settings: &statement.settings,
            doubts: &statement.doubts,
        }
    }
}
