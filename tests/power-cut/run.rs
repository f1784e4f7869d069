//! A whole run: recordings, their disks judged, some of them booted, and the table.

use crate::cuts::Cut;
use crate::judge::{Judge, Judgement};
use crate::random::Random;
use crate::recording::{Recording, Subject};
use crate::scratch::{self, Scratch};
use crate::tally::{Column, Row, weak_spot};
use crate::{boots, bounded, fsck, grub, parallel};
use anyhow::{Context, Result, bail};
use power_cut_guest::Sequence;
use qemu::Bus;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Operations of a recording of dock0's sequence; there is one on each bus.
    pub operations: u32,
    /// The most disks judged of such a recording; a sample where there are more.
    pub cuts: usize,
    /// The fewest disks of dock0's sequence that must have been judged in the end.
    pub least: usize,
    /// Operations of a recording of a naive sequence.
    pub naive_operations: u32,
    /// How many disks of it are judged.
    pub naive: Naive,
    /// How many disks are booted.
    pub boots: usize,
}

/// How many disks of a naive sequence are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naive {
    /// No more than it takes to see it break where it is known to.
    UntilCaught,
    /// All of them, so that the table can be read.
    All,
}

impl Form {
    /// A minute or so: what the tests run.
    pub const SHORT: Form =
        Form { operations: 12, cuts: 250, least: 400, naive_operations: 3, naive: Naive::UntilCaught, boots: 4 };
    /// All that can be left of a good number of operations.
    pub const LONG: Form =
        Form { operations: 28, cuts: usize::MAX, least: 5000, naive_operations: 8, naive: Naive::All, boots: 24 };
}

/// A run.
pub struct Rig {
    /// How much is done.
    pub form: Form,
    /// What every choice depends on.
    pub seed: u64,
    /// Where the recordings are.
    pub recordings: PathBuf,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// A row for each sequence.
    pub rows: Vec<Row>,
    /// How many disks were booted.
    pub boots: usize,
    /// All that is wrong, in sentences.
    pub faults: Vec<String>,
}

/// A recording and what is left of it by the cuts that are judged.
struct Reel {
    recording: Recording,
    cuts: Vec<Cut>,
}

impl Reel {
    /// The name of a disk by its number.
    fn name(&self, number: usize) -> String {
        let cut = self.cuts.get(number).map_or("?", |cut| &cut.name);
        format!("{}/{cut}", self.recording.subject.name())
    }

    fn say_how_far(&self, number: usize) {
        if number > 0 && number.is_multiple_of(1000) {
            println!("{}: {number} of {}", self.recording.subject.name(), self.cuts.len());
        }
    }
}

impl Rig {
    /// Runs all of it and says how it goes on.
    pub fn run(&self) -> Result<Outcome> {
        bounded::require().and_then(|()| fsck::require()).and_then(|()| grub::require())?;
        println!("seed {}, recordings in {}", self.seed, self.recordings.display());
        let reels = self.record(&subjects())?;
        let mut rows: Vec<Row> = Sequence::ALL.map(Row::new).into();
        for reel in &reels {
            let row = self.judge_all(reel)?;
            rows.iter_mut().filter(|other| other.sequence == row.sequence).for_each(|other| other.join(row.clone()));
        }
        let mut faults: Vec<String> = rows.iter().flat_map(Row::faults).collect();
        for row in rows.iter().filter(|row| row.sequence == Sequence::Dock0) {
            if row.cuts < self.form.least {
                faults.push(format!("only {} disks were judged, and {} should be", row.cuts, self.form.least));
            }
            for name in firsts(row).map(|(name, _)| name).collect::<BTreeSet<_>>() {
                faults.push(format!("to repeat it: {}", self.repeat(name)?));
            }
        }
        faults.extend(self.boot_some(&reels)?);
        Ok(Outcome { rows, boots: self.form.boots, faults })
    }

    /// Judges one disk by its name and keeps its image: what is wrong with it, and where the image is.
    pub fn judge_one(&self, name: &str) -> Result<(Judgement, PathBuf)> {
        let (subject, cut) = name.rsplit_once('/').context("a disk is named BUS/SEQUENCE/EPOCH.CUT")?;
        let subject = Subject::named(subject).with_context(|| format!("there is no recording {subject}"))?;
        let recording = Recording::open(subject, &self.recordings.join(subject.name()))?;
        let cuts = recording.cuts(self.seed);
        let cut = cuts.iter().find(|one| one.name == cut).with_context(|| format!("there is no cut {cut}"))?;
        let place = scratch::directory()?;
        let judge = Judge::new(&recording.expected, &place.path().join("releases"));
        let mut scratch = Scratch::new(recording.before.clone(), &recording.timeline.writes, place.path())?;
        scratch.advance(&recording.timeline.epochs, cut.epoch);
        let kept = self.recordings.join(subject.name()).join(format!("{}.img", cut.name));
        scratch.keep(&cut.pieces, &kept)?;
        let path = scratch.path().to_path_buf();
        Ok((judge.judge(scratch.make(&cut.pieces)?, &path, cut.raw)?, kept))
    }

    fn record(&self, subjects: &[Subject]) -> Result<Vec<Reel>> {
        let started = Instant::now();
        let reels = parallel::each(subjects, |&subject| {
            let naive = subject.sequence != Sequence::Dock0;
            let operations = if naive { self.form.naive_operations } else { self.form.operations };
            let recording = Recording::make(subject, operations, &self.recordings.join(subject.name()))?;
            let all = recording.cuts(self.seed);
            let (writes, epochs, count) = (recording.timeline.writes.len(), recording.timeline.epochs.len(), all.len());
            println!("{}: {operations} operations, {writes} writes, {epochs} epochs, {count} disks", subject.name());
            let most = if naive { usize::MAX } else { self.form.cuts };
            let chosen = Random::new(self.seed, count as u64).sample(most, count);
            let cuts = chosen.into_iter().filter_map(|number| all.get(number).cloned()).collect();
            Ok(Reel { recording, cuts })
        });
        println!("recorded in {:.1} s", started.elapsed().as_secs_f64());
        reels
    }

