//! What every store promises, held against directories and buckets made for the purpose.
//!
//! What `contract!` says holds for every place: it runs on disk, and over S3 against a real server (SeaweedFS), each
//! time from the same lines. Each local test runs twice: with the kernel's `openat2`, and without it, where links
//! are never followed. Names begin with the row of the fault catalogue that they cover.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use borehole_store::s3::{Connections, S3Options, Tuning};
use borehole_store::{
    EscapedKey, Listed, LocalStore, Object, ReadFailure, Receipt, StdinStore, Stop, Store, Version,
};
use borehole_testbed::{Identity, SeaweedFs};
use tempfile::TempDir;

/// What a listing found, by key: `Ok` of an object's size, or the word of what is wrong.
type Listing = BTreeMap<Vec<u8>, Result<u64, &'static str>>;

fn list_with(store: &dyn Store, prefix: &str, mut enter: impl FnMut(&[u8]) -> bool) -> Listing {
    let mut listing = Listing::new();
    let mut found = |listed: Listed| {
        let (key, what) = match listed {
            Listed::Object(object) => (object.key, Ok(object.size.expect("a file has a size"))),
            Listed::Skipped { key, reason } => (key, Err(reason)),
            Listed::Failed { key, reason } => (key, Err(reason.as_str())),
        };
        assert!(listing.insert(key.to_vec(), what).is_none(), "{} twice", EscapedKey(&key));
    };
    store.list(prefix.as_bytes(), &mut enter, &mut found).expect("the place can be listed");
    listing
}

fn list(store: &dyn Store) -> Listing {
    list_with(store, "", |_| true)
}

