//! The callers and what they ask for: ordinary requests, drawn by chance.
//!
//! In: a stream (account × Region) and a moment. Out: a [`Request`] with its bodies. Always: the same seed
//! gives the same requests in the same order. Absent: anything odd; that is what `traps` adds.

use std::rc::Rc;

use crate::body::{Answer, Author, Body, CACHE_READ, CACHE_WRITE, Dialect, INPUT, OUTPUT};
use crate::calendar::Stamp;
use crate::catalogue::{self, CLAUDE, Family, Model, Spelling, THROTTLING};
use crate::prose::Prose;
use crate::random::Random;
use crate::request::{Fate, Id, Logged, Metadata, Order, Place, Request, Side};
use crate::{Options, Profile};

/// What one key prefix delivers: one account in one Region.
pub(crate) struct Stream {
    pub(crate) account: Rc<str>,
    pub(crate) region: Rc<str>,
    callers: Rc<[Rc<str>]>,
    pub(crate) weight: u32,
}

/// Everything that requests are drawn from.
pub(crate) struct World {
    pub(crate) random: Random,
    pub(crate) author: Author,
    pub(crate) streams: Vec<Stream>,
    models: Vec<Model>,
    tag_sets: Vec<Rc<Vec<(&'static str, &'static str)>>>,
    profile: Profile,
    errors_per_mille: u32,
    offloaded_per_mille: u32,
}

impl World {
    pub(crate) fn new(options: &Options) -> Self {
        let mut random = Random::new(options.seed);
        let author = Author { prose: Prose::new(&mut random) };
        let mut streams = Vec::new();
        for number in 0..u64::from(options.accounts) {
            let account: Rc<str> = format!("{:012}", 111_122_223_333 + number).into();
            let callers: Rc<[Rc<str>]> = catalogue::callers(&account).into();
            for region in &options.regions {
                streams.push(Stream {
                    account: account.clone(),
                    region: region.as_str().into(),
                    callers: callers.clone(),
                    // The first streams are the loudest, the last ones nearly silent.
                    weight: 1 + 1_000 / (streams.len() as u32 + 1),
                });
            }
        }
        World {
            random,
            author,
            streams,
            models: Model::choose(&options.models),
            tag_sets: vec![
                Rc::default(),
                Rc::new(vec![("env", "prod"), ("team", "search")]),
                Rc::new(vec![("env", "dev"), ("team", "billing")]),
                Rc::new(vec![("cost-center", "4711")]),
            ],
            profile: options.profile,
            errors_per_mille: options.errors_per_mille,
            offloaded_per_mille: options.offloaded_per_mille,
        }
    }

    /// An ordinary request.
    pub(crate) fn request(&mut self, stream: usize, seconds: i64, is_busy: bool) -> Request {
        let model = self.models[self.random.weighted(self.models.iter().map(|model| model.weight))].clone();
        let (operation, dialect) = model.operation(&mut self.random);
        let mut request = self.draft(stream, seconds, &model, operation, dialect);
        // Busy minutes are where quotas are met: eight times the errors there, most of them throttles.
        let share = if is_busy { (self.errors_per_mille * 8).min(600) } else { self.errors_per_mille };
        if self.random.per_mille(share) {
            self.fail(&mut request, is_busy);
        } else if self.random.per_mille(self.offloaded_per_mille) {
            self.offload(&mut request, dialect);
        }
        request
    }

    /// A successful request to a Claude model, both bodies inline, all counts logged: what traps start from.
    pub(crate) fn plain(
        &mut self,
        stream: usize,
        seconds: i64,
        operation: &'static str,
        dialect: Dialect,
    ) -> Request {
        let base = match dialect {
            Dialect::Nova => "amazon.nova-pro-v1:0",
            Dialect::Titan => "amazon.titan-text-express-v1",
            Dialect::Llama => "meta.llama3-1-70b-instruct-v1:0",
            Dialect::OpenAi => "openai.gpt-oss-120b-1:0",
            _ => CLAUDE,
        };
        self.draft(stream, seconds, &Model::new(base, 1), operation, dialect)
    }

