//! Exit codes, and how an error reaches a person: one line, then a hint where there is a next step.

use std::process::ExitCode;

use borehole_scan::Error;
use borehole_scan::kept::KeptError;
use borehole_table::dataset::DatasetError;

/// The exit codes of every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The answer is complete.
    Complete = 0,
    /// Our own bug; nothing was published.
    Internal = 1,
    /// Wrong arguments or configuration.
    Usage = 2,
    /// The report was written, and something is missing from it.
    Incomplete = 3,
    /// There is no answer: no access, an unreadable source, an output that cannot be written.
    NoAnswer = 4,
    /// Nothing matched.
    Nothing = 5,
    /// A `--fail-if` condition holds, or cannot be told.
    Condition = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Wrong arguments that only a second look finds.
#[derive(Debug)]
pub(crate) struct UsageError {
    pub message: String,
    pub hint: Option<&'static str>,
}

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UsageError {}

/// An error whose next step somebody knows better than this file.
#[derive(Debug)]
pub(crate) struct Hinted {
    error: anyhow::Error,
    hints: Vec<String>,
}

impl Hinted {
    /// The error with these hints; as it is where there is none.
    pub(crate) fn over(error: anyhow::Error, hints: Vec<String>) -> anyhow::Error {
        if hints.is_empty() { error } else { Hinted { error, hints }.into() }
    }
}

impl std::fmt::Display for Hinted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl std::error::Error for Hinted {}

/// An error without the hints that somebody gave it.
pub(crate) fn unhinted(error: &anyhow::Error) -> &anyhow::Error {
    error.downcast_ref::<Hinted>().map_or(error, |hinted| &hinted.error)
}

/// The hints that somebody gave an error.
pub(crate) fn hints_of(error: &anyhow::Error) -> &[String] {
    error.downcast_ref::<Hinted>().map_or(&[], |hinted| &hinted.hints)
}

/// The books did not balance: nothing is published.
#[derive(Debug)]
pub(crate) struct Unbalanced(pub String);

impl std::fmt::Display for Unbalanced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "internal error: the ledger does not balance ({}); no report was written", self.0)
    }
}

impl std::error::Error for Unbalanced {}

/// Tells the error on stderr, and which exit code it is.
pub(crate) fn report(error: &anyhow::Error) -> Exit {
    if let Some(Hinted { error, hints }) = error.downcast_ref::<Hinted>() {
        let (exit, _) = classify(error);
        tell!("error: {}", escaped(&format!("{error:#}")));
        for hint in hints {
            tell!("hint: {}", escaped(hint));
        }
        return exit;
    }
    let (exit, hint) = classify(error);
    tell!("error: {}", escaped(&format!("{error:#}")));
    if let Some(hint) = hint {
        tell!("hint: {hint}");
    }
    exit
}

/// Which exit code an error is, and the next step where there is one.
pub(crate) fn classify(error: &anyhow::Error) -> (Exit, Option<&'static str>) {
    if let Some(usage) = error.downcast_ref::<UsageError>() {
        return (Exit::Usage, usage.hint);
    }
    if error.downcast_ref::<Unbalanced>().is_some() {
        return (Exit::Internal, Some("this is a bug in borehole; please report it with the line above"));
    }
    if let Some(error) = error.downcast_ref::<DatasetError>() {
        let exit = if error.is_usage() { Exit::Usage } else { Exit::NoAnswer };
        return (exit, error.hint());
    }
    match error.downcast_ref::<Error>() {
        Some(Error::Ranges | Error::Map { .. } | Error::UnknownStream { .. }) => (Exit::Usage, None),
        Some(Error::Kept(KeptError::Gap { .. })) => (
            Exit::Usage,
            Some(
                "give the part that holds them, too, or ask for the hours that are there with --from and --to",
            ),
        ),
        Some(Error::Kept(KeptError::Hourless { .. })) => {
            (Exit::Usage, Some("split the work by --stream, or read such files in a run of their own"))
        }
        Some(Error::Kept(_)) => (Exit::Usage, Some("each hour of a stream may be in one of them only")),
        Some(Error::NotKept { .. } | Error::KeptDamaged { .. }) => (
            Exit::NoAnswer,
            Some("borehole dataset verify says what is wrong; read the logs again with --dataset"),
        ),
        Some(Error::Unsupported { hint, .. }) => (Exit::Usage, Some(hint)),
        Some(Error::Internal { .. }) => (Exit::Internal, Some("this is a bug in borehole; please report it")),
        Some(Error::Spill { .. }) => {
            (Exit::NoAnswer, Some("free some space there, or name another place with --temp-dir"))
        }
        Some(Error::Changed { .. }) => (Exit::NoAnswer, Some("run it again once the copy has finished")),
        Some(Error::Store(borehole_store::Error { hint: Some(hint), .. })) => (Exit::NoAnswer, Some(hint)),
        Some(Error::Store(_)) => (
            Exit::NoAnswer,
            Some("check the path; a date at its end, as in DIR/2024/03/11, is a range of time over DIR"),
        ),
        _ => (Exit::NoAnswer, None),
    }
}

/// Shows help on stdout, or what is wrong with the command line on stderr; what was typed is escaped.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    let lines: Vec<String> = text.lines().map(escaped).collect();
    if error.use_stderr() {
        tell!("{}", lines.join("\n"));
        if error.kind() == clap::error::ErrorKind::InvalidSubcommand {
            tell!("hint: it is no command, no path that is there, and no name of borehole.toml");
        }
    } else {
        // Whoever closes the pipe has read enough.
        let _ = crate::output::to_stdout(&format!("{}\n", lines.join("\n")));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8))
}

/// Control characters never reach the terminal, wherever a message came from.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let direction = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if character.is_control() || direction {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

/// A panic is a bug of ours, and its message may hold what was being read: only the place in our code is told.
pub(crate) fn silence_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        tell!("internal error{place}; this is a bug in borehole");
    }));
}
