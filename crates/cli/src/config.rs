//! `borehole.toml`: names for sources, each with its URLs, its payload buckets and the way in, and what stands in for
//! options that are not given.
//!
//! In: a file that the operator keeps. Out: [`Config`]. Always: a file that was only come across (not named with
//! `--config` or `BOREHOLE_CONFIG`) is never read from a directory that the run analyses (faults G16); an error
//! names file, line and key, and never shows a value, since the wrong file may be somebody's secrets. Absent:
//! opening anything, and what an option takes (see `command_line`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Once;

use borehole_store::s3::S3Options;
use serde::Deserialize;

use crate::exit::UsageError;

/// The file's name, wherever it lies.
const FILE_NAME: &str = "borehole.toml";

/// Bytes of a configuration: ten thousand sources take less than 2 MB. What is longer is another file.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Where the file is described.
const HINT: &str = "docs/configuration.md describes the file";

/// The named sources and the defaults of one file.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// Where it was read from; relative paths in it start at its folder.
    file: PathBuf,
    is_named: bool,
    sources: BTreeMap<String, NamedSource>,
    groups: BTreeMap<String, Vec<String>>,
    defaults: Defaults,
    rules: RulesTable,
    quotas: QuotasTable,
    ticket: TicketTable,
}

/// The table `[defaults]`: options by their names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Defaults {
    #[serde(default)]
    source: OneOrMore,
    last: Option<String>,
    #[serde(default)]
    large_data: OneOrMore,
    dataset: Option<String>,
    #[serde(default)]
    by: OneOrMore,
    top: Option<u64>,
    #[serde(default)]
    rank: OneOrMore,
    threads: Option<u64>,
    memory: Option<String>,
}

/// The table `[rules]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesTable {
    file: Option<String>,
}

/// The table `[quotas]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuotasTable {
    #[serde(default)]
    service_quotas: OneOrMore,
    #[serde(default)]
    inference_profiles: OneOrMore,
}

/// The table `[ticket]`: what a ticket says has a file of its own.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketTable {
    file: Option<String>,
}

/// A key of the file that stands in for an option which is not given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Setting {
    /// The key, with its table.
    pub key: &'static str,
    /// The option's long name.
    pub option: &'static str,
    /// Its values; one for an option that is given once.
    pub values: Vec<String>,
}

/// One table `[sources.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedSource {
    url: OneOrMore,
    #[serde(default)]
    large_data: OneOrMore,
    profile: Option<String>,
    role_arn: Option<String>,
    external_id: Option<String>,
    region: Option<String>,
    endpoint_url: Option<String>,
    #[serde(default)]
    no_sign_request: bool,
    #[serde(default)]
    requester_pays: bool,
}

impl NamedSource {
    /// Where its logs lie: `s3://…`, or absolute paths.
    pub(crate) fn urls(&self) -> &[String] {
        self.url.list()
    }

    /// Where its payloads lie: the same.
    pub(crate) fn large_data(&self) -> &[String] {
        self.large_data.list()
    }

