//! Clients, credentials, Regions: how a bucket is reached.
//!
//! In: [`S3Options`]. Out: a [`Bucket`], shared by everything that asks it for something. Always: one runtime, one
//! TLS stack and one connection pool per process, one client per (options, Region); whatever must be renewed is
//! renewed once for all who wait for it. Absent: retries of single requests, which are their sides' own.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::{
    RequestChecksumCalculation, ResponseChecksumValidation, SharedCredentialsProvider, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::RequestPayer;
use tokio::time::Instant;

use super::failure::{Fatal, Trouble, classify, is_region_name, pause, region_told, status};
use super::fetch::Denials;
use super::limiter::Limiter;
use super::limits::{CONNECT_TIMEOUT, CREDENTIALS_ATTEMPTS, CREDENTIALS_TIMEOUT};
use super::runtime::Runtime;
use super::transport::{Meter, Standing, Transport, http_client};
use super::{S3Options, S3Store, Tuning};
use crate::{Error, ReadFailure, Stop};

/// Threads that wait for the network. One of them decrypts about a gigabyte a second, so four serve 25 Gbit/s
/// with room; more would take the cores of those who decode.
const THREADS_MAX: usize = 4;

/// Credentials that expired are renewed for so long (faults B1): an operator who logs in again in another window
/// saves the run.
const RENEWAL_PATIENCE: Duration = Duration::from_secs(60);

/// Renewals are this far apart while nothing is granted: seven of them fit into the patience, and a request has
/// attempts enough to see them all.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);

/// The same before anything was granted at all.
const RENEWAL_PAUSE_AT_FIRST: Duration = Duration::from_millis(250);

/// How often those who wait look whether the new credentials are good.
const RENEWAL_POLL: Duration = Duration::from_millis(20);

/// Where a bucket's Region is asked for, when nothing else is configured: the one that knows all buckets of the
/// largest partition.
const REGION_DEFAULT: &str = "us-east-1";

/// Everything S3 of a process: the runtime, the clients, the limiter and the byte budget.
pub struct Connections {
    shared: Arc<Shared>,
}

/// What all buckets of a process share.
pub(crate) struct Shared {
    pub runtime: Runtime,
    pub tuning: Tuning,
    pub limiter: Limiter,
    pub counters: AtomicCounters,
    /// Requests are counted by the transport, for all sides.
    meter: Arc<Meter>,
    http: SharedHttpClient,
    accesses: Mutex<HashMap<S3Options, Arc<Access>>>,
}

/// What the run has asked of S3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// All requests sent, retries included.
    pub requests: u64,
    /// Of those, listings.
    pub list_requests: u64,
    /// Of those, GETs of objects and ranges.
    pub get_requests: u64,
    /// Requests that repeated another.
    pub retries: u64,
    /// Bytes of object bodies received, also of those received twice.
    pub bytes: u64,
}

/// [`Counters`], while they are counted. `requests` is not among them: the transport counts those, and no side
/// does.
#[derive(Default)]
pub(crate) struct AtomicCounters {
    pub list_requests: AtomicU64,
    pub get_requests: AtomicU64,
    pub retries: AtomicU64,
    pub bytes: AtomicU64,
}

impl Connections {
    /// Starts the runtime; no request is sent yet.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn new(tuning: Tuning) -> Result<Self, Error> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores.min(THREADS_MAX))
            .thread_name("s3")
            .enable_all()
            .build()
            .map_err(|cause| Error {
                place: "s3".to_owned(),
                operation: "start",
                attempts: 1,
                cause: cause.kind().to_string(),
                hint: None,
            })?;
        let shared = Shared {
            runtime: Runtime::new(runtime),
            tuning,
            limiter: Limiter::new(&tuning),
            counters: AtomicCounters::default(),
            meter: Arc::default(),
            http: http_client(),
            accesses: Mutex::default(),
        };
        Ok(Connections { shared: Arc::new(shared) })
    }

    /// Opens a bucket: finds its Region where that is not given, and the client for it.
    ///
    /// # Errors
    /// Where the Region must be asked for and there is no such bucket, no credentials or no network; where
    /// nothing needs to be asked, those show with the first listing. That nothing in it may be listed shows only
    /// when it is.
    pub fn open(&self, bucket: &str, options: &S3Options) -> Result<Arc<S3Store>, Error> {
        let bucket = self.shared.runtime.block_on(Bucket::open(&self.shared, bucket, options))?;
        Ok(Arc::new(S3Store { shared: Arc::new(bucket) }))
    }

    /// What was asked of S3 so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.shared.counters;
        Counters {
            requests: load(&self.shared.meter.requests),
            list_requests: load(&counters.list_requests),
            get_requests: load(&counters.get_requests),
            retries: load(&counters.retries),
            bytes: load(&counters.bytes),
        }
    }
}

