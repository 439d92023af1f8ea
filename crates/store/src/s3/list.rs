//! Listing a bucket folder by folder, many folders at once, each page handed on as it comes.
//!
//! In: a prefix, or folders to list without a look at what folders are below. Out: their objects, and what may
//! not be listed. Always: `enter` and `found` are called on the caller's thread; at most [`LISTINGS_IN_FLIGHT`]
//! pages are under way or waiting for that thread; a page counts only when all of its XML was understood, and a
//! page that fails for good fails the listing (faults A3, A17, A19, C1, C2). A folder costs at least one request:
//! so does an hour, which is a leaf. Absent: sorting, which is the plan's; keys out of order are no matter here
//! (C4), and one that comes twice in a row is given once and named the second time (C3).

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::list_objects_v2::{ListObjectsV2Error, ListObjectsV2Output};
use aws_sdk_s3::types::{EncodingType, OptionalObjectAttributes};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_types::DateTime;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::Dated;
use super::connect::Bucket;
use super::failure::{Fatal, Trouble, classify, pause, status};
use super::fetch::version_of;
use super::limits::{LISTINGS_IN_FLIGHT, STOP_CHECK};
use crate::{Error, EscapedKey, Listed, Object, ReadFailure, Restore, StorageClass, Version};

/// A page that makes no sense is asked for again so often: a proxy's hiccup passes, a broken server stays.
const MALFORMED_RETRIES: u32 = 3;

/// Pages without anything new in a row, after which a listing counts as one that never ends.
const EMPTY_PAGES_MAX: u32 = 1_000;

/// The most objects that S3 puts on a page.
const PAGE_MAX: i32 = 1_000;

/// The longest key of S3, in bytes. A server that invents ever longer folders ends here.
const KEY_BYTES_MAX: usize = 1_024;

/// As [`crate::Store::list`].
///
/// A prefix is a folder or one key, never a part of a name: `a/b` lists what lies below `a/b/` and the key `a/b`
/// itself, which costs a request of its own, and not `a/bc`.
pub(crate) fn list(
    bucket: &Arc<Bucket>,
    prefix: &[u8],
    enter: &mut dyn FnMut(&[u8]) -> bool,
    found: &mut dyn FnMut(Listed),
) -> Result<(), Error> {
    let named = prefix.strip_suffix(b"/").map_or(prefix, trim_slashes);
    let mut queue = VecDeque::new();
    if named.is_empty() {
        queue.push_back(Walk::new(Vec::new(), Kind::Folder));
    } else {
        queue.push_back(Walk::new([named, b"/"].concat(), Kind::Folder));
        if named.len() == prefix.len() {
            queue.push_back(Walk::new(named.to_vec(), Kind::Key));
        }
    }
    let mut seen = Seen { must_be_listed: queue.front().map(|walk| walk.prefix.clone()), ..Seen::default() };
    run(bucket, queue, &mut seen, enter, found)?;
    // Somebody who may list `a/b/` may still not ask for `a/b`; that matters only where nothing else is there.
    if seen.key_denied && !seen.anything {
        found(Listed::Failed { key: named.into(), reason: ReadFailure::AccessDenied });
    }
    Ok(())
}

/// As [`crate::Store::list_flat`]: one request a thousand objects, however many folders they lie in.
pub(crate) fn list_flat(
    bucket: &Arc<Bucket>,
    folders: &[Vec<u8>],
    found: &mut dyn FnMut(Listed),
) -> Result<(), Error> {
    let queue = folders.iter().map(|folder| Walk::new(folder.clone(), Kind::Everything)).collect();
    run(bucket, queue, &mut Seen::default(), &mut |_| false, found)
}

