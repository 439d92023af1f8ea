"""The question of the comparison to polars.

In: the JSON file that `compare.py` writes (objects). Out: the answer as JSON on stdout.

Objects of the split layout, one document each, are read in two Python threads and handed over some thousands at once,
since `scan_ndjson` of so many names takes minutes.
Tried, no faster: the streaming engine, `low_memory`, inflating with libdeflate in two threads and `read_ndjson` of the
bytes.
Cannot: JSON arrays in newline-delimited files, documents without a line of their own, byte order marks, bytes that are
no UTF-8, lone surrogates, zero bytes after gzip, files that are no gzip in spite of their names.
"""

import concurrent.futures
import io
import json
import os
import sys
import time

os.environ["POLARS_MAX_THREADS"] = "2"

import polars as pl

import shared

began = time.perf_counter()

COUNT = pl.Float64
SCHEMA = {
    "schemaType": pl.String, "timestamp": pl.String, "accountId": pl.String, "region": pl.String,
    "requestId": pl.String, "modelId": pl.String, "errorCode": pl.String,
    "input": pl.Struct({"inputTokenCount": COUNT, "cacheReadInputTokenCount": COUNT,
                        "cacheWriteInputTokenCount": COUNT}),
    "output": pl.Struct({"outputTokenCount": COUNT}),
}
# Files of the split layout whose bytes are joined: about 1 MB.
FILES_AT_A_TIME = 2_000

KEY = ["account", "region", "id"]
BETTER = ["known", "i0", "o0", "r0", "w0", "moment"]


def scan(objects, layout):
    """The documents of all objects."""
    if layout == "aws":
        return pl.scan_ndjson(objects, schema=SCHEMA)

    def batch(paths):
        return pl.read_ndjson(io.BytesIO(b"\n".join(map(shared.inflate, paths))), schema=SCHEMA)

    batches = [objects[at : at + FILES_AT_A_TIME] for at in range(0, len(objects), FILES_AT_A_TIME)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return pl.concat(pool.map(batch, batches)).lazy()


def records(documents):
    """The records with typed columns."""
    side = lambda name, field: pl.col(name).struct.field(field)
    time_text, schema = pl.col("timestamp"), pl.col("schemaType")
    east = time_text.str.extract(r"([+-]\d\d):\d\d$").cast(pl.Int64, strict=False).fill_null(0)
    moment = time_text.str.slice(0, 19).str.replace(" ", "T").str.to_datetime("%Y-%m-%dT%H:%M:%S")
    frame = documents.filter(schema.is_null() | (schema == "ModelInvocationLog")).select(
        pl.col("accountId").alias("account"), "region", pl.col("requestId").replace("", None).alias("id"),
        pl.col("modelId").str.replace(shared.MODEL_PREFIX, "").alias("model"),
        (pl.col("errorCode").fill_null("") == "").alias("ok"),
        side("input", "inputTokenCount").alias("i"), side("input", "cacheReadInputTokenCount").alias("r"),
        side("input", "cacheWriteInputTokenCount").alias("w"), side("output", "outputTokenCount").alias("o"),
        (moment - pl.duration(hours=east)).alias("moment"))
    return frame.with_columns(
        (pl.col("i").is_not_null().cast(pl.Int8) + pl.col("o").is_not_null().cast(pl.Int8)).alias("known"),
        *(pl.col(name).fill_null(0).alias(f"{name}0") for name in "iorw"))


def main():
    """Asks and prints."""
    asked = json.load(open(sys.argv[1]))
    frame = records(scan(asked["read"], asked["layout"])).collect()
    # Copies are few: only they are sorted.
    is_copy = pl.col("id").is_not_null() & pl.struct(KEY).is_duplicated()
    copies = frame.filter(is_copy).sort(BETTER, descending=True).unique(KEY, keep="first")
    kept = pl.concat([frame.filter(~is_copy), copies])
    ok, group = pl.col("ok"), ["model", "region"]
    minutes = kept.group_by(*group, pl.col("moment").dt.truncate("1m")).agg(
        pl.len().alias("requests"), (pl.col("i0") + pl.col("o0")).filter(ok).sum().alias("tokens"))
    peaks = minutes.group_by(group).agg(
        pl.col("requests").max().alias("peak_requests"), pl.col("tokens").max().cast(pl.Int64).alias("peak_tokens"))
    inputs, outputs = pl.col("i").filter(ok), pl.col("o").filter(ok)
    total = lambda name: pl.col(f"{name}0").filter(ok).sum().cast(pl.Int64)
    rank = lambda share: inputs.quantile(share, "equiprobable").cast(pl.Int64)
    groups = kept.group_by(group).agg(
        pl.len().alias("requests"), ok.sum().alias("successful"),
        total("i").alias("input"), inputs.count().alias("input_known"),
        total("o").alias("output"), outputs.count().alias("output_known"),
        inputs.mean().alias("input_average"), outputs.mean().alias("output_average"),
        total("r").alias("cache_read"), total("w").alias("cache_write"),
        (inputs > shared.HIGH_TOKENS).sum().alias("high"),
        rank(0.5).alias("p50"), rank(0.9).alias("p90"), rank(0.99).alias("p99"))
    answer = groups.join(peaks, on=group, nulls_equal=True)
    shared.print_answer(answer.to_dicts(), began)


main()
