//! Folders for cases: one for each quota, with a name that any file system takes.
//!
//! In: facts of tickets, and a directory. Out: files. Always: a name is lower-case letters, digits, points and
//! dashes, and no two cases share one; a file that exists is never replaced unasked. Absent: anything outside of
//! the directory.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use borehole_quota::QuotaKey;
use borehole_quota::ticket::TicketFacts;
use borehole_report::ticket::{self, TicketStyle};

use crate::exit::UsageError;
use crate::output;

/// Characters of a folder's name: file systems take 255 bytes, and a number may follow.
const NAME_MAX: usize = 200;

/// Checks before the work whether cases may be written: hours of reading are not lost to a typo.
pub(super) fn check(directory: &Path, force: bool) -> anyhow::Result<()> {
    let place = directory.display();
    let usage = |message: String, hint: Option<&'static str>| UsageError { message, hint }.into();
    match std::fs::symlink_metadata(directory) {
        Ok(found) if found.is_symlink() => {
            Err(usage(format!("{place} is a link"), Some("name the directory itself")))
        }
        Ok(found) if !found.is_dir() => {
            Err(usage(format!("{place} is a file"), Some("-o takes a directory")))
        }
        Ok(_) if force => Ok(()),
        Ok(_) => {
            let mut entries =
                std::fs::read_dir(directory).with_context(|| format!("{place}: cannot be listed"))?;
            match entries.next() {
                Some(_) => Err(usage(
                    format!("{place} is not empty"),
                    Some("name a new directory, or replace what is there with --force"),
                )),
                None => Ok(()),
            }
        }
        Err(_) => output::check_parent(directory),
    }
}

/// Writes one folder for each ticket; the names of the folders.
pub(super) fn write(
    directory: &Path,
    tickets: &[TicketFacts],
    style: TicketStyle,
    force: bool,
) -> anyhow::Result<Vec<String>> {
    let names = names(tickets.iter().map(|facts| &facts.key));
    let style = TicketStyle { attachments: true, ..style };
    make_folder(directory)?;
    for (facts, name) in tickets.iter().zip(&names) {
        let folder = directory.join(name);
        make_folder(&folder)?;
        let one = std::slice::from_ref(facts);
        let files = [
            ("case.txt", ticket::text(one, style)),
            ("case.md", ticket::markdown(one, style)),
            ("facts.json", ticket::json(one, style.form)),
            ("minutes.csv", ticket::minutes_csv(facts)),
            ("evidence.txt", ticket::evidence(facts)),
        ];
        for (file, _) in &files {
            output::check_file(&folder.join(file), force)?;
        }
        for (file, text) in &files {
            output::to_file(&folder.join(file), text)?;
        }
    }
    Ok(names)
}

fn make_folder(folder: &Path) -> anyhow::Result<()> {
    match std::fs::symlink_metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => {
            Err(UsageError { message: format!("{} is no directory", folder.display()), hint: None }.into())
        }
        Err(_) => {
            std::fs::create_dir(folder).with_context(|| format!("{}: cannot be made", folder.display()))
        }
    }
}

/// A name for each quota; the later of two that would be the same gets a number.
fn names<'a>(keys: impl Iterator<Item = &'a QuotaKey>) -> Vec<String> {
    let mut used = BTreeSet::new();
    let mut names = Vec::new();
    for key in keys {
        let plain = name(key);
        let mut name = plain.clone();
        let mut number = 2u64;
        while !used.insert(name.clone()) {
            name = format!("{plain}-{number}");
            number += 1;
        }
        names.push(name);
    }
    names
}

/// `111122223333-us-east-1-anthropic.claude-sonnet-4-5-20250929-v1-0-geo`.
fn name(key: &QuotaKey) -> String {
    let parts = [
        key.account.as_deref().unwrap_or("no-account"),
        key.region.as_deref().unwrap_or("no-region"),
        &*key.model,
        key.scope.as_str(),
    ];
    let words: Vec<String> = parts.iter().map(|part| word(part)).collect();
    words.join("-")
}

/// A word in lower-case letters, digits, points and dashes, beginning and ending with a letter or digit.
fn word(text: &str) -> String {
    let mut word = String::new();
    for character in text.chars().take(NAME_MAX / 2) {
        let plain = character.to_ascii_lowercase();
        let is_plain = plain.is_ascii_alphanumeric() || plain == '.';
        // No two points or dashes in a row: no name leads upwards.
        let is_mark = |c: char| c == '-' || c == '.';
        if is_plain && !(plain == '.' && word.ends_with(is_mark)) {
            word.push(plain);
        } else if !is_plain && !word.ends_with(is_mark) {
            word.push('-');
        }
    }
    let trimmed = word.trim_matches(['-', '.']);
    if trimmed.is_empty() { "none".to_owned() } else { trimmed.to_owned() }
}

#[cfg(test)]
mod tests {
    use borehole_record::Scope;

    use super::*;

    fn key(account: Option<&str>, region: &str, model: &str) -> QuotaKey {
        QuotaKey {
            account: account.map(Into::into),
            region: Some(region.into()),
            model: model.into(),
            scope: Scope::Geo,
        }
    }

    #[test]
    fn names_are_plain_whatever_the_log_says() {
        for (model, expected) in [
            (
                "anthropic.claude-sonnet-4-5-20250929-v1:0",
                "111122223333-us-east-1-anthropic.claude-sonnet-4-5-20250929-v1-0-geo",
            ),
            ("../../etc/passwd", "111122223333-us-east-1-etc-passwd-geo"),
            ("a\0b\n/c\\d", "111122223333-us-east-1-a-b-c-d-geo"),
            ("", "111122223333-us-east-1-none-geo"),
            ("東京", "111122223333-us-east-1-none-geo"),
            ("..", "111122223333-us-east-1-none-geo"),
        ] {
            assert_eq!(name(&key(Some("111122223333"), "us-east-1", model)), expected);
        }
        assert_eq!(name(&key(None, "-rf", "m")), "no-account-rf-m-geo");
        let long = name(&key(Some(&"x".repeat(4_096)), &"y".repeat(4_096), "m"));
        assert!(long.len() <= 255 && long.is_ascii(), "{long}");
    }

    #[test]
    fn cases_whose_names_fall_together_are_told_apart() {
        let keys = [
            key(None, "r", "a:b"),
            key(None, "r", "a/b"),
            key(None, "r", "A-B"),
            key(None, "r", "a-b-geo-2"),
        ];
        let names = names(keys.iter());
        assert_eq!(names[..3], ["no-account-r-a-b-geo", "no-account-r-a-b-geo-2", "no-account-r-a-b-geo-3"]);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 4);
    }
}
