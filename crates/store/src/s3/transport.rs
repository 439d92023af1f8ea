//! The wire below the SDK: what every request and every answer passes through.
//!
//! In: the SDK's requests. Out: their answers, as the SDK would have them, but for this: answers with an error,
//! and pages of a listing, are read here, up to a bound; headers, and bytes of those, come within the stall
//! time; an `<Error>` within a 200 is an error. Requests are counted here, and nowhere else. Always: no redirect
//! is followed, nothing is decompressed, no proxy is used. Absent: retries, and the bodies of objects, which are
//! handed on as they are.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::SharedHttpClient;
use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
use aws_sdk_s3::config::{HttpClient, RuntimeComponents};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use tokio::time::{Instant, timeout};

use super::limits::{ERROR_BYTES_MAX, PAGE_BYTES_MAX};

/// The process's one HTTP client: one pool of connections, one TLS stack (rustls with ring).
pub(crate) fn http_client() -> SharedHttpClient {
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// What has been seen on the wire.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Requests sent to S3.
    pub requests: AtomicU64,
    /// When the first of them was sent.
    pub first_sent: OnceLock<Instant>,
    /// Whether any server ever answered.
    pub answered: AtomicBool,
}

/// What has been seen of one set of credentials.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Requests that were granted (2xx).
    pub granted: AtomicU64,
    /// By how many seconds the server's clock was ahead of ours in its last refusal.
    pub seconds_ahead: AtomicI64,
}

/// The HTTP client for S3: counted, bounded, timed.
#[derive(Clone)]
pub(crate) struct Transport {
    inner: SharedHttpClient,
    meter: Arc<Meter>,
    standing: Arc<Standing>,
    stall: Duration,
}

impl Transport {
    pub(crate) fn new(
        inner: SharedHttpClient,
        meter: Arc<Meter>,
        standing: Arc<Standing>,
        stall: Duration,
    ) -> Self {
        Transport { inner, meter, standing, stall }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

impl HttpClient for Transport {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let clock = components.time_source();
        SharedHttpConnector::new(Connection {
            inner: self.inner.http_connector(settings, components),
            now: Arc::new(move || clock.as_ref().map(|clock| clock.now())),
            transport: self.clone(),
        })
    }
}

/// The SDK's clock: the lint on our own does not need an exception.
type Now = Arc<dyn Fn() -> Option<SystemTime> + Send + Sync>;

struct Connection {
    inner: SharedHttpConnector,
    now: Now,
    transport: Transport,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl HttpConnector for Connection {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Transport { meter, standing, stall, .. } = self.transport.clone();
        let is_listing = request.uri().contains("list-type=2");
        let now = self.now.clone();
        meter.requests.fetch_add(1, Ordering::Relaxed);
        meter.first_sent.get_or_init(Instant::now);
        let answer = self.inner.call(request);
        HttpConnectorFuture::new(async move {
            let mut response = match timeout(stall, answer).await {
                Ok(answer) => answer.map_err(with_kind)?,
                Err(silence) => return Err(ConnectorError::timeout(silence.into())),
            };
            meter.answered.store(true, Ordering::Relaxed);
            if response.status().is_success() {
                if is_listing {
                    let page = read_body(&mut response, PAGE_BYTES_MAX, stall).await?;
                    // Some requests fail after their 200 was sent (faults A3).
                    if begins_with_error(&page) {
                        set_status(&mut response, 500);
                    }
                    *response.body_mut() = SdkBody::from(page);
                }
                if response.status().is_success() {
                    standing.granted.fetch_add(1, Ordering::Relaxed);
                }
            } else {
                note_clock(&response, now(), &standing);
                let text = read_body(&mut response, ERROR_BYTES_MAX, stall).await.unwrap_or_default();
                *response.body_mut() = SdkBody::from(text);
            }
            Ok(response)
        })
    }
}

/// The SDK gives an error without a kind to what fails before anything is sent; the transport's own all get one,
/// so that the two can be told apart.
fn with_kind(error: ConnectorError) -> ConnectorError {
    if error.is_other() && error.as_other().is_none() {
        ConnectorError::io(error.into_source())
    } else {
        error
    }
}

/// Reads a body up to a bound; the rest is given up, with its connection.
async fn read_body(
    response: &mut HttpResponse,
    bytes_max: usize,
    stall: Duration,
) -> Result<Vec<u8>, ConnectorError> {
    let mut stream = ByteStream::new(std::mem::replace(response.body_mut(), SdkBody::taken()));
    let mut bytes = Vec::new();
    loop {
        match timeout(stall, stream.next()).await {
            Ok(Some(Ok(chunk))) => {
                let room = bytes_max - bytes.len();
                bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() >= room {
                    return Ok(bytes);
                }
            }
            Ok(Some(Err(broken))) => return Err(ConnectorError::io(broken.into())),
            Ok(None) => return Ok(bytes),
            Err(silence) => return Err(ConnectorError::timeout(silence.into())),
        }
    }
}

fn begins_with_error(page: &[u8]) -> bool {
    let mut rest = page.trim_ascii_start();
    if rest.starts_with(b"<?xml") {
        let end = rest.windows(2).position(|pair| pair == b"?>").map_or(rest.len(), |at| at + 2);
        rest = rest[end..].trim_ascii_start();
    }
    rest.starts_with(b"<Error>") || rest.starts_with(b"<Error ")
}

fn set_status(response: &mut HttpResponse, status: u16) {
    if let Ok(status) = status.try_into() {
        *response.status_mut() = status;
    }
}

/// For the message about a wrong clock: a `Date` that a cache kept (`Age`) tells nothing.
fn note_clock(response: &HttpResponse, now: Option<SystemTime>, standing: &Standing) {
    let headers = response.headers();
    let (Some(date), None, Some(now)) = (headers.get("date"), headers.get("age"), now) else { return };
    let Ok(date) = DateTime::from_str(date, Format::HttpDate) else { return };
    let ours = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let ahead = date.secs().saturating_sub(i64::try_from(ours).unwrap_or(i64::MAX));
    standing.seconds_ahead.store(ahead, Ordering::Relaxed);
}
