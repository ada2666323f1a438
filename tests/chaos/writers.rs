//! Who changes the tree: several writers that know nothing of each other, in the same few folders.

use std::fs::{self, FileTimes, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use fsmon_tests::wait;

use crate::place::Place;
use crate::story::Story;

/// How many there are.
const WRITERS: u64 = 3;
/// Steps that each of them tries.
const STEPS: u32 = 110;

/// One of them.
pub struct Writer<'a> {
    dice: fastrand::Rng,
    number: u64,
    count: u32,
    place: &'a Place,
    story: &'a Story,
}

/// All of them.
pub fn all<'a>(seed: u64, place: &'a Place, story: &'a Story) -> Vec<Writer<'a>> {
    let one =
        |number| Writer { dice: fastrand::Rng::with_seed(seed * WRITERS + number), number, count: 0, place, story };
    (0..WRITERS).map(one).collect()
}

impl Writer<'_> {
    /// All its steps, or until told to stop.
    pub fn work(mut self, stop: &AtomicBool) {
        for _ in 0..STEPS {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            wait::pause(Duration::from_micros(self.dice.u64(0..25_000)));
            let _present = self.place.present.read().unwrap();
            // What is not there, or there already, is another writer's doing.
            let _ = self.step();
        }
    }

    fn step(&mut self) -> io::Result<()> {
        match self.dice.u32(0..100) {
            0..22 => self.write(),
            22..30 => self.write_the_same(),
            30..40 => self.append(),
            40..48 => self.save_safely(),
            48..53 => self.rewrite_unnoticed(),
            53..63 => self.rename_file(),
            63..71 => self.rename_folder(),
            71..75 => self.move_out(),
            75..79 => self.move_in(),
            79..83 => self.remove_tree(),
            83..89 => self.remove_file(),
            89..93 => self.link(),
            93..97 => self.symlink(),
            _ => self.write_slowly(),
        }
    }

    fn folder(&mut self) -> PathBuf {
        let mut path = self.place.root();
        let depth = self.dice.u32(0..4);
        for level in 0..depth {
            path.push(format!("{}{}", ["d", "e", "g"][level as usize], self.dice.u32(0..3)));
        }
        path
    }

    fn file(&mut self) -> PathBuf {
        let name = format!("f{}", self.dice.u32(0..5));
        self.folder().join(name)
    }

    fn beside(&mut self) -> PathBuf {
        self.place.outside().join(format!("o{}", self.dice.u32(0..6)))
    }

    /// Content that is nowhere else: so a run that saw it came after it was written.
    fn content(&mut self) -> String {
        self.count += 1;
        let line = format!("writer {} number {:05}\n", self.number, self.count);
        line.repeat(self.dice.usize(1..4))
    }

    /// Says what was done, with paths from the root on.
    fn did(&self, what: &str, paths: &[&Path]) {
        let paths: Vec<String> = paths.iter().map(|path| self.place.relative(path).display().to_string()).collect();
        self.story.tell(format!("writer {} {what} {}", self.number, paths.join(" ")));
    }

    fn write(&mut self) -> io::Result<()> {
        let (path, content) = (self.file(), self.content());
        fs::create_dir_all(path.parent().unwrap())?;
        fs::write(&path, content)?;
        self.did("writes", &[&path]);
        Ok(())
    }

    /// What is in it already, or only another time; or what was in it, after something else.
    fn write_the_same(&mut self) -> io::Result<()> {
        let path = self.file();
        if !fs::symlink_metadata(&path)?.is_file() {
            return Ok(());
        }
        let before = fs::read(&path)?;
        match self.dice.u32(0..3) {
            0 => {
                let now = FileTimes::new().set_modified(SystemTime::now());
                OpenOptions::new().append(true).open(&path)?.set_times(now)?;
                self.did("touches", &[&path]);
                return Ok(());
            }
            1 => {}
            _ => {
                fs::write(&path, self.content())?;
                wait::pause(Duration::from_millis(self.dice.u64(0..60)));
            }
        }
        fs::write(&path, before)?;
        self.did("writes what was in it to", &[&path]);
        Ok(())
    }

    fn write_slowly(&mut self) -> io::Result<()> {
        let (path, first, second) = (self.file(), self.content(), self.content());
        let mut file = fs::File::create(&path)?;
        file.write_all(first.as_bytes())?;
        wait::pause(Duration::from_millis(self.dice.u64(0..60)));
        file.write_all(second.as_bytes())?;
        drop(file);
        self.did("has written, slowly,", &[&path]);
        Ok(())
    }

    fn append(&mut self) -> io::Result<()> {
        let (path, content) = (self.file(), self.content());
        OpenOptions::new().append(true).open(&path)?.write_all(content.as_bytes())?;
        self.did("appends to", &[&path]);
        Ok(())
    }

    /// As editors save: a new file, then renamed over the old one.
    fn save_safely(&mut self) -> io::Result<()> {
        let (path, content) = (self.file(), self.content());
        let new = path.with_file_name(format!(".new{}", self.number));
        fs::write(&new, content)?;
        fs::rename(&new, &path).inspect_err(|_| drop(fs::remove_file(&new)))?;
        self.did("saves, by renaming over it,", &[&path]);
        Ok(())
    }

    /// The same length and the same time of modification as before.
    fn rewrite_unnoticed(&mut self) -> io::Result<()> {
        let path = self.file();
        let before = fs::symlink_metadata(&path)?;
        if !before.is_file() {
            return Ok(());
        }
        let mut content = self.content().into_bytes();
        content.resize(usize::try_from(before.len()).unwrap(), b'.');
        let mut file = OpenOptions::new().write(true).truncate(true).open(&path)?;
        file.write_all(&content)?;
        file.set_times(FileTimes::new().set_modified(before.modified().unwrap_or(SystemTime::UNIX_EPOCH)))?;
        drop(file);
        self.did("rewrites, with the same length and time,", &[&path]);
        Ok(())
    }

    fn rename_file(&mut self) -> io::Result<()> {
        let (from, to) = (self.file(), self.file());
        fs::rename(&from, &to)?;
        self.did("renames", &[&from, &to]);
        Ok(())
    }

    fn rename_folder(&mut self) -> io::Result<()> {
        let (from, to) = (self.folder(), self.folder());
        if from == self.place.root() || to == self.place.root() {
            return Ok(());
        }
        fs::rename(&from, &to)?;
        self.did("renames the folder", &[&from, &to]);
        Ok(())
    }

    fn move_out(&mut self) -> io::Result<()> {
        let from = if self.dice.bool() { self.file() } else { self.folder() };
        let to = self.beside();
        if from == self.place.root() {
            return Ok(());
        }
        fs::rename(&from, &to)?;
        self.did("moves out", &[&from, &to]);
        Ok(())
    }

    fn move_in(&mut self) -> io::Result<()> {
        let from = self.beside();
        let to = if fs::symlink_metadata(&from)?.is_dir() { self.folder() } else { self.file() };
        if to == self.place.root() {
            return Ok(());
        }
        fs::rename(&from, &to)?;
        self.did("moves in", &[&from, &to]);
        Ok(())
    }

    fn remove_tree(&mut self) -> io::Result<()> {
        let path = self.folder();
        if path == self.place.root() {
            return Ok(());
        }
        // It may fail half way, when another writer makes something in it meanwhile.
        self.did("removes all of", &[&path]);
        fs::remove_dir_all(&path)
    }

    fn remove_file(&mut self) -> io::Result<()> {
        let path = self.file();
        fs::remove_file(&path)?;
        self.did("removes", &[&path]);
        Ok(())
    }

    fn link(&mut self) -> io::Result<()> {
        if !self.place.has_links {
            return Ok(());
        }
        let (from, to) = (self.file(), self.file());
        fs::hard_link(&from, &to)?;
        self.did("links", &[&from, &to]);
        Ok(())
    }

    fn symlink(&mut self) -> io::Result<()> {
        let (target, path) = (self.file(), self.file());
        std::os::unix::fs::symlink(target, &path)?;
        self.did("makes the symbolic link", &[&path]);
        Ok(())
    }
}
