//! Buckets of a running server, filled by whoever may write there.
//!
//! In: keys and bytes. Out: objects. Always: an upload that fails is the test's failure, with the server's own
//! words, since these are test data. Absent: reading, which is what the tests are about.

use std::fs;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, OnceLock, mpsc};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, RequestChecksumCalculation};
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::StorageClass;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The Region that every server here claims to be in.
pub const REGION: &str = "us-east-1";

/// Uploads under way at once: enough to keep a server of this machine busy.
const UPLOADS_IN_FLIGHT: usize = 32;

/// A bucket of a running server; written to as the identity that may.
#[derive(Clone)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    client: Client,
}

/// What an object has besides its bytes.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// S3's spelling: `GLACIER`, `DEEP_ARCHIVE`. SeaweedFS keeps the word and reads the object all the same, moto
    /// acts on it.
    pub storage_class: Option<&'static str>,
    /// `Content-Encoding`: what a client must not decode by itself.
    pub content_encoding: Option<&'static str>,
    /// Tags as a query string: `a=b&c=d`.
    pub tags: Option<&'static str>,
}

impl Bucket {
    /// Makes the bucket.
    pub(crate) fn make(client: Client, name: &str) -> Result<Self, String> {
        let request = client.create_bucket().bucket(name).send();
        match wait_for(request) {
            Ok(_) => Ok(Bucket { name: name.to_owned(), client }),
            Err(cause) => Err(format!("bucket {name}: {}", DisplayErrorContext(cause))),
        }
    }

    /// `s3://NAME`
    #[must_use]
    pub fn url(&self) -> String {
        format!("s3://{}", self.name)
    }

    /// Stores one object, or another in its place.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        self.put_with(key, bytes, Extras::default());
    }

    /// Stores one object that is more than its bytes.
    pub fn put_with(&self, key: &str, bytes: &[u8], extras: Extras) {
        if let Err(cause) = wait_for(put(self.clone(), key.to_owned(), bytes.to_vec(), extras)) {
            panic!("{cause}");
        }
    }

    /// Stores many objects, many at once.
    pub fn put_all(&self, objects: impl IntoIterator<Item = (String, Vec<u8>)>) {
        self.put_each(objects.into_iter().map(|(key, bytes)| (key, Box::new(move || bytes) as Bytes)));
    }

    /// Stores every file below a directory under its relative path, many at once. Names have to be UTF-8, as S3's
    /// keys are.
    pub fn put_directory(&self, directory: &Path) {
        self.put_directory_below(directory, "");
    }

    /// As [`Bucket::put_directory`], each key with `prefix` before it.
    pub fn put_directory_below(&self, directory: &Path, prefix: &str) {
        let mut files = Vec::new();
        let mut folders = vec![directory.to_path_buf()];
        while let Some(folder) = folders.pop() {
            let entries =
                fs::read_dir(&folder).unwrap_or_else(|cause| panic!("{}: {cause}", folder.display()));
            for entry in entries {
                let path = entry.expect("an entry").path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        self.put_each(files.into_iter().map(|path| {
            let name = path.strip_prefix(directory).expect("below it").to_str();
            let name = name.unwrap_or_else(|| panic!("{}: an S3 key is UTF-8", path.display()));
            let key = format!("{prefix}{name}");
            let read = move || fs::read(&path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
            (key, Box::new(read) as Bytes)
        }));
    }

    /// Deletes one object; that it was not there is no error.
    pub fn delete(&self, key: &str) {
        let request = self.client.delete_object().bucket(&self.name).key(key).send();
        if let Err(cause) = wait_for(request) {
            panic!("{}/{key}: {}", self.name, DisplayErrorContext(cause));
        }
    }

    /// The server's client as the identity that may do everything, for what is not offered here; its futures are
    /// awaited with [`wait_for`].
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn put_each(&self, objects: impl Iterator<Item = (String, Bytes)>) {
        let objects: Vec<_> = objects.collect();
        let bucket = self.clone();
        let outcome = wait_for(async move {
            let places = Arc::new(Semaphore::new(UPLOADS_IN_FLIGHT));
            let mut uploads = JoinSet::new();
            for (key, bytes) in objects {
                let place = Arc::clone(&places).acquire_owned().await.expect("never closed");
                let bucket = bucket.clone();
                uploads.spawn(async move {
                    let outcome = put(bucket, key, bytes(), Extras::default()).await;
                    drop(place);
                    outcome
                });
            }
            while let Some(upload) = uploads.join_next().await {
                upload.map_err(|cause| cause.to_string())??;
            }
            Ok::<(), String>(())
        });
        if let Err(cause) = outcome {
            panic!("{cause}");
        }
    }
}

/// An object's bytes, read when its turn has come.
type Bytes = Box<dyn FnOnce() -> Vec<u8> + Send>;

async fn put(bucket: Bucket, key: String, bytes: Vec<u8>, extras: Extras) -> Result<(), String> {
    let request = bucket.client.put_object().bucket(&bucket.name).key(&key).body(ByteStream::from(bytes));
    let request = request
        .set_storage_class(extras.storage_class.map(StorageClass::from))
        .set_content_encoding(extras.content_encoding.map(str::to_owned))
        .set_tagging(extras.tags.map(str::to_owned));
    match request.send().await {
        Ok(_) => Ok(()),
        Err(cause) => Err(format!("{}/{key}: {}", bucket.name, DisplayErrorContext(cause))),
    }
}

/// A client with fixed keys; nothing of the user's own AWS configuration.
pub(crate) fn client(endpoint: &str, access_key: &str, secret_key: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "testbed"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        // Half of an upload's time would go into checksums that nobody asks for.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .http_client(http)
        .build();
    Client::from_conf(config)
}

/// Waits for a future of the SDK, from any thread, also from one of another runtime.
///
/// # Panics
/// Where the future does.
pub fn wait_for<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).thread_name("testbed").enable_all().build().expect("threads can be started")
    });
    let (sender, receiver) = mpsc::channel();
    runtime.spawn(async move {
        let _ = sender.send(future.await);
    });
    receiver.recv().expect("the future has panicked; its message is above")
}
