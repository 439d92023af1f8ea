//! What a body tells about its call: usage, latency, max_tokens, stop reason, service tier, content kinds and counts.
//!
//! In: the JSON text of one input or output body, of any provider. Out: [`InputFacts`], [`OutputFacts`]. Always:
//! each byte is passed once, and what no fact stands in is passed in blocks; of two equal keys the first wins; a
//! body that is not JSON where it is looked at has no facts. Absent: the texts of a body. Where each fact stands
//! is docs/rules.md, section 2.

use std::borrow::Cow;
use std::ops::Range;

use super::fields::{FIELD_BYTES_MAX, TOKENS_MAX, Value, measure, whole};
use super::lex::{Balance, DEPTH_MAX, StringEnd, is_blank, is_number, skip_blanks, string_end, unescape};
use crate::invocation::{ContentKinds, Count};

/// Facts of an input body.
#[derive(Clone, Default, PartialEq, Debug)]
pub(super) struct InputFacts {
    pub(super) max_tokens: Count,
    pub(super) service_tier: Option<Box<str>>,
    pub(super) blocks: Blocks,
}

/// Facts of an output body.
#[derive(Clone, Default, PartialEq, Debug)]
pub(super) struct OutputFacts {
    pub(super) usage: Usage,
    pub(super) cache_writes: CacheWrites,
    pub(super) latency_ms: Count,
    pub(super) first_byte_ms: Count,
    pub(super) stop_reason: Option<Box<str>>,
    pub(super) service_tier: Option<Box<str>>,
    pub(super) kinds: ContentKinds,
}

/// Token counts as a body states them.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct Usage {
    pub(super) input: Count,
    pub(super) output: Count,
    pub(super) cache_read: Count,
    pub(super) cache_write: Count,
}

impl Usage {
    fn is_empty(&self) -> bool {
        *self == Usage::default()
    }
}

/// Tokens written to the cache, by how long they live there, as a body states them.
///
/// Apart from [`Usage`]: it says nothing about which dialect a body speaks.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct CacheWrites {
    pub(super) five_minutes: Count,
    pub(super) one_hour: Count,
}

impl CacheWrites {
    fn is_empty(&self) -> bool {
        *self == CacheWrites::default()
    }
}

/// The content blocks of a body.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct Blocks {
    pub(super) kinds: ContentKinds,
    /// Those that are images, as far as `u16` goes.
    pub(super) images: u16,
    /// Those that are documents, likewise.
    pub(super) documents: u16,
}

impl Blocks {
    /// Adds one block of these kinds.
    #[inline]
    fn insert(&mut self, kinds: ContentKinds) {
        self.kinds.insert(kinds);
        self.images = self.images.saturating_add(kinds.contains(ContentKinds::IMAGE).into());
        self.documents = self.documents.saturating_add(kinds.contains(ContentKinds::DOCUMENT).into());
    }
}

impl InputFacts {
    /// Reads a whole body.
    pub(super) fn of(json: &[u8]) -> Self {
        read_body(json, input_object).unwrap_or_default()
    }

    /// Reads the body that starts at `at`, nested in an object at `depth`; also the index after it.
    pub(super) fn at(json: &[u8], at: usize, depth: u32) -> Option<(Self, BodyEnd)> {
        let mut cursor = Cursor::new(json, at, depth);
        let facts = read_value(&mut cursor, input_object);
        cursor.end().map(|end| (facts, end))
    }
}

impl OutputFacts {
    /// Reads a whole body.
    pub(super) fn of(json: &[u8]) -> Self {
        read_body(json, output_value).unwrap_or_default()
    }

    /// Reads the body that starts at `at`, nested in an object at `depth`; also the index after it.
    pub(super) fn at(json: &[u8], at: usize, depth: u32) -> Option<(Self, BodyEnd)> {
        let mut cursor = Cursor::new(json, at, depth);
        let facts = read_value(&mut cursor, output_value);
        cursor.end().map(|end| (facts, end))
    }
}

/// Where a body ended.
#[derive(Clone, Copy)]
pub(super) struct BodyEnd {
    /// The index after it.
    pub(super) after: usize,
    /// A `\ud…` escape may occur in it.
    pub(super) surrogates: bool,
    /// A byte beyond ASCII may occur in it: else it need not be checked for UTF-8.
    pub(super) beyond_ascii: bool,
}

/// A body that plain text makes is told by its kind alone.
trait Facts: Default {
    fn text() -> Self;
}

impl Facts for InputFacts {
    fn text() -> Self {
        let blocks = Blocks { kinds: ContentKinds::TEXT, ..Blocks::default() };
        InputFacts { blocks, ..InputFacts::default() }
    }
}

impl Facts for OutputFacts {
    fn text() -> Self {
        OutputFacts { kinds: ContentKinds::TEXT, ..OutputFacts::default() }
    }
}

/// Reads a body that must fill `json`.
fn read_body<F: Facts>(json: &[u8], read: fn(&mut Cursor<'_>) -> F) -> Option<F> {
    let mut cursor = Cursor::new(json, 0, 0);
    let facts = read_value(&mut cursor, read);
    let end = cursor.end()?;
    (skip_blanks(json, end.after) == json.len()).then_some(facts)
}

/// Reads one body; a string is read as the JSON that it holds, else it is text.
fn read_value<F: Facts>(cursor: &mut Cursor<'_>, read: fn(&mut Cursor<'_>) -> F) -> F {
    if cursor.peek() != Some(b'"') {
        return read(cursor);
    }
    let Some((content, escapes)) = cursor.string() else { return F::default() };
    let mut text = Vec::new();
    let json = match escapes {
        false => content,
        true => match unescape(content, &mut text) {
            Ok(()) => &text,
            Err(_) => return F::text(),
        },
    };
    // A string inside the string is text, so that this goes no deeper.
    match json.get(skip_blanks(json, 0)) {
        Some(b'{' | b'[') => read_body(json, read).unwrap_or_else(F::text),
        _ => F::text(),
    }
}

