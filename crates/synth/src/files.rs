//! Objects to files: folders, gzip, and a count of what was stored.
//!
//! Always: a file is created once and never opened again; nothing is deleted. Bytes depend on the content and
//! the level alone (the gzip header holds no time).

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// How an object's bytes are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Packing {
    /// As they are.
    Plain,
    /// One gzip member.
    Gzip,
    /// Three gzip members, cut without regard to lines.
    ThreeMembers,
    /// One gzip member and zero bytes after it.
    ZeroPadded,
}

/// Writes files below one directory.
pub(crate) struct Files {
    root: PathBuf,
    level: Compression,
    folders: HashSet<PathBuf>,
    pub(crate) objects: u64,
    pub(crate) stored_bytes: u64,
}

impl Files {
    pub(crate) fn new(root: &Path, gzip_level: u32) -> Self {
        Files {
            root: root.to_owned(),
            level: Compression::new(gzip_level),
            folders: HashSet::new(),
            objects: 0,
            stored_bytes: 0,
        }
    }

    /// Stores one object and returns its stored size in bytes.
    pub(crate) fn put(&mut self, key: &str, content: &[u8], packing: Packing) -> io::Result<u64> {
        let stored = match packing {
            Packing::Plain => self.create(key, content)?,
            Packing::Gzip => self.create(key, &self.gzip(content)?)?,
            Packing::ThreeMembers => {
                let third = content.len() / 3;
                let mut stored = self.gzip(&content[..third])?;
                stored.extend(self.gzip(&content[third..2 * third])?);
                stored.extend(self.gzip(&content[2 * third..])?);
                self.create(key, &stored)?
            }
            Packing::ZeroPadded => {
                let mut stored = self.gzip(content)?;
                stored.extend([0; 64]);
                self.create(key, &stored)?
            }
        };
        self.objects += 1;
        self.stored_bytes += stored;
        Ok(stored)
    }

    /// Writes a file that is no object of the dump.
    pub(crate) fn create(&mut self, key: &str, stored: &[u8]) -> io::Result<u64> {
        let path = self.root.join(key);
        if let Some(folder) = path.parent()
            && !self.folders.contains(folder)
        {
            fs::create_dir_all(folder)?;
            self.folders.insert(folder.to_owned());
        }
        fs::File::create_new(path)?.write_all(stored)?;
        Ok(stored.len() as u64)
    }

    fn gzip(&self, content: &[u8]) -> io::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::with_capacity(content.len() / 3 + 64), self.level);
        encoder.write_all(content)?;
        encoder.finish()
    }
}
