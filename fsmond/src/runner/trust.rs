//! What a daemon of root may run, and where: only what nobody else could put something else in place of.
//!
//! A command as root on a path that others can change is theirs: between our look and its work a folder can become a
//! link to `/etc`. So such a command needs `--run-as`. Paths are looked at from the top down, through links too: as long
//! as each folder and link can only be changed by those who are trusted, what is below it stays what was looked at.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use fsmon_protocol::RawPath;
use rustix::io::Errno;

const WRITABLE: u32 = 0o022;
const STICKY: u32 = 0o1000;
/// As many as Linux follows on the way to one place.
const MOST_LINKS: u32 = 40;

/// Whether this is a daemon of root with others around whom it has to mind.
pub(crate) fn matters() -> bool {
    static MATTERS: OnceLock<bool> = OnceLock::new();
    *MATTERS.get_or_init(|| rustix::process::geteuid().is_root() && !is_alone())
}

/// Whether root here is the only user there is: a user namespace that maps nobody else. All other files seem to
/// belong to one user there, who is nobody.
fn is_alone() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let mapped: u64 = map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok()).sum();
    mapped == 1
}

/// Refuses to run a command of root on the file `rel` of this root, if others can write to the root, or to a folder
/// above or below it on the way to the file.
pub(crate) fn check_place(root: &Path, rel: &Path) -> Result<(), String> {
    Trusted::root(root)?.check(rel)
}

/// A root that nobody else can change, as it was just now. For files that are given out together.
pub(super) struct Trusted {
    root: PathBuf,
    /// The folder below it that was found so last.
    folder: PathBuf,
}

impl Trusted {
    /// This root, if nobody else can write to it or above it.
    pub(super) fn root(root: &Path) -> Result<Self, String> {
        let way = down_to(root);
        if let Some((place, who)) = way.weakness(&[0]) {
            return Err(refusal(place, &who));
        }
        let root = way.end.map_err(|(place, error)| unseen(&place, &error))?;
        Ok(Self { root, folder: PathBuf::new() })
    }

    /// Refuses a file that somebody else can write to a folder on the way to.
    pub(super) fn check(&mut self, rel: &Path) -> Result<(), String> {
        let folder = rel.parent().unwrap_or(Path::new(""));
        if folder == self.folder {
            return Ok(());
        }
        let mut place = self.root.clone();
        for part in folder {
            place.push(part);
            let facts = match fs::symlink_metadata(&place) {
                Ok(facts) => facts,
                // A command for what was deleted: what is gone can't be anything else.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(unseen(&place, &error)),
            };
            if let Some(who) = who_else(&facts, &[0], Level::Last) {
                return Err(refusal(&place, &who));
            }
        }
        folder.clone_into(&mut self.folder);
        Ok(())
    }
}

fn refusal(place: &Path, who: &str) -> String {
    format!(
        "{} can be changed by {who}: fsmond runs as root and would run the command on whatever they put there; give \
         --run-as USER (--run-as root if that is meant)",
        RawPath::from(place)
    )
}

/// Refuses a program that others than root, and than the user it is to run as, could change.
pub(super) fn check_program(file: &Path, run_as: Option<u32>) -> Result<(), String> {
    let way = down_to(file);
    let trusted: Vec<u32> = [Some(0), run_as].into_iter().flatten().collect();
    if let Some((place, who)) = way.weakness(&trusted) {
        let (place, file) = (RawPath::from(place), RawPath::from(way.end.as_deref().unwrap_or(file)));
        return Err(format!(
            "the program {file} is not run by root: {place} can be changed by {who}; give it to root and take away \
             the right to write (chmod go-w), or give --run-as USER"
        ));
    }
    match way.end {
        // What is not there, and nobody else can put there, is told by the start itself, in better words.
        Err((_, error)) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(unseen(file, &error))
        }
        _ => Ok(()),
    }
}

/// What something on the way to a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Above,
    /// Whoever owns it, or can change the folder it is in, decides where it leads.
    Link,
    Last,
}

