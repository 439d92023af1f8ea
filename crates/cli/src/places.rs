//! From SOURCE arguments to sources: `s3://` URLs, names from `borehole.toml`, directories, files, `-`.
//!
//! In: what the operator typed and the configuration. Out: opened sources, and the places where payloads may lie.
//! Always: the configuration is read from where the operator keeps it, never from a place that is being analysed
//! (faults G16); the command line wins over it; a run over local files alone asks nothing of S3, and a bucket that
//! is only configured costs no request. Absent: any guess at a bucket that the operator did not name.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use borehole_record::key;
use borehole_scan::{PayloadRoot, Source};
use borehole_store::s3::{Connections, Counters, Location, S3Options, Tuning};
use borehole_store::{Error, Listed, Object, ReadFailure, Ready, Receipt, S3Store, Stop, Store};
use clap::Args;

use crate::config::{self, Config};
use crate::exit::{Hinted, UsageError, escaped};
use crate::hints;

/// A store with nothing in it: in the place of one that is not asked.
pub(crate) struct EmptyStore {
    /// Whether the one that it stands for is reached over a network.
    pub is_remote: bool,
}

impl Store for EmptyStore {
    fn list(
        &self,
        _prefix: &[u8],
        _enter: &mut dyn FnMut(&[u8]) -> bool,
        _found: &mut dyn FnMut(Listed),
    ) -> Result<(), Error> {
        Ok(())
    }

    fn read(&self, _object: &Object, _take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure> {
        Err(ReadFailure::Stopped)
    }

    fn head(&self, _key: &[u8]) -> Result<Option<Object>, ReadFailure> {
        Ok(None)
    }

    fn is_remote(&self) -> bool {
        self.is_remote
    }
}

/// How to reach S3; the same on every command that reads.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "S3")]
pub(crate) struct S3Args {
    /// Profile of the AWS configuration files [default: the SDK's own chain]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Role to assume
    #[arg(long, value_name = "ARN")]
    pub role_arn: Option<String>,
    /// Region of the buckets [default: each bucket is asked]
    #[arg(long, value_name = "REGION")]
    pub aws_region: Option<String>,
    /// Another server than AWS
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// Do not sign requests: public buckets
    #[arg(long)]
    pub no_sign_request: bool,
    /// Agree to pay for requester-pays buckets
    #[arg(long)]
    pub requester_pays: bool,
    /// Named sources and defaults [default: borehole.toml here, then in the user's configuration directory]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Read no borehole.toml
    #[arg(long, conflicts_with = "config")]
    pub no_config: bool,
    /// Seconds without a byte after which a request is repeated
    #[arg(long, value_name = "SECONDS", default_value_t = 10, hide = true)]
    pub stall: u64,
}

impl S3Args {
    /// The way in that the command line names, over the one that the configuration does.
    fn over(&self, configured: S3Options) -> S3Options {
        // The external id is the configured role's; another role has another one, or none.
        let external_id = if self.role_arn.is_none() { configured.external_id } else { None };
        S3Options {
            profile: self.profile.clone().or(configured.profile),
            role_arn: self.role_arn.clone().or(configured.role_arn),
            external_id,
            region: self.aws_region.clone().or(configured.region),
            endpoint_url: self.endpoint_url.clone().or(configured.endpoint_url),
            no_sign_request: self.no_sign_request || configured.no_sign_request,
            requester_pays: self.requester_pays || configured.requester_pays,
        }
    }
}

/// Opens sources and payload places, each bucket once.
pub(crate) struct Places {
    args: S3Args,
    /// Read when something first depends on it: what is analysed must be known by then.
    config: Option<Config>,
    connections: Option<Arc<Connections>>,
    buckets: HashMap<(String, S3Options), Arc<S3Store>>,
    /// Directories that this run analyses.
    inputs: Vec<PathBuf>,
    /// Configured sources that this run reads.
    used: BTreeSet<String>,
    /// How the sources in buckets were reached.
    ways: Vec<S3Options>,
}

/// Where an argument, or a URL of the configuration, leads.
enum Place {
    Local(String),
    S3(Location, S3Options),
}

impl Place {
    fn of(url: &str, options: &S3Options) -> Place {
        match Location::parse(url) {
            Some(location) => Place::S3(location, options.clone()),
            None => Place::Local(url.to_owned()),
        }
    }

