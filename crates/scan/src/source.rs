//! SOURCE arguments: from what the operator typed to a store, a prefix and perhaps a range of time.
//!
//! A path is taken apart so that the layouts are recognised wherever one points into them: at a dump, at
//! `AWSLogs`, at one account, Region or day of it, or at a single file. A date-shaped tail is a range of time
//! over the root before it, in either layout, so that neighbouring folders can still be read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use borehole_record::{Key, UtcHour, key};
use borehole_store::s3::Location;
use borehole_store::{EscapedKey, LocalStore, S3Store, StdinStore, Stop, Store};

use crate::Error;

/// One place of records.
#[derive(Clone)]
pub struct Source {
    /// As the operator gave it.
    pub name: String,
    /// Where the keys lead.
    pub store: Arc<dyn Store>,
    /// The root's directory; `None` for standard input and for buckets.
    pub root: Option<PathBuf>,
    /// The bucket, where it is one: the same as `store`.
    pub s3: Option<Arc<S3Store>>,
    /// Only keys below this are listed.
    pub prefix: Vec<u8>,
    /// The hours that a date-shaped tail named, half-open.
    pub range: Option<(UtcHour, UtcHour)>,
    /// The operator named this very file.
    pub is_file: bool,
}

impl Source {
    /// A name of the place that is the same however it was typed, and wherever in time one points into it.
    #[must_use]
    pub fn identity(&self) -> String {
        let place = match (&self.s3, &self.root) {
            (Some(store), _) => format!("s3://{}", store.bucket()),
            (None, Some(root)) => root.display().to_string(),
            (None, None) => self.name.clone(),
        };
        match self.prefix.is_empty() {
            true => place,
            false => format!("{place}/{}", EscapedKey(&self.prefix)),
        }
    }

    /// The same for one run that somebody may end: see [`Store::stopping`].
    #[must_use]
    pub fn stopping(self, stop: &Stop) -> Self {
        let s3 = self.s3.as_ref().map(|store| store.stopping_bucket(stop));
        let same = s3.as_ref().map(|store| Arc::clone(store) as Arc<dyn Store>);
        let store = same.or_else(|| self.store.stopping(stop)).unwrap_or_else(|| Arc::clone(&self.store));
        Source { store, s3, ..self }
    }

    /// Opens a SOURCE argument: `-`, a file, a directory, or either with a date-shaped tail.
    ///
    /// # Errors
    /// Where there is no such place or it cannot be read.
    pub fn open(argument: &str) -> Result<Self, Error> {
        if argument == "-" {
            return Ok(Source {
                name: "-".to_owned(),
                store: Arc::new(StdinStore::new()),
                root: None,
                s3: None,
                prefix: Vec::new(),
                range: None,
                is_file: true,
            });
        }
        let path = Path::new(argument);
        if path.is_file() {
            return Self::open_file(argument, path);
        }
        if let Some((root, tail)) = key::date_tail(argument) {
            let root = if root.is_empty() { if argument.starts_with('/') { "/" } else { "." } } else { root };
            let root = Path::new(root);
            let is_range = if path.is_dir() { holds_dates(path) } else { root.is_dir() };
            if is_range {
                return Self::open_directory(argument, root, Some((tail.from, tail.to)));
            }
        }
        Self::open_directory(argument, path, None)
    }

    /// A bucket, or what lies in it under a prefix, or one object; a date-shaped tail of the key is a range of
    /// time over what stands before it.
    ///
    /// # Errors
    /// Where the bucket cannot be asked what its prefix is.
    pub fn open_s3(name: &str, location: &Location, store: Arc<S3Store>) -> Result<Self, Error> {
        let source = |prefix: &str, range: Option<(UtcHour, UtcHour)>, is_file: bool| Source {
            name: name.to_owned(),
            store: Arc::clone(&store) as Arc<dyn Store>,
            root: None,
            s3: Some(Arc::clone(&store)),
            prefix: prefix.trim_end_matches('/').into(),
            range,
            is_file,
        };
        let key = location.key.as_str();
        if let Some((root, tail)) = key::date_tail(key)
            && !holds_a_prefix(&*store, key)
        {
            return Ok(source(root, Some((tail.from, tail.to)), false));
        }
        // A prefix is the rule, and whoever may only list must not fail here.
        let is_file =
            !key.is_empty() && !key.ends_with('/') && matches!(store.head(key.as_bytes()), Ok(Some(_)));
        if let Some(error) = store.stopped() {
            return Err(error.into());
        }
        Ok(source(key, None, is_file))
    }