    /// Judges the disks, and says how it goes on.
    fn judge_all(&self, reel: &Reel) -> Result<Row> {
        let started = Instant::now();
        let place = scratch::directory()?;
        let judge = Judge::new(&reel.recording.expected, place.path());
        let enough = AtomicBool::new(false);
        let shares = parallel::share(reel.cuts.len(), |numbers| {
            let numbers = numbers.inspect(|number| reel.say_how_far(*number));
            self.judge_some(reel, numbers, &judge, &enough)
        })?;
        let mut judged: Vec<(usize, Judgement)> = shares.into_iter().flatten().collect();
        judged.sort_by_key(|(number, _)| *number);
        let mut row = Row::new(reel.recording.subject.sequence);
        judged.iter().for_each(|(number, judgement)| row.add(&reel.name(*number), judgement));
        let (name, took) = (reel.recording.subject.name(), started.elapsed());
        let each = took.as_secs_f64() * 1000.0 / row.cuts.max(1) as f64;
        println!("{name}: judged {} disks in {:.1} s, {each:.1} ms each", row.cuts, took.as_secs_f64());
        firsts(&row).for_each(|(name, why)| println!("  {name}: {}", why.lines().next().unwrap_or_default()));
        Ok(row)
    }

    /// A worker's share of the disks, which come in the order of time. One that catches a naive sequence may be enough.
    fn judge_some(
        &self,
        reel: &Reel,
        numbers: impl Iterator<Item = usize>,
        judge: &Judge,
        enough: &AtomicBool,
    ) -> Result<Vec<(usize, Judgement)>> {
        let Recording { subject, before, timeline, .. } = &reel.recording;
        let place = scratch::directory()?;
        let mut scratch = Scratch::new(before.clone(), &timeline.writes, place.path())?;
        let path = scratch.path().to_path_buf();
        let mut judged = Vec::new();
        for number in numbers {
            let Some(cut) = reel.cuts.get(number) else { continue };
            scratch.advance(&timeline.epochs, cut.epoch);
            let judgement = judge.judge(scratch.make(&cut.pieces)?, &path, cut.raw);
            let judgement = judgement.with_context(|| format!("judging {}", reel.name(number)))?;
            let caught = weak_spot(subject.sequence).is_some_and(|column| column.of(&judgement).is_some());
            if caught && self.form.naive == Naive::UntilCaught {
                enough.store(true, Ordering::Relaxed);
            }
            judged.push((number, judgement));
            if enough.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(judged)
    }

    /// Boots a sample of the disks of dock0's sequence: what went wrong.
    fn boot_some(&self, reels: &[Reel]) -> Result<Vec<String>> {
        let started = Instant::now();
        let dock0 = reels.iter().filter(|reel| reel.recording.subject.sequence == Sequence::Dock0);
        let all: Vec<(&Recording, &Cut)> =
            dock0.flat_map(|reel| reel.cuts.iter().map(|cut| (&reel.recording, cut))).collect();
        let chosen = Random::new(self.seed, 0).sample(self.form.boots, all.len());
        let chosen: Vec<_> = chosen.into_iter().filter_map(|number| all.get(number)).collect();
        if chosen.len() < self.form.boots {
            bail!("there are only {} disks to boot", chosen.len());
        }
        let faults = parallel::each(&chosen, |(recording, cut)| {
            let name = format!("{}/{}", recording.subject.name(), cut.name);
            match boots::boot(recording, cut) {
                Ok(()) => Ok(None),
                Err(error) => Ok(Some(format!("{name} booted: {error:#}\nto repeat it: {}", self.repeat(&name)?))),
            }
        })?;
        println!("booted {} disks in {:.1} s", chosen.len(), started.elapsed().as_secs_f64());
        Ok(faults.into_iter().flatten().collect())
    }

    /// Keeps the image of a disk; how to judge it again, and where it is.
    fn repeat(&self, name: &str) -> Result<String> {
        let (_, kept) = self.judge_one(name).with_context(|| format!("keeping {name}"))?;
        let (seed, recordings) = (self.seed, self.recordings.display());
        Ok(format!(
            "just power-cut --seed {seed} --recordings {recordings} --state {name}; its image is {}",
            kept.display()
        ))
    }
}

/// dock0's sequence on both buses, the others as Linode has its disks.
fn subjects() -> Vec<Subject> {
    let naive = Sequence::ALL.into_iter().filter(|&sequence| sequence != Sequence::Dock0);
    let dock0 = [Bus::VirtioScsi, Bus::VirtioBlk].map(|bus| Subject { bus, sequence: Sequence::Dock0 });
    let naive = naive.map(|sequence| Subject { bus: Bus::VirtioScsi, sequence });
    dock0.into_iter().chain(naive).collect()
}

/// The first disk of each column that is not empty.
fn firsts(row: &Row) -> impl Iterator<Item = &(String, String)> {
    Column::ALL.into_iter().filter_map(|column| row.first(column))
}

/// A new directory for the recordings of a run that nobody named a place for; whoever is content with the run removes it.
pub fn new_directory() -> Result<PathBuf> {
    let directory = qemu::repository().join("build/power-cut");
    std::fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    let fresh = tempfile::Builder::new().prefix("run-").tempdir_in(&directory);
    Ok(fresh.context("making a directory for the recordings")?.keep())
}