    /// The way in.
    pub(crate) fn options(&self) -> S3Options {
        S3Options {
            profile: self.profile.clone(),
            role_arn: self.role_arn.clone(),
            external_id: self.external_id.clone(),
            region: self.region.clone(),
            endpoint_url: self.endpoint_url.clone(),
            no_sign_request: self.no_sign_request,
            requester_pays: self.requester_pays,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Default for OneOrMore {
    fn default() -> Self {
        OneOrMore::More(Vec::new())
    }
}

impl OneOrMore {
    fn list(&self) -> &[String] {
        match self {
            OneOrMore::One(value) => std::slice::from_ref(value),
            OneOrMore::More(values) => values,
        }
    }

    fn each(&mut self) -> &mut [String] {
        match self {
            OneOrMore::One(value) => std::slice::from_mut(value),
            OneOrMore::More(values) => values,
        }
    }
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    sources: BTreeMap<String, NamedSource>,
    #[serde(default)]
    groups: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    defaults: Defaults,
    #[serde(default)]
    rules: RulesTable,
    #[serde(default)]
    quotas: QuotasTable,
    #[serde(default)]
    ticket: TicketTable,
}

impl Config {
    /// Finds the configuration and reads it; the empty one where there is none.
    ///
    /// `inputs` are the directories that the run analyses: a file in one of them is somebody else's word, and is
    /// left alone with a warning, unless the operator named it.
    pub(crate) fn find(named: Option<&Path>, inputs: &[PathBuf]) -> anyhow::Result<Self> {
        let variable =
            |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(file) = named.map(Path::to_path_buf).or_else(|| variable("BOREHOLE_CONFIG")) {
            return Ok(Config { is_named: true, ..Self::read(&file)? });
        }
        // A relative XDG_CONFIG_HOME is to be ignored, its specification says.
        let home = variable("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        let home = home.or_else(|| variable("HOME").map(|home| home.join(".config")));
        let candidates =
            [Some(PathBuf::from(FILE_NAME)), home.map(|home| home.join("borehole").join(FILE_NAME))];
        for file in candidates.into_iter().flatten().filter(|file| file.is_file()) {
            if lies_in(&file, inputs) {
                // More than one place asks for the configuration of a run.
                static IS_TOLD: Once = Once::new();
                IS_TOLD.call_once(|| {
                    tell!(
                        "warning: {} lies in what is being analysed and is not read",
                        crate::exit::escaped(&file.display().to_string())
                    );
                    tell!("hint: if it is yours, name it: --config FILE");
                });
                continue;
            }
            return Self::read(&file);
        }
        Ok(Config::default())
    }

    fn read(file: &Path) -> anyhow::Result<Self> {
        let name = file.display();
        let unreadable = |cause: std::io::Error| UsageError {
            message: format!("{name}: cannot be read: {}", cause.kind()),
            hint: Some("--config and BOREHOLE_CONFIG name a borehole.toml"),
        };
        let mut text = String::new();
        let opened = std::fs::File::open(file).map_err(unreadable)?;
        opened.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(wrong(file, None, "too long for a configuration"));
        }
        let written: Written = toml::from_str(&text).map_err(|error| complaint(file, &text, &error, HINT))?;
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
        let Written { sources, groups, defaults, rules, quotas, ticket } = written;
        let mut config = Config { file, is_named: false, sources, groups, defaults, rules, quotas, ticket };
        config.check()?;
        config.settle_paths();
        Ok(config)
    }

    /// What TOML cannot say: names that can be told from paths, groups of names that are there.
    fn check(&self) -> anyhow::Result<()> {
        for name in self.sources.keys().chain(self.groups.keys()) {
            if !is_name(name) {
                let text =
                    "a name is letters, digits, `-`, `_` and points, and begins with a letter or digit";
                return Err(wrong(&self.file, Some(name), text));
            }
        }
        for (name, source) in &self.sources {
            if source.urls().is_empty() {
                return Err(wrong(&self.file, Some(&format!("sources.{name}.url")), "no URL"));
            }
            for url in source.urls().iter().chain(source.large_data()) {
                if is_url(url) && borehole_store::s3::Location::parse(url).is_none() {
                    let text = "expected s3://BUCKET, s3://BUCKET/PREFIX or a directory";
                    return Err(wrong(&self.file, Some(&format!("sources.{name}")), text));
                }
            }
        }
        for (name, members) in &self.groups {
            let key = format!("groups.{name}");
            if self.sources.contains_key(name) {
                return Err(wrong(&self.file, Some(&key), "a source has the same name"));
            }
            if members.is_empty() {
                return Err(wrong(&self.file, Some(&key), "names no source"));
            }
            if members.iter().any(|member| !self.sources.contains_key(member)) {
                return Err(wrong(&self.file, Some(&key), "names a source that is not in this file"));
            }
        }
        for source in self.defaults.source.list() {
            let name = source.split('/').next().unwrap_or_default();
            if is_url(source) && borehole_store::s3::Location::parse(source).is_none() {
                let text = "expected a source of this file, s3://BUCKET, s3://BUCKET/PREFIX or a directory";
                return Err(wrong(&self.file, Some("defaults.source"), text));
            }
            if !is_url(source) && is_name(name) && self.named(name).is_none() && name == source {
                let text =
                    "names a source that is not in this file; a directory is written with a /, as in ./dump";
                return Err(wrong(&self.file, Some("defaults.source"), text));
            }
        }
        for place in self.defaults.large_data.list() {
            if is_url(place) && borehole_store::s3::Location::parse(place).is_none() {
                let text = "expected s3://BUCKET, s3://BUCKET/PREFIX or a directory";
                return Err(wrong(&self.file, Some("defaults.large_data"), text));
            }
        }
        Ok(())
    }

    /// Directories are meant from the file's own folder on.
    fn settle_paths(&mut self) {
        let folder = self.file.parent().unwrap_or(Path::new("/")).to_path_buf();
        let settle = |place: &mut String| {
            if !is_url(place)
                && let Some(joined) = folder.join(&*place).to_str()
            {
                *place = joined.to_owned();
            }
        };
        for source in self.sources.values_mut() {
            source.url.each().iter_mut().chain(source.large_data.each()).for_each(settle);
        }
        let Config { sources, groups, defaults, rules, quotas, ticket, .. } = self;
        let is_known = |source: &String| {
            let name = source.split('/').next().unwrap_or_default();
            sources.contains_key(name) || groups.contains_key(name)
        };
        defaults.source.each().iter_mut().filter(|source| !is_known(source)).for_each(settle);
        defaults.large_data.each().iter_mut().for_each(settle);
        quotas.service_quotas.each().iter_mut().for_each(settle);
        quotas.inference_profiles.each().iter_mut().for_each(settle);
        [&mut defaults.dataset, &mut rules.file, &mut ticket.file].into_iter().flatten().for_each(settle);
    }

    /// The sources that are meant where none is given.
    pub(crate) fn default_sources(&self) -> &[String] {
        self.defaults.source.list()
    }

    /// Directories that the default sources lead to, themselves or by their names.
    pub(crate) fn default_directories(&self) -> Vec<PathBuf> {
        let mut places: Vec<&str> = Vec::new();
        for source in self.default_sources() {
            let name = source.split('/').next().unwrap_or_default();
            match self.named(name) {
                Some(named) => {
                    places.extend(named.iter().flat_map(|(_, source)| source.urls()).map(String::as_str));
                }
                None => places.push(source),
            }
        }
        places.into_iter().filter(|place| !is_url(place)).map(PathBuf::from).collect()
    }

    /// What stands in for options, in the order of the file's description; not the sources.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let Defaults { source: _, last, large_data, dataset, by, top, rank, threads, memory } =
            &self.defaults;
        let once = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
        let number = |value: &Option<u64>| value.iter().map(u64::to_string).collect::<Vec<_>>();
        // Options that take several values take them with commas between.
        let joined = |values: &OneOrMore| match values.list() {
            [] => Vec::new(),
            values => vec![values.join(",")],
        };
        let all = [
            ("defaults.last", "last", once(last)),
            ("defaults.large_data", "large-data", large_data.list().to_vec()),
            ("defaults.dataset", "dataset", once(dataset)),
            ("defaults.by", "by", joined(by)),
            ("defaults.top", "top", number(top)),
            ("defaults.rank", "rank", joined(rank)),
            ("defaults.threads", "threads", number(threads)),
            ("defaults.memory", "memory", once(memory)),
            ("rules.file", "rules", once(&self.rules.file)),
            ("quotas.service_quotas", "service-quotas", self.quotas.service_quotas.list().to_vec()),
            (
                "quotas.inference_profiles",
                "inference-profiles",
                self.quotas.inference_profiles.list().to_vec(),
            ),
            ("ticket.file", "ticket-toml", once(&self.ticket.file)),
        ];
        let given = all.into_iter().filter(|(_, _, values)| !values.is_empty());
        given.map(|(key, option, values)| Setting { key, option, values }).collect()
    }

    /// A value of this key is not what its option takes.
    pub(crate) fn refuse(&self, setting: &Setting) -> anyhow::Error {
        wrong(&self.file, Some(setting.key), &format!("not what --{} takes", setting.option))
    }

    /// The sources that a name stands for, each with its own name: one, or those of a group.
    pub(crate) fn named(&self, name: &str) -> Option<Vec<(&str, &NamedSource)>> {
        if let Some((name, source)) = self.sources.get_key_value(name) {
            return Some(vec![(name, source)]);
        }
        let members = self.groups.get(name)?;
        Some(
            members
                .iter()
                .filter_map(|name| self.sources.get_key_value(name))
                .map(|(n, s)| (&**n, s))
                .collect(),
        )
    }

    /// Every source with its name.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&str, &NamedSource)> {
        self.sources.iter().map(|(name, source)| (&**name, source))
    }

    /// Whether the operator named the file, and it was not only come across.
    pub(crate) fn is_named(&self) -> bool {
        self.is_named
    }

    /// The file, where there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        (!self.file.as_os_str().is_empty()).then_some(&*self.file)
    }