fn listing<const N: usize>(entries: [(&str, Result<u64, &'static str>); N]) -> Listing {
    entries.into_iter().map(|(key, what)| (key.as_bytes().to_vec(), what)).collect()
}

fn write(root: &Path, key: &str, bytes: &[u8]) {
    let path = root.join(key);
    fs::create_dir_all(path.parent().expect("below the root")).expect("folders");
    fs::write(path, bytes).expect("a file");
}

/// Reads an object chunk by chunk and as a whole, which must come to the same; several times, since a directory has
/// a quicker way to the second file of a folder.
fn read(store: &dyn Store, object: &Object) -> Result<Vec<u8>, ReadFailure> {
    let mut bytes = Vec::new();
    let receipt = store.read(object, &mut |chunk| {
        bytes.extend_from_slice(chunk);
        true
    });
    let mut whole = b"left over".to_vec();
    for _ in 0..3 {
        assert_eq!(store.read_whole(object, &mut whole), receipt, "{}", EscapedKey(&object.key));
        assert!(receipt.is_err() || whole == bytes, "{}", EscapedKey(&object.key));
    }
    assert_eq!(receipt?, Receipt { bytes: bytes.len() as u64, revised: false });
    Ok(bytes)
}

fn head(store: &dyn Store, key: &str) -> Object {
    store.head(key.as_bytes()).expect("no failure").expect("there")
}

/// The two ways a directory is opened, and whether links are followed in it.
fn each_way(root: &Path, test: impl Fn(&LocalStore, bool)) {
    let store = LocalStore::open(root).expect("a directory");
    // Whether this kernel follows links is asked of it, not assumed.
    let probe = TempDir::new().expect("a directory");
    write(probe.path(), "target", b"");
    symlink("target", probe.path().join("link")).expect("a link");
    let follows = LocalStore::open(probe.path()).expect("a directory").head(b"link").is_ok();
    assert!(follows || !cfg!(target_os = "linux") || !has_openat2(), "openat2 is there and is not used");
    test(&store, follows);
    test(&LocalStore::open_without_openat2(root).expect("a directory"), false);
}

/// Kernels have it since 5.6; sandboxes may still refuse it, and say ENOSYS or EPERM.
fn has_openat2() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (5, 6) && std::env::var_os("BOREHOLE_TEST_NO_OPENAT2").is_none()
}

/// What a store holds at the beginning of a test.
type Content = Vec<(&'static str, Vec<u8>)>;

/// A test of every place: what it holds, and what is then true of a store over it.
macro_rules! contract {
    ($(#[$about:meta])* fn $name:ident($store:ident) holding $content:expr; $check:block) => {
        $(#[$about])*
        mod $name {
            use super::*;

            fn content() -> Content {
                $content
            }

            fn check($store: &dyn Store) $check

            #[test]
            fn on_disk() {
                let root = TempDir::new().unwrap();
                for (key, bytes) in content() {
                    write(root.path(), key, &bytes);
                }
                each_way(root.path(), |store, _| check(store));
            }

            #[test]
            fn over_s3() {
                SeaweedFs::with(|server| {
                    let bucket = server.own_bucket("contract");
                    for (key, bytes) in content() {
                        bucket.put(key, &bytes);
                    }
                    check(&*open(&bucket.name));
                });
            }
        }
    };
}

/// A bucket, as somebody who may only read.
fn open(bucket: &str) -> std::sync::Arc<borehole_store::S3Store> {
    let options = S3Options { profile: Some(Identity::Reader.profile().to_owned()), ..S3Options::default() };
    Connections::new(Tuning::default()).unwrap().open(bucket, &options).unwrap()
}

/// Longer than any chunk, and no multiple of one.
fn long() -> Vec<u8> {
    (0..1_000_003u32).map(|number| number as u8).collect()
}

contract! {
    fn every_object_is_listed_with_its_size_and_read_back_whole(store) holding vec![
        ("a/b/c.json", b"{}".to_vec()),
        ("a/empty", Vec::new()),
        ("long", long()),
    ];
    {
        assert_eq!(
            list(store),
            listing([("a/b/c.json", Ok(2)), ("a/empty", Ok(0)), ("long", Ok(1_000_003))])
        );
        assert_eq!(read(store, &head(store, "a/b/c.json")).unwrap(), b"{}");
        assert_eq!(read(store, &head(store, "a/empty")).unwrap(), b"");
        assert_eq!(read(store, &head(store, "long")).unwrap(), long());
    }
}

contract! {
    fn what_the_listing_says_is_what_head_says(store) holding vec![
        ("a/b", b"123".to_vec()),
        ("a/empty", Vec::new()),
    ];
    {
        let mut objects = Vec::new();
        let mut found = |listed| {
            if let Listed::Object(object) = listed {
                objects.push(object);
            }
        };
        store.list(b"", &mut |_| true, &mut found).unwrap();
        objects.sort_by(|one, other| one.key.cmp(&other.key));
        assert_eq!(objects, [head(store, "a/b"), head(store, "a/empty")]);
    }
}

contract! {
    fn a_prefix_is_a_folder_or_a_file_and_never_a_part_of_a_name(store) holding vec![
        ("dump/x", b"1".to_vec()),
        ("dump-secret/y", b"22".to_vec()),
    ];
    {
        for prefix in ["dump", "dump/", "dump//"] {
            assert_eq!(list_with(store, prefix, |_| true), listing([("dump/x", Ok(1))]), "{prefix}");
        }
        assert_eq!(list_with(store, "dump/x", |_| true), listing([("dump/x", Ok(1))]));
        // A folder that is not there is an error on disk; in a bucket there are no folders, and nothing is found.
        let mut any = false;
        let outcome = store.list(b"dum", &mut |_| true, &mut |_| any = true);
        assert_eq!((any, outcome.is_err()), (false, !store.is_remote()), "`dum` is no folder");
    }
}

contract! {
    fn a_folder_that_is_not_entered_is_not_reported(store) holding vec![
        ("2024/01/x", b"1".to_vec()),
        ("2024/01/below/z", b"1".to_vec()),
        ("2024/02/y", b"1".to_vec()),
    ];
    {
        let mut asked = Vec::new();
        let found = list_with(store, "", |folder| {
            asked.push(folder.to_vec());
            folder != b"2024/01"
        });
        assert_eq!(found, listing([("2024/02/y", Ok(1))]));
        asked.sort();
        assert_eq!(asked, [&b"2024"[..], b"2024/01", b"2024/02"]);
    }
}

contract! {
    fn c16_a_place_that_holds_nothing_lists_nothing(store) holding Vec::new();
    {
        assert_eq!(list(store), Listing::new());
        assert_eq!(store.head(b"anything"), Ok(None));
    }
}

contract! {
    fn c06_odd_keys_are_their_bytes(store) holding odd_keys();
    {
        let expected: Listing =
            odd_keys().iter().map(|(key, bytes)| (key.as_bytes().to_vec(), Ok(bytes.len() as u64))).collect();
        assert_eq!(list(store), expected);
        for (key, bytes) in odd_keys() {
            assert_eq!(read(store, &head(store, key)).unwrap(), bytes, "{}", EscapedKey(key.as_bytes()));
        }
        // Read or not by the letter, none of them is another.
        for other in [&b"space "[..], b"a b/c d", b"plus b", b"percent/b", b"E\xcc\x81"] {
            assert_eq!(store.head(other), Ok(None), "{}", EscapedKey(other));
        }
    }
}

/// What keys may be made of, each with its own bytes. A part between slashes has at most 255 bytes, here and there.
fn odd_keys() -> Content {
    let part = "p".repeat(250);
    let longest: &'static str = Box::leak(format!("{part}/{part}/{part}/{part}/{}", "x".repeat(20)).into());
    assert_eq!(longest.len(), 1_024);
    let keys = [
        " space",
        "a b/c  d.json",
        "plus+b",
        "percent%2Fb",
        "percent%",
        "%00",
        "ampersand&b=c;d",
        "'single' \"double\"",
        "<xml>&lt;",
        "question?list-type=2#fragment",
        "@:,$!*()~^|[]{}`",
        "é",
        "日本語/ログ.json",
        "emoji😀",
        "right-to-left\u{202e}",
        "tab\tescape\u{1b}",
        "...",
        ".hidden/..file",
        longest,
    ];
    keys.map(|key| (key, key.as_bytes().to_vec())).into()
}

contract! {
    fn a_reader_that_has_enough_is_not_given_more(store) holding vec![("long", long())];
    {
        let mut calls = 0;
        let mut take = |_: &[u8]| {
            calls += 1;
            false
        };
        let total = store.read(&head(store, "long"), &mut take).unwrap();
        assert_eq!(calls, 1);
        assert!(total.bytes < 1_000_000);
    }
}

contract! {
    fn a_missing_key_is_none_and_reading_it_says_vanished(store) holding vec![("folder/file", b"1".to_vec())];
    {
        for key in [&b"missing"[..], b"missing/below", b"folder/file/below", b"folder/missing", b"folder/fil"] {
            assert_eq!(store.head(key), Ok(None), "{}", EscapedKey(key));
        }
        // A key may be longer than any file's name can be.
        assert_eq!(store.head(&[b'x'; 900]), Ok(None));
        let listed = Object { key: Box::from(&b"folder/gone"[..]), ..head(store, "folder/file") };
        assert_eq!(read(store, &listed), Err(ReadFailure::Vanished));
    }
}

contract! {
    fn an_object_of_another_size_or_version_than_listed_is_changed(store) holding vec![
        ("one", b"12345".to_vec()),
        ("other", b"123456".to_vec()),
    ];
    {
        // On disk that is the end of it. S3 is asked once more what is there: it is read, and the receipt says so.
        let outcome = |listed: &Object| {
            let mut bytes = Vec::new();
            let receipt = store.read(listed, &mut |chunk| {
                bytes.extend_from_slice(chunk);
                true
            });
            receipt.map(|receipt| (receipt.revised, bytes))
        };
        let expected =
            if store.is_remote() { Ok((true, b"12345".to_vec())) } else { Err(ReadFailure::Changed) };
        let listed = head(store, "one");
        let another = Object { key: listed.key.clone(), ..head(store, "other") };
        assert_eq!(outcome(&another), expected);
        assert_eq!(outcome(&listed), Ok((false, b"12345".to_vec())));
    }
}

#[test]
fn a_place_that_is_not_there_has_no_listing() {
    let root = TempDir::new().unwrap();
    let missing = root.path().join("with\x1bescape");
    let error = LocalStore::open(&missing).expect_err("it is not there");
    assert!(!error.to_string().contains('\x1b'), "control characters are escaped");
    write(root.path(), "file", b"");
    assert!(LocalStore::open(&root.path().join("file")).is_err(), "a file is no directory");
}

#[test]
fn a_folder_is_no_object() {
    let root = TempDir::new().unwrap();
    write(root.path(), "folder/file", b"");
    each_way(root.path(), |store, _| {
        assert_eq!(store.head(b"folder"), Err(ReadFailure::NotRegularFile));
        assert_eq!(store.head(b""), Err(ReadFailure::NotRegularFile));
    });
}

/// Runs `test` as a user that permissions apply to. Root passes every one, so as root the test runs again in a
/// process of its own under another user id; where that cannot be, it says so.
#[expect(clippy::print_stderr, reason = "a test that tests nothing must say so")]
fn unprivileged(name: &str, test: impl FnOnce()) {
    let probe = TempDir::new().unwrap();
    write(probe.path(), "closed", b"");
    fs::set_permissions(probe.path().join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(probe.path().join("closed")).is_err() {
        return test();
    }
    assert!(std::env::var_os("BOREHOLE_TEST_UNPRIVILEGED").is_none(), "still privileged");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env("BOREHOLE_TEST_UNPRIVILEGED", "1")
        .current_dir("/")
        .uid(65_534)
        .gid(65_534)
        .output();
    match child {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
        }
        Err(cause) => eprintln!("NOT TESTED: {name} needs a user other than root: {cause}"),
    }
}

#[test]
fn h01_unreadable_files_and_folders_fail_and_the_rest_is_listed() {
    unprivileged("h01_unreadable_files_and_folders_fail_and_the_rest_is_listed", || {
        let root = TempDir::new().unwrap();
        write(root.path(), "open/file", b"1");
        write(root.path(), "closed/file", b"1");
        write(root.path(), "secret", b"1");
        fs::set_permissions(root.path().join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
        fs::set_permissions(root.path().join("secret"), fs::Permissions::from_mode(0o000)).unwrap();
        each_way(root.path(), |store, _| {
            // A file's size can be seen without reading it: that it cannot be read shows when it is.
            let found = list(store);
            assert_eq!(
                found,
                listing([("closed", Err("permission")), ("open/file", Ok(1)), ("secret", Ok(1))])
            );
            let listed = Object { key: Box::from(&b"secret"[..]), ..head(store, "open/file") };
            assert_eq!(read(store, &listed), Err(ReadFailure::Permission));
            assert_eq!(store.head(b"closed/file"), Err(ReadFailure::Permission));
        });
        fs::set_permissions(root.path().join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    });
}

#[test]
fn h02_an_error_of_the_disk_in_mid_file_is_a_failure() {
    // Reading one's own memory at address 0 is the one EIO that every Linux can give.
    if !Path::new("/proc/self/mem").exists() {
        return;
    }
    let store = LocalStore::open(Path::new("/proc/self")).unwrap();
    let object = head(&store, "mem");
    assert_eq!(read(&store, &object), Err(ReadFailure::Io));
}

#[test]
fn h03_a_file_changed_since_the_listing_is_not_read() {
    let root = TempDir::new().unwrap();
    write(root.path(), "same", b"12345");
    each_way(root.path(), |store, _| {
        let listed = head(store, "same");
        let other_size = Object { size: Some(4), ..listed.clone() };
        assert_eq!(read(store, &other_size), Err(ReadFailure::Changed));
        let Version::Modified { seconds, nanos } = listed.version else { panic!("a file has a time") };
        let version = Version::Modified { seconds: seconds - 1, nanos };
        let other_time = Object { version, ..listed.clone() };
        assert_eq!(read(store, &other_time), Err(ReadFailure::Changed));
        assert_eq!(read(store, &listed).unwrap(), b"12345");
        let gone = Object { key: Box::from(&b"gone"[..]), ..listed };
        assert_eq!(read(store, &gone), Err(ReadFailure::Vanished));
    });
}

/// Reads a file of three chunks and lets `change` meddle with it after the first.
fn read_while_changing(change: impl Fn(&Path)) -> [Result<Receipt, ReadFailure>; 2] {
    let root = TempDir::new().unwrap();
    let path = root.path().join("file");
    let attempt = |store: &LocalStore| {
        fs::write(&path, vec![b'x'; 600_000]).unwrap();
        let object = head(store, "file");
        let mut first = true;
        store.read(&object, &mut |_| {
            if std::mem::take(&mut first) {
                change(&path);
            }
            true
        })
    };
    let store = LocalStore::open(root.path()).unwrap();
    let without = LocalStore::open_without_openat2(root.path()).unwrap();
    [attempt(&store), attempt(&without)]
}

#[test]
fn h03_a_file_that_shrinks_while_it_is_read_is_changed() {
    let outcome = read_while_changing(|path| {
        fs::File::options().write(true).open(path).unwrap().set_len(300_000).unwrap();
    });
    assert_eq!(outcome, [Err(ReadFailure::Changed); 2]);
}

#[test]
fn h03_a_file_that_grows_while_it_is_read_is_changed() {
    let outcome = read_while_changing(|path| {
        fs::File::options().write(true).open(path).unwrap().set_len(900_000).unwrap();
    });
    assert_eq!(outcome, [Err(ReadFailure::Changed); 2]);
}

#[test]
fn h03_a_file_rewritten_at_the_same_size_while_it_is_read_is_changed() {
    let outcome = read_while_changing(|path| {
        let file = fs::File::options().write(true).open(path).unwrap();
        // A coarse clock may not have moved on since the file was made.
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    });
    assert_eq!(outcome, [Err(ReadFailure::Changed); 2]);
}

#[test]
fn h03_a_file_replaced_since_the_listing_is_not_read_through_a_folder_kept_open() {
    let root = TempDir::new().unwrap();
    each_way(root.path(), |store, _| {
        write(root.path(), "folder/one", b"12345");
        write(root.path(), "folder/other", b"12345");
        let (one, other) = (head(store, "folder/one"), head(store, "folder/other"));
        // From here on the folder is open.
        assert_eq!(read(store, &one).unwrap(), b"12345");
        write(root.path(), "folder/other", b"123456");
        assert_eq!(read(store, &other), Err(ReadFailure::Changed));
        fs::remove_file(root.path().join("folder/one")).unwrap();
        assert_eq!(read(store, &one), Err(ReadFailure::Vanished));
        // A folder that gave way to another is looked for under its name again.
        fs::rename(root.path().join("folder"), root.path().join("before")).unwrap();
        write(root.path(), "folder/new", b"1");
        assert_eq!(read(store, &head(store, "folder/new")).unwrap(), b"1");
        fs::remove_dir_all(root.path().join("folder")).unwrap();
        fs::remove_dir_all(root.path().join("before")).unwrap();
    });
}

#[test]
fn h04_links_that_lead_back_up_end() {
    let root = TempDir::new().unwrap();
    write(root.path(), "a/b/file", b"1");
    symlink("..", root.path().join("a/b/up")).unwrap();
    symlink("../..", root.path().join("a/b/top")).unwrap();
    symlink("self", root.path().join("self")).unwrap();
    symlink("second", root.path().join("first")).unwrap();
    symlink("first", root.path().join("second")).unwrap();
    each_way(root.path(), |store, _| {
        let skipped = Err("not_regular_file");
        assert_eq!(
            list(store),
            listing([
                ("a/b/file", Ok(1)),
                ("a/b/top", skipped),
                ("a/b/up", skipped),
                ("first", skipped),
                ("second", skipped),
                ("self", skipped),
            ])
        );
        assert_eq!(store.head(b"self"), Err(ReadFailure::Path));
    });
}

#[test]
fn h04_folders_deeper_than_the_walk_goes_fail_loudly() {
    let root = TempDir::new().unwrap();
    // The root is the first of the 32 folders that are walked.
    let reached = vec!["d"; 31].join("/");
    write(root.path(), &format!("{reached}/file"), b"1");
    write(root.path(), &format!("{reached}/d/lost"), b"1");
    each_way(root.path(), |store, _| {
        let file = format!("{reached}/file");
        let folder = format!("{reached}/d");
        assert_eq!(list(store), listing([(&file, Ok(1)), (&folder, Err("too_deep"))]));
    });
}

#[test]
fn h04_names_are_bytes() {
    let root = TempDir::new().unwrap();
    let names: [&[u8]; 6] =
        [&[b'n'; 255], b"\xff\xfe", b"new\nline", b"esc\x1b[2J", "\u{202e}".as_bytes(), b" +%2F&'\""];
    for name in names {
        fs::write(root.path().join(OsStr::from_bytes(name)), name).unwrap();
    }
    each_way(root.path(), |store, _| {
        let expected: Listing = names.iter().map(|name| (name.to_vec(), Ok(name.len() as u64))).collect();
        assert_eq!(list(store), expected);
        for name in names {
            let object = store.head(name).unwrap().expect("there");
            assert_eq!(read(store, &object).unwrap(), name);
        }
    });
}

#[test]
fn h04_a_folder_of_very_many_files_is_listed_whole() {
    let root = TempDir::new().unwrap();
    // More entries than one getdents call can return.
    for number in 0..5_000 {
        fs::write(root.path().join(format!("{number:05}")), b"").unwrap();
    }
    each_way(root.path(), |store, _| assert_eq!(list(store).len(), 5_000));
}

#[test]
fn h04_files_that_are_not_regular_are_skipped_and_never_opened_for_long() {
    let root = TempDir::new().unwrap();
    write(root.path(), "file", b"1");
    let _socket = UnixListener::bind(root.path().join("socket")).unwrap();
    let made =
        Command::new("mkfifo").arg(root.path().join("fifo")).status().is_ok_and(|status| status.success());
    each_way(root.path(), |store, _| {
        let mut expected = listing([("file", Ok(1)), ("socket", Err("not_regular_file"))]);
        if made {
            expected.insert(b"fifo".to_vec(), Err("not_regular_file"));
            // Opening a FIFO for reading waits for its writer, unless one asks not to.
            assert_eq!(store.head(b"fifo"), Err(ReadFailure::NotRegularFile));
            let listed = Object { key: Box::from(&b"fifo"[..]), ..head(store, "file") };
            assert_eq!(read(store, &listed), Err(ReadFailure::NotRegularFile));
        }
        assert_eq!(list(store), expected);
        assert_eq!(store.head(b"socket"), Err(ReadFailure::NotRegularFile));
    });
}

#[test]
fn h07_two_names_of_one_file_have_one_identity() {
    let root = TempDir::new().unwrap();
    write(root.path(), "a/file", b"1");
    fs::hard_link(root.path().join("a/file"), root.path().join("b")).unwrap();
    write(root.path(), "other", b"1");
    each_way(root.path(), |store, _| {
        assert!(head(store, "b").identity.is_some());
        assert_eq!(head(store, "a/file").identity, head(store, "b").identity);
        assert_ne!(head(store, "a/file").identity, head(store, "other").identity);
    });
}

#[test]
fn h08_overlapping_roots_see_the_same_identity() {
    let root = TempDir::new().unwrap();
    write(root.path(), "a/file", b"1");
    let outer = LocalStore::open(root.path()).unwrap();
    let inner = LocalStore::open(&root.path().join("a")).unwrap();
    assert_eq!(head(&outer, "a/file").identity, head(&inner, "file").identity);
}

#[test]
fn g13_names_that_climb_or_are_absolute_are_refused() {
    let root = TempDir::new().unwrap();
    write(root.path(), "dump/a/file", b"1");
    write(root.path(), "outside", b"1");
    let absolute = root.path().join("outside");
    each_way(&root.path().join("dump"), |store, _| {
        let climbing: [&[u8]; 9] = [
            b"..",
            b"../outside",
            b"a/../../outside",
            b"a/../a/file",
            b"./a/file",
            b"a/./file",
            b"a//file",
            b"/etc/passwd",
            absolute.as_os_str().as_bytes(),
        ];
        for key in climbing {
            assert_eq!(store.head(key), Err(ReadFailure::Path), "{}", EscapedKey(key));
            let listed = Object { key: key.into(), ..head(store, "a/file") };
            assert_eq!(read(store, &listed), Err(ReadFailure::Path), "{}", EscapedKey(key));
        }
        assert_eq!(store.head(b"a/fi\0le"), Err(ReadFailure::Path));
        assert!(store.list(b"..", &mut |_| true, &mut |_| {}).is_err());
    });
}

#[test]
fn g13_links_that_leave_the_root_are_refused_and_those_inside_are_followed() {
    let root = TempDir::new().unwrap();
    write(root.path(), "dump/a/file", b"inside");
    write(root.path(), "outside/secret", b"outside");
    let dump = root.path().join("dump");
    symlink("../outside/secret", dump.join("climbing")).unwrap();
    symlink(root.path().join("outside/secret"), dump.join("absolute")).unwrap();
    symlink("../outside", dump.join("folder")).unwrap();
    symlink("missing", dump.join("dangling")).unwrap();
    symlink("a/file", dump.join("inside")).unwrap();
    symlink("a", dump.join("inside-folder")).unwrap();
    each_way(&dump, |store, follows| {
        for key in [&b"climbing"[..], b"absolute", b"folder", b"folder/secret"] {
            assert_eq!(store.head(key), Err(ReadFailure::Path), "{}", EscapedKey(key));
        }
        let skipped = Err("not_regular_file");
        // What lies outside is missing from the listing, and that is seen where the kernel tells.
        let leaving = if follows { Err("path") } else { skipped };
        let mut expected = listing([
            ("a/file", Ok(6)),
            ("absolute", leaving),
            ("climbing", leaving),
            ("dangling", skipped),
            ("folder", leaving),
        ]);
        if follows {
            assert_eq!(read(store, &head(store, "inside")).unwrap(), b"inside");
            assert_eq!(read(store, &head(store, "inside-folder/file")).unwrap(), b"inside");
            expected.insert(b"inside".to_vec(), Ok(6));
            expected.insert(b"inside-folder/file".to_vec(), Ok(6));
        } else {
            assert_eq!(store.head(b"inside"), Err(ReadFailure::Path));
            assert_eq!(store.head(b"inside-folder/file"), Err(ReadFailure::Path));
            expected.insert(b"inside".to_vec(), skipped);
            expected.insert(b"inside-folder".to_vec(), skipped);
        }
        assert_eq!(list(store), expected);
    });
}

#[test]
fn g13_magic_links_of_proc_are_refused() {
    if !Path::new("/proc/self/root").exists() {
        return;
    }
    each_way(Path::new("/proc/self"), |store, _| {
        for key in [&b"root/etc/passwd"[..], b"cwd", b"exe", b"fd/0"] {
            assert!(
                matches!(store.head(key), Err(ReadFailure::Path | ReadFailure::NotRegularFile)),
                "{}",
                EscapedKey(key)
            );
        }
        assert_eq!(store.head(b"root/etc/passwd"), Err(ReadFailure::Path));
    });
}

#[test]
fn g14_a_neighbour_whose_name_begins_alike_is_outside() {
    let root = TempDir::new().unwrap();
    write(root.path(), "dump/file", b"1");
    write(root.path(), "dump-secret/file", b"2");
    symlink("../dump-secret/file", root.path().join("dump/link")).unwrap();
    each_way(&root.path().join("dump"), |store, _| {
        assert_eq!(store.head(b"../dump-secret/file"), Err(ReadFailure::Path));
        assert_eq!(store.head(b"link"), Err(ReadFailure::Path));
        assert_eq!(store.head(b"-secret/file"), Ok(None));
    });
}

#[test]
fn g15_a_file_swapped_for_a_link_after_the_listing_is_refused() {
    let root = TempDir::new().unwrap();
    write(root.path(), "outside", b"1");
    let file = root.path().join("dump/file");
    each_way(
        &{
            write(root.path(), "dump/file", b"1");
            root.path().join("dump")
        },
        |store, _| {
            let _ = fs::remove_file(&file);
            fs::write(&file, b"1").unwrap();
            let listed = head(store, "file");
            fs::remove_file(&file).unwrap();
            symlink("../outside", &file).unwrap();
            assert_eq!(read(store, &listed), Err(ReadFailure::Path));
        },
    );
}

#[test]
fn h10_standard_input_is_one_object_of_unknown_size() {
    let store = StdinStore::new();
    let mut objects = Vec::new();
    store.list(b"", &mut |_| true, &mut |listed| objects.push(listed)).unwrap();
    let [Listed::Object(object)] = &objects[..] else { panic!("one object") };
    assert_eq!((&*object.key, object.size, object.identity), (&b"-"[..], None, None));
    assert_eq!(store.head(b"-"), Ok(None));
}

#[test]
fn c07_keys_are_shown_with_every_odd_byte_escaped() {
    let shown = EscapedKey(b"a/\\ \x1b[2J\n\xff\xe2\x80\xae~").to_string();
    assert_eq!(shown, r"a/\\ \x1b[2J\x0a\xff\xe2\x80\xae~");
}

#[test]
fn a_stopped_directory_ends_in_the_middle_and_another_view_of_it_goes_on() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("long"), vec![b'x'; 1 << 20]).unwrap();
    let store = LocalStore::open(root.path()).unwrap();
    let asked = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&asked);
    let stopping = store.stopping(&Stop::new(move || heard.load(Ordering::Relaxed))).unwrap();
    let object = stopping.head(b"long").unwrap().unwrap();
    assert!(stopping.read_whole(&object, &mut Vec::new()).is_ok());
    let mut chunks = 0;
    let read = stopping.read(&object, &mut |_| {
        chunks += 1;
        asked.store(true, Ordering::Relaxed);
        true
    });
    assert_eq!((read, chunks), (Err(ReadFailure::Stopped), 1));
    assert_eq!(stopping.read_whole(&object, &mut Vec::new()), Err(ReadFailure::Stopped));
    assert_eq!(stopping.list(b"", &mut |_| true, &mut |_| {}).unwrap_err().cause, "stopped");
    assert_eq!(stopping.stopped().unwrap().cause, "stopped");
    assert!(store.stopped().is_none() && store.read(&object, &mut |_| true).is_ok());
}