/// One folder or link on the way to something, or it itself.
struct Step {
    place: PathBuf,
    level: Level,
    facts: Metadata,
}

/// The way from the top down to a place, as far as it goes.
struct Way {
    /// Everything on it that decides where it leads. Where it ends before the place, its last folder is where somebody could put
    /// what is missing.
    steps: Vec<Step>,
    /// The place, without a link on the way; or where it ends, and why.
    end: Result<PathBuf, (PathBuf, io::Error)>,
}

impl Way {
    /// The first thing on it that others than those trusted can change, and who.
    fn weakness(&self, trusted: &[u32]) -> Option<(&Path, String)> {
        self.steps.iter().find_map(|step| Some((step.place.as_path(), who_else(&step.facts, trusted, step.level)?)))
    }
}

/// The way to what `path` leads to.
fn down_to(path: &Path) -> Way {
    let (mut steps, mut place) = (Vec::new(), PathBuf::new());
    let gone = go_down(path, &mut place, &mut steps).map_err(|error| {
        let missing = place.clone();
        place.pop();
        (missing, error)
    });
    if let Some(last) = steps.iter_mut().rfind(|step| step.place == place) {
        last.level = Level::Last;
    }
    Way { steps, end: gone.map(|()| place) }
}

/// Goes down from the top; `place` is where it is.
fn go_down(path: &Path, place: &mut PathBuf, steps: &mut Vec<Step>) -> io::Result<()> {
    let mut links = 0;
    let mut left = parts(&std::path::absolute(path)?);
    while let Some(part) = left.pop() {
        if part == ".." {
            // What is above was looked at on the way down.
            place.pop();
            continue;
        }
        place.push(part);
        let facts = fs::symlink_metadata(&*place)?;
        let is_link = facts.is_symlink();
        steps.push(Step { place: place.clone(), level: if is_link { Level::Link } else { Level::Above }, facts });
        if is_link {
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::LOOP.into());
            }
            left.extend(parts(&fs::read_link(&*place)?));
            place.pop();
        }
    }
    Ok(())
}

/// The parts of a path, the first one last.
fn parts(path: &Path) -> Vec<OsString> {
    path.components().filter(|part| *part != Component::CurDir).rev().map(|part| part.as_os_str().to_owned()).collect()
}

/// Who beside those trusted can change it. In a sticky folder others can't take away what is not theirs, which counts
/// where what matters in it is looked at next. The mode of a link says nothing.
fn who_else(facts: &Metadata, trusted: &[u32], level: Level) -> Option<String> {
    let mode = facts.mode();
    if !trusted.contains(&facts.uid()) {
        return Some(format!("user {}", facts.uid()));
    }
    if level == Level::Link || (level == Level::Above && mode & STICKY != 0) {
        return None;
    }
    match mode & WRITABLE {
        0 => None,
        0o020 if facts.gid() == 0 => None,
        0o020 => Some(format!("group {}", facts.gid())),
        _ => Some("everybody".to_owned()),
    }
}

