//! What reading through the store costs, against a bare loop of GETs on the same SDK.
//!
//! In: a server with the protocol of S3 and a prefix of a bucket (`s3_get --help` says how). Out: wall and processor
//! seconds of each run, and the median ratio of the pairs. Always: both read every object under the prefix and throw
//! its bytes away, one run after the other, in an order that alternates; neither listing nor connecting is in the
//! figures of the store that is not in the bare loop's. Absent: decoding, and the server's own processor time.
//!
//! `--no-sign-request` is not an option but what happens where `AWS_ACCESS_KEY_ID` is not set.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, Region, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use borehole_store::s3::{Connections, S3Options, Tuning};
use borehole_store::{Body, Listed, Object, Store};

const HELP: &str = "s3_get --endpoint URL --bucket BUCKET [--prefix PREFIX] [--mode bare|store|both]
       [--concurrency N] [--pairs K] [--drain here|there] [--buffer MIB] [--flood OBJECTSxBYTES]

--concurrency  tasks of the bare loop, and the most requests that the store may have under way (64)
--pairs        runs of each (5)
--drain        where the store's bodies are thrown away: on the thread that has them ready, as in the bare
               loop, or on another one, as in a run (here)
--buffer       MiB that the store may hold (its own default)
--flood        writes so many objects of that size under the prefix first";

#[derive(Clone)]
struct Arguments {
    endpoint: String,
    bucket: String,
    prefix: String,
    bare: bool,
    store: bool,
    concurrency: usize,
    pairs: usize,
    /// Bodies go to another thread.
    there: bool,
    buffered_bytes_max: u64,
    flood: Option<(usize, usize)>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut parsed = Arguments {
            endpoint: String::new(),
            bucket: String::new(),
            prefix: String::new(),
            bare: true,
            store: true,
            concurrency: 64,
            pairs: 5,
            there: false,
            buffered_bytes_max: Tuning::default().buffered_bytes_max,
            flood: None,
        };
        while let Some(word) = words.next() {
            let value = words.next()?;
            match word.as_str() {
                "--endpoint" => parsed.endpoint = value,
                "--bucket" => parsed.bucket = value,
                "--prefix" => parsed.prefix = value,
                "--mode" => {
                    (parsed.bare, parsed.store) = match value.as_str() {
                        "bare" => (true, false),
                        "store" => (false, true),
                        "both" => (true, true),
                        _ => return None,
                    }
                }
                "--concurrency" => parsed.concurrency = value.parse().ok().filter(|&count| count > 0)?,
                "--pairs" => parsed.pairs = value.parse().ok().filter(|&count| count > 0)?,
                "--drain" => parsed.there = value == "there",
                "--buffer" => parsed.buffered_bytes_max = value.parse::<u64>().ok()?.checked_mul(1 << 20)?,
                "--flood" => {
                    let (objects, bytes) = value.split_once('x')?;
                    parsed.flood = Some((objects.parse().ok()?, bytes.parse().ok()?));
                }
                _ => return None,
            }
        }
        (!parsed.endpoint.is_empty() && !parsed.bucket.is_empty()).then_some(parsed)
    }

    fn options(&self) -> S3Options {
        S3Options {
            region: Some("us-east-1".to_owned()),
            endpoint_url: Some(self.endpoint.clone()),
            no_sign_request: std::env::var_os("AWS_ACCESS_KEY_ID").is_none(),
            ..S3Options::default()
        }
    }
}

fn main() -> ExitCode {
    let Some(arguments) = Arguments::parse(std::env::args().skip(1)) else {
        tell(HELP);
        return ExitCode::from(2);
    };
    if let Some((objects, bytes)) = arguments.flood {
        flood(&arguments, objects, bytes);
    }
    let objects = list(&arguments);
    let bytes: u64 = objects.iter().filter_map(|object| object.size).sum();
    tell(&format!("{} objects, {bytes} bytes", objects.len()));
    let mut ratios = Vec::new();
    let mut loads = Vec::new();
    for pair in 0..arguments.pairs {
        let mut bare = None;
        let mut store = None;
        // Whichever runs first finds the caches colder.
        for run_bare in [pair % 2 == 0, pair % 2 != 0] {
            if run_bare && arguments.bare {
                bare = Some(measure("bare", || get_bare(&arguments, &objects)));
            } else if !run_bare && arguments.store {
                store = Some(measure("store", || get_store(&arguments, &objects)));
            }
        }
        if let (Some(bare), Some(store)) = (bare, store) {
            ratios.push(bare.wall.as_secs_f64() / store.wall.as_secs_f64());
            loads.push(store.processor.as_secs_f64() / bare.processor.as_secs_f64());
        }
    }
    if !ratios.is_empty() {
        tell(&format!(
            "median: the store has {:.1} % of the bare loop's throughput, for {:.1} % of its processor time",
            median(ratios) * 100.0,
            median(loads) * 100.0
        ));
    }
    ExitCode::SUCCESS
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    if figures.len() % 2 == 1 { figures[middle] } else { (figures[middle - 1] + figures[middle]) / 2.0 }
}

struct Cost {
    wall: Duration,
    processor: Duration,
}

fn measure(name: &str, run: impl FnOnce() -> u64) -> Cost {
    let (wall, processor) = (Instant::now(), processor_time());
    let bytes = run();
    let cost = Cost { wall: wall.elapsed(), processor: processor_time().saturating_sub(processor) };
    tell(&format!(
        "{name:5} wall {:.3} s, processor {:.2} s, {bytes} bytes",
        cost.wall.as_secs_f64(),
        cost.processor.as_secs_f64()
    ));
    cost
}