    fn open_directory(argument: &str, path: &Path, range: Option<(UtcHour, UtcHour)>) -> Result<Self, Error> {
        let store = LocalStore::open(path)?;
        let absolute = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        if let Some((root, prefix)) = split_into_layout(&absolute) {
            return Ok(Source {
                name: argument.to_owned(),
                store: Arc::new(LocalStore::open(&root)?),
                root: Some(root),
                s3: None,
                prefix,
                range,
                is_file: false,
            });
        }
        Ok(Source {
            name: argument.to_owned(),
            store: Arc::new(store),
            root: Some(absolute),
            s3: None,
            prefix: Vec::new(),
            range,
            is_file: false,
        })
    }

    fn open_file(argument: &str, path: &Path) -> Result<Self, Error> {
        let absolute = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        let bytes = absolute.as_os_str().as_encoded_bytes();
        // The shortest tail of the path that one of the layouts knows is the key.
        let mut slashes: Vec<usize> =
            bytes.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(i, _)| i).collect();
        slashes.reverse();
        let known = slashes.iter().find(|&&slash| {
            matches!(Key::parse(&bytes[slash + 1..]), Key::AwsRecord { .. } | Key::SplitDocument { .. })
        });
        let slash = known.or(slashes.first()).copied().unwrap_or(0);
        let root = if slash == 0 { PathBuf::from("/") } else { path_of(&bytes[..slash]) };
        Ok(Source {
            name: argument.to_owned(),
            store: Arc::new(LocalStore::open(&root)?),
            root: Some(root),
            s3: None,
            prefix: bytes[slash + 1..].to_vec(),
            range: None,
            is_file: true,
        })
    }
}

/// Whether a folder of a bucket whose key ends in a date is no folder of a layout, but a key prefix that looks like
/// one: `AWSLogs` lies directly in it.
fn holds_a_prefix(store: &dyn Store, key: &str) -> bool {
    let mut found = false;
    let mut enter = |folder: &[u8]| {
        found |= folder.ends_with(b"/AWSLogs");
        false
    };
    // Where it may not be listed, the listing of the plan says so, with all there is to say.
    store.list(key.trim_end_matches('/').as_bytes(), &mut enter, &mut |_| {}).is_ok() && found
}

fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// Where a directory lies inside a layout, the root before the layout and the rest as a prefix.
fn split_into_layout(path: &Path) -> Option<(PathBuf, Vec<u8>)> {
    let parts: Vec<_> = path.components().collect();
    let name = |index: usize| parts[index].as_os_str().as_encoded_bytes();
    let inside = parts.iter().rposition(|part| part.as_os_str().as_encoded_bytes() == b"AWSLogs");
    let at = inside.or_else(|| {
        // …/YYYY/MM/DD/HH/model-invocations: a folder of one kind of the split layout.
        let last = parts.len().checked_sub(5)?;
        let kinds: [&[u8]; 4] = [b"model-invocations", b"metadata", b"requests", b"responses"];
        let date: Vec<&[u8]> = (last..last + 4).map(name).collect();
        (kinds.contains(&name(parts.len() - 1)) && key::folder_range(&date.join(&b'/')).is_some())
            .then_some(last)
    })?;
    let root: PathBuf = parts[..at].iter().collect();
    let prefix = (at..parts.len()).map(name).collect::<Vec<_>>().join(&b'/');
    Some((root, prefix))
}

/// Whether a directory whose path ends in a date really holds the next finer part of a layout, and is not
/// merely called `2024`.
fn holds_dates(path: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(path) else { return false };
    entries.filter_map(Result::ok).take(1_000).any(|entry| {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        let two_digits = name.len() == 2 && name.iter().all(u8::is_ascii_digit);
        let kinds: [&[u8]; 5] = [b"model-invocations", b"metadata", b"requests", b"responses", b"data"];
        two_digits
            || kinds.contains(&name)
            || name.ends_with(b".json.gz")
            || entry.path().join("payload.json").exists()
            || entry.path().join("payload.json.gz").exists()
    })
}