/// Notes that the key of this `bit` occurred; whether it did so for the first time.
fn first(seen: &mut u64, bit: u32) -> bool {
    let is_first = *seen >> bit & 1 == 0;
    *seen |= 1 << bit;
    is_first
}

fn first_known<const N: usize>(counts: [Count; N]) -> Count {
    counts.into_iter().fold(Count::UNKNOWN, Count::or)
}

fn input_object(cursor: &mut Cursor<'_>) -> InputFacts {
    let mut facts = InputFacts::default();
    if !cursor.open(b'{') {
        cursor.skip();
        return facts;
    }
    // In the order in which they are asked.
    let mut max_tokens = [Count::UNKNOWN; 6];
    let mut tiers = [None, None];
    let mut is_task = false;
    let mut edits_image = false;
    let mut seen = 0;
    while let Some(key) = cursor.key() {
        match &*key {
            b"messages" if first(&mut seen, 0) => messages(cursor, &mut facts.blocks),
            b"system" if first(&mut seen, 1) => {
                cursor.kind_if_present(ContentKinds::TEXT, &mut facts.blocks.kinds);
            }
            b"inferenceConfig" if first(&mut seen, 2) => {
                cursor.counts([b"maxTokens", b"max_new_tokens"], |index, count| max_tokens[index] = count);
            }
            b"max_tokens" if first(&mut seen, 3) => max_tokens[2] = cursor.tokens(),
            b"max_completion_tokens" if first(&mut seen, 4) => max_tokens[3] = cursor.tokens(),
            b"max_gen_len" if first(&mut seen, 5) => max_tokens[4] = cursor.tokens(),
            b"textGenerationConfig" if first(&mut seen, 6) => {
                cursor.counts([b"maxTokenCount"], |_, count| max_tokens[5] = count);
            }
            b"serviceTier" if first(&mut seen, 7) => tiers[0] = cursor.tier(),
            b"service_tier" if first(&mut seen, 8) => tiers[1] = cursor.tier(),
            b"prompt" | b"inputText" | b"textToImageParams" => {
                cursor.kind_if_present(ContentKinds::TEXT, &mut facts.blocks.kinds);
            }
            b"inputImage" => cursor.kind_if_present(ContentKinds::IMAGE, &mut facts.blocks.kinds),
            b"taskType" => is_task |= cursor.is_present(),
            b"inPaintingParams"
            | b"outPaintingParams"
            | b"imageVariationParams"
            | b"colorGuidedGenerationParams"
            | b"backgroundRemovalParams"
            | b"virtualTryOnParams" => {
                edits_image |= cursor.is_present();
            }
            _ => cursor.skip(),
        }
    }
    if is_task && edits_image {
        facts.blocks.kinds.insert(ContentKinds::IMAGE);
    }
    facts.max_tokens = first_known(max_tokens);
    facts.service_tier = tiers.into_iter().flatten().next();
    facts
}

fn messages(cursor: &mut Cursor<'_>, blocks: &mut Blocks) {
    cursor.elements(|cursor| message(cursor, blocks));
}

/// An object with `content`.
fn message(cursor: &mut Cursor<'_>, blocks: &mut Blocks) {
    if !cursor.open(b'{') {
        cursor.skip();
        return;
    }
    let mut seen = 0;
    while let Some(key) = cursor.key() {
        match &*key {
            b"content" if first(&mut seen, 0) => content(cursor, blocks),
            _ => cursor.skip(),
        }
    }
}

/// A string, or an array of blocks.
fn content(cursor: &mut Cursor<'_>, blocks: &mut Blocks) {
    if cursor.peek() == Some(b'"') {
        blocks.insert(ContentKinds::TEXT);
        cursor.skip();
        return;
    }
    cursor.elements(|cursor| blocks.insert(block(cursor)));
}

/// The kind of one content block: by its `type` where it has one, else by its keys.
fn block(cursor: &mut Cursor<'_>) -> ContentKinds {
    let mut by_key = ContentKinds::default();
    let mut by_type = None;
    if !cursor.open(b'{') {
        cursor.skip();
        return by_key;
    }
    let mut seen = 0;
    while let Some(key) = cursor.key() {
        match &*key {
            b"type" if first(&mut seen, 0) => {
                by_type = cursor.borrowed_text().map(|name| kind_of_type(&name))
            }
            name => cursor.kind_if_present(kind_of_key(name), &mut by_key),
        }
    }
    by_type.unwrap_or(by_key)
}

/// The kind of a Converse block.
fn kind_of_key(key: &[u8]) -> ContentKinds {
    match key {
        b"text" => ContentKinds::TEXT,
        b"image" => ContentKinds::IMAGE,
        b"document" => ContentKinds::DOCUMENT,
        b"video" => ContentKinds::VIDEO,
        b"audio" => ContentKinds::AUDIO,
        b"toolUse" => ContentKinds::TOOL_USE,
        b"toolResult" => ContentKinds::TOOL_RESULT,
        b"reasoningContent" => ContentKinds::REASONING,
        b"cachePoint" | b"guardContent" => ContentKinds::default(),
        _ => ContentKinds::OTHER,
    }
}

/// The kind of an Anthropic block or an OpenAI part.
fn kind_of_type(name: &str) -> ContentKinds {
    match name {
        "text" => ContentKinds::TEXT,
        "image" | "image_url" => ContentKinds::IMAGE,
        "document" | "file" => ContentKinds::DOCUMENT,
        "input_audio" => ContentKinds::AUDIO,
        "tool_use" => ContentKinds::TOOL_USE,
        "tool_result" => ContentKinds::TOOL_RESULT,
        "thinking" | "redacted_thinking" => ContentKinds::REASONING,
        _ => ContentKinds::OTHER,
    }
}