    /// The same for two names of one place.
    fn shown(&self) -> String {
        match self {
            Place::Local(path) => path.clone(),
            Place::S3(location, _) => format!("s3://{}/{}", location.bucket, location.key),
        }
    }
}

/// How a SOURCE argument is written.
enum Spelling<'a> {
    Url,
    Path,
    /// No path that is there: a name, and what follows behind a `/`.
    Word(&'a str, &'a str),
}

impl Places {
    /// Asks S3 nothing yet, and reads no file.
    pub(crate) fn new(args: &S3Args) -> anyhow::Result<Self> {
        Ok(Places {
            args: args.clone(),
            config: None,
            connections: None,
            buckets: HashMap::new(),
            inputs: Vec::new(),
            used: BTreeSet::new(),
            ways: Vec::new(),
        })
    }

    /// Directories that will be analysed, too, though they are no SOURCE (`--large-data`, those of `--map`): told
    /// before [`Places::sources`], so that no configuration is read from them.
    pub(crate) fn also_reads(&mut self, arguments: &[String]) {
        let directories =
            arguments.iter().map(|argument| argument.split_once('=').map_or(&**argument, |map| map.1));
        self.inputs.extend(directories.map(PathBuf::from).filter(|path| path.is_dir()));
    }

    /// Opens the SOURCE arguments: one name from the configuration may stand for several sources.
    pub(crate) fn sources(&mut self, arguments: &[String]) -> anyhow::Result<Vec<Source>> {
        if arguments.is_empty() {
            return Err(no_source());
        }
        let spelt: Vec<_> = arguments.iter().map(|argument| (argument, spelling(argument))).collect();
        let paths = spelt.iter().filter(|(_, spelling)| matches!(spelling, Spelling::Path));
        self.inputs.extend(paths.filter_map(|(argument, _)| input_directory(argument)));
        let mut sources = Vec::new();
        let mut opened: BTreeSet<String> = BTreeSet::new();
        for (argument, spelling) in spelt {
            let places = match spelling {
                Spelling::Url => vec![Place::S3(location(argument)?, self.args.over(S3Options::default()))],
                Spelling::Path => {
                    self.note_name_of_path(argument)?;
                    vec![Place::Local(argument.clone())]
                }
                Spelling::Word(name, rest) => self.named(argument, name, rest)?,
            };
            for place in places {
                // A group and one of its members, or two names of one bucket: read once.
                if matches!(place, Place::S3(..)) && !opened.insert(place.shown()) {
                    tell!("note: {} is named twice, and read once", escaped(&place.shown()));
                    continue;
                }
                if let Place::S3(_, options) = &place {
                    self.ways.push(options.clone());
                }
                sources.push(self.open(place)?);
            }
        }
        Ok(sources)
    }

    /// Opens the `--large-data` arguments, and those that named sources bring along: directories and buckets. Where
    /// the run reads from S3, the other buckets of the configuration follow: references may lead there, and only
    /// when one does is the bucket opened.
    pub(crate) fn payload_roots(&mut self, arguments: &[String]) -> anyhow::Result<Vec<PayloadRoot>> {
        let mut roots = Vec::new();
        for place in self.payload_places(arguments, true)? {
            roots.push(match place {
                Place::Local(path) => PayloadRoot::large_data(Path::new(&path))?,
                Place::S3(location, options) => {
                    let store = self.bucket(&location.bucket, &options)?;
                    PayloadRoot::bucket(store, &location.key)
                }
            });
        }
        if self.is_remote() {
            roots.extend(self.configured_buckets()?);
        }
        Ok(roots)
    }

    /// The same places as sources, to be listed: the `--large-data` arguments and, with `brought`, what named sources
    /// bring along.
    pub(crate) fn payload_sources(
        &mut self,
        arguments: &[String],
        brought: bool,
    ) -> anyhow::Result<Vec<Source>> {
        let places = self.payload_places(arguments, brought)?;
        places.into_iter().map(|place| self.open(place)).collect()
    }

    fn payload_places(&mut self, arguments: &[String], brought: bool) -> anyhow::Result<Vec<Place>> {
        self.also_reads(arguments);
        self.check_inputs()?;
        let mut places = Vec::new();
        for argument in arguments {
            places.push(self.payload_place(argument)?);
        }
        if brought && !self.used.is_empty() {
            let (used, args) = (self.used.clone(), self.args.clone());
            for (_, source) in self.config()?.sources().filter(|(name, _)| used.contains(*name)) {
                let options = args.over(source.options());
                places.extend(source.large_data().iter().map(|url| Place::of(url, &options)));
            }
        }
        let mut seen: BTreeSet<String> = BTreeSet::new();
        places.retain(|place| seen.insert(place.shown()));
        Ok(places)
    }

