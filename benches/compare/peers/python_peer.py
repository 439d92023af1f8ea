"""The question of the comparison to Python: orjson, libdeflate, two processes.

In: the JSON file that `compare.py` writes (objects). Out: the answer as JSON on stdout.

What orjson refuses goes to the standard library, document by document, so nothing has to be left out.
"""

import concurrent.futures
import json
import sys
import time

began = time.perf_counter()

import orjson

import shared
import reference

# Objects that a process takes at a time: the rows of so many go back at once.
OBJECTS_AT_A_TIME = 32


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


def rows_of(path):
    """The rows of one object."""
    return [tuple(reference.to_row(record)) for record in records_of(path)]


def main():
    """Asks and prints."""
    asked = json.load(open(sys.argv[1]))
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        rows = [row for part in pool.map(rows_of, asked["read"], chunksize=OBJECTS_AT_A_TIME) for row in part]
    answer = reference.answer([reference.Item("", 0, frozenset(), rows)])
    groups = [{"model": model, "region": region, **figures} for (model, region), figures in answer.items()]
    for group in groups:
        for name in ("input", "output"):
            known = group[f"{name}_known"]
            group[f"{name}_average"] = group[name] / known if known else None
    shared.print_answer(groups, began)


if __name__ == "__main__":
    main()