fn output_value(cursor: &mut Cursor<'_>) -> OutputFacts {
    if cursor.peek() == Some(b'[') { output_events(cursor) } else { output_object(cursor) }
}

fn output_object(cursor: &mut Cursor<'_>) -> OutputFacts {
    let mut facts = OutputFacts::default();
    if !cursor.open(b'{') {
        cursor.skip();
        return facts;
    }
    let mut usage = UsageObject::default();
    let mut blocks = Blocks::default();
    let mut llama = Usage::default();
    let mut titan_input = Count::UNKNOWN;
    let mut results = Results::default();
    // In the order in which they are asked.
    let mut stop_reasons = [None, None, None];
    let mut tiers = [None, None];
    let mut seen = 0;
    while let Some(key) = cursor.key() {
        match &*key {
            b"usage" if first(&mut seen, 0) => usage = usage_object(cursor),
            b"prompt_token_count" if first(&mut seen, 1) => llama.input = cursor.tokens(),
            b"generation_token_count" if first(&mut seen, 2) => llama.output = cursor.tokens(),
            b"inputTextTokenCount" if first(&mut seen, 3) => titan_input = cursor.tokens(),
            b"results" if first(&mut seen, 4) => results = titan_results(cursor),
            b"metrics" if first(&mut seen, 5) => facts.latency_ms = cursor.member_measure(b"latencyMs"),
            b"stopReason" if first(&mut seen, 6) => stop_reasons[0] = cursor.text(),
            b"stop_reason" if first(&mut seen, 7) => stop_reasons[1] = cursor.text(),
            b"choices" if first(&mut seen, 8) => stop_reasons[2] = choices(cursor, &mut facts.kinds),
            b"serviceTier" if first(&mut seen, 9) => tiers[0] = cursor.tier(),
            b"service_tier" if first(&mut seen, 10) => tiers[1] = cursor.tier(),
            b"output" if first(&mut seen, 11) => output_message(cursor, &mut blocks),
            b"content" if first(&mut seen, 12) => content(cursor, &mut blocks),
            b"images" | b"artifacts" => cursor.kind_if_present(ContentKinds::IMAGE, &mut facts.kinds),
            b"embedding" | b"embeddings" | b"embeddingsByType" => {
                cursor.kind_if_present(ContentKinds::EMBEDDING, &mut facts.kinds);
            }
            b"generation" | b"outputText" => cursor.kind_if_present(ContentKinds::TEXT, &mut facts.kinds),
            _ => cursor.skip(),
        }
    }
    facts.kinds.insert(blocks.kinds.union(results.kinds));
    facts.cache_writes = usage.cache_writes();
    let titan = Usage { input: titan_input, output: results.tokens, ..Usage::default() };
    let [converse, anthropic, open_ai] = usage.by_dialect;
    let usages = [converse, anthropic, open_ai, llama, titan];
    facts.usage = usages.into_iter().find(|usage| !usage.is_empty()).unwrap_or_default();
    let [stop_converse, stop_anthropic, stop_open_ai] = stop_reasons;
    facts.stop_reason = stop_converse.or(stop_anthropic).or(stop_open_ai).or(results.stop_reason);
    facts.service_tier = tiers.into_iter().flatten().next().or(usage.service_tier);
    facts
}

/// The object `usage`, read in the three dialects that have one: Converse, Anthropic, OpenAI.
#[derive(Default)]
struct UsageObject {
    by_dialect: [Usage; 3],
    /// `cacheDetails` of Converse.
    cache_details: CacheWrites,
    /// `cache_creation` of Anthropic.
    cache_creation: CacheWrites,
    service_tier: Option<Box<str>>,
}

impl UsageObject {
    fn cache_writes(&self) -> CacheWrites {
        if self.cache_details.is_empty() { self.cache_creation } else { self.cache_details }
    }
}

fn usage_object(cursor: &mut Cursor<'_>) -> UsageObject {
    let mut usage = UsageObject::default();
    if !cursor.open(b'{') {
        cursor.skip();
        return usage;
    }
    let [converse, anthropic, open_ai] = &mut usage.by_dialect;
    let mut seen = 0;
    while let Some(key) = cursor.key() {
        match &*key {
            b"inputTokens" if first(&mut seen, 0) => converse.input = cursor.tokens(),
            b"outputTokens" if first(&mut seen, 1) => converse.output = cursor.tokens(),
            b"cacheReadInputTokens" if first(&mut seen, 2) => converse.cache_read = cursor.tokens(),
            b"cacheWriteInputTokens" if first(&mut seen, 3) => converse.cache_write = cursor.tokens(),
            b"input_tokens" if first(&mut seen, 4) => anthropic.input = cursor.tokens(),
            b"output_tokens" if first(&mut seen, 5) => anthropic.output = cursor.tokens(),
            b"cache_read_input_tokens" if first(&mut seen, 6) => anthropic.cache_read = cursor.tokens(),
            b"cache_creation_input_tokens" if first(&mut seen, 7) => anthropic.cache_write = cursor.tokens(),
            b"prompt_tokens" if first(&mut seen, 8) => open_ai.input = cursor.tokens(),
            b"completion_tokens" if first(&mut seen, 9) => open_ai.output = cursor.tokens(),
            b"service_tier" if first(&mut seen, 10) => usage.service_tier = cursor.tier(),
            b"cacheDetails" if first(&mut seen, 11) => usage.cache_details = cache_details(cursor),
            b"cache_creation" if first(&mut seen, 12) => usage.cache_creation = cache_creation(cursor),
            _ => cursor.skip(),
        }
    }
    usage
}