impl Shared {
    /// Whether no server has answered anything for too long since the first request of the run (faults A4).
    /// The transport sees every answer, so nobody needs to report one.
    pub(crate) fn gave_up_on_network(&self) -> bool {
        !self.meter.answered.load(Ordering::Relaxed)
            && self.meter.first_sent.get().is_some_and(|first| first.elapsed() >= self.tuning.first_success)
    }
}

/// One way to reach S3: credentials, an endpoint, and a client for each Region.
struct Access {
    options: S3Options,
    /// Replaced when the credentials are renewed.
    config: RwLock<SdkConfig>,
    clients: RwLock<HashMap<String, aws_sdk_s3::Client>>,
    standing: Arc<Standing>,
    renewal: tokio::sync::Mutex<Renewal>,
}

/// How the renewal of credentials stands.
#[derive(Default)]
struct Renewal {
    /// Since when nothing helps.
    since: Option<Instant>,
    attempts: u32,
    /// The last time.
    renewed: Option<Instant>,
    /// What had been granted by then.
    granted: u64,
}

impl Access {
    async fn new(http: SharedHttpClient, options: &S3Options) -> Self {
        Access {
            options: options.clone(),
            config: RwLock::new(load_config(http, options).await),
            clients: RwLock::default(),
            standing: Arc::default(),
            renewal: tokio::sync::Mutex::default(),
        }
    }