    fn open(&mut self, place: Place) -> anyhow::Result<Source> {
        Ok(match place {
            Place::Local(path) => match Source::open(&path) {
                Ok(source) => source,
                Err(error) => {
                    let hints =
                        if Path::new(&path).exists() { Vec::new() } else { hints::missing_path(&path) };
                    return Err(Hinted::over(error.into(), hints));
                }
            },
            Place::S3(location, options) => {
                let store = self.bucket(&location.bucket, &options)?;
                // With the key behind it, the name of a source is the URL of an object.
                Source::open_s3(&format!("s3://{}", location.bucket), &location, store)?
            }
        })
    }

    /// Every bucket of the configuration that is not open: a payload place for references only.
    fn configured_buckets(&mut self) -> anyhow::Result<Vec<PayloadRoot>> {
        let mut known: BTreeSet<String> = self.buckets.keys().map(|(bucket, _)| bucket.clone()).collect();
        let connections = self.connections()?;
        let args = self.args.clone();
        let mut roots = Vec::new();
        for (_, source) in self.config()?.sources() {
            for url in source.urls().iter().chain(source.large_data()) {
                if let Some(location) = Location::parse(url)
                    && known.insert(location.bucket.clone())
                {
                    let later = LaterBucket {
                        name: location.bucket.clone(),
                        options: args.over(source.options()),
                        connections: Arc::clone(&connections),
                        store: OnceLock::new(),
                        stop: None,
                    };
                    roots.push(PayloadRoot::referenced(&location.bucket, Arc::new(later)));
                }
            }
        }
        Ok(roots)
    }

    /// Whether anybody said where payloads are, apart from the sources themselves: with `--large-data`, or in the
    /// configuration of a source that this run reads.
    pub(crate) fn has_large_data(&self, arguments: &[String]) -> bool {
        let of_used = |config: &Config| {
            config.sources().any(|(name, source)| self.used.contains(name) && !source.large_data().is_empty())
        };
        !arguments.is_empty() || self.config.as_ref().is_some_and(of_used)
    }

    /// Whether anything that was opened is on S3.
    pub(crate) fn is_remote(&self) -> bool {
        !self.buckets.is_empty()
    }

    /// Everything S3 of this run; started where nothing has asked for it yet.
    pub(crate) fn connections(&mut self) -> anyhow::Result<Arc<Connections>> {
        if let Some(connections) = &self.connections {
            return Ok(Arc::clone(connections));
        }
        let tuning = Tuning { stall: Duration::from_secs(self.args.stall.max(1)), ..Tuning::default() };
        let connections = Arc::new(Connections::new(tuning).map_err(borehole_scan::Error::from)?);
        self.connections = Some(Arc::clone(&connections));
        Ok(connections)
    }

    /// What was asked of S3 so far; all zero where nothing was.
    pub(crate) fn counters(&self) -> Counters {
        self.connections.as_ref().map(|connections| connections.counters()).unwrap_or_default()
    }

    /// Opens a bucket, or gives it again where it is open.
    fn bucket(&mut self, name: &str, options: &S3Options) -> anyhow::Result<Arc<S3Store>> {
        let wanted = (name.to_owned(), options.clone());
        if let Some(store) = self.buckets.get(&wanted) {
            return Ok(Arc::clone(store));
        }
        let store = self.connections()?.open(name, options).map_err(borehole_scan::Error::from)?;
        self.buckets.insert(wanted, Arc::clone(&store));
        Ok(store)
    }

    fn config(&mut self) -> anyhow::Result<&Config> {
        let config = match self.config.take() {
            Some(config) => config,
            None if self.args.no_config => Config::default(),
            None => Config::find(self.args.config.as_deref(), &self.inputs)?,
        };
        Ok(self.config.insert(config))
    }

    /// A directory that was told late may hold the configuration that was read before.
    fn check_inputs(&mut self) -> anyhow::Result<()> {
        let found = self.config.as_ref().filter(|config| !config.is_named()).and_then(Config::file);
        let Some(file) = found.filter(|file| config::lies_in(file, &self.inputs)) else { return Ok(()) };
        if !self.used.is_empty() {
            let message = format!("{} lies in what is being analysed", file.display());
            return Err(UsageError { message, hint: Some("if it is yours, name it: --config FILE") }.into());
        }
        self.config = None;
        Ok(())
    }

