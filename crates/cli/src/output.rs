//! Where reports go: stdout, or files that appear whole or not at all.

use std::io::{self, ErrorKind, IsTerminal, Seek as _, Write};
use std::path::Path;

use anyhow::Context;
use tempfile::NamedTempFile;

use crate::exit::UsageError;

/// Writes to stdout; a reader that has gone away is a quiet success.
pub(crate) fn to_stdout(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("stdout: write failed"),
        _ => Ok(()),
    }
}

/// Whether stdout takes colour: a terminal, and nobody said no.
pub(crate) fn takes_color() -> bool {
    let refuses = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    io::stdout().is_terminal() && !refuses
}

/// Checks before the work whether a file may be written, so that hours of reading are not lost to a typo.
pub(crate) fn check_file(path: &Path, force: bool) -> anyhow::Result<()> {
    let place = || path.display().to_string();
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Err(usage(format!("{} is a directory", place()), None)),
        Ok(found) if found.is_symlink() => {
            Err(usage(format!("{} is a link", place()), Some("name the file itself")))
        }
        Ok(_) if !force => Err(usage(format!("{} exists", place()), Some("--force replaces it"))),
        Ok(_) => Ok(()),
        Err(_) => check_parent(path),
    }
}

/// Checks that a file or directory can be made at a path: the directory that it would be in is there.
pub(crate) fn check_parent(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() {
        Ok(())
    } else {
        Err(usage(format!("{}: no such directory", folder.display()), None))
    }
}

fn usage(message: String, hint: Option<&'static str>) -> anyhow::Error {
    UsageError { message, hint }.into()
}

/// Writes a file: a temporary one beside it, then a rename, so that no reader ever sees half of it.
pub(crate) fn to_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let failed = || format!("{}: write of {} bytes failed", path.display(), text.len());
    let mut file = temporary_beside(path).with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)?;
    publish(file, path)
}

/// An empty file that is to become the one of this path.
pub(crate) fn temporary_beside(path: &Path) -> io::Result<NamedTempFile> {
    temporary_in(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// An empty file that is gone when nobody holds it any more.
pub(crate) fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".borehole-").tempfile_in(folder)
}

/// Makes a file that is written in whole the one of a path.
pub(crate) fn publish(file: NamedTempFile, path: &Path) -> anyhow::Result<()> {
    let failed = || format!("{}: write failed", path.display());
    file.as_file().sync_all().with_context(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Temporary files are private; a report is an ordinary file of its owner, still not for others.
        let mode = std::fs::Permissions::from_mode(0o640);
        file.as_file().set_permissions(mode).with_context(failed)?;
    }
    file.persist(path).map_err(|error| error.error).with_context(failed)?;
    Ok(())
}

/// Writes what is in a file to stdout; a reader that has gone away is a quiet success.
pub(crate) fn file_to_stdout(mut file: NamedTempFile) -> anyhow::Result<()> {
    file.rewind().context("stdout: read of the temporary file failed")?;
    let mut out = io::stdout().lock();
    match io::copy(&mut file, &mut out).and_then(|_| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("stdout: write failed"),
        _ => Ok(()),
    }
}
