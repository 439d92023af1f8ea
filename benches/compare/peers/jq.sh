#!/bin/sh
# The question of the comparison to jq: zcat and jq over two lists of objects at a time, then one jq over the rows.
# jq.sh LIST PREFIX HIGH: a file with one object a line, the expression before a base model, the threshold.
set -eu
here=$(dirname "$0")
rows=$(mktemp -d)
trap 'rm -rf "$rows"' EXIT
# Each process has a file of its own: lines written to one pipe at once would mix. zcat says 2 for zero bytes after the data.
export here rows PREFIX="$2"
xargs -P 2 -n 128 sh -c \
    'zcat -f "$@" 2>/dev/null | jq -c --arg prefix "$PREFIX" -f "$here/rows.jq" >"$rows/$$"' sh <"$1"
cat "$rows"/* | jq -s -c --argjson high "$3" -f "$here/answer.jq"
