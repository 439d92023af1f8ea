//! `borehole man`: the manual pages of the program and of each command.
//!
//! In: perhaps a directory. Out: roff, the main page on stdout or all pages in the directory. Always: made from the
//! command line itself; a page says what `--help` does. Absent: dates, so that equal programs have equal pages.

use std::path::PathBuf;

use clap::Args;
use clap_mangen::Man as Page;

use crate::exit::{Exit, UsageError};
use crate::{Outcome, args, output};

/// Prints the manual page, or writes those of all commands into a directory.
///
/// Exit codes: 0 written, 2 wrong arguments, 4 a page cannot be written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  # Read the main page
  borehole man | man -l -
  # Install all pages; then: man borehole-analyze
  borehole man --out ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Write every page here: borehole.1, borehole-analyze.1 and so on
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace existing pages
    #[arg(long, requires = "out")]
    pub force: bool,
}

/// Runs the command.
pub(crate) fn run(args: &Man) -> Outcome {
    let mut command = args::command().disable_help_subcommand(true);
    // Names like borehole-dataset-info.
    command.build();
    let Some(directory) = &args.out else {
        output::to_stdout(&page(command)?)?;
        return Ok(Exit::Complete);
    };
    if !directory.is_dir() {
        std::fs::create_dir(directory).map_err(|cause| UsageError {
            message: format!("{}: cannot be made: {}", directory.display(), cause.kind()),
            hint: Some("name a directory whose parent is there"),
        })?;
    }
    let mut pages = Vec::new();
    all(command, &mut pages)?;
    for (name, _) in &pages {
        output::check_file(&directory.join(name), args.force)?;
    }
    for (name, text) in pages {
        output::to_file(&directory.join(name), &text)?;
    }
    Ok(Exit::Complete)
}

/// The page of a command and those of the commands in it, with their file names.
fn all(command: clap::Command, pages: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        all(inner.clone(), pages)?;
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    pages.push((format!("{name}.1"), page(command)?));
    Ok(())
}

/// One page. Its parts are clap's; the title, since an empty date has to be written as one, and the examples, which
/// keep their lines, are made here.
fn page(mut command: clap::Command) -> anyhow::Result<String> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    command = command.after_help("").after_long_help("");
    let has_commands = command.get_subcommands().any(|inner| !inner.is_hide_set());
    let page = Page::new(command);
    let mut roff = Vec::new();
    // Where the terminal has other quotes, `'` stays what a shell reads.
    roff.extend_from_slice(b".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n");
    let version = env!("CARGO_PKG_VERSION");
    let title = format!(".TH \"{}\" 1 \"\" \"borehole {version}\" \"Borehole\"\n", name.to_uppercase());
    roff.extend_from_slice(title.as_bytes());
    page.render_name_section(&mut roff)?;
    page.render_synopsis_section(&mut roff)?;
    page.render_description_section(&mut roff)?;
    page.render_options_section(&mut roff)?;
    if has_commands {
        page.render_subcommands_section(&mut roff)?;
    }
    roff.extend_from_slice(examples(&after).as_bytes());
    Ok(String::from_utf8_lossy(&roff).into_owned())
}

/// The text behind the options: its examples line by line, the rest as paragraphs.
fn examples(after: &str) -> String {
    let mut roff = String::new();
    let mut is_inside = false;
    for line in after.lines() {
        match line {
            "Examples:" => {
                roff.push_str(".SH EXAMPLES\n.nf\n");
                is_inside = true;
            }
            "" if is_inside => {
                roff.push_str(".fi\n.SH NOTES\n");
                is_inside = false;
            }
            line => {
                roff.push_str(&escaped_for_roff(line.trim_start()));
                roff.push_str(if is_inside { "\n" } else { "\n.br\n" });
            }
        }
    }
    if is_inside {
        roff.push_str(".fi\n");
    }
    roff
}

/// A line as roff prints it unchanged: its own signs, hyphens that stay hyphens, quotes that stay what they are.
fn escaped_for_roff(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    if line.starts_with(['.', '\'']) {
        out.push_str("\\&");
    }
    for character in line.chars() {
        match character {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\*(Aq"),
            other => out.push(other),
        }
    }
    out
}