    fn draft(
        &mut self,
        stream: usize,
        seconds: i64,
        model: &Model,
        operation: &'static str,
        dialect: Dialect,
    ) -> Request {
        let random = &mut self.random;
        let (input_length, output_length) = match self.profile {
            Profile::Small => (random.octaves(600, 8_000), random.octaves(200, 3_000)),
            Profile::Mixed => (random.octaves(500, 90_000), random.octaves(200, 12_000)),
        };
        let counts = draw_counts(model.family, random);
        let latency_ms = random.octaves(200, 40_000);
        let answer = Answer {
            counts: counts.map(Logged::value),
            latency_ms,
            first_byte_ms: latency_ms / random.between(2, 9),
        };
        let input = self.author.input(dialect, input_length as usize, random);
        let output = self.author.output(dialect, output_length as usize, &answer, random);
        let here = &self.streams[stream];
        let spelling = Spelling::draw(model, &here.account, &here.region, operation, random);
        let inference_region = spelling.inference_region(&here.region, random);
        let is_stream = operation.contains("Stream");
        let metadata = Metadata {
            // Measured elsewhere than the body's figure, and a little longer.
            latency_ms: random.per_mille(900).then_some(latency_ms + 7),
            first_byte_ms: (is_stream && random.per_mille(900)).then_some(answer.first_byte_ms + 3),
            request_bytes: random.per_mille(700).then_some(input.json.len() as u64 + 13),
            response_bytes: random.per_mille(700).then_some(output.json.len() as u64 + 13),
        };
        let tag_set = if random.per_mille(300) { random.between(1, 3) as usize } else { 0 };
        Request {
            seconds,
            stamp: Stamp::Zulu,
            schema: "ModelInvocationLog",
            account: Some(here.account.clone()),
            region: Some(here.region.clone()),
            id: Id::Uuid(random.wide()),
            operation: Some(operation),
            model: spelling,
            identity: Some(here.callers[random.index(here.callers.len())].clone()),
            error: None,
            inference_region,
            tags: self.tag_sets[tag_set].clone(),
            odd_tag: false,
            counts,
            input: Some(Side::inline(input)),
            output: Some(Side::inline(output)),
            metadata,
            status: 200,
            order: [Order::SchemaFirst, Order::SchemaLast, Order::Alphabetical]
                [random.weighted([35, 60, 5].into_iter())],
            escaped_keys: false,
            future_field: false,
        }
    }

    /// Turns a request into a failed one: no counts, no answer, seldom the input.
    fn fail(&mut self, request: &mut Request, is_busy: bool) {
        let random = &mut self.random;
        let index = if is_busy && random.per_mille(900) {
            0
        } else {
            random.weighted(catalogue::ERRORS.iter().map(|&(_, weight, _)| weight))
        };
        let (code, _, status) = catalogue::ERRORS[index];
        request.error = Some(code);
        request.status = status;
        request.counts = [Logged::Absent; 4];
        request.output = None;
        request.inference_region = None;
        request.metadata.first_byte_ms = None;
        request.metadata.response_bytes = None;
        if code == THROTTLING || random.per_mille(700) {
            request.input = None;
        }
    }

    /// Replaces one or both bodies by larger ones that go to a payload object.
    pub(crate) fn offload(&mut self, request: &mut Request, dialect: Dialect) {
        let (low, high) = match self.profile {
            Profile::Small => (12_000, 30_000),
            Profile::Mixed => (100_000, 300_000),
        };
        let random = &mut self.random;
        let sides = random.weighted([60, 20, 20].into_iter());
        if sides != 1 {
            let body = self.author.input(dialect, random.between(low, high) as usize, random);
            request.metadata.request_bytes =
                request.metadata.request_bytes.map(|_| body.json.len() as u64 + 13);
            request.input = Some(Side { body, place: Place::Offloaded(Fate::Resolved, String::new()) });
        }
        if sides != 0 {
            let latency_ms = random.octaves(2_000, 90_000);
            let answer = Answer {
                counts: request.counts.map(Logged::value),
                latency_ms,
                first_byte_ms: latency_ms / 5,
            };
            let body = self.author.output(dialect, random.between(low, high / 2) as usize, &answer, random);
            request.metadata.response_bytes =
                request.metadata.response_bytes.map(|_| body.json.len() as u64 + 13);
            request.output = Some(Side { body, place: Place::Offloaded(Fate::Resolved, String::new()) });
        }
    }

    /// An empty twin: same id, `{}` bodies, no counts.
    pub(crate) fn empty_twin(request: &Request) -> Request {
        let mut twin = request.clone();
        twin.counts = [Logged::Absent; 4];
        twin.input = Some(Side::inline(Body::empty()));
        twin.output = Some(Side::inline(Body::empty()));
        twin
    }
}

/// Token counts as a model of this family is logged.
fn draw_counts(family: Family, random: &mut Random) -> [Logged; 4] {
    let mut counts = [Logged::Absent; 4];
    if matches!(family, Family::Rerank | Family::Image | Family::Stability) {
        return counts;
    }
    let input = match random.below(100) {
        0..82 => random.octaves(20, 8_000),
        82..97 => random.octaves(8_000, 60_000),
        _ => random.octaves(60_000, 190_000),
    };
    counts[INPUT] = Logged::Integer(input);
    if matches!(family, Family::TitanEmbed | Family::CohereEmbed) {
        return counts;
    }
    counts[OUTPUT] = Logged::Integer(random.octaves(1, 4_000));
    if matches!(family, Family::Claude | Family::Nova) && random.per_mille(500) {
        let read = if random.per_mille(600) { random.octaves(1_024, 60_000) } else { 0 };
        counts[CACHE_READ] = Logged::Integer(read);
        counts[CACHE_WRITE] = Logged::Integer(if read == 0 { random.octaves(1_024, 30_000) } else { 0 });
    }
    counts
}
