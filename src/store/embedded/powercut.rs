//! What is left of a store after a power cut.
//!
//! An observer takes an image of the files when a batch was handed to the system
//! and when it was synced. A power cut leaves the synced image and any part of
//! what was written after it: the tail of the journal cut at a byte, or with
//! sectors missing in its middle. Each image is opened as a store of its own, and
//! everything that was answered must be there, and nothing that was not written.
//!
//! The same run with syncing switched off must lose something, or these tests
//! would see nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::executor::block_on;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::tests::{commit, forget, load, options, put, scratch};
use super::{Embedded, EmbeddedOptions, Observer};
use crate::model::Revision;
use crate::store::{Backend, Change, Expect, Forget, Forgotten, Loaded, TypeKey, Write};

/// Power cuts in one run. Each takes some milliseconds.
const CUTS: usize = 1000;

/// Batches between two restarts of the store that is watched.
const BATCHES_PER_LIFE: usize = 40;

/// What a journal holds shortly before the next one is begun, at 64 million bytes.
const FILLED_BYTES: u64 = 63_960_000;

/// What a disk writes at once.
const SECTOR: usize = 512;

/// Zeros that are left behind what was written of a journal.
const ZEROS_MAX: usize = 64 << 10;

/// A file as a disk holds it: some bytes, and zeros up to its length.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Content {
    bytes: Arc<Vec<u8>>,
    len: u64,
}

/// All files of a directory.
type Image = BTreeMap<PathBuf, Content>;

/// What tells whether a file is still the one that was read.
type Stamp = (PathBuf, u64, u64, i64);

/// Takes the images of one directory.
struct Camera {
    dir: PathBuf,
    off: AtomicBool,
    images: Mutex<Images>,
}

#[derive(Clone, Default)]
struct Images {
    /// What the disk surely held before the last batch.
    before: Image,
    /// What it may hold of the last batch.
    written: Image,
    /// What it surely holds after the last batch.
    synced: Image,
}

impl Observer for Camera {
    fn written(&self) -> io::Result<()> {
        if self.off.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut images = self.images.lock();
        images.before = std::mem::take(&mut images.synced);
        images.written = take(&self.dir);
        images.synced = images.before.clone();
        Ok(())
    }

    fn synced(&self) -> io::Result<()> {
        if !self.off.load(Ordering::Relaxed) {
            self.images.lock().synced = take(&self.dir);
        }
        Ok(())
    }
}

/// Reads all files of `dir` at one moment: again, if the worker changed them meanwhile.
fn take(dir: &Path) -> Image {
    loop {
        let before = stamps(dir);
        let image: Option<Image> =
            before.iter().map(|(path, ..)| Some((path.clone(), read(&dir.join(path))?))).collect();
        if let Some(image) = image
            && before == stamps(dir)
        {
            return image;
        }
    }
}

fn stamps(dir: &Path) -> Vec<Stamp> {
    fn visit(dir: &Path, below: &Path, stamps: &mut Vec<Stamp>) {
        for entry in fs::read_dir(dir.join(below)).into_iter().flatten().flatten() {
            let path = below.join(entry.file_name());
            match entry.metadata() {
                Ok(found) if found.is_dir() => visit(dir, &path, stamps),
                // The journal is written by nobody else now, and its time is not looked at.
                Ok(found) => stamps.push((path, found.ino(), found.len(), found.mtime_nsec())),
                Err(_) => {}
            }
        }
    }
    let mut stamps = Vec::new();
    visit(dir, Path::new(""), &mut stamps);
    stamps.sort();
    stamps
}

/// Reads what was written of a file, not the zeros behind it.
fn read(path: &Path) -> Option<Content> {
    let file = File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    let mut bytes = Vec::new();
    file.take(metadata.blocks() * 512).read_to_end(&mut bytes).ok()?;
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(used);
    Some(Content { bytes: Arc::new(bytes), len: metadata.len() })
}