fn unseen(path: &Path, error: &io::Error) -> String {
    format!("who can change {} can't be told: {error}", RawPath::from(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

    use super::*;

    fn folder(path: &Path, mode: u32) {
        fs::create_dir_all(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A folder tree with others' hands in it, each with who is told; none where this is not root.
    #[test]
    fn places_that_others_can_change_are_told_with_who_can() {
        if !rustix::process::geteuid().is_root() {
            return; // Only root has this rule.
        }
        let top = tempfile::tempdir().unwrap();
        let root = top.path().join("root");
        folder(&root.join("own"), 0o755);
        folder(&root.join("open"), 0o777);
        folder(&root.join("sticky"), 0o1777);
        folder(&root.join("theirs"), 0o755);
        chown(root.join("theirs"), Some(4711), None).unwrap();
        folder(&root.join("group"), 0o775);
        chown(root.join("group"), None, Some(4712)).unwrap();
        let check = |rel: &str| check_place(&root, Path::new(rel));
        check("f").unwrap();
        check("own/f").unwrap();
        check("own/gone/f").unwrap();
        for (rel, who) in [
            ("open/f", "everybody"),
            ("sticky/f", "everybody"),
            ("theirs/f", "user 4711"),
            ("theirs/deep/f", "user 4711"),
            ("group/f", "group 4712"),
        ] {
            let why = check(rel).unwrap_err();
            assert!(why.contains(who) && why.contains("--run-as"), "{rel}: {why}");
        }
        // A link on the way is nothing that was looked at.
        symlink("/etc", root.join("own/link")).unwrap();
        assert!(check("own/link/passwd").unwrap_err().contains("everybody"), "a link has mode 0777");
        // What is above the root counts, links in its path are looked through, and a sticky one is none.
        assert!(check_place(&root.join("open"), Path::new("f")).is_err());
        folder(&root.join("open/below"), 0o755);
        assert!(check_place(&root.join("open/below"), Path::new("f")).is_err());
        folder(&root.join("sticky/below"), 0o755);
        check_place(&root.join("sticky/below"), Path::new("f")).unwrap();
        symlink(root.join("open/below"), top.path().join("link")).unwrap();
        assert!(check_place(&top.path().join("link"), Path::new("f")).is_err());
        // Whoever can put another link in the place of one decides where it leads; in a sticky folder its owner can.
        let (own, open, sticky) = (root.join("own"), root.join("open/link"), root.join("sticky/link"));
        for link in [&open, &sticky] {
            symlink(&own, link).unwrap();
        }
        assert!(check_place(&open, Path::new("f")).unwrap_err().contains("open can be changed by everybody"));
        check_place(&sticky, Path::new("f")).unwrap();
        lchown(&sticky, Some(4711), None).unwrap();
        assert!(check_place(&sticky, Path::new("f")).unwrap_err().contains("link can be changed by user 4711"));
        symlink("../own", root.join("group/up")).unwrap();
        assert!(check_place(&root.join("group/up"), Path::new("f")).unwrap_err().contains("group 4712"));
        symlink("round", root.join("round")).unwrap();
        assert!(check_place(&root.join("round"), Path::new("f")).unwrap_err().contains("can't be told"));
        chown(&root, Some(4711), None).unwrap();
        assert!(check("own/f").unwrap_err().contains("user 4711"));
    }

    #[test]
    fn programs_that_others_can_change_are_refused() {
        if !rustix::process::geteuid().is_root() {
            return; // Only root has this rule.
        }
        let top = tempfile::tempdir().unwrap();
        let program = top.path().join("tool");
        fs::write(&program, "").unwrap();
        let set = |mode| fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        set(0o755);
        check_program(&program, None).unwrap();
        set(0o757);
        assert!(check_program(&program, None).unwrap_err().contains("everybody"));
        set(0o755);
        chown(&program, Some(4711), None).unwrap();
        assert!(check_program(&program, None).unwrap_err().contains("user 4711"));
        check_program(&program, Some(4711)).unwrap();
        assert!(check_program(&program, Some(4713)).is_err());
        fs::set_permissions(top.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(check_program(&program, Some(4711)).unwrap_err().contains("everybody"));
        // What is not there yet counts by who could put it there, in a sticky folder too, and behind a link.
        check_program(Path::new("/no/such/program"), None).unwrap();
        let gone = top.path().join("gone");
        assert!(check_program(&gone, None).unwrap_err().contains("everybody"));
        fs::set_permissions(top.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        assert!(check_program(&gone, None).unwrap_err().contains("everybody"));
        let closed = tempfile::tempdir().unwrap();
        symlink(&gone, closed.path().join("link")).unwrap();
        assert!(check_program(&closed.path().join("link"), None).unwrap_err().contains("everybody"));
        symlink(closed.path().join("gone"), closed.path().join("dangling")).unwrap();
        check_program(&closed.path().join("dangling"), None).unwrap();
        assert!(check_program(&top.path().join("gone/deep"), None).unwrap_err().contains("everybody"));
    }
}