    fn config(&self) -> SdkConfig {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn client(&self, shared: &Shared, region: &str) -> aws_sdk_s3::Client {
        if let Some(client) = self.clients.read().unwrap_or_else(PoisonError::into_inner).get(region) {
            return client.clone();
        }
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        clients.entry(region.to_owned()).or_insert_with(|| self.new_client(shared, region)).clone()
    }

    fn new_client(&self, shared: &Shared, region: &str) -> aws_sdk_s3::Client {
        let config = self.config();
        let transport = Transport::new(
            shared.http.clone(),
            shared.meter.clone(),
            self.standing.clone(),
            shared.tuning.stall,
        );
        let mut builder = aws_sdk_s3::config::Builder::from(&config)
            .http_client(transport)
            .region(Region::new(region.to_owned()))
            // Every retry is ours: theirs would be neither counted nor slowed down for all.
            .retry_config(RetryConfig::disabled())
            // So are the timers of a silent connection: theirs measure throughput.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            // It takes the server's time from every answer (from none with `Age`), and the next request is
            // signed with it: all that is left to do about a skewed clock is to ask again.
            .disable_clock_skew_correction(false)
            .disable_s3_express_session_auth(true)
            .disable_multi_region_access_points(true)
            .use_arn_region(true)
            .force_path_style(self.endpoint(&config).is_some_and(|url| !is_amazon(&url)));
        if let Some(endpoint) = &self.options.endpoint_url {
            builder = builder.endpoint_url(endpoint);
        }
        if self.options.no_sign_request {
            builder = builder.allow_no_auth();
        }
        aws_sdk_s3::Client::from_conf(builder.build())
    }

    /// The endpoint, where it is not the one that the Region implies.
    fn endpoint(&self, config: &SdkConfig) -> Option<String> {
        let from_environment = || {
            let ignored = std::env::var("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
            std::env::var("AWS_ENDPOINT_URL_S3")
                .ok()
                .filter(|url| !url.is_empty() && !ignored.is_ok_and(|word| word.eq_ignore_ascii_case("true")))
        };
        self.options
            .endpoint_url
            .clone()
            .or_else(from_environment)
            .or_else(|| config.endpoint_url().map(str::to_owned))
    }

    /// Gets new credentials, once for all who ask at a time (faults B1). `Ok` means: try again.
    async fn renew(&self, shared: &Shared) -> Result<(), Fatal> {
        if self.options.no_sign_request {
            return Err(Fatal::Credentials);
        }
        // Whoever else needs new ones waits here, and finds that they are there.
        let mut renewal = self.renewal.lock().await;
        let granted = || self.standing.granted.load(Ordering::Relaxed);
        let has_worked = granted() > 0;
        if let Some(last) = renewal.renewed {
            // Requests that were under way with the old ones fail for some time yet: that says nothing about the
            // new ones, and the first answer to them does.
            let pause = if has_worked { RENEWAL_PAUSE } else { RENEWAL_PAUSE_AT_FIRST };
            while granted() == renewal.granted && last.elapsed() < pause {
                tokio::time::sleep(RENEWAL_POLL).await;
            }
            if granted() != renewal.granted {
                if last.elapsed() < RENEWAL_PAUSE {
                    return Ok(());
                }
                *renewal = Renewal::default();
            }
        }
        let since = *renewal.since.get_or_insert_with(Instant::now);
        // Before any work, nobody waits for a login (faults A20); the first try was the one that failed.
        let is_spent = !has_worked && renewal.attempts + 1 >= CREDENTIALS_ATTEMPTS;
        if is_spent || since.elapsed() >= RENEWAL_PATIENCE {
            return Err(Fatal::Credentials);
        }
        renewal.attempts += 1;
        let config = load_config(shared.http.clone(), &self.options).await;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        self.clients.write().unwrap_or_else(PoisonError::into_inner).clear();
        renewal.renewed = Some(Instant::now());
        renewal.granted = granted();
        Ok(())
    }
}

/// The usual chain: `AWS_*`, profiles (SSO, credential processes, roles), web identity, containers, instances.
async fn load_config(http: SharedHttpClient, options: &S3Options) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.clone())
        // These are for who gives out credentials; requests to S3 have their own.
        .retry_config(RetryConfig::standard().with_max_attempts(CREDENTIALS_ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(CREDENTIALS_TIMEOUT)
                .build(),
        )
        .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS_TIMEOUT).build());
    if let Some(region) = &options.region {
        // Given, it need not be looked for: the last place of that chain is a machine's metadata service.
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if options.no_sign_request {
        return loader.no_credentials().load().await;
    }
    let mut config = loader.load().await;
    let region = config.region().cloned().unwrap_or(Region::from_static(REGION_DEFAULT));
    if let Some(profile) = &options.profile {
        // Whoever names a profile means it, whatever keys the environment holds: so the AWS CLI does it, too. The
        // SDK's own chain would ask the environment first.
        let place = ProviderConfig::without_region().with_region(Some(region.clone())).with_http_client(http);
        let named = ProfileFileCredentialsProvider::builder().configure(&place).profile_name(profile).build();
        config = config.into_builder().credentials_provider(SharedCredentialsProvider::new(named)).build();
    }
    let Some(role) = &options.role_arn else { return config };
    let mut assumed =
        AssumeRoleProvider::builder(role).session_name("borehole").region(region).configure(&config);
    if let Some(external_id) = &options.external_id {
        assumed = assumed.external_id(external_id);
    }
    let provider = SharedCredentialsProvider::new(assumed.build().await);
    config.into_builder().credentials_provider(provider).build()
}

/// Whether a URL's host is one of AWS's own: `amazonaws.com` and `amazonaws.com.cn` with all below, or `api.aws`.
fn is_amazon(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = host.split(['/', '?', '#']).next().unwrap_or("");
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = host.split(':').next().unwrap_or("").to_ascii_lowercase();
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|suffix| host.ends_with(suffix))
}

/// A bucket and the client for it.
pub(crate) struct Bucket {
    pub connections: Arc<Shared>,
    pub name: String,
    pub options: S3Options,
    /// What reading keeps of this bucket's refusals.
    pub denials: Denials,
    access: Arc<Access>,
    endpoint: Option<String>,
    /// The server does not take `RestoreStatus` in a listing.
    pub lists_without_restores: AtomicBool,
    region: RwLock<String>,
    /// Answers that said the bucket is elsewhere.
    redirects: AtomicU32,
    /// Answers that said the clock is off, and what had been granted by the last of them.
    skews: Mutex<(u32, u64)>,
    stopped: OnceLock<Error>,
    /// Whoever asked may want the end of it.
    stop: Option<Stop>,
}