    /// The places that a name of the configuration stands for.
    fn named(&mut self, argument: &str, name: &str, rest: &str) -> anyhow::Result<Vec<Place>> {
        let args = self.args.clone();
        let config = self.config()?;
        let Some(sources) = config.named(name) else {
            let Some(file) = config.file().filter(|_| config.names().next().is_some()) else {
                // Nobody has any names: it was meant as a path, and whoever opens it says what is wrong with it.
                return Ok(vec![Place::Local(argument.to_owned())]);
            };
            return Err(unknown_name(argument, name, config, file));
        };
        let mut places = Vec::new();
        for (_, source) in &sources {
            let options = args.over(source.options());
            for url in source.urls() {
                let url = if rest.is_empty() {
                    url.clone()
                } else {
                    format!("{}/{rest}", url.trim_end_matches('/'))
                };
                places.push(Place::of(&url, &options));
            }
        }
        let used: Vec<String> = sources.iter().map(|(name, _)| (*name).to_owned()).collect();
        let directories = places.iter().filter_map(|place| match place {
            Place::Local(path) => input_directory(path),
            Place::S3(..) => None,
        });
        self.inputs.extend(directories);
        self.used.extend(used);
        // A configuration may not vouch for the directory that it lies in.
        self.check_inputs()?;
        Ok(places)
    }

    /// A path wins over a name; that there is such a name, too, is told.
    fn note_name_of_path(&mut self, argument: &str) -> anyhow::Result<()> {
        if config::is_name(argument) && self.config()?.named(argument).is_some() {
            tell!("note: {argument} is a path here and a source of the configuration, too; the path is read");
        }
        Ok(())
    }

    /// A `--large-data` argument. A bucket is reached as the configuration says of it, else as the sources are where
    /// they agree, else as the command line says.
    fn payload_place(&mut self, argument: &str) -> anyhow::Result<Place> {
        if !config::is_url(argument) {
            return Ok(Place::Local(argument.to_owned()));
        }
        let location = location(argument)?;
        let args = self.args.clone();
        let holds = |url: &String| Location::parse(url).is_some_and(|known| known.bucket == location.bucket);
        let configured = {
            let mut sources = self.config()?.sources();
            let known =
                sources.find(|(_, source)| source.urls().iter().chain(source.large_data()).any(holds));
            known.map(|(_, source)| args.over(source.options()))
        };
        let shared = self.ways.first().filter(|first| self.ways.iter().all(|way| way == *first)).cloned();
        let options = configured.or(shared).unwrap_or_else(|| args.over(S3Options::default()));
        Ok(Place::S3(location, options))
    }
}

/// A bucket that is only configured: opened when a reference first leads there. Where that fails, the reference
/// has, and the run goes on.
struct LaterBucket {
    name: String,
    options: S3Options,
    connections: Arc<Connections>,
    store: OnceLock<Option<Arc<S3Store>>>,
    stop: Option<Stop>,
}

impl LaterBucket {
    fn open(&self) -> Result<&S3Store, ReadFailure> {
        let opened = self.store.get_or_init(|| match self.connections.open(&self.name, &self.options) {
            Ok(store) => {
                Some(self.stop.as_ref().map_or(Arc::clone(&store), |stop| store.stopping_bucket(stop)))
            }
            Err(error) => {
                tell!("warning: {}", escaped(&error.to_string()));
                None
            }
        });
        opened.as_deref().ok_or(ReadFailure::Refused)
    }
}

impl Store for LaterBucket {
    fn list(
        &self,
        prefix: &[u8],
        enter: &mut dyn FnMut(&[u8]) -> bool,
        found: &mut dyn FnMut(Listed),
    ) -> Result<(), Error> {
        match self.open() {
            Ok(store) => store.list(prefix, enter, found),
            Err(reason) => {
                found(Listed::Failed { key: prefix.into(), reason });
                Ok(())
            }
        }
    }