/// Objects whose keys begin with `prefix` (a string, not a folder) and come after `after`, in S3's own order, and
/// whether there are more than `most`: some requests, however many objects there are.
pub(crate) fn list_some(
    bucket: &Bucket,
    prefix: &[u8],
    after: Option<&str>,
    most: usize,
) -> Result<(Vec<Dated>, bool), Error> {
    let mut walk = Walk::new(prefix.to_vec(), Kind::Everything);
    walk.after = after.map(str::to_owned);
    // One more tells whether there are more.
    walk.page_max = i32::try_from(most.saturating_add(1)).ok();
    let mut objects: Vec<Dated> = Vec::new();
    loop {
        let waited = bucket.connections.runtime.block_on(async {
            let mut page = pin!(walk.try_page(bucket));
            loop {
                if let Ok(page) = timeout(STOP_CHECK, page.as_mut()).await {
                    return page;
                }
                if let Some(error) = bucket.stopped() {
                    return Err(NoPage::Stop(Error { operation: "list", ..error }));
                }
            }
        });
        let mut page = match waited {
            Ok(page) => page,
            Err(NoPage::Stop(error)) => return Err(error),
            Err(NoPage::Denied(reason)) => return Err(denied(bucket, prefix, reason)),
        };
        let modified = std::mem::take(&mut page.modified);
        let (listed, _) = walk.take_news(page, bucket)?;
        for (listed, modified_seconds) in listed.into_iter().zip(modified) {
            if let Listed::Object(object) = listed
                // Some servers take no notice of where to begin.
                && after.is_none_or(|after| *after.as_bytes() < *object.key)
            {
                objects.push(Dated { object, modified_seconds });
            }
        }
        let has_more = objects.len() > most;
        if has_more || walk.token.is_none() {
            objects.truncate(most);
            return Ok((objects, has_more));
        }
    }
}

fn trim_slashes(mut key: &[u8]) -> &[u8] {
    while let Some(rest) = key.strip_suffix(b"/") {
        key = rest;
    }
    key
}

/// What a listing is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What lies directly in a folder, and the names of the folders in it.
    Folder,
    /// All that begins with the prefix.
    Everything,
    /// The key that is the prefix: the first of all that begin with it.
    Key,
}

/// One prefix on its way through its pages.
struct Walk {
    prefix: Vec<u8>,
    kind: Kind,
    /// Only keys after this one, and so many on a page; else all, and as many as S3 gives.
    after: Option<String>,
    page_max: Option<i32>,
    token: Option<String>,
    /// Hashes of the tokens, and of the first entries, of the pages so far.
    tokens: HashSet<u64>,
    first_entries: HashSet<u64>,
    pages_empty: u32,
    /// Folders that were named already: servers name one again where a page ends within it.
    folders: HashSet<u64>,
    last_key: Box<[u8]>,
}

/// What the whole listing remembers.
#[derive(Default)]
struct Seen {
    /// Where this one may not be listed, nothing may.
    must_be_listed: Option<Vec<u8>>,
    key_denied: bool,
    anything: bool,
}

/// A page that was understood.
struct Page {
    objects: Vec<Object>,
    /// When each was written, in seconds since the epoch.
    modified: Vec<Option<i64>>,
    /// Prefixes, each with its trailing `/`.
    folders: Vec<Vec<u8>>,
    /// Where the next page begins.
    next: Option<String>,
}

/// Why there is no page.
enum NoPage {
    /// This prefix may not be listed; others may.
    Denied(ReadFailure),
    /// The listing is worth nothing.
    Stop(Error),
}

/// Why an answer is of no use.
enum Unusable {
    /// It is a page with something wrong.
    Page(&'static str),
    /// It is none.
    Refusal(Box<SdkError<ListObjectsV2Error, HttpResponse>>),
}

/// Keeps pages coming, and hands each on; the one that follows it is under way by then.
fn run(
    bucket: &Arc<Bucket>,
    mut queue: VecDeque<Walk>,
    seen: &mut Seen,
    enter: &mut dyn FnMut(&[u8]) -> bool,
    found: &mut dyn FnMut(Listed),
) -> Result<(), Error> {
    let runtime = &bucket.connections.runtime;
    // Dropped on the way out, it ends what is still under way.
    let mut pages: JoinSet<(Walk, Result<Page, NoPage>)> = JoinSet::new();
    let start = |pages: &mut JoinSet<_>, walk: Walk| {
        let bucket = bucket.clone();
        pages.spawn_on(async move { walk.page(&bucket).await }, runtime.handle());
    };
    loop {
        while pages.len() < LISTINGS_IN_FLIGHT
            && let Some(walk) = queue.pop_front()
        {
            start(&mut pages, walk);
        }
        // A page may be long in coming, and who wants the end of it does not wait.
        let joined = runtime.block_on(async { timeout(STOP_CHECK, pages.join_next()).await });
        let stopped = bucket.stopped().map(|error| Err(Error { operation: "list", ..error }));
        let Ok(joined) = joined else {
            match stopped {
                Some(error) => return error,
                None => continue,
            }
        };
        let Some(joined) = joined else { return Ok(()) };
        let Ok((mut walk, outcome)) = joined else {
            return Err(walk_error(bucket, b"", "internal error", 1));
        };
        let page = match outcome {
            Ok(page) => page,
            Err(NoPage::Stop(error)) => return Err(error),
            Err(NoPage::Denied(reason)) => {
                if walk.kind == Kind::Key {
                    seen.key_denied = true;
                } else if seen.must_be_listed.as_deref() == Some(&walk.prefix) {
                    return Err(denied(bucket, &walk.prefix, reason));
                } else {
                    found(Listed::Failed { key: trim_slash(&walk.prefix).into(), reason });
                }
                continue;
            }
        };
        if let Some(error) = stopped {
            return error;
        }
        let (objects, folders) = walk.take_news(page, bucket)?;
        let prefix_len = walk.prefix.len();
        if walk.token.is_some() {
            start(&mut pages, walk);
        }
        seen.anything |= !objects.is_empty() || !folders.is_empty();
        for folder in folders {
            debug_assert!(folder.len() > prefix_len, "a folder lies below its own");
            if enter(trim_slash(&folder)) {
                queue.push_back(Walk::new(folder, Kind::Folder));
            }
        }
        objects.into_iter().for_each(&mut *found);
    }
}

/// A folder's key as the caller knows it.
fn trim_slash(prefix: &[u8]) -> &[u8] {
    prefix.strip_suffix(b"/").unwrap_or(prefix)
}

impl Walk {
    fn new(prefix: Vec<u8>, kind: Kind) -> Self {
        Walk {
            prefix,
            kind,
            after: None,
            page_max: (kind == Kind::Key).then_some(1),
            token: None,
            tokens: HashSet::new(),
            first_entries: HashSet::new(),
            pages_empty: 0,
            folders: HashSet::new(),
            last_key: Box::default(),
        }
    }

