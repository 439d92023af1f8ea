//! Bodies of requests and answers in the shapes that the providers use, each with the facts it holds.
//!
//! In: a dialect, a size and the token counts to quote. Out: the body's JSON text and, known by construction
//! and not by reading it back, what a reader must find in it (`docs/rules.md`, "Where the facts of a body are").

use crate::prose::{Prose, Voice};
use crate::random::Random;

/// Positions in an array of the four token counts.
pub(crate) const INPUT: usize = 0;
/// Output tokens.
pub(crate) const OUTPUT: usize = 1;
/// Tokens read from the cache.
pub(crate) const CACHE_READ: usize = 2;
/// Tokens written to the cache.
pub(crate) const CACHE_WRITE: usize = 3;

/// The four token counts, where known.
pub(crate) type Counts = [Option<u64>; 4];

/// Names of the content kinds, by bit, as the report spells them.
pub(crate) const KIND_NAMES: [&str; 10] = [
    "text",
    "image",
    "document",
    "video",
    "audio",
    "tool_use",
    "tool_result",
    "reasoning",
    "embedding",
    "other",
];
const TEXT: u16 = 1;
const IMAGE: u16 = 1 << 1;
const DOCUMENT: u16 = 1 << 2;
const VIDEO: u16 = 1 << 3;
const AUDIO: u16 = 1 << 4;
const TOOL_USE: u16 = 1 << 5;
const TOOL_RESULT: u16 = 1 << 6;
const REASONING: u16 = 1 << 7;
const EMBEDDING: u16 = 1 << 8;
const OTHER: u16 = 1 << 9;

/// A body's JSON text and the facts in it.
#[derive(Clone, Default, Debug)]
pub(crate) struct Body {
    /// The JSON value as it is logged; its length is the body's length.
    pub(crate) json: Vec<u8>,
    /// Content kinds by bit, see [`KIND_NAMES`].
    pub(crate) kinds: u16,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) usage: Counts,
    pub(crate) latency_ms: Option<u64>,
    pub(crate) first_byte_ms: Option<u64>,
    pub(crate) stop_reason: Option<&'static str>,
}

impl Body {
    /// The same body, logged as a JSON string that holds JSON.
    pub(crate) fn into_string(mut self) -> Self {
        let text = String::from_utf8_lossy(&self.json);
        self.json = serde_json::Value::from(text.as_ref()).to_string().into_bytes();
        self
    }

    /// A body that is a string of plain words: text, and no other fact.
    pub(crate) fn plain_string(prose: &Prose, random: &mut Random) -> Self {
        let mut json = vec![b'"'];
        prose.text(&mut json, Voice::Plain, 300, random);
        json.push(b'"');
        Body { json, kinds: TEXT, ..Body::default() }
    }

    /// The `{}` of an empty twin.
    pub(crate) fn empty() -> Self {
        Body { json: b"{}".to_vec(), ..Body::default() }
    }

    /// A Converse input with the rarer kinds of content.
    pub(crate) fn rare_kinds() -> Self {
        let json = br#"{"messages":[{"role":"user","content":[{"video":{"format":"mp4","source":{"s3Location":{"uri":"s3://clips/a.mp4"}}}},{"audio":{"format":"mp3","source":{"bytes":"AAAA"}}},{"searchResult":{"source":"x","title":"y","content":[{"text":"z"}]}},{"cachePoint":{"type":"default"}}]}]}"#;
        Body { json: json.to_vec(), kinds: VIDEO | AUDIO | OTHER, ..Body::default() }
    }

    /// A Converse input nested `depth` deep inside a tool's arguments.
    pub(crate) fn nested(depth: usize) -> Self {
        let mut json =
            br#"{"messages":[{"role":"assistant","content":[{"toolUse":{"toolUseId":"t","name":"n","input":{"a":"#
                .to_vec();
        json.resize(json.len() + depth, b'[');
        json.resize(json.len() + depth, b']');
        push(&mut json, "}}}]}]}");
        Body { json, kinds: TOOL_USE, ..Body::default() }
    }