fn restore(image: &Image, dir: &Path) {
    for (path, content) in image {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = File::create(path).unwrap();
        file.write_all(&content.bytes).unwrap();
        // Fewer zeros do as well, and are read faster.
        file.set_len(content.len.min((content.bytes.len() + ZEROS_MAX) as u64)).unwrap();
    }
    // Folders that hold nothing yet are no files, but fjall wants to see them.
    for keyspace in fs::read_dir(dir.join("log/keyspaces")).unwrap() {
        fs::create_dir_all(keyspace.unwrap().path().join("tables")).unwrap();
    }
}

fn newest_journal(image: &Image) -> Option<PathBuf> {
    let numbered = image.keys().filter_map(|path| {
        let number = path.to_str()?.strip_prefix("log/")?.strip_suffix(".jnl")?;
        Some((number.parse::<u64>().ok()?, path.clone()))
    });
    numbered.max().map(|(_, path)| path)
}

/// Tears what `written` has more than `before` in the newest journal. The other
/// files are as they were before, or as they are now: their writer syncs them.
fn tear(before: &Image, written: &Image, random: &mut StdRng) -> Image {
    let path = newest_journal(written).unwrap();
    let same_journal = newest_journal(before).as_ref() == Some(&path);
    let mut torn = if same_journal && random.random() { before.clone() } else { written.clone() };
    let safe = if same_journal { before[&path].bytes.len() } else { 0 };
    let new = &written[&path];
    let mut bytes = (*new.bytes).clone();
    let cut = random.random_range(safe..=bytes.len());
    let mut len = new.len;
    if random.random() {
        bytes.truncate(cut);
        if len == new.bytes.len() as u64 && random.random() {
            len = cut as u64;
        }
    } else {
        let mut at = safe;
        while at < bytes.len() {
            let end = (at / SECTOR + 1) * SECTOR;
            let end = end.min(bytes.len());
            if random.random() {
                bytes[at..end].fill(0);
            }
            at = end;
        }
    }
    torn.insert(path, Content { bytes: Arc::new(bytes), len });
    torn
}

/// What must be found.
#[derive(Default)]
struct Expected {
    /// Answered and never forgotten, by revision.
    kept: BTreeMap<u64, Change>,
    /// Forgotten together with a floor: gone with it, or there without it.
    forgotten: Vec<(Revision, Vec<Change>)>,
    /// The newest answered revision.
    answered: u64,
}

/// What became of the batch that was under way.
#[derive(Debug, Default)]
struct Outcomes {
    whole: usize,
    gone: usize,
}

impl Expected {
    /// Compares what was found in an image. `pending` was written, not answered.
    fn check(
        &self,
        found: (Vec<Change>, Loaded),
        pending: &[Change],
        outcomes: &mut Outcomes,
    ) -> Result<(), String> {
        let (changes, loaded) = found;
        let count = changes.len();
        let mut found: BTreeMap<u64, Change> =
            changes.into_iter().map(|change| (change.revision.0, change)).collect();
        if found.len() != count {
            return Err("a change was found twice".to_owned());
        }
        for (revision, change) in &self.kept {
            if found.remove(revision).as_ref() != Some(change) {
                return Err(format!("the answered write {revision} is lost"));
            }
        }
        if loaded.revision.0 < self.answered {
            return Err(format!("the counter {} is below {}", loaded.revision, self.answered));
        }
        let floor = loaded.floors.first().map_or(Revision::ZERO, |(_, floor)| *floor);
        for (raised, changes) in &self.forgotten {
            for change in changes {
                let there = found.remove(&change.revision.0).as_ref() == Some(change);
                if there != (floor < *raised) {
                    return Err(format!("{} and floor {floor} disagree", change.revision));
                }
            }
        }
        let of_pending = pending.iter().filter(|it| found.get(&it.revision.0) == Some(it)).count();
        match of_pending {
            0 => outcomes.gone += 1,
            all if all == pending.len() => outcomes.whole += 1,
            some => return Err(format!("{some} of {} writes of a batch are there", pending.len())),
        }
        match found.len() - of_pending {
            0 => Ok(()),
            more => Err(format!("{more} changes were never written")),
        }
    }
}

