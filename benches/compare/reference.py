"""What a dump holds, read the slow and plain way: the answers that the peers are held to.

In: a dump of `borehole synth`. Out: its record objects, each with the shapes in it that a general tool may not
read, and its records as rows; and the answer to the question of the comparison over any of these objects. Always:
only the standard library's gzip and JSON are used, so nothing is shared with what is measured. Absent: the facts of
bodies and payloads, the joining of split documents, and the window of an hour around copies: the question that the
peers are asked leaves them out, and says so.
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import pickle
import re
import zlib

# What stands before the base model in `modelId`; the rule of Borehole for the spellings that occur.
MODEL_PREFIX = r"^(arn:[^:]*:bedrock:[^:]*:[^:]*:)?(foundation-model/|inference-profile/)?((us|eu|apac|jp|global)[.])?"

# Strictly more input tokens than this is a high-token request.
HIGH_TOKENS = 25_000

# The order of a record's columns.
ROW_FIELDS = ("schema", "time", "minute", "account", "region", "id", "model", "error", "input", "cache_read",
              "cache_write", "output")
Row = collections.namedtuple("Row", ROW_FIELDS)

# One record object: where it is, its decoded bytes, its odd shapes, its rows.
Item = collections.namedtuple("Item", ("path", "decoded_bytes", "shapes", "rows"))

AWS_KEY = re.compile(r"/AWSLogs/\d{12}/BedrockModelInvocationLogs/[a-z0-9-]+/\d{4}/\d\d/\d\d/\d\d/[^/]+$")
SPLIT_KEY = re.compile(r"/\d{4}/\d\d/\d\d/\d\d/model-invocations/[^/]+-invocation\.json$")
# A name of letters, one of them as an escape, before a colon.
ESCAPED_KEY = re.compile(r'"[A-Za-z]*\\u00[4-7][0-9a-fA-F][A-Za-z]*":')
BLANK = re.compile(r"[ \t\r\n]*")
TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.]\d+)?(Z|[+-]\d\d:\d\d)?$")


def record_paths(root, layout):
    """The record objects of a dump, in the order of their names."""
    key = AWS_KEY if layout == "aws" else SPLIT_KEY
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            path = f"{folder}/{name}"
            if key.search(path):
                found.append(path)
    return sorted(found)


def gunzip(stored, shapes):
    """All members of a file; what is odd about them goes to `shapes`."""
    if not stored:
        shapes.add("empty")
        return b""
    if stored[:2] != b"\x1f\x8b":
        shapes.add("plain")
        return stored
    parts = []
    while stored[:2] == b"\x1f\x8b":
        member = zlib.decompressobj(31)
        parts.append(member.decompress(stored))
        stored = member.unused_data
    if len(parts) > 1:
        shapes.add("members")
    if stored:
        shapes.add("padding")
    return b"".join(parts)


def documents(text, shapes):
    """The JSON documents of a text, each with its own text, in the framings that writers of logs use."""
    decoder = json.JSONDecoder()
    at = BLANK.match(text).end()
    if text[at : at + 1] == "[":
        shapes.add("array")
        return [(document, json.dumps(document)) for document in json.loads(text)]
    if at:
        shapes.add("blank")
    found = []
    while at < len(text):
        document, end = decoder.raw_decode(text, at)
        if "\n" in text[at:end]:
            shapes.add("pretty")
        found.append((document, text[at:end]))
        after = BLANK.match(text, end).end()
        gap = text[end:after]
        if after < len(text) and "\n" not in gap:
            shapes.add("concatenated")
        if gap.count("\n") > 1:
            shapes.add("blank")
        if "\r" in gap:
            shapes.add("crlf")
        at = after
    return found


def seconds(text):
    """A timestamp's second since the epoch; one without an offset is UTC."""
    day, clock, offset = TIME.match(text).groups()
    year, month, of_month = (int(part) for part in day.split("-"))
    hour, minute, second = (int(part) for part in clock.split(":"))
    # Days by the civil calendar: datetime would do, but takes most of the run.
    year, month = (year - 1, month + 9) if month <= 2 else (year, month - 3)
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + of_month - 719_469
    east = 0
    if offset and offset != "Z":
        sign = -1 if offset[0] == "-" else 1
        east = sign * (int(offset[1:3]) * 3_600 + int(offset[4:6]) * 60)
    return days * 86_400 + hour * 3_600 + minute * 60 + second - east


def count(side, name):
    """A token count, or `None`."""
    value = side.get(name) if isinstance(side, dict) else None
    return None if value is None else int(value)


