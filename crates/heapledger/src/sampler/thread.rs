//! What the sampler's thread does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use heapledger_core::RegionId;
use heapledger_statement::{Growth, LineId, Summary, growth};

use super::sink::Sink;
use super::{Command, SamplerOptions, SamplerReport};
use crate::{Error, quick, statement};

/// The thread's own.
#[derive(Debug)]
pub(super) struct Work {
    options: SamplerOptions,
    sink: Option<Sink>,
    commands: Receiver<Command>,
    history: VecDeque<Summary>,
    report: SamplerReport,
    /// Regions that were told as leak suspects.
    suspects: Vec<(String, u32)>,
    warned: bool,
}

impl Work {
    pub(super) fn new(options: SamplerOptions, sink: Option<Sink>, commands: Receiver<Command>) -> Self {
        let history = VecDeque::with_capacity(options.keep);
        let report = SamplerReport::default();
        Self { options, sink, commands, history, report, suspects: Vec::new(), warned: false }
    }

    /// Until it is told to stop, or nobody is there who could tell.
    pub(super) fn run(mut self) -> SamplerReport {
        let _ours = RegionId::LEDGER.enter();
        let mut due = Instant::now();
        loop {
            match self.commands.recv_deadline(due) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(command) => self.obey(command),
                Err(RecvTimeoutError::Timeout) => {
                    self.sample();
                    due += self.options.every;
                    self.catch_up(&mut due);
                }
            }
        }
        if let Some(sink) = &mut self.sink {
            sink.flush();
        }
        self.tell()
    }

    /// What was due while the thread was late is not taken all at once, and is counted.
    fn catch_up(&mut self, due: &mut Instant) {
        let late = Instant::now().saturating_duration_since(*due);
        if late > Duration::ZERO {
            let times = late.as_nanos() / self.options.every.as_nanos().max(1);
            let times = u32::try_from(times).unwrap_or(u32::MAX);
            self.report.missed += u64::from(times);
            *due += self.options.every.saturating_mul(times);
        }
    }

    fn obey(&mut self, command: Command) {
        // Who asked and went does not want the answer.
        match command {
            Command::Statement(reply) => {
                let taken = self.full();
                let _ = reply.send(taken);
            }
            Command::History(reply) => {
                let _ = reply.send(self.history.iter().cloned().collect());
            }
            Command::Growth(reply) => {
                let _ = reply.send(self.growth());
            }
            Command::Report(reply) => {
                let _ = reply.send(self.tell());
            }
            Command::Stop => {}
        }
    }

    fn sample(&mut self) {
        let Ok(summary) = quick() else {
            self.report.missed += 1;
            return;
        };
        self.report.taken += 1;
        self.write(|| summary.to_json());
        if self.options.log {
            self.log(&summary);
        }
        while self.history.len() >= self.options.keep {
            self.history.pop_front();
        }
        self.history.push_back(summary);
        if self.options.log {
            self.log_suspects();
        }
    }

    fn full(&mut self) -> Result<crate::Statement, Error> {
        let statement = statement()?;
        self.report.taken += 1;
        self.write(|| statement.to_json());
        Ok(statement)
    }

    fn write(&mut self, line: impl FnOnce() -> String) {
        let Some(sink) = &mut self.sink else { return };
        sink.push(line());
        if let Some(kind) = sink.error
            && !self.warned
        {
            self.warned = true;
            log::warn!(target: "heapledger", "the sampler cannot write its file: {kind}; lines wait in memory");
        }
    }

    fn log(&self, summary: &Summary) {
        let rss = summary.figure(LineId::Rss);
        let change = match self.history.back() {
            Some(before) => format!(" ({:+.1})", change_mib(&rss, &before.figure(LineId::Rss))),
            None => String::new(),
        };
        let figure = |line| summary.figure(line).mib();
        let (live, dirty) = (figure(LineId::Live), figure(LineId::Dirty));
        log::info!(target: "heapledger", "RSS {}{change} MiB; live {live}, dirty {dirty}", rss.mib());
    }

    fn log_suspects(&mut self) {
        for growth in self.growth() {
            let region = (growth.region.to_string(), growth.generation);
            if !self.suspects.contains(&region) {
                log::warn!(target: "heapledger", "{growth}");
                self.suspects.push(region);
            }
        }
    }

    fn growth(&self) -> Vec<Growth> {
        growth(&self.history)
    }

    fn tell(&self) -> SamplerReport {
        let sink = self.sink.as_ref();
        SamplerReport {
            written: sink.map_or(0, |sink| sink.written),
            waiting: sink.map_or(0, Sink::waiting),
            lost: sink.map_or(0, |sink| sink.lost),
            sink_error: sink.and_then(|sink| sink.error),
            ..self.report.clone()
        }
    }
}

fn change_mib(after: &crate::Figure, before: &crate::Figure) -> f64 {
    let change = after.high().zip(before.high()).map_or(0, |(after, before)| after - before);
    change as f64 / f64::from(1 << 20)
}