/// The list of Converse: what it does not name was not written, as long as all of it is understood.
fn cache_details(cursor: &mut Cursor<'_>) -> CacheWrites {
    let mut writes = CacheWrites::default();
    let mut is_complete = cursor.peek() == Some(b'[');
    cursor.elements(|cursor| {
        let (mut is_hour, mut tokens) = (None, Count::UNKNOWN);
        if cursor.open(b'{') {
            let mut seen = 0;
            while let Some(key) = cursor.key() {
                match &*key {
                    b"ttl" if first(&mut seen, 0) => {
                        is_hour = match cursor.borrowed_text().as_deref() {
                            Some("5m") => Some(false),
                            Some("1h") => Some(true),
                            _ => None,
                        };
                    }
                    b"inputTokens" if first(&mut seen, 1) => tokens = cursor.tokens(),
                    _ => cursor.skip(),
                }
            }
        } else {
            cursor.skip();
        }
        match (is_hour, tokens.get()) {
            (Some(is_hour), Some(tokens)) => {
                let sum = if is_hour { &mut writes.one_hour } else { &mut writes.five_minutes };
                // Both are at most TOKENS_MAX.
                *sum = Count::known((sum.get().unwrap_or(0) + tokens).min(TOKENS_MAX));
            }
            _ => is_complete = false,
        }
    });
    if is_complete {
        writes.five_minutes = writes.five_minutes.or(Count::known(0));
        writes.one_hour = writes.one_hour.or(Count::known(0));
    }
    writes
}

/// The object of Anthropic.
fn cache_creation(cursor: &mut Cursor<'_>) -> CacheWrites {
    let mut by_name = [Count::UNKNOWN; 2];
    let names: [&[u8]; 2] = [b"ephemeral_5m_input_tokens", b"ephemeral_1h_input_tokens"];
    cursor.counts(names, |index, count| by_name[index] = count);
    let [five_minutes, one_hour] = by_name;
    CacheWrites { five_minutes, one_hour }
}

/// `results[]` of Titan.
#[derive(Default)]
struct Results {
    tokens: Count,
    stop_reason: Option<Box<str>>,
    kinds: ContentKinds,
}

fn titan_results(cursor: &mut Cursor<'_>) -> Results {
    let mut results = Results::default();
    let mut is_first_result = true;
    cursor.elements(|cursor| {
        let is_first_result = std::mem::take(&mut is_first_result);
        if !cursor.open(b'{') {
            cursor.skip();
            return;
        }
        let mut seen = 0;
        while let Some(key) = cursor.key() {
            match &*key {
                b"tokenCount" if first(&mut seen, 0) => {
                    if let Some(tokens) = cursor.tokens().get() {
                        let sum = results.tokens.get().unwrap_or(0).saturating_add(tokens);
                        results.tokens = Count::known(sum.min(TOKENS_MAX));
                    }
                }
                b"completionReason" if first(&mut seen, 1) && is_first_result => {
                    results.stop_reason = cursor.text();
                }
                b"outputText" => cursor.kind_if_present(ContentKinds::TEXT, &mut results.kinds),
                _ => cursor.skip(),
            }
        }
    });
    results
}

/// `choices[]` of OpenAI: the finish reason of the first.
fn choices(cursor: &mut Cursor<'_>, kinds: &mut ContentKinds) -> Option<Box<str>> {
    let mut finish_reason = None;
    let mut is_first_choice = true;
    cursor.elements(|cursor| {
        kinds.insert(ContentKinds::TEXT);
        if !std::mem::take(&mut is_first_choice) {
            cursor.skip();
            return;
        }
        finish_reason = cursor.member_text(b"finish_reason");
    });
    finish_reason
}

/// `output.message.content[]` of Converse.
fn output_message(cursor: &mut Cursor<'_>, blocks: &mut Blocks) {
    if !cursor.open(b'{') {
        cursor.skip();
        return;
    }
    let mut seen = 0;
    while let Some(key) = cursor.key() {
        match &*key {
            b"message" if first(&mut seen, 0) => message(cursor, blocks),
            _ => cursor.skip(),
        }
    }
}

/// An array of stream events.
fn output_events(cursor: &mut Cursor<'_>) -> OutputFacts {
    let mut facts = OutputFacts::default();
    let mut delta_stop = None;
    let mut message_stop = None;
    let mut last = None;
    cursor.elements(|cursor| {
        if cursor.repeats(&last) {
            return;
        }
        let start = cursor.at;
        cursor.text_skipped = None;
        if !cursor.open(b'{') {
            cursor.skip();
            return;
        }
        let mut seen = 0;
        while let Some(key) = cursor.key() {
            match &*key {
                b"amazon-bedrock-invocationMetrics" if first(&mut seen, 0) => {
                    invocation_metrics(cursor, &mut facts)
                }
                b"delta" if first(&mut seen, 1) => {
                    let stop_reason = delta(cursor, &mut facts.kinds);
                    delta_stop = stop_reason.or(delta_stop.take());
                }
                b"messageStop" if first(&mut seen, 2) => {
                    message_stop = cursor.member_text(b"stopReason").or(message_stop.take());
                }
                b"content_block" if first(&mut seen, 3) => {
                    cursor.member(b"type", |cursor| {
                        if let Some(name) = cursor.borrowed_text() {
                            facts.kinds.insert(kind_of_type(&name));
                        }
                    });
                }
                // The start of an Anthropic message, its end, and the end of a Converse stream.
                b"message" if first(&mut seen, 4) => {
                    cursor.member(b"usage", |cursor| event_usage(cursor, &mut facts));
                }
                b"usage" if first(&mut seen, 5) => event_usage(cursor, &mut facts),
                b"metadata" if first(&mut seen, 6) => {
                    cursor.member(b"usage", |cursor| event_usage(cursor, &mut facts));
                }
                _ => cursor.skip(),
            }
        }
        last = cursor.text_skipped.clone().map(|text| Pattern { start, text, end: cursor.at });
    });
    facts.stop_reason = delta_stop.or(message_stop);
    facts
}

