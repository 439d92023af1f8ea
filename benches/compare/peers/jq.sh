#!/bin/sh
# The question of the comparison to jq: two pipes of zcat and jq at a time, then one jq over all rows.
# jq.sh LIST PREFIX HIGH LAYOUT: a file with one object a line, the expression before a base model, the threshold.
# Cannot: lone surrogates, byte order marks amid a stream, files that are no gzip (zcat -f would pass zero bytes on), empty ones.
set -eu
rows=$(mktemp -d)
trap 'rm -rf "$rows"' EXIT
here=$(dirname "$0") PREFIX=$2 UNPACK=zcat
[ "$4" = aws ] || UNPACK="zcat -f"
export rows here PREFIX UNPACK
# Each pipe has a file of its own: lines written into one file at once would mix.
xargs -P 2 -n 128 sh -c \
    '$UNPACK "$@" 2>/dev/null | jq -c --arg prefix "$PREFIX" -f "$here/rows.jq" >"$rows/$$"' sh <"$1"
cat "$rows"/* | jq -s -c --argjson high "$3" -f "$here/answer.jq"
