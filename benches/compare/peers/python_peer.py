"""The question of the comparison to Python: orjson, libdeflate, two processes.

In: the JSON file that `compare.py` writes (objects), and maybe `join`. Out: the answer as JSON on stdout.
With `join` the other three documents of each request of the split layout are read, too, and joined by their id.

What orjson refuses goes to the standard library, document by document, so nothing has to be left out.
"""

import collections
import concurrent.futures
import json
import re
import sys
import time

import orjson

import shared
import reference

began = time.perf_counter()

# Objects that a process takes at a time: the rows of so many go back at once.
OBJECTS_AT_A_TIME = 32

# Where the other documents of a request are.
SIBLINGS = (("metadata", "-metadata"), ("requests", "-request"), ("responses", "-response"))

NOTHING = {}
MODEL_PREFIX = re.compile(shared.MODEL_PREFIX)
base_models, minutes = {}, {}


def records_of(path):
    """The records of one object."""
    decoded = shared.inflate(path)
    try:
        if decoded[:1] != b"[":
            return [orjson.loads(line) for line in decoded.split(b"\n") if len(line) > 2]
        return orjson.loads(decoded)
    except orjson.JSONDecodeError:
        text = decoded.decode("utf-8-sig", "replace")
        return [document for document, _ in reference.documents(text, set())]


def base_model(model):
    """The base model, looked up: there are few spellings."""
    base = base_models.get(model)
    if base is None:
        base = base_models[model] = MODEL_PREFIX.sub("", model)
    return base


def moment(text):
    """Second since the epoch; one look-up a minute where the spelling is the usual one."""
    if len(text) != 20 or text[19] != "Z":
        return reference.seconds(text)
    start = minutes.get(text[:16])
    if start is None:
        start = minutes[text[:16]] = reference.seconds(f"{text[:16]}:00Z")
    return start + int(text[17:19])


def rows_of(path):
    """The rows of one object."""
    rows = []
    for record in records_of(path):
        if record.get("schemaType", "ModelInvocationLog") != "ModelInvocationLog":
            continue
        side, other = record.get("input") or NOTHING, record.get("output") or NOTHING
        rows.append((record.get("accountId"), record.get("region"), record.get("requestId"),
                     base_model(record["modelId"]), not record.get("errorCode"), side.get("inputTokenCount"),
                     other.get("outputTokenCount"), side.get("cacheReadInputTokenCount"),
                     side.get("cacheWriteInputTokenCount"), moment(record["timestamp"])))
    return rows


def joined_rows_of(path):
    """The rows of one invocation document, and how many of its siblings lie beside it."""
    folder, name = path.rsplit("/model-invocations/", 1)
    joined = 0
    for directory, kind in SIBLINGS:
        try:
            joined += len(records_of(f"{folder}/{directory}/{name.replace('-invocation', kind)}"))
        except FileNotFoundError:
            pass
    return rows_of(path), joined


def completeness(row):
    """What makes one copy better than another."""
    values = row[5:9]
    return (row[5] is not None) + (row[6] is not None), *(value or 0 for value in values), row[9]


def figures(rows):
    """The figures of one group."""
    successful = [row for row in rows if row[4]]
    inputs = sorted(row[5] for row in successful if row[5] is not None)
    outputs = [row[6] for row in successful if row[6] is not None]
    requests = collections.Counter(row[9] // 60 for row in rows)
    tokens = collections.Counter()
    for row in successful:
        tokens[row[9] // 60] += (row[5] or 0) + (row[6] or 0)
    return {
        "requests": len(rows),
        "successful": len(successful),
        "input": int(sum(inputs)),
        "input_known": len(inputs),
        "input_average": sum(inputs) / len(inputs) if inputs else None,
        "output": int(sum(outputs)),
        "output_known": len(outputs),
        "output_average": sum(outputs) / len(outputs) if outputs else None,
        "cache_read": int(sum(row[7] or 0 for row in successful)),
        "cache_write": int(sum(row[8] or 0 for row in successful)),
        "high": sum(value > shared.HIGH_TOKENS for value in inputs),
        "p50": reference.rank(inputs, 50),
        "p90": reference.rank(inputs, 90),
        "p99": reference.rank(inputs, 99),
        "peak_requests": max(requests.values()),
        "peak_tokens": max(tokens.values(), default=0),
    }


def main():
    """Asks and prints."""
    asked = json.load(open(sys.argv[1]))
    best, nameless, joined = {}, [], 0
    is_join = sys.argv[2:] == ["join"]
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        for part in pool.map(joined_rows_of if is_join else rows_of, asked["read"], chunksize=OBJECTS_AT_A_TIME):
            rows, siblings = part if is_join else (part, 0)
            joined += siblings
            for row in rows:
                key = row[:3]
                if not key[2]:
                    nameless.append(row)
                elif key not in best or completeness(best[key]) < completeness(row):
                    best[key] = row
    groups = collections.defaultdict(list)
    for row in [*best.values(), *nameless]:
        groups[row[3], row[1]].append(row)
    answer = [{"model": model, "region": region, **figures(rows)} for (model, region), rows in groups.items()]
    shared.print_answer(answer, began, joined=joined)


if __name__ == "__main__":
    main()