    /// Every name, sources first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.sources.keys().chain(self.groups.keys()).map(String::as_str)
    }

    /// The name that was probably meant.
    pub(crate) fn nearest(&self, typed: &str) -> Option<&str> {
        nearest(typed, self.names())
    }
}

/// The name that was probably meant: one with at most two letters added, lost, changed or swapped.
pub(crate) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distances = names.map(|name| (distance(typed, name), name));
    distances.filter(|&(distance, name)| distance <= 2 && distance < name.len()).min().map(|(_, name)| name)
}

/// Whether a word can be the name of a source.
pub(crate) fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphanumeric())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Whether a place is written as a URL, right or wrong, and is no path.
pub(crate) fn is_url(place: &str) -> bool {
    let scheme = place.split(':').next().unwrap_or_default();
    place.contains("://")
        || (scheme.len() < place.len() && matches!(&*scheme.to_ascii_lowercase(), "s3" | "arn"))
}

/// Whether a file lies in one of some directories, links resolved.
pub(crate) fn lies_in(file: &Path, directories: &[PathBuf]) -> bool {
    // A name that cannot be resolved cannot be read either.
    let Ok(file) = std::fs::canonicalize(file) else { return false };
    let inside =
        |directory: &PathBuf| std::fs::canonicalize(directory).is_ok_and(|root| file.starts_with(root));
    directories.iter().any(inside)
}

