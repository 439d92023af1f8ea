"""The question of the comparison to DuckDB.

In: the JSON file that `compare.py` writes (objects, layout), and `native` or `fed`. Out: the answer as JSON on stdout.
`native` has DuckDB read and inflate; `fed` has Python threads inflate with libdeflate and hands the lines over as Arrow.

Tried, no difference beyond the noise: `read_ndjson_objects` with `json_transform` or `json_extract_string`, a smaller
`maximum_object_size`.
Cannot: JSON arrays in newline-delimited files, documents without a line of their own, byte order marks, bytes that are
no UTF-8, lone surrogates, zero bytes after gzip, files that are no gzip in spite of their names.
"""

import concurrent.futures
import json
import sys
import time

import duckdb

import shared

began = time.perf_counter()

# Counts are read as DOUBLE, since 5.0 is a count, too; all of them are far below 2^53.
COLUMNS = """{schemaType: 'VARCHAR', timestamp: 'VARCHAR', accountId: 'VARCHAR', region: 'VARCHAR', requestId: 'VARCHAR',
    modelId: 'VARCHAR', errorCode: 'VARCHAR', output: 'STRUCT(outputTokenCount DOUBLE)',
    input: 'STRUCT(inputTokenCount DOUBLE, cacheReadInputTokenCount DOUBLE, cacheWriteInputTokenCount DOUBLE)'}"""

NATIVE = f"""SELECT schemaType AS schema_type, timestamp, accountId AS account, region, requestId AS id, modelId AS model,
    errorCode AS error, input.inputTokenCount AS input, input.cacheReadInputTokenCount AS cache_read,
    input.cacheWriteInputTokenCount AS cache_write, output.outputTokenCount AS output
  FROM read_json($objects, format = 'newline_delimited', columns = {COLUMNS}, maximum_object_size = 67108864)"""

FED = """SELECT v[1] AS schema_type, v[2] AS timestamp, v[3] AS account, v[4] AS region, v[5] AS id, v[6] AS model,
    v[7] AS error, v[8]::DOUBLE AS input, v[9]::DOUBLE AS cache_read, v[10]::DOUBLE AS cache_write, v[11]::DOUBLE AS output
  FROM (SELECT json_extract_string(json, ['$.schemaType', '$.timestamp', '$.accountId', '$.region', '$.requestId',
    '$.modelId', '$.errorCode', '$.input.inputTokenCount', '$.input.cacheReadInputTokenCount',
    '$.input.cacheWriteInputTokenCount', '$.output.outputTokenCount']) AS v FROM lines)"""

QUESTION = """WITH logged AS ({logged}),
records AS (
  SELECT account, region, nullif(id, '') AS id, regexp_replace(model, $prefix, '') AS model, nullif(error, '') IS NULL AS ok,
    input, cache_read, cache_write, output, timestamp::TIMESTAMP AS moment
  FROM logged WHERE schema_type IS NULL OR schema_type = 'ModelInvocationLog'),
kept AS MATERIALIZED (
  SELECT * FROM records QUALIFY id IS NULL OR row_number() OVER (PARTITION BY account, region, id ORDER BY
    (input IS NOT NULL)::INT + (output IS NOT NULL)::INT DESC, coalesce(input, 0) DESC, coalesce(output, 0) DESC,
    coalesce(cache_read, 0) DESC, coalesce(cache_write, 0) DESC, moment DESC) = 1),
minutes AS (
  SELECT model, region, date_trunc('minute', moment) AS minute, count(*) AS requests,
    coalesce(sum(coalesce(input, 0) + coalesce(output, 0)) FILTER (ok), 0) AS tokens
  FROM kept GROUP BY ALL),
peaks AS (
  SELECT model, region, max(requests) AS peak_requests, max(tokens)::BIGINT AS peak_tokens FROM minutes GROUP BY ALL),
groups AS (
  SELECT model, region, count(*) AS requests, count(*) FILTER (ok) AS successful,
    coalesce(sum(input) FILTER (ok), 0)::BIGINT AS input, count(input) FILTER (ok) AS input_known,
    coalesce(sum(output) FILTER (ok), 0)::BIGINT AS output, count(output) FILTER (ok) AS output_known,
    avg(input) FILTER (ok) AS input_average, avg(output) FILTER (ok) AS output_average,
    coalesce(sum(cache_read) FILTER (ok), 0)::BIGINT AS cache_read,
    coalesce(sum(cache_write) FILTER (ok), 0)::BIGINT AS cache_write,
    count(*) FILTER (ok AND input > $high) AS high,
    quantile_disc(input, [0.5, 0.9, 0.99]) FILTER (ok) AS percentiles
  FROM kept GROUP BY ALL)
SELECT groups.* EXCLUDE (percentiles), percentiles[1]::BIGINT AS p50, percentiles[2]::BIGINT AS p90,
  percentiles[3]::BIGINT AS p99, peak_requests, peak_tokens
FROM groups JOIN peaks ON groups.model = peaks.model AND groups.region IS NOT DISTINCT FROM peaks.region"""


def lines_of(objects):
    """The lines of all objects as a stream of Arrow batches, inflated by two threads."""
    import pyarrow

    schema = pyarrow.schema([("json", pyarrow.string())])

    def batch(path):
        lines = [line for line in shared.inflate(path).split(b"\n") if len(line) > 2]
        return pyarrow.record_batch([pyarrow.array(lines, pyarrow.binary()).cast(pyarrow.string())], schema=schema)

    def batches():
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            yield from pool.map(batch, objects)

    return pyarrow.RecordBatchReader.from_batches(schema, batches())


def main():
    """Asks and prints."""
    asked = json.load(open(sys.argv[1]))
    connection = duckdb.connect(config={"threads": 2})
    parameters = {"prefix": shared.MODEL_PREFIX, "high": shared.HIGH_TOKENS}
    if sys.argv[2] == "fed":
        connection.register("lines", lines_of(asked["read"]))
        logged = FED
    else:
        parameters["objects"] = asked["read"]
        logged = NATIVE
    result = connection.execute(QUESTION.replace("{logged}", logged), parameters)
    names = [column[0] for column in result.description]
    shared.print_answer([dict(zip(names, row)) for row in result.fetchall()], began)


main()
