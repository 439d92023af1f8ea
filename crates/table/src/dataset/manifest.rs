//! What a dataset belongs to, as JSON that people can read.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::{Damaged, DatasetError, ENGINE_VERSION, Identity};

const SCHEMA: &str = "borehole.dataset/1";

/// A manifest holds some lines; thousands of sources are far below this.
pub(super) const MANIFEST_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    schema: String,
    /// For people: each state says by itself which version wrote it.
    engine: u32,
    sources: Vec<String>,
    options: BTreeMap<String, String>,
}

/// What is known of a version before the rest of it may be read.
#[derive(Debug, Deserialize)]
struct Head {
    schema: String,
}

pub(super) fn encode(identity: &Identity) -> Vec<u8> {
    let manifest = Manifest {
        schema: SCHEMA.to_owned(),
        engine: ENGINE_VERSION,
        sources: identity.sources.clone(),
        options: identity.options.clone(),
    };
    let mut text = serde_json::to_vec_pretty(&manifest).expect("strings and numbers are JSON");
    text.push(b'\n');
    text
}

/// Reads the manifest of the dataset at `place` that lies in `file`.
pub(super) fn decode(bytes: &[u8], place: &Path, file: &Path) -> Result<Identity, DatasetError> {
    let damaged = |_| Damaged { place: file.to_owned(), what: "not the manifest of a dataset".to_owned() };
    let head: Head = serde_json::from_slice(bytes).map_err(damaged)?;
    if head.schema != SCHEMA {
        return Err(DatasetError::Layout { place: place.to_owned(), found: head.schema, expected: SCHEMA });
    }
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(damaged)?;
    Ok(Identity { sources: manifest.sources, options: manifest.options })
}

/// The identity in every state, so that no file of one dataset passes for one of another.
pub(super) fn fingerprint(identity: &Identity) -> u128 {
    let mut text = Vec::new();
    let mut put = |part: &str| {
        text.extend_from_slice(&(part.len() as u64).to_le_bytes());
        text.extend_from_slice(part.as_bytes());
    };
    put(&identity.sources.len().to_string());
    identity.sources.iter().for_each(|source| put(source));
    for (name, value) in &identity.options {
        put(name);
        put(value);
    }
    xxh3_128(&text)
}

/// Refuses a dataset that belongs to something else, and says to what.
pub(super) fn compare(place: &Path, found: &Identity, expected: &Identity) -> Result<(), DatasetError> {
    let other = |what: &str, found: String, expected: String| {
        Err(DatasetError::Other { place: place.to_owned(), what: what.to_owned(), found, expected })
    };
    if found.sources != expected.sources {
        return other("sources", found.sources.join(" "), expected.sources.join(" "));
    }
    let names = found.options.keys().chain(expected.options.keys());
    for name in names {
        let (found, expected) = (found.options.get(name), expected.options.get(name));
        if found != expected {
            let shown = |value: Option<&String>| value.map_or_else(|| "(none)".to_owned(), Clone::clone);
            return other(name, shown(found), shown(expected));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(sources: &[&str], options: &[(&str, &str)]) -> Identity {
        Identity {
            sources: sources.iter().map(|&source| source.to_owned()).collect(),
            options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    #[test]
    fn a_manifest_reads_back() {
        let written = identity(&["s3://logs/\u{1b}", "dump \"x\""], &[("resolve", "counts")]);
        let read = decode(&encode(&written), Path::new("d"), Path::new("d/m")).expect("sound");
        assert_eq!(read, written);
        assert_eq!(fingerprint(&read), fingerprint(&written));
    }

    #[test]
    fn j04_another_layout_is_told_from_damage() {
        let read = |text: &str| decode(text.as_bytes(), Path::new("d"), Path::new("d/m"));
        let newer = r#"{"schema":"borehole.dataset/2","whatever":[]}"#;
        assert!(
            matches!(read(newer), Err(DatasetError::Layout { found, .. }) if found == "borehole.dataset/2")
        );
        for text in ["", "{}", "[]", r#"{"schema":"borehole.dataset/1"}"#, r#"{"schema":7}"#] {
            assert!(matches!(read(text), Err(DatasetError::Damaged(_))), "{text}");
        }
    }

    #[test]
    fn what_differs_is_named() {
        let ours = identity(&["a"], &[("map", "x"), ("resolve", "counts")]);
        assert!(compare(Path::new("d"), &ours, &ours.clone()).is_ok());
        for (other, what) in [
            (identity(&["b"], &[("map", "x"), ("resolve", "counts")]), "sources"),
            (identity(&["a"], &[("resolve", "counts")]), "map"),
            (identity(&["a"], &[("map", "x"), ("resolve", "facts")]), "resolve"),
            (identity(&["a"], &[("map", "x"), ("resolve", "counts"), ("salvage", "")]), "salvage"),
        ] {
            assert_ne!(fingerprint(&other), fingerprint(&ours));
            match compare(Path::new("d"), &ours, &other) {
                Err(DatasetError::Other { what: found, .. }) => assert_eq!(found, what),
                result => panic!("{result:?}"),
            }
        }
        let moved = identity(&["a", "map"], &[("x", "resolve")]);
        assert_ne!(fingerprint(&moved), fingerprint(&identity(&["a"], &[("map", "x")])));
    }
}
