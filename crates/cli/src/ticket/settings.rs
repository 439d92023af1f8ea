//! `ticket.toml`: what only the operator can say about a ticket.
//!
//! In: a file that the operator keeps, and the options of the command line, which win. Out: [`Settings`]. Always:
//! a file that was only come across is never read from a directory that is analysed; an unknown key is an error;
//! an error names file, line and key and never shows a value. Absent: anything the logs can say themselves.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use borehole_quota::Share;
use borehole_quota::ticket::{CrossRegion, LimitType, StatedQuota, TicketInput};
use borehole_record::Scope;
use serde::Deserialize;

use crate::config::{complaint, lies_in};
use crate::exit::{UsageError, escaped};
use crate::output;
use crate::studies::AimArgs;

/// The file's name in the current directory.
pub(super) const FILE_NAME: &str = "ticket.toml";

/// What `--init` writes.
const TEMPLATE: &str = include_str!("template.toml");

/// Bytes of such a file: a long use case and a thousand quotas take less. What is longer is another file.
const FILE_BYTES_MAX: u64 = 256 << 10;

const HINT: &str = "docs/ticket.md describes the file; borehole ticket --init writes one";

/// What the file says; an empty text is `Some` of it, since it was left blank on purpose.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(super) use_case: Option<String>,
    pub(super) contact: Option<String>,
    pub(super) growth: Option<Share>,
    pub(super) margin: Option<Share>,
    pub(super) target: Option<Share>,
    pub(super) cross_region: Option<CrossRegion>,
    pub(super) not_global_reason: Option<String>,
    pub(super) limit_type: Option<LimitType>,
    pub(super) input_modality: Option<String>,
    pub(super) output_modality: Option<String>,
    pub(super) current: Vec<StatedQuota>,
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    use_case: Option<String>,
    contact: Option<String>,
    growth: Option<String>,
    margin: Option<String>,
    target: Option<String>,
    cross_region: Option<String>,
    not_global_reason: Option<String>,
    limit_type: Option<String>,
    input_modality: Option<String>,
    output_modality: Option<String>,
    #[serde(default)]
    current: Vec<WrittenQuota>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenQuota {
    account: Option<String>,
    region: Option<String>,
    model: Option<String>,
    scope: Option<String>,
    tokens_per_minute: Option<u64>,
    requests_per_minute: Option<u64>,
}

impl Settings {
    /// The settings of the named file, or of the one in the current directory; the empty ones where there is none.
    pub(super) fn find(named: Option<&Path>, inputs: &[PathBuf]) -> anyhow::Result<Self> {
        if let Some(file) = named {
            return Self::read(file);
        }
        let file = Path::new(FILE_NAME);
        if !file.is_file() {
            return Ok(Settings::default());
        }
        if lies_in(file, inputs) {
            tell!("warning: {FILE_NAME} lies in what is being analysed and is not read");
            tell!("hint: if it is yours, name it: --ticket-toml FILE");
            return Ok(Settings::default());
        }
        Self::read(file)
    }

    /// What goes into a ticket, and what is aimed at where `aim` does not say it.
    pub(crate) fn over(self, aim: &AimArgs) -> (TicketInput, AimArgs) {
        let aim = AimArgs {
            target: aim.target.or(self.target),
            growth: aim.growth.or(self.growth),
            margin: aim.margin.or(self.margin),
            ..aim.clone()
        };
        let input = TicketInput {
            use_case: self.use_case,
            contact: self.contact,
            cross_region: self.cross_region,
            not_global_reason: self.not_global_reason,
            limit_type: self.limit_type,
            input_modality: self.input_modality,
            output_modality: self.output_modality,
            current: self.current,
        };
        (input, aim)
    }

    /// Writes a file to be filled in.
    pub(super) fn init(file: &Path) -> anyhow::Result<()> {
        output::check_file(file, false).map_err(|error| match error.downcast::<UsageError>() {
            // Whoever filled one in would lose it.
            Ok(usage) if usage.hint == Some("--force replaces it") => {
                UsageError { hint: Some("it is used as it is; remove it to start anew"), ..usage }.into()
            }
            Ok(usage) => usage.into(),
            Err(error) => error,
        })?;
        output::to_file(file, TEMPLATE)
    }