/// The usage of an event: its split of cache writes alone. Its counts are partial ones, and those of the metrics
/// object are taken instead.
fn event_usage(cursor: &mut Cursor<'_>, facts: &mut OutputFacts) {
    if !cursor.open(b'{') {
        cursor.skip();
        return;
    }
    let mut usage = UsageObject::default();
    let mut seen = 0;
    while let Some(key) = cursor.key() {
        match &*key {
            b"cacheDetails" if first(&mut seen, 0) => usage.cache_details = cache_details(cursor),
            b"cache_creation" if first(&mut seen, 1) => usage.cache_creation = cache_creation(cursor),
            _ => cursor.skip(),
        }
    }
    let writes = usage.cache_writes();
    if !writes.is_empty() {
        facts.cache_writes = writes;
    }
}

/// The metrics object of an event; a later one replaces all of an earlier one.
fn invocation_metrics(cursor: &mut Cursor<'_>, facts: &mut OutputFacts) {
    if !cursor.open(b'{') {
        cursor.skip();
        return;
    }
    facts.usage = Usage::default();
    facts.latency_ms = Count::UNKNOWN;
    facts.first_byte_ms = Count::UNKNOWN;
    let mut seen = 0;
    while let Some(key) = cursor.key() {
        match &*key {
            b"inputTokenCount" if first(&mut seen, 0) => facts.usage.input = cursor.tokens(),
            b"outputTokenCount" if first(&mut seen, 1) => facts.usage.output = cursor.tokens(),
            b"cacheReadInputTokenCount" if first(&mut seen, 2) => facts.usage.cache_read = cursor.tokens(),
            b"cacheWriteInputTokenCount" if first(&mut seen, 3) => facts.usage.cache_write = cursor.tokens(),
            b"invocationLatency" if first(&mut seen, 4) => facts.latency_ms = cursor.measure(),
            b"firstByteLatency" if first(&mut seen, 5) => facts.first_byte_ms = cursor.measure(),
            _ => cursor.skip(),
        }
    }
}

/// The `delta` of an event: its stop reason.
fn delta(cursor: &mut Cursor<'_>, kinds: &mut ContentKinds) -> Option<Box<str>> {
    let mut stop_reason = None;
    if !cursor.open(b'{') {
        cursor.skip();
        return stop_reason;
    }
    let mut seen = 0;
    while let Some(key) = cursor.key() {
        match &*key {
            b"stop_reason" if first(&mut seen, 0) => stop_reason = cursor.text(),
            b"text" => cursor.kind_if_present(ContentKinds::TEXT, kinds),
            _ => cursor.skip(),
        }
    }
    stop_reason
}

/// An element of an array around one text that was skipped: indices into the body.
///
/// Most events of a stream differ from the one before in nothing but such a text. The bytes before and after it
/// being the same, such an event has the same facts, whatever the text is.
struct Pattern {
    start: usize,
    /// The text, without its quotes.
    text: Range<usize>,
    end: usize,
}

/// Walks JSON forward, once. After anything that is not JSON it is broken and yields nothing more.
struct Cursor<'a> {
    json: &'a [u8],
    at: usize,
    /// Open brackets around the position.
    depth: u32,
    is_broken: bool,
    surrogates: bool,
    beyond_ascii: bool,
    /// Where the last string stood that was passed unseen.
    text_skipped: Option<Range<usize>>,
}

impl<'a> Cursor<'a> {
    fn new(json: &'a [u8], at: usize, depth: u32) -> Self {
        Cursor {
            json,
            at,
            depth,
            is_broken: false,
            surrogates: false,
            beyond_ascii: false,
            text_skipped: None,
        }
    }

    fn end(&self) -> Option<BodyEnd> {
        let Cursor { at: after, surrogates, beyond_ascii, .. } = *self;
        (!self.is_broken).then_some(BodyEnd { after, surrogates, beyond_ascii })
    }

    /// Nothing comes after this.
    #[cold]
    fn break_off(&mut self) {
        self.is_broken = true;
        self.at = self.json.len();
    }