    /// An Anthropic input whose text holds these raw bytes.
    pub(crate) fn raw_text(bytes: &[u8]) -> Self {
        let mut json = br#"{"max_tokens":64,"messages":[{"role":"user","content":"odd "#.to_vec();
        json.extend_from_slice(bytes);
        push(&mut json, r#" end"}]}"#);
        Body { json, kinds: TEXT, max_tokens: Some(64), ..Body::default() }
    }

    /// What a guardrail answers instead of the model; InvokeModel's form has no usage.
    pub(crate) fn guardrail(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Converse => Body {
                json: br#"{"output":{"message":{"role":"assistant","content":[{"text":"Blocked by policy."}]}},"stopReason":"guardrail_intervened","metrics":{"latencyMs":212},"usage":{"inputTokens":0,"outputTokens":0,"totalTokens":0},"trace":{"guardrail":{"inputAssessment":{}}}}"#.to_vec(),
                kinds: TEXT,
                usage: [Some(0), Some(0), None, None],
                latency_ms: Some(212),
                stop_reason: Some("guardrail_intervened"),
                ..Body::default()
            },
            Dialect::ClaudeStream => Body {
                json: br#"[{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}},{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Blocked by policy."}},{"type":"message_stop","amazon-bedrock-guardrailAction":"INTERVENED","amazon-bedrock-invocationMetrics":{"inputTokenCount":0,"outputTokenCount":0,"invocationLatency":301,"firstByteLatency":299}}]"#.to_vec(),
                kinds: TEXT,
                usage: [Some(0), Some(0), None, None],
                latency_ms: Some(301),
                first_byte_ms: Some(299),
                ..Body::default()
            },
            _ => Body {
                json: br#"{"type":"message","role":"assistant","content":[{"type":"text","text":"Blocked by policy."}],"amazon-bedrock-guardrailAction":"INTERVENED","amazon-bedrock-trace":{"guardrail":{"invocationMetrics":{"usage":{"inputTokens":7}}}}}"#.to_vec(),
                kinds: TEXT,
                ..Body::default()
            },
        }
    }
}

/// The request and answer formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dialect {
    /// Converse and ConverseStream, any model.
    Converse,
    /// Anthropic Messages through InvokeModel.
    Claude,
    /// The same through InvokeModelWithResponseStream: the answer is an array of events.
    ClaudeStream,
    /// Amazon Nova through InvokeModel.
    Nova,
    /// Amazon Titan Text.
    Titan,
    /// Meta Llama.
    Llama,
    /// OpenAI chat completions.
    OpenAi,
    /// Amazon Titan Embeddings.
    TitanEmbed,
    /// Cohere Embed.
    CohereEmbed,
    /// Cohere Rerank.
    Rerank,
    /// Amazon image models.
    Image,
    /// Stability image models.
    Stability,
}

/// What the conversation is about; decides the kinds of content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Theme {
    Chat,
    Code,
    Foreign,
    Tools,
    Picture,
    Paper,
    Reasoning,
}

const THEMES: [(Theme, u32); 7] = [
    (Theme::Chat, 40),
    (Theme::Code, 20),
    (Theme::Foreign, 8),
    (Theme::Tools, 20),
    (Theme::Picture, 3),
    (Theme::Paper, 3),
    (Theme::Reasoning, 6),
];

/// How content blocks are spelled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blocks {
    Converse,
    Claude,
    OpenAi,
}

/// Arguments of a tool call: full of keys and signs that are not the record's own.
const TOOL_ARGUMENTS: &str = r#"{"inputTokenCount":999999,"outputTokenCount":-5,"identity":{"arn":"arn:aws:iam::000000000000:user/not-the-caller"},"timestamp":"1999-12-31T23:59:59Z","modelId":"not.the-model","errorCode":"ThrottlingException","requestId":"00000000-0000-0000-0000-000000000000","metrics":{"latencyMs":1},"usage":{"inputTokens":1,"outputTokens":1},"stopReason":"not_the_reason","inputBodyS3Path":"s3://nowhere/x","braces":"}]{[\\\"","inferenceConfig":{"maxTokens":1},"schemaType":"Other"}"#;