def to_row(record):
    """The columns of the question."""
    time = seconds(record["timestamp"])
    return Row(record.get("schemaType"), time, time // 60, record.get("accountId"), record.get("region"),
               record.get("requestId") or None, record["modelId"], record.get("errorCode") or None,
               count(record.get("input"), "inputTokenCount"),
               count(record.get("input"), "cacheReadInputTokenCount"),
               count(record.get("input"), "cacheWriteInputTokenCount"),
               count(record.get("output"), "outputTokenCount"))


def read_item(path):
    """One record object."""
    shapes = set()
    decoded = gunzip(pathlib.Path(path).read_bytes(), shapes)
    if path.endswith(".json"):
        # A plain file is what that name promises; gzip data is not.
        shapes ^= {"plain"} if "plain" in shapes else {"gzip_named_json"}
    if decoded.startswith(b"\xef\xbb\xbf"):
        shapes.add("bom")
    try:
        text = decoded.decode("utf-8-sig")
    except UnicodeDecodeError:
        shapes.add("utf8")
        text = decoded.decode("utf-8-sig", "replace")
    rows = []
    for document, source in documents(text, shapes):
        row = to_row(document)
        rows.append(tuple(row))
        if ESCAPED_KEY.search(source):
            shapes.add("escaped_keys")
        if "\\ud" in source or "\\uD" in source:
            try:
                json.dumps(document, ensure_ascii=False).encode()
            except UnicodeEncodeError:
                shapes.add("surrogate")
    return Item(path, len(decoded), frozenset(shapes), rows)


def read(root, layout, cache):
    """The record objects of a dump; kept in a file, since reading them so takes a while."""
    if cache.exists():
        with cache.open("rb") as file:
            return pickle.load(file)
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        items = list(pool.map(read_item, record_paths(root, layout), chunksize=64))
    cache.parent.mkdir(parents=True, exist_ok=True)
    with cache.open("wb") as file:
        pickle.dump(items, file)
    return items


def rank(values, per_cent):
    """The nearest rank: the value at rank ⌈q·n⌉ of sorted ones."""
    return values[-(-len(values) * per_cent // 100) - 1] if values else None


def completeness(row):
    """What makes one copy better than another, as the peers are asked to see it."""
    known = (row.input is not None) + (row.output is not None)
    return known, row.input or 0, row.output or 0, row.cache_read or 0, row.cache_write or 0, row.time


def requests_counted(items):
    """The requests that a full reading counts: copies are looked for in the hour and the two beside it."""
    copies, counted = collections.defaultdict(list), 0
    for item in items:
        for row in map(Row._make, item.rows):
            if row.schema in (None, "ModelInvocationLog"):
                copies[(row.account, row.region, row.id) if row.id else counted].append(row)
                counted += 1
    for rows in copies.values():
        ranked = sorted(rows, key=completeness, reverse=True)
        for place, row in enumerate(ranked):
            counted -= any(abs(better.minute // 60 - row.minute // 60) <= 1 for better in ranked[:place])
    return counted


def answer(items):
    """The answer over these objects, by (model, Region)."""
    prefix = re.compile(MODEL_PREFIX)
    best, kept = {}, []
    for item in items:
        for row in map(Row._make, item.rows):
            if row.schema not in (None, "ModelInvocationLog"):
                continue
            if row.id is None:
                kept.append(row)
                continue
            key = row.account, row.region, row.id
            if key not in best or completeness(best[key]) < completeness(row):
                best[key] = row
    kept.extend(best.values())
    groups = collections.defaultdict(list)
    for row in kept:
        groups[prefix.sub("", row.model), row.region].append(row)
    return {key: figures(rows) for key, rows in groups.items()}


def figures(rows):
    """The figures of one group."""
    successful = [row for row in rows if row.error is None]
    inputs = sorted(row.input for row in successful if row.input is not None)
    outputs = [row.output for row in successful if row.output is not None]
    requests, tokens = collections.Counter(), collections.Counter()
    for row in rows:
        requests[row.minute] += 1
    for row in successful:
        tokens[row.minute] += (row.input or 0) + (row.output or 0)
    return {
        "requests": len(rows),
        "successful": len(successful),
        "input": sum(inputs),
        "input_known": len(inputs),
        "output": sum(outputs),
        "output_known": len(outputs),
        "cache_read": sum(row.cache_read or 0 for row in successful),
        "cache_write": sum(row.cache_write or 0 for row in successful),
        "high": sum(value > HIGH_TOKENS for value in inputs),
        "p50": rank(inputs, 50),
        "p90": rank(inputs, 90),
        "p99": rank(inputs, 99),
        "peak_requests": max(requests.values()),
        "peak_tokens": max(tokens.values(), default=0),
    }
