#!/usr/bin/env bash
# Peak memory of `analyze` over corpora that do not fit in it, with the counts held against the truth.
#
#   benches/memory.sh BINARY            2 GB decoded over 24 hours, small and mixed records: about 1 GB of disk
#   benches/memory.sh BINARY span       the same over 240 hours, 20 GB decoded: about 6 GB of disk at a time
#   benches/memory.sh BINARY stdin      20 GB of NDJSON on standard input, piped and never stored
#
# Needs GNU time and Python 3. Dumps lie below TMPDIR, one at a time, and go when the script ends.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
binary="${1:?usage: memory.sh BINARY [span|stdin]}"
what="${2:-day}"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

# A day of each profile that decodes to about 2 GB.
requests_small=400000
requests_mixed=92000

field() { python3 -c 'import functools, json, sys
print(functools.reduce(lambda value, key: value[key], sys.argv[2].split("/"), json.load(open(sys.argv[1]))))' "$@"; }

# measure NAME REQUESTS [ARGUMENT…]: analyses, prints peak and time, and fails on a wrong count.
measure() {
    local name="$1" expected="$2" report="$folder/report.json" usage="$folder/usage" status=0
    shift 2
    /usr/bin/time -v -o "$usage" "$binary" analyze "$@" --now 2025-01-01 --quiet --force -o "$report" || status=$?
    if [ "$status" -ne 0 ]; then
        echo "$name: analyze ended with $status" >&2
        exit 1
    fi
    if [ "$expected" = - ]; then expected="$(cut -d ' ' -f 1 "$folder/streamed")"; fi
    local counted
    counted="$(field "$report" totals/requests/attempted)"
    if [ "$counted" != "$expected" ]; then
        echo "$name: counted $counted, not $expected" >&2
        exit 1
    fi
    awk -v name="$name" -v counted="$counted" -v decoded="$(field "$report" health/bytes/decompressed)" -F ': ' '
        /Maximum resident set size/ { peak = $2 / 1024 }
        /Elapsed \(wall clock\)/ { elapsed = $2 }
        END { printf "%-16s %9d requests  %6.2f GB decoded  peak %6.1f MiB  %s elapsed\n",
                     name, counted, decoded / 1e9, peak, elapsed }' "$usage"
}

# dump NAME PROFILE REQUESTS FROM TO: generates, measures, deletes.
dump() {
    local name="$1" dir="$folder/dump"
    "$binary" synth "$dir" --profile "$2" --requests "$3" --from "$4" --to "$5" --quiet
    measure "$name" "$(field "$dir/truth.json" resolved/totals/requests/attempted)" "$dir"
    rm -rf "$dir"
}

case "$what" in
day)
    dump small/24h small "$requests_small" 2024-03-11 2024-03-12
    dump mixed/24h mixed "$requests_mixed" 2024-03-11 2024-03-12
    ;;
span)
    dump small/240h small $((10 * requests_small)) 2024-03-11 2024-03-21
    dump mixed/240h mixed $((10 * requests_mixed)) 2024-03-11 2024-03-21
    ;;
stdin)
    "$binary" synth "$folder/seed" --profile small --requests 2000 --quiet
    # How many records it will be is known when they are written: the count is compared afterwards.
    bytes="${BOREHOLE_STDIN_BYTES:-20000000000}"
    python3 "$here/stream.py" "$folder/seed" "$bytes" 2>"$folder/streamed" | measure stdin - -
    ;;
*)
    echo "usage: memory.sh BINARY [span|stdin]" >&2
    exit 2
    ;;
esac