/// Of this process, user and system; the kernel tells it in hundredths.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells it");
    // The second field, the program's name, may hold anything but ends with the last bracket.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn list(arguments: &Arguments) -> Vec<Object> {
    let connections = Connections::new(Tuning::default()).expect("a runtime starts");
    let store = connections.open(&arguments.bucket, &arguments.options()).expect("the bucket can be opened");
    let mut objects = Vec::new();
    let mut found = |listed| {
        if let Listed::Object(object) = listed {
            objects.push(object);
        }
    };
    store.list(arguments.prefix.as_bytes(), &mut |_| true, &mut found).expect("the prefix can be listed");
    objects.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    objects
}

/// As many objects as there are, as fast as the store gives them.
fn get_store(arguments: &Arguments, objects: &[Object]) -> u64 {
    let tuning = Tuning {
        in_flight_max: arguments.concurrency,
        buffered_bytes_max: arguments.buffered_bytes_max,
        ..Tuning::default()
    };
    let connections = Connections::new(tuning).expect("a runtime starts");
    let store = connections.open(&arguments.bucket, &arguments.options()).expect("the bucket can be opened");
    let drain = |body: Box<dyn Body>| body.read(&mut |_| true).expect("every object can be read").bytes;
    let (sender, bodies) = std::sync::mpsc::channel();
    let (counted, counts) = std::sync::mpsc::channel();
    let there = arguments.there;
    for object in objects {
        let (sender, counted) = (sender.clone(), counted.clone());
        // A small body is here as a whole, so reading it does not wait. A large one would, and the store cuts what
        // is above an eighth of its budget, so that goes there in any case.
        let small_bytes_max = (8 << 20).min(arguments.buffered_bytes_max / 8);
        let is_small = object.size.is_some_and(|bytes| bytes <= small_bytes_max);
        let ready = move |body| {
            if there || !is_small {
                let _ = sender.send(body);
            } else {
                let _ = counted.send(drain(body));
            }
        };
        assert!(store.fetch(object, Box::new(ready)).is_ok(), "S3 is remote");
    }
    drop((sender, counted));
    bodies.iter().map(drain).sum::<u64>() + counts.iter().sum::<u64>()
}

/// As many tasks as are asked for, each asking for one object after the other.
fn get_bare(arguments: &Arguments, objects: &[Object]) -> u64 {
    let keys: Arc<Vec<String>> =
        Arc::new(objects.iter().map(|object| String::from_utf8_lossy(&object.key).into_owned()).collect());
    let next = Arc::new(AtomicUsize::new(0));
    let runtime = runtime();
    let client = runtime.block_on(client(arguments));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..arguments.concurrency)
            .map(|_| {
                let (keys, next) = (Arc::clone(&keys), Arc::clone(&next));
                let (client, bucket) = (client.clone(), arguments.bucket.clone());
                tokio::spawn(async move {
                    let mut bytes = 0;
                    while let Some(key) = keys.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let request = client.get_object().bucket(&bucket).key(key);
                        let mut answer = request.send().await.expect("every object can be read");
                        while let Some(chunk) = answer.body.next().await {
                            bytes += chunk.expect("every body is whole").len() as u64;
                        }
                    }
                    bytes
                })
            })
            .collect();
        let mut bytes = 0;
        for task in tasks {
            bytes += task.await.expect("no task panics");
        }
        bytes
    })
}

/// With as many threads as the store has.
fn runtime() -> tokio::runtime::Runtime {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(4))
        .enable_all()
        .build()
        .expect("a runtime starts")
}

/// A client with the store's own settings.
async fn client(arguments: &Arguments) -> aws_sdk_s3::Client {
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    let http =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let builder = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::from_static("us-east-1"))
        .endpoint_url(&arguments.endpoint)
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // The SDK's own default, and what the store asks for with every whole object.
        .response_checksum_validation(ResponseChecksumValidation::WhenSupported);
    let variable = |name| std::env::var(name).ok();
    let config = match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        (Some(id), Some(secret)) => {
            builder.credentials_provider(Credentials::new(id, secret, None, None, "environment")).build()
        }
        _ => builder.allow_no_auth().build(),
    };
    aws_sdk_s3::Client::from_conf(config)
}

/// Writes objects to be read: noise that begins like gzip, so that neither side computes an MD5.
fn flood(arguments: &Arguments, objects: usize, bytes: usize) {
    let runtime = runtime();
    let client = runtime.block_on(client(arguments));
    runtime.block_on(async {
        let _ = client.create_bucket().bucket(&arguments.bucket).send().await;
        let next = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let (client, next, arguments) = (client.clone(), Arc::clone(&next), arguments.clone());
                tokio::spawn(async move {
                    let mut body = vec![0x1f, 0x8b];
                    let mut state = 1_u64;
                    while body.len() < bytes {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        body.push((state >> 56) as u8);
                    }
                    body.truncate(bytes);
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= objects {
                            return;
                        }
                        let key = format!("{}{number:08}.json.gz", arguments.prefix);
                        let request = client.put_object().bucket(&arguments.bucket).key(key);
                        let request = request.body(body.clone().into());
                        request.send().await.expect("objects can be written");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("no task panics");
        }
    });
}

#[expect(clippy::print_stdout, reason = "a measurement's result is what it prints")]
fn tell(text: &str) {
    println!("{text}");
}
