//! The machine's time zone by its name, which is the zone of a schedule that names none. Never an offset: that would be
//! wrong on the other side of a clock change.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use fsmon_core::plan;

/// What the time zone is called; `UTC` where the machine does not say, or says it in a way that names none.
pub fn local() -> String {
    let given = env::var_os("TZ").filter(|zone| !zone.is_empty());
    let known = match &given {
        Some(zone) => named(zone),
        None => linked(Path::new("/etc/localtime")),
    };
    known.unwrap_or_else(|| "UTC".to_owned())
}

/// The name in a `TZ` variable: `Europe/Paris`, `:Europe/Paris`, or the path of a zone's file.
fn named(zone: &OsStr) -> Option<String> {
    let zone = zone.to_str()?;
    let zone = zone.strip_prefix(':').unwrap_or(zone);
    below_zoneinfo(zone).or_else(|| plan::knows_zone(zone).then(|| zone.to_owned()))
}

/// The name of the zone's file that this link leads to.
fn linked(link: &Path) -> Option<String> {
    // The file may be a link itself, and it may not be there: then what the first link says counts.
    let leads_to = [fs::canonicalize(link), fs::read_link(link)];
    leads_to.iter().flatten().find_map(|path| below_zoneinfo(path.to_str()?))
}

fn below_zoneinfo(path: &str) -> Option<String> {
    let (_, name) = path.split_once("zoneinfo/")?;
    plan::knows_zone(name).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_known_by_its_name_however_it_is_said() {
        for said in ["Europe/Paris", ":Europe/Paris", "/usr/share/zoneinfo/Europe/Paris"] {
            assert_eq!(named(OsStr::new(said)).as_deref(), Some("Europe/Paris"), "{said}");
        }
        for said in ["CET-1CEST", "Mars/Olympus", ":"] {
            assert_eq!(named(OsStr::new(said)), None, "{said}");
        }
    }

    #[test]
    fn a_link_to_a_zones_file_tells_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("localtime");
        std::os::unix::fs::symlink("/nowhere/zoneinfo/America/Sao_Paulo", &link).unwrap();
        assert_eq!(linked(&link).as_deref(), Some("America/Sao_Paulo"));
        fs::remove_file(&link).unwrap();
        fs::write(&link, "TZif2").unwrap();
        assert_eq!(linked(&link), None);
    }
}