    /// Gets the next page, however often it must be asked for.
    async fn page(self, bucket: &Bucket) -> (Self, Result<Page, NoPage>) {
        let outcome = self.try_page(bucket).await;
        (self, outcome)
    }

    async fn try_page(&self, bucket: &Bucket) -> Result<Page, NoPage> {
        let tuning = bucket.connections.tuning;
        let counters = &bucket.connections.counters;
        // No key of S3 is anything but UTF-8, and the SDK cannot ask for one: other servers may have such.
        let Ok(prefix) = std::str::from_utf8(&self.prefix) else {
            return Err(NoPage::Denied(ReadFailure::Refused));
        };
        let stop =
            |cause: &str, attempts| Err(NoPage::Stop(walk_error(bucket, &self.prefix, cause, attempts)));
        let (mut attempt, mut malformed) = (1, 0);
        let mut first_failure = None;
        loop {
            if let Some(error) = bucket.stopped() {
                return Err(NoPage::Stop(Error { operation: "list", ..error }));
            }
            let with_restores = !bucket.lists_without_restores.load(Ordering::Relaxed);
            counters.list_requests.fetch_add(1, Ordering::Relaxed);
            let answer = match self.ask(bucket, prefix, with_restores).await {
                Ok(output) => self.understand(bucket, &output).map_err(Unusable::Page),
                // A page, but not one that the SDK could read.
                Err(error) if status(&error).is_some_and(|status| status < 300) => {
                    Err(Unusable::Page(MALFORMED))
                }
                Err(error) => Err(Unusable::Refusal(Box::new(error))),
            };
            let trouble = match answer {
                Ok(page) => return Ok(page),
                Err(Unusable::Page(cause)) => {
                    malformed += 1;
                    if malformed > MALFORMED_RETRIES {
                        return stop(cause, attempt);
                    }
                    Trouble::Transient(ReadFailure::ServerError)
                }
                Err(Unusable::Refusal(error)) => {
                    let trouble = classify(&error);
                    let is_unknown = matches!(status(&error), Some(400 | 501));
                    if with_restores && is_unknown && trouble == Trouble::Object(ReadFailure::Refused) {
                        // It may be the question for restores that it does not know: without, once for all.
                        bucket.lists_without_restores.store(true, Ordering::Relaxed);
                        attempt += 1;
                        counters.retries.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    trouble
                }
            };
            let word = trouble.word().as_str().replace('_', " ");
            match trouble {
                Trouble::Object(reason @ (ReadFailure::AccessDenied | ReadFailure::RequesterPays)) => {
                    return Err(NoPage::Denied(reason));
                }
                Trouble::Object(ReadFailure::Vanished) => {
                    return Err(NoPage::Stop(bucket.error("list", Fatal::NoSuchBucket, attempt)));
                }
                Trouble::Object(_) => return stop(&word, attempt),
                Trouble::Throttled { .. } => bucket.connections.limiter.throttled(),
                _ => {}
            }
            if let Err(fatal) = bucket.recover(&trouble).await {
                return Err(NoPage::Stop(bucket.error("list", fatal, attempt)));
            }
            let since = *first_failure.get_or_insert_with(Instant::now);
            if attempt >= tuning.attempts_max || since.elapsed() >= tuning.patience {
                return stop(&word, attempt);
            }
            sleep(pause(attempt, &trouble)).await;
            attempt += 1;
            counters.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn ask(
        &self,
        bucket: &Bucket,
        prefix: &str,
        with_restores: bool,
    ) -> Result<ListObjectsV2Output, SdkError<ListObjectsV2Error, HttpResponse>> {
        let mut request = bucket
            .client()
            .list_objects_v2()
            .bucket(&bucket.name)
            .encoding_type(EncodingType::Url)
            .set_prefix((!prefix.is_empty()).then(|| prefix.to_owned()))
            .set_continuation_token(self.token.clone())
            .set_request_payer(bucket.request_payer());
        if self.kind == Kind::Folder {
            request = request.delimiter("/");
        }
        request = request.set_max_keys(self.page_max.map(|most| most.min(PAGE_MAX)));
        // What follows a page is told by its token alone.
        request = request.set_start_after(self.after.clone().filter(|_| self.token.is_none()));
        if with_restores {
            request = request.optional_object_attributes(OptionalObjectAttributes::RestoreStatus);
        }
        request.customize().interceptor(PageCheck).send().await
    }

    /// Takes a page apart; an error is the word for what is wrong with it.
    fn understand(&self, bucket: &Bucket, output: &ListObjectsV2Output) -> Result<Page, &'static str> {
        let is_encoded = output.encoding_type() == Some(&EncodingType::Url);
        let decode = |name: &str| {
            if is_encoded { decode_url(name).ok_or(MALFORMED) } else { Ok(name.as_bytes().to_vec()) }
        };
        let mut objects = Vec::with_capacity(output.contents().len());
        let mut modified = Vec::with_capacity(output.contents().len());
        for entry in output.contents() {
            let key = decode(entry.key().ok_or(MALFORMED)?)?;
            if !key.starts_with(&self.prefix) {
                return Err(MALFORMED);
            }
            if self.kind == Kind::Key && key != self.prefix {
                continue;
            }
            modified.push(entry.last_modified().map(DateTime::secs));
            objects.push(Object {
                size: Some(entry.size().and_then(|size| u64::try_from(size).ok()).ok_or(MALFORMED)?),
                version: entry.e_tag().map_or(Version::Unknown, version_of),
                identity: Some(bucket.identity(&key)),
                class: entry
                    .storage_class()
                    .map_or(StorageClass::Standard, |class| StorageClass::parse(class.as_str())),
                restore: match entry.restore_status() {
                    Some(status) if status.is_restore_in_progress() == Some(true) => Restore::InProgress,
                    Some(status) if status.restore_expiry_date().is_some() => Restore::Restored,
                    _ => Restore::None,
                },
                key: key.into(),
            });
        }
        let mut folders = Vec::with_capacity(output.common_prefixes().len());
        for entry in output.common_prefixes() {
            let folder = decode(entry.prefix().ok_or(MALFORMED)?)?;
            // Below its own folder and a little longer: so the walk ends, whatever the server says.
            let is_below = folder.len() > self.prefix.len() && folder.starts_with(&self.prefix);
            if !is_below || !folder.ends_with(b"/") || folder.len() > KEY_BYTES_MAX {
                return Err(MALFORMED);
            }
            folders.push(folder);
        }
        let next = match output.is_truncated().ok_or(MALFORMED)? {
            _ if self.kind == Kind::Key => None,
            false => None,
            true => {
                let token = output.next_continuation_token().filter(|token| !token.is_empty());
                Some(
                    token
                        .ok_or("a page says that another follows, and not where (list_truncated)")?
                        .to_owned(),
                )
            }
        };
        Ok(Page { objects, modified, folders, next })
    }

    /// What of a page was not there before; moves on to the next.
    fn take_news(&mut self, page: Page, bucket: &Bucket) -> Result<(Vec<Listed>, Vec<Vec<u8>>), Error> {
        let looped = || Err(walk_error(bucket, &self.prefix, "the listing runs in circles (list_loop)", 1));
        if let Some(token) = &page.next
            && !self.tokens.insert(hash_of(token.as_bytes()))
        {
            return looped();
        }
        let first =
            page.objects.first().map(|object| &*object.key).or(page.folders.first().map(|name| &**name));
        let is_news = first.is_some_and(|first| self.first_entries.insert(hash_of(first)));
        self.pages_empty = if is_news { 0 } else { self.pages_empty + 1 };
        if self.pages_empty >= EMPTY_PAGES_MAX {
            return looped();
        }
        self.token = page.next;
        let mut objects = Vec::with_capacity(page.objects.len());
        for object in page.objects {
            if object.key == self.last_key {
                objects.push(Listed::Skipped { key: object.key, reason: "list_duplicate" });
            } else {
                self.last_key.clone_from(&object.key);
                objects.push(Listed::Object(object));
            }
        }
        let mut folders = page.folders;
        folders.retain(|folder| self.folders.insert(hash_of(folder)));
        Ok((objects, folders))
    }
}

/// What is wrong with a page that is none.
const MALFORMED: &str = "a page of the listing is malformed (list_malformed)";

fn walk_error(bucket: &Bucket, prefix: &[u8], cause: &str, attempts: u32) -> Error {
    // The words of a report are too short for somebody who gets nothing else to read.
    let (cause, hint) = match cause {
        "connection" => {
            ("no connection, or none that lasts", "check the network, and --endpoint-url where it is given")
        }
        "throttled" => {
            ("the server asks to slow down", "try again later; nothing is reported from half a listing")
        }
        "server_error" => {
            ("the server keeps failing", "try again later; nothing is reported from half a listing")
        }
        cause => (cause, "try again later; nothing is reported from half a listing"),
    };
    Error {
        place: format!("s3://{}/{}", bucket.name, EscapedKey(prefix)),
        operation: "list",
        attempts,
        cause: cause.to_owned(),
        hint: Some(hint),
    }
}

fn denied(bucket: &Bucket, prefix: &[u8], reason: ReadFailure) -> Error {
    if reason == ReadFailure::RequesterPays {
        return bucket.error("list", Fatal::RequesterPays, 1);
    }
    Error {
        place: format!("s3://{}/{}", bucket.name, EscapedKey(prefix)),
        operation: "list",
        attempts: 1,
        cause: format!("access denied: s3:ListBucket on the prefix `{}`", EscapedKey(prefix)),
        hint: Some(
            "`borehole doctor SOURCE` names what is missing; a bucket whose reader pays needs --requester-pays",
        ),
    }
}

fn hash_of(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Undoes `encoding-type=url`, byte by byte: `+` is a space, as in forms, and a plus is `%2B`. `None` where an
/// escape is none.
fn decode_url(name: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(name.len());
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    Some(decoded)
}

/// Holds what the SDK understood of a page to the page itself. Its reader takes a broken element, or the end of
/// the text, for the end of the list: keys would be missing without an error.
#[derive(Debug)]
struct PageCheck;

impl Intercept for PageCheck {
    fn name(&self) -> &'static str {
        "PageCheck"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(page) =
            context.output_or_error().ok().and_then(|output| output.downcast_ref::<ListObjectsV2Output>())
        else {
            return Ok(());
        };
        let text = context.response().body().bytes().unwrap_or_default();
        let is_whole = text.trim_ascii_end().ends_with(b"ListBucketResult>")
            && count_tags(text, b"<Contents") == page.contents().len()
            && count_tags(text, b"<CommonPrefixes") == page.common_prefixes().len();
        if is_whole { Ok(()) } else { Err(MALFORMED.into()) }
    }
}

/// How often an element begins.
fn count_tags(text: &[u8], tag: &[u8]) -> usize {
    let is_end = |byte: Option<&u8>| {
        byte.is_some_and(|byte| matches!(byte, b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n'))
    };
    text.iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'<')
        .filter(|&(at, _)| text[at..].starts_with(tag) && is_end(text.get(at + tag.len())))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c06_every_byte_of_a_key_survives_the_encoding() {
        let every: Vec<u8> = (0..=255).collect();
        let encoded: String = every.iter().map(|byte| format!("%{byte:02X}")).collect();
        assert_eq!(decode_url(&encoded), Some(every));
        assert_eq!(decode_url("a+b%2Bc%2f%20d"), Some(b"a b+c/ d".to_vec()));
        assert_eq!(decode_url("%E2%80%AE"), Some("\u{202E}".as_bytes().to_vec()));
        for broken in ["%", "%4", "%4g", "%é"] {
            assert_eq!(decode_url(broken), None, "{broken}");
        }
    }

    #[test]
    fn tags_are_counted_by_their_whole_names() {
        assert_eq!(count_tags(b"<Contents><Contents /><ContentsX><Contents>", b"<Contents"), 3);
        assert_eq!(count_tags(b"<Contents", b"<Contents"), 0);
    }
}
