"""The question of the comparison to chDB (ClickHouse in the process).

In: the JSON file that `compare.py` writes (root, layout, objects, refused ones). Out: the answer as JSON on stdout.

Tried: `JSONAsString` or `LineAsString` with `JSONExtract` (about a tenth slower), wildcards for the `aws` layout (a few
per cent slower than all names). The 50,000 names of the split layout are too many for a pattern, so that has wildcards.
Cannot: keys spelled with escapes inside a named tuple (the count is lost silently), lone surrogates, zero bytes after
gzip, files that are no gzip in spite of their names.
A CTE that is used twice would read everything twice, so minutes are summed up first and groups from them.
"""

import json
import os
import sys
import time

import chdb

import shared

began = time.perf_counter()

STRUCTURE = """schemaType Nullable(String), timestamp String, accountId Nullable(String), region Nullable(String),
requestId Nullable(String), modelId String, errorCode Nullable(String), output Tuple(outputTokenCount Nullable(Float64)),
input Tuple(inputTokenCount Nullable(Float64), cacheReadInputTokenCount Nullable(Float64),
cacheWriteInputTokenCount Nullable(Float64))"""

SPLIT_WILDCARDS = "/*/*/*/*/*/model-invocations/*-invocation.json"

QUESTION = """SELECT model, region, sum(minute_requests) AS requests, sum(minute_successful) AS successful,
  toInt64(sum(minute_input)) AS input, length(inputs) AS input_known,
  toInt64(sum(minute_output)) AS output, sum(minute_output_known) AS output_known,
  if(input_known = 0, NULL, input / input_known) AS input_average,
  if(output_known = 0, NULL, output / output_known) AS output_average,
  toInt64(sum(minute_cache_read)) AS cache_read, toInt64(sum(minute_cache_write)) AS cache_write,
  arrayCount(value -> value > {high}, inputs) AS high,
  arraySort(arrayFlatten(groupArray(minute_inputs))) AS inputs,
  if(input_known = 0, NULL, toInt64(inputs[intDiv(input_known * 50 + 99, 100)])) AS p50,
  if(input_known = 0, NULL, toInt64(inputs[intDiv(input_known * 90 + 99, 100)])) AS p90,
  if(input_known = 0, NULL, toInt64(inputs[intDiv(input_known * 99 + 99, 100)])) AS p99,
  max(minute_requests) AS peak_requests, toInt64(max(minute_input + minute_output)) AS peak_tokens
FROM (
  SELECT model, region, toStartOfMinute(moment) AS minute, count() AS minute_requests, countIf(ok) AS minute_successful,
    sumIf(coalesce(i, 0), ok) AS minute_input, sumIf(coalesce(o, 0), ok) AS minute_output,
    countIf(ok AND o IS NOT NULL) AS minute_output_known,
    sumIf(coalesce(r, 0), ok) AS minute_cache_read, sumIf(coalesce(w, 0), ok) AS minute_cache_write,
    groupArrayIf(assumeNotNull(i), ok AND i IS NOT NULL) AS minute_inputs
  FROM (
    SELECT region, argMax((model_, ok_, i_, r_, w_, o_, moment_), ((i_ IS NOT NULL) + (o_ IS NOT NULL), coalesce(i_, 0),
        coalesce(o_, 0), coalesce(r_, 0), coalesce(w_, 0), moment_)) AS best,
      best.1 AS model, best.2 AS ok, best.3 AS i, best.4 AS r, best.5 AS w, best.6 AS o, best.7 AS moment
    FROM (
      SELECT accountId AS account, region, replaceRegexpOne(modelId, '{prefix}', '') AS model_,
        coalesce(errorCode, '') = '' AS ok_, input.1 AS i_, input.2 AS r_, input.3 AS w_, output.1 AS o_,
        parseDateTimeBestEffort(timestamp, 'UTC') AS moment_,
        if(coalesce(requestId, '') = '', concat('row ', toString(rowNumberInAllBlocks())), requestId) AS id
      FROM file('{path}', 'JSONEachRow', '{structure}')
      WHERE (schemaType IS NULL OR schemaType = 'ModelInvocationLog') {refused})
    GROUP BY account, region, id)
  GROUP BY model, region, minute)
GROUP BY model, region
SETTINGS max_threads = 2, input_format_skip_unknown_fields = 1, input_format_json_ignore_unknown_keys_in_named_tuple = 1,
  input_format_json_max_depth = 100000, output_format_json_quote_64bit_integers = 0"""


def main():
    """Asks and prints."""
    asked = json.load(open(sys.argv[1]))
    if asked["layout"] == "aws":
        names = ",".join(os.path.relpath(path, asked["root"]) for path in asked["read"])
        path, refused = f"{asked['root']}/{{{names}}}", ""
    else:
        names = ", ".join(f"'{path}'" for path in asked["refused"])
        path, refused = asked["root"] + SPLIT_WILDCARDS, f"AND _path NOT IN ({names})" if names else ""
    question = (
        QUESTION.replace("{high}", str(shared.HIGH_TOKENS))
        .replace("{prefix}", shared.MODEL_PREFIX)
        .replace("{path}", path)
        .replace("{structure}", STRUCTURE)
        .replace("{refused}", refused)
    )
    session = chdb.session.Session()
    session.query("SET max_query_size = 10000000")
    answer = json.loads(session.query(question, "JSON").bytes())
    groups = [{name: value for name, value in group.items() if name != "inputs"} for group in answer["data"]]
    shared.print_answer(groups, began)


main()