/// One store that is written to, and cut off again and again.
struct Run {
    scratch: tempfile::TempDir,
    options: EmbeddedOptions,
    camera: Arc<Camera>,
    random: StdRng,
    expected: Expected,
    outcomes: Outcomes,
    kind: TypeKey,
}

impl Run {
    fn new(sync: bool, seed: u64) -> Self {
        let scratch = scratch();
        let dir = scratch.path().join("store");
        let camera =
            Arc::new(Camera { dir, off: AtomicBool::new(false), images: Mutex::default() });
        let options = EmbeddedOptions {
            sync,
            table_bytes: 128 << 10,
            observer: Some(camera.clone()),
            ..options()
        };
        let kind = TypeKey::new("apis.kcp.io", "apiexports");
        Self {
            scratch,
            options,
            camera,
            random: StdRng::seed_from_u64(seed),
            expected: Expected::default(),
            outcomes: Outcomes::default(),
            kind,
        }
    }

    /// Writes and cuts, `cuts` times. The error says what was lost.
    fn run(&mut self, cuts: usize) -> Result<(), String> {
        let mut done = 0;
        while done < cuts {
            let store = Embedded::open(&self.camera.dir, self.options.clone())
                .map_err(|error| error.chain())?;
            let found = load(&store);
            self.expected.check(found, &[], &mut Outcomes::default())?;
            self.camera.images.lock().synced = take(&self.camera.dir);
            for _ in 0..BATCHES_PER_LIFE.min(cuts - done) {
                self.write_and_cut(&store)?;
                done += 1;
            }
        }
        Ok(())
    }

    /// Fills a journal until it is nearly so full that the next one is begun.
    fn fill(&mut self, store: &Embedded) {
        self.camera.off.store(true, Ordering::Relaxed);
        let journal = self.camera.dir.join(newest_journal(&take(&self.camera.dir)).unwrap());
        let mut last = Revision::ZERO;
        loop {
            let left = FILLED_BYTES.saturating_sub(fs::metadata(&journal).unwrap().blocks() * 512);
            let value = "f".repeat(usize::try_from(left / 2).unwrap().min(1 << 20));
            if value.len() < 1 << 13 {
                break;
            }
            last = Revision(commit(store, vec![put("/fill", &value, None)])[0]);
            let change = Forgotten { revision: last, previous: None, tombstone: true };
            block_on(store.forget(Forget { changes: vec![change], floors: vec![] })).unwrap();
        }
        self.expected.answered = last.0;
        self.camera.off.store(false, Ordering::Relaxed);
        self.camera.images.lock().synced = take(&self.camera.dir);
    }

    fn write_and_cut(&mut self, store: &Embedded) -> Result<(), String> {
        let pending = self.write(store);
        let images = self.camera.images.lock().clone();
        // While the batch was written, or after it was synced and before it was answered.
        let image = match self.random.random_range(0..4) {
            0 => images.synced.clone(),
            _ => tear(&images.before, &images.written, &mut self.random),
        };
        self.cut(&image, &pending)?;
        self.expected.answered = pending.last().map_or(0, |change| change.revision.0);
        self.expected.kept.extend(pending.into_iter().map(|change| (change.revision.0, change)));
        // After it was answered.
        if self.random.random_range(0..4) == 0 {
            self.cut(&images.synced, &[])?;
        }
        if self.random.random_range(0..6) == 0 {
            self.forget(store);
        }
        Ok(())
    }

