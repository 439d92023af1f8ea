#!/usr/bin/env python3
"""Endless distinct records out of a small dump, as NDJSON on stdout.

stream.py DUMP BYTES: repeats the records of a dump of the aws layout until so many bytes are written, each time
with a request id and a timestamp of its own. The timestamps jump about in one day, so that every hour stays
open until the end. Records with offloaded bodies are left out. On stderr: how many records and bytes it was.
"""

import gzip
import json
import pathlib
import sys

DAY = "2024-03-11"


def pieces(line):
    """What stands around the timestamp and the request id; None where they are not found for sure."""
    try:
        record = json.loads(line)
        old = [f'"timestamp":"{record["timestamp"]}"', f'"requestId":"{record["requestId"]}"']
    except (ValueError, KeyError, TypeError):
        return None
    if "S3Path" in line or record.get("schemaType") != "ModelInvocationLog":
        return None
    before, found_time, rest = line.partition(old[0])
    between, found_id, after = rest.partition(old[1])
    parts = tuple(text.encode() for text in (before, between, after))
    if not (found_time and found_id):
        return None
    # A body may hold the same text: the rewritten record must read back as such.
    again = json.loads(rewrite(parts, 0))
    is_rewritten = again["timestamp"] == f"{DAY}T00:00:00Z" and again["requestId"].endswith("-000000000000")
    return parts if is_rewritten else None


def rewrite(parts, number):
    """The record with this number."""
    # 7,919 is prime to 86,400: neighbouring records lie hours apart, and each second gets its share.
    hours, seconds = divmod(number * 7_919 % 86_400, 3_600)
    before, between, after = parts
    time = b'"timestamp":"%sT%02d:%02d:%02dZ"' % (DAY.encode(), hours, *divmod(seconds, 60))
    request_id = b'"requestId":"b0deb0de-0000-4000-8000-%012x"' % number
    return b"".join((before, time, between, request_id, after))


def main():
    """Reads the dump, then writes."""
    dump, bytes_wanted = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    records = []
    for path in sorted(dump.glob("**/AWSLogs/**/*.json.gz")):
        stored = path.read_bytes()
        if path.parent.name == "data" or stored[:2] != b"\x1f\x8b":
            continue
        for line in gzip.decompress(stored).decode("utf-8", "replace").split("\n"):
            parts = pieces(line)
            if parts:
                records.append(parts)
    if not records:
        sys.exit(f"{dump}: no record to repeat")
    number = bytes_written = 0
    while bytes_written < bytes_wanted:
        line = rewrite(records[number % len(records)], number) + b"\n"
        bytes_written += sys.stdout.buffer.write(line)
        number += 1
    sys.stdout.buffer.flush()
    print(f"{number} {bytes_written}", file=sys.stderr)


if __name__ == "__main__":
    main()