impl Bucket {
    /// The same bucket for somebody who may want the end of what is asked; what becomes of one is nothing to the other.
    pub(crate) fn stopping(&self, stop: &Stop) -> Bucket {
        Bucket {
            connections: Arc::clone(&self.connections),
            name: self.name.clone(),
            options: self.options.clone(),
            denials: Denials::default(),
            access: Arc::clone(&self.access),
            endpoint: self.endpoint.clone(),
            lists_without_restores: AtomicBool::new(self.lists_without_restores.load(Ordering::Relaxed)),
            region: RwLock::new(self.region()),
            redirects: AtomicU32::new(0),
            skews: Mutex::default(),
            stopped: OnceLock::new(),
            stop: Some(stop.clone()),
        }
    }

    async fn open(shared: &Arc<Shared>, name: &str, options: &S3Options) -> Result<Self, Error> {
        let known = || shared.accesses.lock().unwrap_or_else(PoisonError::into_inner).get(options).cloned();
        let access = match known() {
            Some(access) => access,
            None => {
                let access = Arc::new(Access::new(shared.http.clone(), options).await);
                let mut accesses = shared.accesses.lock().unwrap_or_else(PoisonError::into_inner);
                accesses.entry(options.clone()).or_insert(access).clone()
            }
        };
        let config = access.config();
        let configured =
            config.region().map_or_else(|| REGION_DEFAULT.to_owned(), |region| region.as_ref().to_owned());
        let endpoint = access.endpoint(&config);
        let is_aws = endpoint.as_deref().is_none_or(is_amazon);
        let known = options
            .region
            .clone()
            .or_else(|| arn_region(name))
            .or_else(|| (!is_aws).then(|| configured.clone()));
        let must_ask = known.is_none();
        let bucket = Bucket {
            connections: shared.clone(),
            name: name.to_owned(),
            options: options.clone(),
            denials: Denials::default(),
            endpoint,
            access,
            lists_without_restores: AtomicBool::new(false),
            region: RwLock::new(known.unwrap_or(configured)),
            redirects: AtomicU32::new(0),
            skews: Mutex::default(),
            stopped: OnceLock::new(),
            stop: None,
        };
        if must_ask {
            bucket.find_region().await?;
        }
        Ok(bucket)
    }

    /// HeadBucket names the Region in a header, whatever else it answers.
    async fn find_region(&self) -> Result<(), Error> {
        let told = self.ask(|client| {
            let asked = client.head_bucket().bucket(&self.name).send();
            async {
                match asked.await {
                    Ok(answer) => Ok(answer.bucket_region().map(str::to_owned)),
                    // 301, 400 and 403 tell it, too; where they do not, the listing will say what is wrong.
                    Err(error) if matches!(status(&error), Some(300..=403)) => {
                        Ok(error.raw_response().and_then(region_told))
                    }
                    Err(error) => Err(error),
                }
            }
        });
        match told.await {
            Ok(told) => {
                if let Some(told) = told.filter(|name| is_region_name(name)) {
                    *self.region.write().unwrap_or_else(PoisonError::into_inner) = told;
                }
                Ok(())
            }
            Err(Unanswered { trouble: Trouble::Object(ReadFailure::Vanished), attempts, .. }) => {
                Err(self.error("open", Fatal::NoSuchBucket, attempts))
            }
            Err(Unanswered { fatal: Some(fatal), attempts, .. }) => Err(self.error("open", fatal, attempts)),
            Err(Unanswered { trouble, attempts, .. }) => Err(self.failed("open", trouble.word(), attempts)),
        }
    }