fn wrong(file: &Path, key: Option<&str>, text: &str) -> anyhow::Error {
    let key = key.map(|key| format!("{key}: ")).unwrap_or_default();
    UsageError { message: format!("{}: {key}{text}", file.display()), hint: Some(HINT) }.into()
}

/// What the reader of TOML says, without any of the file's values: line, key, and what was expected there.
pub(crate) fn complaint(
    file: &Path,
    text: &str,
    error: &toml::de::Error,
    hint: &'static str,
) -> anyhow::Error {
    let start = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let table = table(&text[..line_start + line.len()]);
    let mut message = format!("{} line {}: ", file.display(), before.matches('\n').count() + 1);
    let said = error.message();
    // Of the reader's own words, these hold names of keys and nothing else.
    let names_a_key = ["unknown field `", "missing field `"].iter().any(|start| said.starts_with(start));
    let expected = said.rsplit_once("expected ").map(|(_, expected)| expected);
    match expected.filter(|_| said.starts_with("invalid type") || said.starts_with("expected a ")) {
        _ if names_a_key => {
            let _ = write!(message, "{table}{}{said}", if table.is_empty() { "" } else { ": " });
        }
        Some(expected) => {
            let key = line.split('=').next().unwrap_or_default().trim();
            let key = if key.chars().all(is_key_character) { key } else { "" };
            let path: Vec<&str> = [&*table, key].into_iter().filter(|part| !part.is_empty()).collect();
            let _ = write!(message, "{}: expected {expected}", path.join("."));
        }
        None => message.push_str("not TOML"),
    }
    UsageError { message, hint: Some(hint) }.into()
}