    fn read(file: &Path) -> anyhow::Result<Self> {
        let unreadable = |cause: std::io::Error| UsageError {
            message: format!("{}: cannot be read: {}", file.display(), cause.kind()),
            hint: Some(HINT),
        };
        let mut text = String::new();
        let opened = std::fs::File::open(file).map_err(unreadable)?;
        opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(wrong(file, "", "too long for a ticket.toml"));
        }
        Self::parse(file, &text)
    }

    fn parse(file: &Path, text: &str) -> anyhow::Result<Self> {
        let written: Written = toml::from_str(text).map_err(|error| complaint(file, text, &error, HINT))?;
        let share = |key: &str, text: Option<String>| {
            let text = text.filter(|text| !text.trim().is_empty());
            let read = text.map(|text| text.trim().parse::<Share>());
            read.transpose().map_err(|error| wrong(file, key, &error.to_string()))
        };
        let cross_region = match written.cross_region.as_deref().map(str::trim) {
            None | Some("") => None,
            Some("no") => Some(CrossRegion::No),
            Some("geo") => Some(CrossRegion::Geo),
            Some("global") => Some(CrossRegion::Global),
            Some(_) => return Err(wrong(file, "cross_region", "expected \"no\", \"geo\" or \"global\"")),
        };
        let limit_type = match written.limit_type.as_deref().map(str::trim) {
            None | Some("") => None,
            Some("on-demand") => Some(LimitType::OnDemand),
            Some("provisioned") => Some(LimitType::Provisioned),
            Some(_) => {
                return Err(wrong(file, "limit_type", "expected \"on-demand\" or \"provisioned\""));
            }
        };
        for quota in &written.current {
            if quota.scope.as_deref().is_some_and(|scope| !is_scope(scope)) {
                return Err(wrong(file, "current.scope", "expected \"on-demand\", \"geo\" or \"global\""));
            }
            if quota.tokens_per_minute.is_none() && quota.requests_per_minute.is_none() {
                let text = "expected tokens_per_minute or requests_per_minute in each entry";
                return Err(wrong(file, "current", text));
            }
        }
        let current = written.current.into_iter().map(|quota| StatedQuota {
            account: quota.account,
            region: quota.region,
            model: quota.model,
            scope: quota.scope,
            tokens_per_minute: quota.tokens_per_minute,
            requests_per_minute: quota.requests_per_minute,
        });
        Ok(Settings {
            use_case: written.use_case,
            contact: written.contact,
            growth: share("growth", written.growth)?,
            margin: share("margin", written.margin)?,
            target: share("target", written.target)?,
            cross_region,
            not_global_reason: written.not_global_reason,
            limit_type,
            input_modality: written.input_modality,
            output_modality: written.output_modality,
            current: current.collect(),
        })
    }
}

/// Whether a word is the name of a scope.
pub(super) fn is_scope(word: &str) -> bool {
    let scopes = [
        Scope::OnDemand,
        Scope::Geo,
        Scope::Global,
        Scope::Provisioned,
        Scope::ApplicationProfile,
        Scope::Custom,
        Scope::Imported,
        Scope::Endpoint,
        Scope::Unknown,
    ];
    scopes.iter().any(|scope| scope.as_str() == word)
}

fn wrong(file: &Path, key: &str, text: &str) -> anyhow::Error {
    let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
    UsageError { message: format!("{}: {key}{text}", escaped(&file.display().to_string())), hint: Some(HINT) }
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, String> {
        Settings::parse(Path::new(FILE_NAME), text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_init_writes_is_read_back_with_everything_still_blank() {
        let settings = parse(TEMPLATE).expect("our own template is sound");
        assert_eq!(settings.use_case.as_deref(), Some(""));
        assert_eq!(settings.contact.as_deref(), Some(""));
        assert_eq!(settings.growth, Some(Share::default()));
        assert_eq!(settings.target, Some(Share::from_millionths(1_000)));
        assert_eq!((settings.cross_region, settings.limit_type), (None, None));
        assert!(settings.current.is_empty());
    }

    #[test]
    fn the_commented_lines_of_the_template_are_sound_too() {
        let is_key = |line: &str| line.starts_with("# [[") || line.starts_with("# ") && line.contains(" = ");
        let lines =
            TEMPLATE.lines().map(|line| line.strip_prefix("# ").filter(|_| is_key(line)).unwrap_or(line));
        let settings = parse(&lines.collect::<Vec<_>>().join("\n")).expect("sound");
        assert_eq!(settings.current.len(), 1);
        assert_eq!(settings.current[0].tokens_per_minute, Some(4_000_000));
        assert_eq!(settings.input_modality.as_deref(), Some("text"));
    }

    #[test]
    fn g16_an_error_names_the_key_and_never_shows_a_value() {
        for (text, key) in [
            ("growth = \"s3cret\"", "growth"),
            ("cross_region = \"s3cret\"", "cross_region"),
            ("limit_type = \"s3cret\"", "limit_type"),
            ("use_case = 5", "use_case"),
            ("contacts = \"s3cret\"", "contacts"),
            ("[[current]]\nscope = \"s3cret\"\ntokens_per_minute = 1", "scope"),
            ("[[current]]\nregion = \"s3cret\"", "current"),
            ("[[current]]\ntokens = 5", "tokens"),
            ("aws_secret_access_key = s3cret", "line 1"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(key), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