    /// Asks, and asks again as long as that may help and the budget for one object allows. For questions of one
    /// request without a body; the rooms that list and read have reasons to do it themselves.
    pub(crate) async fn ask<T, E, F>(
        &self,
        request: impl Fn(aws_sdk_s3::Client) -> F,
    ) -> Result<T, Unanswered<E>>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    {
        let tuning = self.connections.tuning;
        let mut first_failure = None;
        let mut attempts = 1;
        loop {
            let error = match request(self.client()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let trouble = classify(&error);
            let fatal = self.recover(&trouble).await.err();
            let since = *first_failure.get_or_insert_with(Instant::now);
            if fatal.is_some()
                || matches!(trouble, Trouble::Object(_))
                || attempts >= tuning.attempts_max
                || since.elapsed() >= tuning.patience
            {
                return Err(Unanswered { error: Box::new(error), trouble, fatal, attempts });
            }
            tokio::time::sleep(pause(attempts, &trouble)).await;
            attempts += 1;
            self.connections.counters.retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The Region its requests go to.
    pub(crate) fn region(&self) -> String {
        self.region.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The client to ask with now, cheap to get; another one after the credentials were renewed or the bucket
    /// turned out to be in another Region, so it is asked for anew for every attempt.
    ///
    /// Its requests are not retried, and are counted by the transport; their headers arrive within
    /// [`Tuning::stall`], or they fail.
    pub(crate) fn client(&self) -> aws_sdk_s3::Client {
        let region = self.region.read().unwrap_or_else(PoisonError::into_inner);
        self.access.client(&self.connections, &region)
    }

    /// Does what can be done about a failed request, for everybody who asks this bucket; `Ok` means that the
    /// request may be tried again, if its own budget allows. It waits only for credentials, not for the pause
    /// before the next attempt (see [`pause`]), and does nothing about a [`Trouble::Object`].
    ///
    /// # Errors
    /// The reason for which nothing will help; the bucket is then stopped with it.
    pub(crate) async fn recover(&self, trouble: &Trouble) -> Result<(), Fatal> {
        let outcome = match trouble {
            Trouble::Throttled { .. } | Trouble::Object(_) => Ok(()),
            Trouble::Transient(_) if self.connections.gave_up_on_network() => Err(Fatal::Network),
            Trouble::Transient(_) => Ok(()),
            Trouble::Expired => self.access.renew(&self.connections).await,
            Trouble::Skewed => self.correct_clock(),
            Trouble::Elsewhere(Some(region)) => self.move_to(region),
            Trouble::Elsewhere(None) => Err(Fatal::Region),
            Trouble::Fatal(fatal) => Err(*fatal),
        };
        if let Err(fatal) = outcome {
            self.stop(fatal);
        }
        outcome
    }

    /// The client has learned the server's time from its answer: the next request is signed with it.
    fn correct_clock(&self) -> Result<(), Fatal> {
        let granted = self.access.standing.granted.load(Ordering::Relaxed);
        let mut skews = self.skews.lock().unwrap_or_else(PoisonError::into_inner);
        if skews.1 != granted {
            *skews = (0, granted);
        }
        skews.0 += 1;
        // Once; after a jump of the clock in mid-run, once for each request that was under way.
        let most = if granted == 0 { 1 } else { self.under_way_max() };
        if skews.0 > most { Err(Fatal::Clock) } else { Ok(()) }
    }

    /// Moves once; requests that were still under way to the old Region are sent again to the new one.
    fn move_to(&self, told: &str) -> Result<(), Fatal> {
        let mut region = self.region.write().unwrap_or_else(PoisonError::into_inner);
        let moves = self.redirects.fetch_add(1, Ordering::Relaxed);
        if moves == 0 && *region != told && is_region_name(told) {
            *region = told.to_owned();
            return Ok(());
        }
        let is_late = moves > 0 && *region == told && moves < self.under_way_max();
        if is_late { Ok(()) } else { Err(Fatal::Region) }
    }

    fn under_way_max(&self) -> u32 {
        u32::try_from(self.connections.tuning.in_flight_max).unwrap_or(u32::MAX)
    }

    /// Stops all reading from this bucket; the first reason stays.
    pub(crate) fn stop(&self, fatal: Fatal) {
        let _ = self.stopped.set(self.error("get", fatal, 1));
    }

    /// Why the run must stop.
    pub(crate) fn stopped(&self) -> Option<Error> {
        let is_asked = self.stop.as_ref().is_some_and(Stop::is_asked);
        self.stopped.get().cloned().or_else(|| is_asked.then(|| Error::stopped(self.place(), "get")))
    }

    /// An error about this bucket, in our words.
    pub(crate) fn error(&self, operation: &'static str, fatal: Fatal, attempts: u32) -> Error {
        let (cause, hint) = fatal.explain();
        let ahead = self.access.standing.seconds_ahead.load(Ordering::Relaxed);
        let cause = match fatal {
            Fatal::Clock if ahead != 0 => format!("this machine's clock is {} s off", ahead.unsigned_abs()),
            _ => cause.to_owned(),
        };
        Error { place: self.place(), operation, attempts, cause, hint: Some(hint) }
    }

    /// An error about this bucket for want of anything better than a word.
    pub(crate) fn failed(&self, operation: &'static str, word: ReadFailure, attempts: u32) -> Error {
        Error { place: self.place(), operation, attempts, cause: word.as_str().replace('_', " "), hint: None }
    }

    fn place(&self) -> String {
        format!("s3://{}", self.name)
    }

    /// Whether requests go to AWS itself.
    pub(crate) fn is_aws(&self) -> bool {
        self.endpoint.as_deref().is_none_or(is_amazon)
    }

    /// The endpoint, where it is not AWS itself.
    pub(crate) fn foreign_endpoint(&self) -> Option<&str> {
        self.endpoint.as_deref().filter(|url| !is_amazon(url))
    }

    /// What a request says about who pays.
    pub(crate) fn request_payer(&self) -> Option<RequestPayer> {
        self.options.requester_pays.then_some(RequestPayer::Requester)
    }

    /// The same for one object, whichever source it was listed by: a hash of the endpoint, the bucket and the key.
    pub(crate) fn identity(&self, key: &[u8]) -> (u64, u64) {
        let half = |seed: u8| {
            let mut hasher = DefaultHasher::new();
            (seed, &self.endpoint, &self.name, key).hash(&mut hasher);
            hasher.finish()
        };
        (half(0), half(1))
    }

    /// The credentials, for other services than S3.
    pub(crate) fn config(&self) -> SdkConfig {
        self.access.config()
    }
}

/// A question that was not answered, for good.
pub(crate) struct Unanswered<E> {
    pub error: Box<SdkError<E, HttpResponse>>,
    pub trouble: Trouble,
    /// Why nothing else will be answered, either.
    pub fatal: Option<Fatal>,
    pub attempts: u32,
}

/// The Region in an access point's ARN, `arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME`.
fn arn_region(bucket: &str) -> Option<String> {
    let region = bucket.strip_prefix("arn:")?.split(':').nth(2)?;
    is_region_name(region).then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_endpoint_of_aws_is_told_from_others() {
        for url in [
            "https://s3.eu-west-1.amazonaws.com",
            "https://bucket.vpce-1-2.s3.us-east-1.vpce.amazonaws.com:443/",
            "https://s3.cn-north-1.amazonaws.com.cn",
            "https://s3.us-east-1.api.aws",
        ] {
            assert!(is_amazon(url), "{url}");
        }
        for url in
            ["http://127.0.0.1:9000", "https://amazonaws.com.evil.example", "https://evil/.amazonaws.com"]
        {
            assert!(!is_amazon(url), "{url}");
        }
    }

    #[test]
    fn b19_an_access_point_names_its_region() {
        let arn = "arn:aws:s3:us-west-2:111122223333:accesspoint/logs";
        assert_eq!(arn_region(arn), Some("us-west-2".to_owned()));
        assert_eq!(arn_region("logs"), None);
    }

    /// Opens a bucket on a server that gives every HeadBucket this answer, and looks for its Region.
    fn find_region(answer: &'static str) -> Result<String, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            assert!(request.starts_with(b"HEAD /logs"), "path style");
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let connections = Connections::new(Tuning::default()).unwrap();
        let options =
            S3Options { endpoint_url: Some(endpoint), no_sign_request: true, ..S3Options::default() };
        let store = connections.open("logs", &options).unwrap();
        let outcome = connections.shared.runtime.block_on(store.shared.find_region());
        server.join().unwrap();
        outcome.map(|()| store.region())
    }

    #[test]
    fn the_region_is_told_by_whatever_head_bucket_answers() {
        for status in ["200 OK", "301 Moved Permanently", "400 Bad Request", "403 Forbidden"] {
            let answer = format!(
                "HTTP/1.1 {status}\r\nx-amz-bucket-region: eu-central-1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            );
            assert_eq!(find_region(answer.leak()).unwrap(), "eu-central-1", "{status}");
        }
        let missing = find_region("HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(missing.unwrap_err().cause, "there is no such bucket");
    }
}