const TOOL_CONFIG: &str = r#""toolConfig":{"tools":[{"toolSpec":{"name":"lookup","description":"Looks a record up by its number and returns its fields","inputSchema":{"json":{"type":"object","properties":{"number":{"type":"string","description":"the record's number"},"usage":{"type":"string"},"max_tokens":{"type":"integer"}},"required":["number"]}}}},{"toolSpec":{"name":"schedule","description":"Books the next free slot in the calendar","inputSchema":{"json":{"type":"object","properties":{"timestamp":{"type":"string"},"content":{"type":"array"}}}}}}]}"#;

/// Writes bodies.
pub(crate) struct Author {
    /// The text pools.
    pub(crate) prose: Prose,
}

/// What an answer has to quote.
pub(crate) struct Answer {
    pub(crate) counts: Counts,
    pub(crate) latency_ms: u64,
    pub(crate) first_byte_ms: u64,
}

impl Author {
    /// A request body of about `length` bytes.
    pub(crate) fn input(&self, dialect: Dialect, length: usize, random: &mut Random) -> Body {
        let mut body = Body { json: Vec::with_capacity(length + 2_048), ..Body::default() };
        let limit = [256, 512, 1_024, 4_096, 8_192, 32_000][random.index(6)];
        let theme = THEMES[random.weighted(THEMES.iter().map(|&(_, weight)| weight))].0;
        let out = &mut body.json;
        match dialect {
            Dialect::Converse => {
                push(out, "{");
                body.kinds = self.messages(out, Blocks::Converse, theme, length, random);
                if random.per_mille(600) {
                    push(out, r#","system":[{"text":""#);
                    self.prose.text(out, Voice::Plain, 200, random);
                    push(out, r#""}]"#);
                    body.kinds |= TEXT;
                }
                if random.per_mille(800) {
                    push(out, r#","inferenceConfig":{"temperature":0.7,"maxTokens":"#);
                    push_number(out, limit);
                    push(out, "}");
                    body.max_tokens = Some(limit);
                }
                if theme == Theme::Tools {
                    push(out, ",");
                    push(out, TOOL_CONFIG);
                }
                push(out, "}");
            }
            Dialect::Claude | Dialect::ClaudeStream => {
                push(out, r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":"#);
                push_number(out, limit);
                push(out, ",");
                body.max_tokens = Some(limit);
                if random.per_mille(500) {
                    push(out, r#""system":""#);
                    self.prose.text(out, Voice::Plain, 200, random);
                    push(out, r#"","#);
                    body.kinds = TEXT;
                }
                body.kinds |= self.messages(out, Blocks::Claude, theme, length, random);
                push(out, "}");
            }
            Dialect::Nova => {
                push(out, r#"{"schemaVersion":"messages-v1","#);
                body.kinds = self.messages(out, Blocks::Converse, theme, length, random);
                push(out, r#","inferenceConfig":{"max_new_tokens":"#);
                push_number(out, limit);
                push(out, r#","topP":0.9}}"#);
                body.max_tokens = Some(limit);
            }
            Dialect::OpenAi => {
                push(out, "{");
                body.kinds = self.messages(out, Blocks::OpenAi, theme, length, random);
                push(out, r#","max_completion_tokens":"#);
                push_number(out, limit);
                push(out, "}");
                body.max_tokens = Some(limit);
            }
            Dialect::Titan => {
                push(out, r#"{"inputText":""#);
                self.prose.text(out, Voice::Plain, length, random);
                push(out, r#"","textGenerationConfig":{"temperature":0,"maxTokenCount":"#);
                push_number(out, limit);
                push(out, "}}");
                body.kinds = TEXT;
                body.max_tokens = Some(limit);
            }
            Dialect::Llama => {
                push(out, r#"{"prompt":"<|begin_of_text|>"#);
                self.prose.text(out, Voice::Plain, length, random);
                push(out, r#"","max_gen_len":"#);
                push_number(out, limit);
                push(out, r#","temperature":0.5}"#);
                body.kinds = TEXT;
                body.max_tokens = Some(limit);
            }
            Dialect::TitanEmbed => {
                push(out, r#"{"inputText":""#);
                self.prose.text(out, Voice::Plain, length / 2, random);
                push(out, r#"","dimensions":1024,"normalize":true}"#);
                body.kinds = TEXT;
            }
            Dialect::CohereEmbed => {
                push(out, r#"{"input_type":"search_document","texts":[""#);
                self.prose.text(out, Voice::Plain, length / 4, random);
                push(out, r#"",""#);
                self.prose.text(out, Voice::World, length / 4, random);
                push(out, r#""]}"#);
            }
            Dialect::Rerank => {
                push(out, r#"{"api_version":2,"query":"which is nearest","documents":[""#);
                self.prose.text(out, Voice::Plain, length / 2, random);
                push(out, r#"",""#);
                self.prose.text(out, Voice::Plain, length / 2, random);
                push(out, r#""],"top_n":2}"#);
            }
            Dialect::Image if random.per_mille(300) => {
                push(out, r#"{"taskType":"IMAGE_VARIATION","imageVariationParams":{"images":[""#);
                self.prose.base64(out, length, random);
                push(out, r#""]},"imageGenerationConfig":{"numberOfImages":1}}"#);
                body.kinds = IMAGE;
            }
            Dialect::Image => {
                push(out, r#"{"taskType":"TEXT_IMAGE","textToImageParams":{"text":""#);
                self.prose.text(out, Voice::Plain, 200, random);
                push(out, r#""},"imageGenerationConfig":{"width":1024,"height":1024}}"#);
                body.kinds = TEXT;
            }
            Dialect::Stability => {
                push(out, r#"{"prompt":""#);
                self.prose.text(out, Voice::Plain, 200, random);
                push(out, r#"","output_format":"png"}"#);
                body.kinds = TEXT;
            }
        }
        body
    }

    /// An answer body of about `length` bytes.
    pub(crate) fn output(
        &self,
        dialect: Dialect,
        length: usize,
        answer: &Answer,
        random: &mut Random,
    ) -> Body {
        let mut body = Body { json: Vec::with_capacity(length + 2_048), ..Body::default() };
        let [input, output, cache_read, cache_write] = answer.counts.map(|count| count.unwrap_or(0));
        let cached = answer.counts[CACHE_READ].is_some() || answer.counts[CACHE_WRITE].is_some();
        let out = &mut body.json;
        match dialect {
            Dialect::Converse => {
                let reason = ["end_turn", "max_tokens", "tool_use", "stop_sequence"]
                    [random.weighted([70, 10, 15, 5].into_iter())];
                // The keys of an object have no order: half of the answers open with the figures.
                let figures_first = random.per_mille(500);
                let figures = converse_figures(answer, cached);
                push(out, "{");
                if figures_first {
                    push(out, &figures);
                    push(out, ",");
                }
                push(out, r#""output":{"message":{"role":"assistant","content":["#);
                body.kinds = self.answer_blocks(out, Blocks::Converse, reason == "tool_use", length, random);
                push(out, r#"]}},"stopReason":""#);
                push(out, reason);
                push(out, "\"");
                if !figures_first {
                    push(out, ",");
                    push(out, &figures);
                }
                push(out, "}");
                body.usage =
                    [Some(input), Some(output), cached.then_some(cache_read), cached.then_some(cache_write)];
                body.latency_ms = Some(answer.latency_ms);
                body.stop_reason = Some(reason);
            }
            Dialect::Claude => {
                let reason =
                    ["end_turn", "max_tokens", "tool_use"][random.weighted([75, 10, 15].into_iter())];
                push(out, r#"{"id":"msg_bdrk_01","type":"message","role":"assistant","content":["#);
                body.kinds = self.answer_blocks(out, Blocks::Claude, reason == "tool_use", length, random);
                push(out, r#"],"stop_reason":""#);
                push(out, reason);
                push(
                    out,
                    &format!(
                        r#"","stop_sequence":null,"usage":{{"input_tokens":{input},"cache_creation_input_tokens":{cache_write},"cache_read_input_tokens":{cache_read},"output_tokens":{output}}}}}"#
                    ),
                );
                body.usage = [Some(input), Some(output), Some(cache_read), Some(cache_write)];
                body.stop_reason = Some(reason);
            }
            Dialect::ClaudeStream => self.events(&mut body, length, answer, random),
            Dialect::Nova => {
                push(out, r#"{"output":{"message":{"content":["#);
                body.kinds = self.answer_blocks(out, Blocks::Converse, false, length, random);
                push(
                    out,
                    &format!(
                        r#"],"role":"assistant"}}}},"stopReason":"end_turn","usage":{{"inputTokens":{input},"outputTokens":{output},"totalTokens":{}}}}}"#,
                        input + output
                    ),
                );
                body.usage = [Some(input), Some(output), None, None];
                body.stop_reason = Some("end_turn");
            }
            Dialect::Titan => {
                // Two results: the output count is the sum of theirs.
                let first = output / 3;
                push(
                    out,
                    &format!(
                        r#"{{"inputTextTokenCount":{input},"results":[{{"tokenCount":{first},"outputText":""#
                    ),
                );
                self.prose.text(out, Voice::Plain, length / 2, random);
                push(
                    out,
                    &format!(
                        r#"","completionReason":"FINISH"}},{{"tokenCount":{},"outputText":""#,
                        output - first
                    ),
                );
                self.prose.text(out, Voice::Plain, length / 2, random);
                push(out, r#"","completionReason":"LENGTH"}]}"#);
                body.kinds = TEXT;
                body.usage = [Some(input), Some(output), None, None];
                body.stop_reason = Some("FINISH");
            }
            Dialect::Llama => {
                push(out, r#"{"generation":""#);
                self.prose.text(out, Voice::Plain, length, random);
                push(
                    out,
                    &format!(
                        r#"","prompt_token_count":{input},"generation_token_count":{output},"stop_reason":"stop"}}"#
                    ),
                );
                body.kinds = TEXT;
                body.usage = [Some(input), Some(output), None, None];
                body.stop_reason = Some("stop");
            }
            Dialect::OpenAi => {
                let reason = ["stop", "length"][random.weighted([85, 15].into_iter())];
                push(
                    out,
                    r#"{"id":"chatcmpl-1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":""#,
                );
                self.prose.text(out, Voice::Plain, length, random);
                push(
                    out,
                    &format!(
                        r#""}},"finish_reason":"{reason}"}}],"usage":{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{}}}}}"#,
                        input + output
                    ),
                );
                body.kinds = TEXT;
                body.usage = [Some(input), Some(output), None, None];
                body.stop_reason = Some(reason);
            }
            Dialect::TitanEmbed => {
                push(out, r#"{"embedding":["#);
                self.prose.numbers(out, length.max(1_000), random);
                push(out, &format!(r#"],"inputTextTokenCount":{input}}}"#));
                body.kinds = EMBEDDING;
                body.usage = [Some(input), None, None, None];
            }
            Dialect::CohereEmbed => {
                push(out, r#"{"id":"e1","response_type":"embeddings_floats","embeddings":[["#);
                self.prose.numbers(out, length.max(1_000) / 2, random);
                push(out, "],[");
                self.prose.numbers(out, length.max(1_000) / 2, random);
                push(out, "]]}");
                body.kinds = EMBEDDING;
            }
            Dialect::Rerank => {
                push(
                    out,
                    r#"{"results":[{"index":1,"relevance_score":0.91},{"index":0,"relevance_score":0.13}]}"#,
                );
            }
            Dialect::Image | Dialect::Stability => {
                push(out, r#"{"images":[""#);
                self.prose.base64(out, length, random);
                push(out, r#""]"#);
                push(
                    out,
                    if dialect == Dialect::Stability { r#","seeds":[42]}"# } else { r#","error":null}"# },
                );
                body.kinds = IMAGE;
            }
        }
        body
    }

    /// An Anthropic event stream, an array whose last object normally carries Bedrock's metrics.
    fn events(&self, body: &mut Body, length: usize, answer: &Answer, random: &mut Random) {
        let [input, output, cache_read, cache_write] = answer.counts.map(|count| count.unwrap_or(0));
        let reason = ["end_turn", "max_tokens", "tool_use"][random.weighted([75, 10, 15].into_iter())];
        let out = &mut body.json;
        push(
            out,
            &format!(
                r#"[{{"type":"message_start","message":{{"id":"msg_bdrk_02","type":"message","role":"assistant","content":[],"stop_reason":null,"usage":{{"input_tokens":{input},"output_tokens":1}}}}}},"#
            ),
        );
        push(out, r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}},"#);
        let goal = out.len() + length;
        while out.len() < goal {
            push(out, r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""#);
            self.prose.text(out, Voice::Plain, 60, random);
            push(out, r#""}},"#);
        }
        push(out, r#"{"type":"content_block_stop","index":0},"#);
        body.kinds = TEXT;
        if reason == "tool_use" {
            push(
                out,
                r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"lookup","input":{}}},{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"usage\":{\"inputTokens\":1}}"}},"#,
            );
            body.kinds |= TOOL_USE;
        }
        push(
            out,
            &format!(
                r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}","stop_sequence":null}},"usage":{{"output_tokens":{output}}}}},"#
            ),
        );
        body.stop_reason = Some(reason);
        if random.per_mille(50) {
            // An earlier event with metrics of its own: the last one's are the call's.
            push(
                out,
                r#"{"type":"ping","amazon-bedrock-invocationMetrics":{"inputTokenCount":1,"outputTokenCount":1,"invocationLatency":1,"firstByteLatency":1}},"#,
            );
            body.usage = [Some(1), Some(1), None, None];
            body.latency_ms = Some(1);
            body.first_byte_ms = Some(1);
        }
        push(out, r#"{"type":"message_stop""#);
        if random.per_mille(900) {
            push(
                out,
                &format!(
                    r#","amazon-bedrock-invocationMetrics":{{"inputTokenCount":{input},"outputTokenCount":{output},"invocationLatency":{},"firstByteLatency":{},"cacheReadInputTokenCount":{cache_read},"cacheWriteInputTokenCount":{cache_write}}}"#,
                    answer.latency_ms, answer.first_byte_ms
                ),
            );
            body.usage = [Some(input), Some(output), Some(cache_read), Some(cache_write)];
            body.latency_ms = Some(answer.latency_ms);
            body.first_byte_ms = Some(answer.first_byte_ms);
        }
        push(out, "}");
        if random.per_mille(200) {
            push(out, r#","[DONE]""#);
        }
        push(out, "]");
    }

    /// `"messages":[…]` of about `length` bytes; returns the kinds of content in it.
    fn messages(
        &self,
        out: &mut Vec<u8>,
        blocks: Blocks,
        theme: Theme,
        length: usize,
        random: &mut Random,
    ) -> u16 {
        // Calls of tools and reasoning are not parts of OpenAI's `content`.
        let theme = match theme {
            Theme::Tools | Theme::Reasoning if blocks == Blocks::OpenAi => Theme::Chat,
            other => other,
        };
        push(out, r#""messages":[{"role":"user","content":"#);
        if theme == Theme::Chat && blocks != Blocks::Converse && random.per_mille(400) {
            push(out, "\"");
            self.prose.text(out, Voice::Plain, length, random);
            push(out, r#""}]"#);
            return TEXT;
        }
        push(out, "[");
        let mut kinds = 0;
        match theme {
            Theme::Chat => {
                kinds |= self.text_block(out, blocks, Voice::Plain, length, random);
                if blocks == Blocks::Converse && random.per_mille(200) {
                    push(out, r#",{"cachePoint":{"type":"default"}}"#);
                }
            }
            Theme::Code => {
                kinds |= self.text_block(out, blocks, Voice::Plain, length / 4, random);
                push(out, ",");
                kinds |= self.text_block(out, blocks, Voice::Code, length / 4 * 3, random);
            }
            Theme::Foreign => kinds |= self.text_block(out, blocks, Voice::World, length, random),
            Theme::Picture => {
                kinds |= self.binary_block(out, blocks, IMAGE, length, random);
            }
            Theme::Paper => {
                kinds |= self.text_block(out, blocks, Voice::Plain, length / 8, random);
                push(out, ",");
                kinds |= self.binary_block(out, blocks, DOCUMENT, length / 8 * 7, random);
            }
            Theme::Tools => {
                kinds |= self.text_block(out, blocks, Voice::Plain, length / 2, random);
                push(out, r#"]},{"role":"assistant","content":["#);
                kinds |= tool_use_block(out, blocks);
                push(out, r#"]},{"role":"user","content":["#);
                kinds |= self.tool_result_block(out, blocks, length / 2, random);
            }
            Theme::Reasoning => {
                kinds |= self.text_block(out, blocks, Voice::Plain, length / 2, random);
                push(out, r#"]},{"role":"assistant","content":["#);
                kinds |= self.reasoning_block(out, blocks, length / 4, random);
                push(out, ",");
                kinds |= self.text_block(out, blocks, Voice::Plain, length / 4, random);
                push(out, r#"]},{"role":"user","content":["#);
                kinds |= self.text_block(out, blocks, Voice::Plain, 60, random);
            }
        }
        push(out, "]}]");
        kinds
    }

    /// The inside of an answer's `content` array.
    fn answer_blocks(
        &self,
        out: &mut Vec<u8>,
        blocks: Blocks,
        tool: bool,
        length: usize,
        random: &mut Random,
    ) -> u16 {
        let mut kinds = 0;
        if random.per_mille(100) {
            kinds |= self.reasoning_block(out, blocks, length / 3, random);
            push(out, ",");
        }
        let voice = if random.per_mille(200) { Voice::Code } else { Voice::Plain };
        kinds |= self.text_block(out, blocks, voice, length, random);
        if tool {
            push(out, ",");
            kinds |= tool_use_block(out, blocks);
        }
        kinds
    }

    fn text_block(
        &self,
        out: &mut Vec<u8>,
        blocks: Blocks,
        voice: Voice,
        length: usize,
        random: &mut Random,
    ) -> u16 {
        push(out, if blocks == Blocks::Converse { r#"{"text":""# } else { r#"{"type":"text","text":""# });
        self.prose.text(out, voice, length, random);
        push(out, r#""}"#);
        TEXT
    }

    /// An image or a document in base64.
    fn binary_block(
        &self,
        out: &mut Vec<u8>,
        blocks: Blocks,
        kind: u16,
        length: usize,
        random: &mut Random,
    ) -> u16 {
        let (opening, closing) = match (blocks, kind) {
            (Blocks::Converse, IMAGE) => (r#"{"image":{"format":"png","source":{"bytes":""#, r#""}}}"#),
            (Blocks::Converse, _) => {
                (r#"{"document":{"format":"pdf","name":"paper","source":{"bytes":""#, r#""}}}"#)
            }
            (Blocks::Claude, IMAGE) => {
                (r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":""#, r#""}}"#)
            }
            (Blocks::Claude, _) => (
                r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":""#,
                r#""}}"#,
            ),
            (Blocks::OpenAi, IMAGE) => {
                (r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,"#, r#""}}"#)
            }
            (Blocks::OpenAi, _) => {
                (r#"{"type":"file","file":{"filename":"paper.pdf","file_data":""#, r#""}}"#)
            }
        };
        push(out, opening);
        self.prose.base64(out, length, random);
        push(out, closing);
        kind
    }

    fn tool_result_block(
        &self,
        out: &mut Vec<u8>,
        blocks: Blocks,
        length: usize,
        random: &mut Random,
    ) -> u16 {
        let (opening, closing) = match blocks {
            Blocks::Converse => (
                r#"{"toolResult":{"toolUseId":"tooluse_1","status":"success","content":[{"text":""#,
                r#""}]}}"#,
            ),
            _ => (r#"{"type":"tool_result","tool_use_id":"toolu_1","content":""#, r#""}"#),
        };
        push(out, opening);
        self.prose.text(out, Voice::Code, length, random);
        push(out, closing);
        TOOL_RESULT
    }

    fn reasoning_block(&self, out: &mut Vec<u8>, blocks: Blocks, length: usize, random: &mut Random) -> u16 {
        let (opening, closing) = match blocks {
            Blocks::Converse => (r#"{"reasoningContent":{"reasoningText":{"text":""#, r#""}}}"#),
            _ => (r#"{"type":"thinking","thinking":""#, r#"","signature":"c2ln"}"#),
        };
        push(out, opening);
        self.prose.text(out, Voice::Plain, length, random);
        push(out, closing);
        REASONING
    }
}

fn tool_use_block(out: &mut Vec<u8>, blocks: Blocks) -> u16 {
    let opening = match blocks {
        Blocks::Converse => r#"{"toolUse":{"toolUseId":"tooluse_1","name":"lookup","input":"#,
        _ => r#"{"type":"tool_use","id":"toolu_1","name":"lookup","input":"#,
    };
    push(out, opening);
    push(out, TOOL_ARGUMENTS);
    push(out, if blocks == Blocks::Converse { "}}" } else { "}" });
    TOOL_USE
}

/// `"metrics":…,"usage":…` of a Converse answer.
fn converse_figures(answer: &Answer, cached: bool) -> String {
    let [input, output, cache_read, cache_write] = answer.counts.map(|count| count.unwrap_or(0));
    let cache = if cached {
        format!(r#","cacheReadInputTokens":{cache_read},"cacheWriteInputTokens":{cache_write}"#)
    } else {
        String::new()
    };
    format!(
        r#""metrics":{{"latencyMs":{}}},"usage":{{"inputTokens":{input},"outputTokens":{output},"totalTokens":{}{cache}}}"#,
        answer.latency_ms,
        input + output + cache_read + cache_write
    )
}

/// Appends text as it is.
pub(crate) fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Appends a number in decimal.
pub(crate) fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(number.to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALECTS: [Dialect; 12] = [
        Dialect::Converse,
        Dialect::Claude,
        Dialect::ClaudeStream,
        Dialect::Nova,
        Dialect::Titan,
        Dialect::Llama,
        Dialect::OpenAi,
        Dialect::TitanEmbed,
        Dialect::CohereEmbed,
        Dialect::Rerank,
        Dialect::Image,
        Dialect::Stability,
    ];

    #[test]
    fn every_body_is_json_and_holds_the_facts_it_claims() {
        let mut random = Random::new(11);
        let author = Author { prose: Prose::new(&mut random) };
        let answer =
            Answer { counts: [Some(31), Some(17), Some(5), Some(3)], latency_ms: 900, first_byte_ms: 80 };
        for dialect in DIALECTS {
            for _ in 0..60 {
                let input = author.input(dialect, 2_000, &mut random);
                let json: serde_json::Value = serde_json::from_slice(&input.json).unwrap();
                let limit = ["/inferenceConfig/maxTokens", "/inferenceConfig/max_new_tokens", "/max_tokens"]
                    .into_iter()
                    .chain(["/max_completion_tokens", "/max_gen_len", "/textGenerationConfig/maxTokenCount"])
                    .find_map(|path| json.pointer(path)?.as_u64());
                assert_eq!(limit, input.max_tokens, "{dialect:?}");

                let output = author.output(dialect, 800, &answer, &mut random);
                let json: serde_json::Value = serde_json::from_slice(&output.json).unwrap();
                let stop = match &json {
                    serde_json::Value::Array(events) => {
                        events.iter().rev().find_map(|event| event.pointer("/delta/stop_reason")?.as_str())
                    }
                    object => ["/stopReason", "/stop_reason", "/choices/0/finish_reason"]
                        .into_iter()
                        .chain(["/results/0/completionReason"])
                        .find_map(|path| object.pointer(path)?.as_str()),
                };
                assert_eq!(stop, output.stop_reason, "{dialect:?}");
            }
        }
    }

    #[test]
    fn the_special_bodies_are_json() {
        let specials = [
            Body::empty(),
            Body::rare_kinds(),
            Body::nested(100),
            Body::guardrail(Dialect::Converse),
            Body::guardrail(Dialect::Claude),
            Body::guardrail(Dialect::ClaudeStream),
        ];
        for body in specials {
            serde_json::from_slice::<serde_json::Value>(&body.json).unwrap();
            let text: String = serde_json::from_slice(&body.clone().into_string().json).unwrap();
            assert_eq!(text.as_bytes(), body.json);
        }
    }
}
