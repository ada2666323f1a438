//! Whether the command of a watch could be started at all, asked when somebody defines it. It decides nothing: what is
//! not there may be installed later, and each start looks again.

use std::ffi::OsStr;
use std::path::Path;

use fsmon_protocol::spec::Rules;

use super::run_as::Account;
use super::{environment, program, trust};

/// Why the command of a watch with this root could not be started now, as far as can be told without starting it.
/// Waits for file systems and the user database.
pub(crate) fn doubt(root: &Path, rules: &Rules) -> Option<String> {
    let name = OsStr::new(rules.command.first()?);
    let account = match rules.run_as.as_deref().map(Account::find).transpose() {
        Ok(account) => account,
        Err(why) => return Some(why),
    };
    let base = environment::base("");
    let environment = environment::of_watch(&base, rules, account.as_ref());
    let uid = account.as_ref().map(|account| account.uid.as_raw());
    let file = program::check(name, environment::folder(rules, root), &environment);
    match file {
        Ok(file) if trust::matters() => trust::check_program(Path::new(&file), uid).err(),
        other => other.err(),
    }
}