    fn read(&self, object: &Object, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<Receipt, ReadFailure> {
        self.open()?.read(object, take)
    }

    fn head(&self, key: &[u8]) -> Result<Option<Object>, ReadFailure> {
        self.open()?.head(key)
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn fetch(&self, object: &Object, ready: Ready) -> Result<(), Ready> {
        match self.open() {
            Ok(store) => store.fetch(object, ready),
            // Read as it is, it fails with the reason.
            Err(_) => Err(ready),
        }
    }

    fn stopped(&self) -> Option<Error> {
        self.store.get()?.as_ref()?.stopped()
    }

    fn stopping(&self, stop: &Stop) -> Option<Arc<dyn Store>> {
        let opened = self.store.get().map(|store| store.as_ref().map(|store| store.stopping_bucket(stop)));
        Some(Arc::new(LaterBucket {
            name: self.name.clone(),
            options: self.options.clone(),
            connections: Arc::clone(&self.connections),
            store: opened.map(OnceLock::from).unwrap_or_default(),
            stop: Some(stop.clone()),
        }))
    }
}

/// No SOURCE was given, and borehole.toml names none.
pub(crate) fn no_source() -> anyhow::Error {
    let hint = "a directory, a file, s3://BUCKET[/PREFIX], - for standard input, or a name of borehole.toml, whose \
                defaults.source stands for one that is not given";
    UsageError { message: "no SOURCE was given".to_owned(), hint: Some(hint) }.into()
}

/// Whether a SOURCE argument is written as a URL or as a name of the configuration, and so is no path.
pub(crate) fn is_url_or_name(argument: &str) -> bool {
    !matches!(spelling(argument), Spelling::Path)
}

/// Paths that are there are paths, whatever the configuration calls so, too.
fn spelling(argument: &str) -> Spelling<'_> {
    if config::is_url(argument) {
        return Spelling::Url;
    }
    let (name, rest) = argument.split_once('/').unwrap_or((argument, ""));
    // Of a path that does not end well, its beginning tells: `dump/2024/03/11` is a range over `dump`.
    if !config::is_name(name) || Path::new(name).exists() {
        return Spelling::Path;
    }
    Spelling::Word(name, rest.trim_end_matches('/'))
}

/// The directory that a path argument has analysed: itself, or the root that its date-shaped tail is a range over.
/// A single file gives none, unless it lies inside a layout.
pub(crate) fn input_directory(argument: &str) -> Option<PathBuf> {
    let path = Path::new(argument);
    if path.is_dir() {
        return Some(path.to_path_buf());
    }
    match key::date_tail(argument) {
        Some(("", _)) => Some(PathBuf::from(".")),
        Some((root, _)) => Some(PathBuf::from(root)).filter(|root| root.is_dir()),
        None => {
            let whole = std::fs::canonicalize(path).ok()?;
            let mut above = whole.ancestors();
            let layout = above.find(|above| above.file_name().is_some_and(|name| name == "AWSLogs"))?;
            layout.parent().map(Path::to_path_buf)
        }
    }
}

/// Reads an argument that is written like a URL.
fn location(argument: &str) -> anyhow::Result<Location> {
    if let Some(location) = Location::parse(argument) {
        return Ok(location);
    }
    // What follows `?` may be a signature, what stands before `@` a password: neither is repeated.
    let shown = argument.split(['?', '#']).next().unwrap_or_default();
    let shown = match (shown.split_once("://"), shown.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => shown.to_owned(),
    };
    let meant = meant_location(argument).map(|url| format!("; did you mean {url}?")).unwrap_or_default();
    let message = format!("{shown}: not an S3 location{meant}");
    let hint = "a bucket is s3://BUCKET or s3://BUCKET/PREFIX; --endpoint-url names another server than AWS";
    Err(UsageError { message, hint: Some(hint) }.into())
}

/// The S3 URL that was probably meant by another spelling of a bucket.
fn meant_location(argument: &str) -> Option<String> {
    let plain = argument.split(['?', '#']).next()?;
    let (scheme, rest) = plain.split_once(':')?;
    let url = match &*scheme.to_ascii_lowercase() {
        "s3" | "s3a" | "s3n" => format!("s3://{}", rest.trim_start_matches('/')),
        // arn:aws:s3:::bucket/key, and access points with an account.
        "arn" => match plain.splitn(6, ':').collect::<Vec<_>>()[..] {
            [_, _, "s3", "", "", name] => format!("s3://{name}"),
            [_, _, "s3", _, _, _] => format!("s3://{plain}"),
            _ => return None,
        },
        "http" | "https" => {
            let (host, path) =
                rest.trim_start_matches('/').split_once('/').unwrap_or((rest.trim_matches('/'), ""));
            let host = host.rsplit('@').next()?.split(':').next()?;
            let is_aws = host.contains(".amazonaws.com") || host.ends_with(".aws.amazon.com");
            let before_s3 =
                host.split_once(".s3.").or_else(|| host.split_once(".s3-")).map(|(bucket, _)| bucket);
            match before_s3 {
                _ if !is_aws => return None,
                Some(bucket) => format!("s3://{bucket}/{path}"),
                None if host.starts_with("s3.") || host.starts_with("s3-") => {
                    let of_console =
                        path.strip_prefix("s3/buckets/").or_else(|| path.strip_prefix("s3/object/"));
                    format!("s3://{}", of_console.unwrap_or(path))
                }
                None => {
                    let of_console =
                        path.strip_prefix("s3/buckets/").or_else(|| path.strip_prefix("s3/object/"));
                    format!("s3://{}", of_console?)
                }
            }
        }
        _ => return None,
    };
    let url = url.trim_end_matches('/');
    Location::parse(url).is_some().then(|| url.to_owned())
}

/// An argument that is no path and no name. At most a dozen names are told.
fn unknown_name(argument: &str, name: &str, config: &Config, file: &Path) -> anyhow::Error {
    const NAMES_SHOWN: usize = 12;
    let names: Vec<&str> = config.names().collect();
    let more = if names.len() > NAMES_SHOWN { ", …" } else { "" };
    let shown = names[..names.len().min(NAMES_SHOWN)].join(", ");
    let meant = config.nearest(name).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    let message = format!(
        "{argument}: no such file or directory, and no source of {} ({shown}{more}){meant}",
        file.display()
    );
    UsageError { message, hint: Some("a bucket is s3://BUCKET or s3://BUCKET/PREFIX") }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_spellings_of_a_bucket_lead_to_its_url() {
        let cases = [
            ("s3:/logs/2024", Some("s3://logs/2024")),
            ("s3:logs", Some("s3://logs")),
            ("S3://logs/a", Some("s3://logs/a")),
            ("s3a://logs/a/", Some("s3://logs/a")),
            ("arn:aws:s3:::logs/a", Some("s3://logs/a")),
            (
                "arn:aws:s3:us-west-2:111122223333:accesspoint/logs",
                Some("s3://arn:aws:s3:us-west-2:111122223333:accesspoint/logs"),
            ),
            ("https://logs.s3.amazonaws.com/a/b", Some("s3://logs/a/b")),
            ("https://my.logs.s3.us-west-2.amazonaws.com/", Some("s3://my.logs")),
            ("https://logs.s3-eu-west-1.amazonaws.com/a?X-Amz-Signature=5ec", Some("s3://logs/a")),
            ("https://s3.us-west-2.amazonaws.com/logs/a", Some("s3://logs/a")),
            ("https://s3.console.aws.amazon.com/s3/buckets/logs?prefix=a/", Some("s3://logs")),
            ("https://us-east-1.console.aws.amazon.com/s3/buckets/logs", Some("s3://logs")),
            ("https://example.com/logs", None),
            ("gs://logs", None),
            ("s3://", None),
            ("arn:aws:iam::111122223333:role/x", None),
        ];
        for (argument, expected) in cases {
            assert_eq!(meant_location(argument).as_deref(), expected, "{argument}");
            assert!(location(argument).is_err(), "{argument}");
        }
    }

    #[test]
    fn a_signed_url_is_not_repeated() {
        let said = location("https://me:pass@logs.s3.amazonaws.com/a?X-Amz-Signature=5ec").map(drop);
        let said = said.expect_err("it is no location").to_string();
        assert!(!said.contains("5ec") && !said.contains("pass"), "{said}");
        assert!(said.contains("s3://logs/a"), "{said}");
    }

    #[test]
    fn the_command_line_wins_and_a_role_keeps_its_external_id() {
        let configured = S3Options {
            profile: Some("audit".to_owned()),
            role_arn: Some("arn:aws:iam::111122223333:role/reader".to_owned()),
            external_id: Some("42".to_owned()),
            region: Some("us-west-2".to_owned()),
            ..S3Options::default()
        };
        let plain = S3Args::default();
        assert_eq!(plain.over(configured.clone()), configured);
        let typed = S3Args {
            role_arn: Some("arn:aws:iam::444455556666:role/other".to_owned()),
            aws_region: Some("eu-west-1".to_owned()),
            ..S3Args::default()
        };
        let over = typed.over(configured);
        assert_eq!(over.profile.as_deref(), Some("audit"));
        assert_eq!(over.role_arn, typed.role_arn);
        assert_eq!(over.external_id, None);
        assert_eq!(over.region.as_deref(), Some("eu-west-1"));
    }
}