fn is_key_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// The last `[table]` that begins in a piece of TOML; empty where there is none.
fn table(text: &str) -> String {
    let heads = text.lines().rev().filter_map(|line| line.trim().strip_prefix('[')?.split(']').next());
    let mut plain = heads.filter(|head| head.chars().all(is_key_character));
    plain.next().unwrap_or_default().to_owned()
}

/// How many letters must be added, removed, changed or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    // Names are short; what is not is no misspelt name.
    if left.len() > 64 || right.len() > 64 {
        return usize::MAX;
    }
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for (i, &a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &b) in right.iter().enumerate() {
            let changed = rows[i][j] + usize::from(a != b);
            let mut least = changed.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a == right[j - 1] && left[i - 1] == b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let file = folder.path().join(FILE_NAME);
        std::fs::write(&file, text).expect("a file can be written");
        Config::read(&file)
            .map_err(|error| error.to_string().replace(&format!("{}", file.display()), FILE_NAME))
    }

    #[test]
    fn a_source_has_one_url_or_several() {
        let config = read("[sources.a]\nurl = \"s3://x\"\n[sources.b]\nurl = [\"s3://y\", \"s3://z/p\"]\nlarge_data = \"s3://w\"\n[groups]\nall = [\"a\", \"b\"]\n")
            .expect("it is sound");
        let urls = |name: &str| -> Vec<String> {
            config.named(name).expect("known").iter().flat_map(|(_, source)| source.urls().to_vec()).collect()
        };
        assert_eq!(urls("a"), ["s3://x"]);
        assert_eq!(urls("all"), ["s3://x", "s3://y", "s3://z/p"]);
        assert!(config.named("c").is_none());
    }

    #[test]
    fn a_complaint_names_line_and_key_and_shows_no_value() {
        let cases = [
            (
                "[sources.a]\nurl = \"s3://x\"\nprofle = \"SECRET\"\n",
                "borehole.toml line 3: sources.a: unknown field `profle`, expected one of",
            ),
            ("[sources.a]\nprofile = \"SECRET\"\n", "borehole.toml line 1: sources.a: missing field `url`"),
            (
                "[sources.a]\nurl = \"s3://x\"\nregion = 5551234\n",
                "borehole.toml line 3: sources.a.region: expected a string",
            ),
            (
                "[sources.a]\nurl = 5551234\n",
                "borehole.toml line 2: sources.a.url: expected a string or a list of strings",
            ),
            ("[default]\naws_secret_access_key = SECRET/x+y\n", "borehole.toml line 2: not TOML"),
            ("{\"aws\": \"SECRET\"}\n", "borehole.toml line 1: not TOML"),
            ("[sources.a]\nurl = \"s3://x\"\nurl = \"s3://SECRET\"\n", "borehole.toml line 3: not TOML"),
            ("[sources.a]\nurl = \"https://SECRET/x\"\n", "borehole.toml: sources.a: expected s3://BUCKET"),
            ("[sources.\"a/b\"]\nurl = \"s3://x\"\n", "borehole.toml: a/b: a name is letters"),
            (
                "[defaults]\nsource = \"SECRET\"\n",
                "borehole.toml: defaults.source: names a source that is not in this file",
            ),
            (
                "[defaults]\nsource = \"https://SECRET\"\n",
                "borehole.toml: defaults.source: expected a source",
            ),
            ("[defaults]\ntop = \"SECRET\"\n", "borehole.toml line 2: defaults.top: expected u64"),
            ("[defaults]\nlst = \"SECRET\"\n", "borehole.toml line 2: defaults: unknown field `lst`"),
            ("[rules]\nfiles = \"SECRET\"\n", "borehole.toml line 2: rules: unknown field `files`"),
            (
                "[groups]\nall = [\"SECRET\"]\n",
                "borehole.toml: groups.all: names a source that is not in this file",
            ),
        ];
        for (text, expected) in cases {
            let said = read(text).expect_err(text);
            assert!(said.starts_with(expected), "{text}: {said}");
            assert!(!said.contains("SECRET") && !said.contains("5551234"), "{text}: {said}");
        }
    }

    #[test]
    fn settings_are_options_and_their_paths_begin_at_the_file() {
        let config = read(
            "[defaults]\nsource = [\"prod\", \"./dump\", \"prod/2024/03\"]\nlast = \"14d\"\nby = [\"model\", \"role\"]\ntop = 5\n\
             dataset = \"kept\"\n[rules]\nfile = \"/etc/ours.toml\"\n[quotas]\nservice_quotas = [\"a.json\", \"b\"]\n\
             [ticket]\nfile = \"ticket.toml\"\n[sources.prod]\nurl = \"s3://x\"\n",
        )
        .expect("it is sound");
        let folder = config.file().and_then(Path::parent).expect("a folder").to_path_buf();
        let at = |name: &str| folder.join(name).display().to_string();
        assert_eq!(config.default_sources(), ["prod", &at("./dump"), "prod/2024/03"]);
        assert_eq!(config.default_directories(), [folder.join("./dump")]);
        let settings: Vec<(&str, &str, Vec<String>)> = config
            .settings()
            .into_iter()
            .map(|setting| (setting.key, setting.option, setting.values))
            .collect();
        let one = |value: &str| vec![value.to_owned()];
        let expected = [
            ("defaults.last", "last", one("14d")),
            ("defaults.dataset", "dataset", one(&at("kept"))),
            ("defaults.by", "by", one("model,role")),
            ("defaults.top", "top", one("5")),
            ("rules.file", "rules", one("/etc/ours.toml")),
            ("quotas.service_quotas", "service-quotas", vec![at("a.json"), at("b")]),
            ("ticket.file", "ticket-toml", one(&at("ticket.toml"))),
        ];
        assert_eq!(settings, expected);
    }

    #[test]
    fn the_description_has_every_key() {
        let described = include_str!("../../../docs/configuration.md");
        let every = "[defaults]\nlast = \"1d\"\nlarge_data = \"a\"\ndataset = \"b\"\nby = \"model\"\ntop = 1\nrank = \"role\"\n\
                     threads = 1\nmemory = \"1MB\"\n[rules]\nfile = \"c\"\n[ticket]\nfile = \"d\"\n\
                     [quotas]\nservice_quotas = \"e\"\ninference_profiles = \"f\"\n";
        let settings = read(every).expect("sound").settings();
        assert_eq!(settings.len(), 12);
        for setting in settings {
            let key = setting.key.strip_prefix("defaults.").unwrap_or(setting.key);
            assert!(
                described.contains(&format!("| `{key}` |")),
                "docs/configuration.md does not describe {key}"
            );
            assert!(described.contains(&format!("`--{}`", setting.option)), "nor --{}", setting.option);
        }
    }

    #[test]
    fn a_misspelt_name_has_a_nearest_one() {
        let config =
            read("[sources.prod]\nurl = \"s3://x\"\n[sources.dev]\nurl = \"s3://y\"\n").expect("sound");
        for (typed, meant) in
            [("prdo", Some("prod")), ("prods", Some("prod")), ("dve", Some("dev")), ("logs", None)]
        {
            assert_eq!(config.nearest(typed), meant, "{typed}");
        }
    }

    #[test]
    fn a_file_of_the_dump_is_told_from_its_neighbours() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| folder.path().join(name);
        for directory in ["dump", "dump-of-mine"] {
            std::fs::create_dir(at(directory)).expect("a folder can be made");
            std::fs::write(at(directory).join(FILE_NAME), "").expect("a file can be written");
        }
        assert!(lies_in(&at("dump").join(FILE_NAME), &[at("dump")]));
        assert!(
            !lies_in(&at("dump-of-mine").join(FILE_NAME), &[at("dump")]),
            "by components, not by letters"
        );
        std::os::unix::fs::symlink(at("dump").join(FILE_NAME), at("link.toml")).expect("a link can be made");
        assert!(lies_in(&at("link.toml"), &[at("dump")]), "a link into the dump is the dump's file");
    }
}