    /// The first byte of the next value, `None` where there is none.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        let next = *self.json.get(self.at)?;
        // Bodies are nearly always written without blanks.
        if next > b' ' {
            return Some(next);
        }
        self.at = skip_blanks(self.json, self.at);
        self.json.get(self.at).copied()
    }

    /// Passes the next element if it is the `last` one but for its text.
    #[inline]
    fn repeats(&mut self, last: &Option<Pattern>) -> bool {
        let Some(Pattern { start, text, end }) = last else { return false };
        let (json, at) = (self.json, self.at);
        let (before, after) = (&json[*start..text.start], &json[text.end + 1..*end]);
        if !json[at..].starts_with(before) {
            return false;
        }
        let Some(text_end) = string_end(json, at + before.len()) else { return false };
        if !json[text_end.after..].starts_with(after) {
            return false;
        }
        self.pass_string(text_end);
        self.at += after.len();
        true
    }

    /// Moves to the end of a string.
    #[inline]
    fn pass_string(&mut self, end: StringEnd) {
        self.at = end.after;
        self.surrogates |= end.surrogates;
        self.beyond_ascii |= end.beyond_ascii;
    }

    /// Enters the next value if it opens with this bracket.
    fn open(&mut self, bracket: u8) -> bool {
        if self.peek() != Some(bracket) {
            return false;
        }
        self.at += 1;
        self.depth += 1;
        self.check_depth(0);
        true
    }

    /// Breaks where `inner` levels below the position are too deep.
    #[inline]
    fn check_depth(&mut self, inner: u64) {
        if u64::from(self.depth) + inner > u64::from(DEPTH_MAX) {
            self.break_off();
        }
    }

    /// Leaves an object or array if its closing bracket is next, else passes the comma.
    #[inline]
    fn close(&mut self, bracket: u8) -> bool {
        let mut next = self.peek();
        if next == Some(b',') {
            self.at += 1;
            next = self.peek();
        }
        let closes = next == Some(bracket);
        if closes {
            self.at += 1;
            self.depth -= 1;
        }
        closes
    }

    /// The key of the next member of the object that was entered; the position is then before its value.
    /// `None` leaves the object.
    #[inline]
    fn key(&mut self) -> Option<Cow<'a, [u8]>> {
        if self.close(b'}') {
            return None;
        }
        let (content, escapes) = self.string()?;
        if self.peek() != Some(b':') {
            self.break_off();
            return None;
        }
        self.at += 1;
        if !escapes {
            return Some(Cow::Borrowed(content));
        }
        let mut key = Vec::new();
        if unescape(content, &mut key).is_err() {
            self.break_off();
            return None;
        }
        Some(Cow::Owned(key))
    }

    /// Passes the next value; if it is an array, each element is given to `element`, which has to pass it.
    fn elements(&mut self, mut element: impl FnMut(&mut Self)) {
        if !self.open(b'[') {
            self.skip();
            return;
        }
        while !self.is_broken && !self.close(b']') {
            element(self);
        }
    }

    /// Passes the next string: its content as written, and whether there are escapes in it.
    #[inline]
    fn string(&mut self) -> Option<(&'a [u8], bool)> {
        if self.peek() == Some(b'"') {
            let from = self.at + 1;
            if let Some(end) = string_end(self.json, from) {
                self.pass_string(end);
                return Some((&self.json[from..end.after - 1], end.escapes));
            }
        }
        self.break_off();
        None
    }

    /// Passes the next value.
    #[inline]
    fn skip(&mut self) {
        match self.peek() {
            Some(b'"') => {
                let from = self.at + 1;
                if self.string().is_some() {
                    self.text_skipped = Some(from..self.at - 1);
                }
            }
            Some(b'{' | b'[') => self.skip_brackets(),
            _ => self.skip_scalar(),
        }
    }

    fn skip_brackets(&mut self) {
        if let Some(b'}' | b']') = self.json.get(self.at + 1) {
            self.at += 2;
            self.check_depth(1);
            return;
        }
        let mut balance = Balance::default();
        match balance.advance(&self.json[self.at..]) {
            Some(length) => self.at += length,
            None => self.break_off(),
        }
        self.surrogates |= balance.surrogates;
        self.beyond_ascii |= balance.beyond_ascii;
        self.check_depth(balance.depth_max);
    }

    fn skip_scalar(&mut self) {
        let rest = &self.json[self.at..];
        let ends =
            |byte: u8| matches!(byte, b',' | b':' | b'{' | b'}' | b'[' | b']' | b'"') || is_blank(byte);
        let length = rest.iter().position(|&byte| ends(byte)).unwrap_or(rest.len());
        if length == 0 {
            self.break_off();
            return;
        }
        self.beyond_ascii |= !rest[..length].is_ascii();
        self.at += length;
    }

    /// Passes the next value: its text if it is a number.
    fn number(&mut self) -> Value<'a> {
        let is_scalar = !matches!(self.peek(), Some(b'"' | b'{' | b'['));
        let from = self.at;
        self.skip();
        let text = &self.json[from..self.at];
        if is_scalar && is_number(text) { Value::Number(text) } else { Value::Null }
    }

    /// Passes the next value: a token count, if it is one.
    fn tokens(&mut self) -> Count {
        whole(self.number()).filter(|&tokens| tokens <= TOKENS_MAX).into()
    }

    /// Passes the next value: milliseconds, if it is a non-negative integer.
    fn measure(&mut self) -> Count {
        measure(self.number())
    }

    /// Passes the next value: its text, if it is a string that a report can print.
    fn text(&mut self) -> Option<Box<str>> {
        self.borrowed_text().map(Box::from)
    }

    /// As [`Cursor::text`], for whoever does not keep it.
    fn borrowed_text(&mut self) -> Option<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            self.skip();
            return None;
        }
        let (content, escapes) = self.string()?;
        if !escapes {
            let content = Some(content).filter(|content| content.len() <= FIELD_BYTES_MAX)?;
            return std::str::from_utf8(content).ok().map(Cow::Borrowed);
        }
        let mut text = Vec::new();
        unescape(content, &mut text).ok()?;
        if text.len() > FIELD_BYTES_MAX {
            return None;
        }
        String::from_utf8(text).ok().map(Cow::Owned)
    }

    /// Passes the next value: whether it is anything but null.
    fn is_present(&mut self) -> bool {
        if self.peek() != Some(b'n') {
            self.skip();
            return true;
        }
        let from = self.at;
        self.skip();
        &self.json[from..self.at] != b"null"
    }

    /// Passes the next value, and notes the kind it stands for.
    fn kind_if_present(&mut self, kind: ContentKinds, kinds: &mut ContentKinds) {
        if self.is_present() {
            kinds.insert(kind);
        }
    }

    /// Passes the next value: a service tier, as a string or as the `type` of an object.
    fn tier(&mut self) -> Option<Box<str>> {
        if self.peek() == Some(b'{') { self.member_text(b"type") } else { self.text() }
    }

    /// Passes the next value: if it is an object, the text of this member.
    fn member_text(&mut self, name: &[u8]) -> Option<Box<str>> {
        let mut text = None;
        self.member(name, |cursor| text = cursor.text());
        text
    }

    /// Passes the next value: if it is an object, the milliseconds of this member.
    fn member_measure(&mut self, name: &[u8]) -> Count {
        let mut count = Count::UNKNOWN;
        self.member(name, |cursor| count = cursor.measure());
        count
    }

    fn member(&mut self, name: &[u8], mut read: impl FnMut(&mut Self)) {
        if !self.open(b'{') {
            self.skip();
            return;
        }
        let mut seen = 0;
        while let Some(key) = self.key() {
            if &*key == name && first(&mut seen, 0) { read(self) } else { self.skip() }
        }
    }

    /// Passes the next value: if it is an object, the token counts of the members with these names.
    fn counts<const N: usize>(&mut self, names: [&[u8]; N], mut read: impl FnMut(usize, Count)) {
        if !self.open(b'{') {
            self.skip();
            return;
        }
        let mut seen = 0;
        while let Some(key) = self.key() {
            match names.iter().position(|&name| name == &*key) {
                Some(index) if first(&mut seen, index as u32) => read(index, self.tokens()),
                _ => self.skip(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Events of a stream, `@` where a text stands that no fact is read from.
    const EVENTS: [&str; 22] = [
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"@"}}"#,
        r#"{"delta":{"text":"@","type":"text_delta"},"index":1}"#,
        r#"{"delta":{"type":"input_json_delta","partial_json":"@"}}"#,
        r#"{"type":"content_block_start","content_block":{"type":"text","text":"@"}}"#,
        r#"{"type":"content_block_start","content_block":{"type":"tool_use","name":"@","input":{}}}"#,
        r#"{"delta":{"stop_reason":"end_turn","stop_sequence":"@"}}"#,
        r#"{"delta":{"stop_reason":"tool_use"},"p":"@"}"#,
        r#"{"messageStop":{"stopReason":"max_tokens","p":"@"}}"#,
        r#"{"amazon-bedrock-invocationMetrics":{"inputTokenCount":7,"invocationLatency":3},"p":"@"}"#,
        r#"{"amazon-bedrock-invocationMetrics":{"outputTokenCount":"@","firstByteLatency":5}}"#,
        r#"{"amazon-bedrock-invocationMetrics":"@"}"#,
        r#"{"delta":"@","delta":{"stop_reason":"second"}}"#,
        r#"{"p":"@","messageStop":{"stopReason":"stop_sequence"}}"#,
        r#"{"p":["@"]}"#,
        r#"{"p":"@"}"#,
        r#""@""#,
        r#"{"p":"@","\u0070":"""#,
        r#"{"message":{"id":"@","usage":{"cache_creation":{"ephemeral_5m_input_tokens":3}}}}"#,
        r#"{"usage":{"cache_creation":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":"@"}}}"#,
        r#"{"metadata":{"usage":{"cacheDetails":[{"ttl":"1h","inputTokens":2,"p":"@"}]}}}"#,
        r#"{"metadata":{"usage":{"cacheDetails":[{"ttl":"5m","inputTokens":4},"@"]}}}"#,
        r#"{"metadata":{"usage":{"cacheDetails":"@"}},"message":"@","usage":["@"]}"#,
    ];

    const TEXTS: [&str; 9] = [
        "",
        "a",
        "\\n",
        "\\\"}}",
        "\\\\",
        "}},{",
        "\\ud83d",
        "Zürich",
        "of more than the thirty-two bytes of the first look",
    ];

    fn events() -> impl Strategy<Value = Vec<String>> {
        let event = (prop::sample::select(&EVENTS), 1..4usize, prop::sample::select(&TEXTS), any::<bool>());
        prop::collection::vec(event, 0..7).prop_map(|events| {
            let mut written = Vec::new();
            for (event, repeats, text, is_same) in events {
                for repeat in 0..repeats {
                    let text = if is_same { text } else { TEXTS[(text.len() + repeat) % TEXTS.len()] };
                    written.push(event.replace('@', text));
                }
            }
            written
        })
    }

    /// The facts of an array of events, and whether there may be surrogates.
    fn read(events: &[String]) -> Option<(OutputFacts, bool)> {
        let json = format!("[{}]", events.join(","));
        let (facts, end) = OutputFacts::at(json.as_bytes(), 0, 2)?;
        assert!(end.beyond_ascii || json[..end.after].is_ascii());
        assert_eq!(end.after, json.len());
        Some((facts, end.surrogates))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

        #[test]
        fn an_event_that_repeats_the_last_but_for_a_text_has_its_facts(events in events()) {
            // With a number of its own no event begins like the one before.
            let numbered = |(number, event): (usize, &String)| event.replacen('{', &format!("{{\"n\":{number},"), 1);
            let apart: Vec<String> = events.iter().enumerate().map(numbered).collect();
            let apart = apart.iter().map(|event| if event.starts_with('"') { format!(" {event}") } else { event.clone() });
            prop_assert_eq!(read(&events), read(&apart.collect::<Vec<_>>()));
        }
    }

    /// The split of cache writes in an output body, 5 minutes first.
    fn split(body: &str) -> [Option<u64>; 2] {
        let CacheWrites { five_minutes, one_hour } = OutputFacts::of(body.as_bytes()).cache_writes;
        [five_minutes.get(), one_hour.get()]
    }

    #[test]
    fn cache_details_say_zero_for_what_they_do_not_name_where_all_of_them_is_understood() {
        const MANY: u64 = TOKENS_MAX;
        let cases = [
            ("[]".to_owned(), [Some(0), Some(0)]),
            (r#"[{"ttl":"5m","inputTokens":7}]"#.into(), [Some(7), Some(0)]),
            (r#"[{"inputTokens":9,"ttl":"1h"},{"ttl":"5m","inputTokens":7}]"#.into(), [Some(7), Some(9)]),
            (r#"[{"ttl":"5m","inputTokens":7},{"ttl":"5m","inputTokens":1}]"#.into(), [Some(8), Some(0)]),
            (r#"[{"ttl":"5m","inputTokens":7,"ttl":"1h","inputTokens":1}]"#.into(), [Some(7), Some(0)]),
            (
                format!(r#"[{{"ttl":"1h","inputTokens":{MANY}}},{{"ttl":"1h","inputTokens":{MANY}}}]"#),
                [Some(0), Some(MANY)],
            ),
            (r#"[{"ttl":"5m","inputTokens":7},{"ttl":"24h","inputTokens":1}]"#.into(), [Some(7), None]),
            (r#"[{"ttl":"5m","inputTokens":-7}]"#.into(), [None, None]),
            (r#"[{"ttl":5,"inputTokens":7},null,"5m",[]]"#.into(), [None, None]),
            (r#"{"ttl":"5m","inputTokens":7}"#.into(), [None, None]),
            ("null".into(), [None, None]),
        ];
        for (details, expected) in cases {
            assert_eq!(split(&format!(r#"{{"usage":{{"cacheDetails":{details}}}}}"#)), expected, "{details}");
        }
    }

    #[test]
    fn cache_creation_says_what_it_names() {
        let usage = |creation: &str, more: &str| {
            split(&format!(r#"{{"usage":{{"cache_creation":{creation}{more}}}}}"#))
        };
        let both = r#"{"ephemeral_1h_input_tokens":9,"ephemeral_5m_input_tokens":7}"#;
        assert_eq!(usage(both, ""), [Some(7), Some(9)]);
        assert_eq!(usage(r#"{"ephemeral_5m_input_tokens":0}"#, ""), [Some(0), None]);
        assert_eq!(usage("null", ""), [None, None]);
        // The list of Converse comes first, as its counts do, and neither chooses whose counts are taken.
        assert_eq!(usage(both, r#","cacheDetails":[{"ttl":"5m","inputTokens":1}]"#), [Some(1), Some(0)]);
        let facts = OutputFacts::of(br#"{"usage":{"cacheDetails":[],"input_tokens":5}}"#);
        assert_eq!(facts.usage.input, Count::known(5));
    }

    #[test]
    fn of_a_stream_the_last_event_that_splits_the_cache_writes_counts() {
        let start = r#"{"type":"message_start","message":{"usage":{"input_tokens":2,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":4},"output_tokens":1}}}"#;
        let end =
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#;
        let changed =
            r#"{"usage":{"cache_creation":{"ephemeral_5m_input_tokens":5,"ephemeral_1h_input_tokens":6}}}"#;
        let converse =
            r#"{"metadata":{"usage":{"cacheDetails":[{"ttl":"1h","inputTokens":8}]},"metrics":{}}}"#;
        let metrics = r#"{"amazon-bedrock-invocationMetrics":{"inputTokenCount":7}}"#;
        let stream = |events: &[&str]| split(&format!("[{},\"[DONE]\"]", events.join(",")));
        assert_eq!(stream(&[start, end, metrics]), [Some(3), Some(4)]);
        assert_eq!(stream(&[start, changed, end]), [Some(5), Some(6)]);
        assert_eq!(stream(&[converse]), [Some(0), Some(8)]);
        assert_eq!(stream(&[end, metrics]), [None, None]);
        // The usage of an event is a partial one: only the metrics object counts tokens.
        let facts = OutputFacts::of(format!("[{start},{end}]").as_bytes());
        assert_eq!(facts.usage, Usage::default());
    }

    #[test]
    fn images_and_documents_are_counted_by_block() {
        let count = |body: &str| {
            let Blocks { images, documents, .. } = InputFacts::of(body.as_bytes()).blocks;
            (images, documents)
        };
        let content =
            |blocks: &str| count(&format!(r#"{{"messages":[{{"role":"user","content":[{blocks}]}}]}}"#));
        let converse =
            r#"{"text":"a"},{"image":{"format":"png"}},{"document":{"name":"d"}},{"image":{}},{"video":{}}"#;
        assert_eq!(content(converse), (2, 1));
        let anthropic = r#"{"type":"image","source":{}},{"type":"document","source":{},"title":"image"},{"type":"text","text":"image"}"#;
        assert_eq!(content(anthropic), (1, 1));
        assert_eq!(
            content(r#"{"type":"image_url","image_url":{}},{"type":"file","file":{}},{"image":null}"#),
            (1, 1)
        );
        // What a tool gave back is one block of its own kind.
        assert_eq!(content(r#"{"type":"tool_result","content":[{"type":"image"}]}"#), (0, 0));
        let turns =
            r#"{"messages":[{"content":[{"image":{}}]},{"content":"image"},{"content":[{"image":{}}]}]}"#;
        assert_eq!(count(turns), (2, 0));
        // Of one block that says it is both; the first of two equal keys.
        assert_eq!(content(r#"{"image":{},"document":{}}"#), (1, 1));
        assert_eq!(count(r#"{"messages":[],"messages":[{"content":[{"image":{}}]}]}"#), (0, 0));
        assert_eq!(count(r#"{"inputImage":"base64"}"#), (0, 0), "it is no content block");
        let very_many = r#"{"image":{}},"#.repeat(70_000);
        assert_eq!(content(&very_many), (u16::MAX, 0));
    }

    #[test]
    fn the_last_metrics_and_stop_reason_count_after_many_texts() {
        let delta = |text: &str| EVENTS[0].replace('@', text);
        let mut events: Vec<String> = (0..50).map(|number| delta(&"text ".repeat(number))).collect();
        events.insert(20, EVENTS[8].to_owned());
        events.insert(40, EVENTS[5].to_owned());
        events.push(EVENTS[9].replace("\"@\"", "11"));
        let (facts, surrogates) = read(&events).unwrap();
        assert_eq!(facts.usage, Usage { output: Count::known(11), ..Usage::default() });
        assert_eq!((facts.latency_ms, facts.first_byte_ms), (Count::UNKNOWN, Count::known(5)));
        assert_eq!(facts.stop_reason.as_deref(), Some("end_turn"));
        assert_eq!((facts.kinds, surrogates), (ContentKinds::TEXT, false));
    }
}