    /// Commits some writes and says what they are stored as.
    fn write(&mut self, store: &Embedded) -> Vec<Change> {
        let mut batch: Vec<Write> = Vec::new();
        for _ in 0..self.random.random_range(1..6) {
            let value = "v".repeat(match self.random.random_range(0..8) {
                0 => 20_000,
                _ => self.random.random_range(0..2000),
            });
            let mut write = put(&format!("/{}", self.random.random_range(0..50)), &value, None);
            if self.random.random_range(0..4) == 0 {
                write.value = None;
                write.expect = Expect::At(Revision(self.random.random_range(1..99)));
            }
            batch.push(write);
        }
        let revisions = commit(store, batch.clone());
        let changes = batch.into_iter().zip(revisions).map(|(write, revision)| Change {
            revision: Revision(revision),
            key: write.key,
            value: write.value,
            previous: match write.expect {
                Expect::Absent => None,
                Expect::At(revision) => Some(revision),
            },
            at_millis: 1000,
        });
        changes.collect()
    }

    /// Forgets some deletions.
    fn forget(&mut self, store: &Embedded) {
        let (kept, changes) = std::mem::take(&mut self.expected.kept)
            .into_iter()
            .partition(|(_, change)| change.value.is_some());
        self.expected.kept = kept;
        let changes: Vec<Change> = BTreeMap::into_values(changes).collect();
        if let Some(last) = changes.last().map(|change| change.revision) {
            forget(store, &changes, &[(&self.kind, last.0)]);
            self.expected.forgotten.push((last, changes));
        }
    }

    /// Opens what a cut left, checks it, and now and then goes on with it.
    fn cut(&mut self, image: &Image, pending: &[Change]) -> Result<(), String> {
        let dir = tempfile::tempdir_in(self.scratch.path()).unwrap();
        restore(image, dir.path());
        let options = EmbeddedOptions { observer: None, ..self.options.clone() };
        let open = || Embedded::open(dir.path(), options.clone()).map_err(|error| error.chain());
        let store = open()?;
        let (changes, loaded) = load(&store);
        self.expected.check((changes.clone(), loaded), pending, &mut self.outcomes)?;
        if self.random.random_range(0..4) == 0 {
            let revision = commit(&store, vec![put("/after", "the cut", None)])[0];
            drop(store);
            let (again, loaded) = load(&open()?);
            let (last, before) = again.split_last().ok_or("everything is lost")?;
            if before != changes || last.revision.0 != revision || loaded.revision.0 != revision {
                return Err("a write after the cut is lost".to_owned());
            }
        }
        Ok(())
    }
}

#[test]
fn nothing_answered_is_lost_in_a_power_cut() {
    let seed = rand::random();
    let mut run = Run::new(true, seed);
    let result = run.run(CUTS);
    assert_eq!(result, Ok(()), "with seed {seed}, after {:?}", run.outcomes);
    assert!(run.outcomes.whole > 0 && run.outcomes.gone > 0, "{:?}", run.outcomes);
}

#[test]
fn nothing_answered_is_lost_in_a_power_cut_around_a_new_journal() {
    let seed = rand::random();
    let mut run = Run::new(true, seed);
    let store = Embedded::open(&run.camera.dir, run.options.clone()).unwrap();
    run.fill(&store);
    let first = newest_journal(&take(&run.camera.dir)).unwrap();
    // Up to the new journal, and a little further.
    let mut cuts = 0;
    while newest_journal(&run.camera.images.lock().synced).as_ref() == Some(&first) || cuts % 8 > 0
    {
        let result = run.write_and_cut(&store);
        assert_eq!(result, Ok(()), "with seed {seed}, after {:?}", run.outcomes);
        cuts += 1;
        assert!(cuts < 300, "no new journal was begun");
    }
}

#[test]
fn without_syncs_a_power_cut_loses_answered_writes() {
    let mut run = Run::new(false, 1);
    let loss = run.run(CUTS).unwrap_err();
    assert!(loss.contains("is lost") || loss.contains("was answered"), "{loss}");
}
