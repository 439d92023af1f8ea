# The rows of all records (`jq -s`) to the answer.
def known: [.[5], .[8]] | map(values) | length;
def better: [known, .[5] // 0, .[8] // 0, .[6] // 0, .[7] // 0, .[9]];
def rank($q): if length == 0 then null else .[((length * $q + 99) / 100 | floor) - 1] end;
def average: if length == 0 then null else add / length end;
def total: map(values) | add // 0;
(map(select(.[2] == "")) + (map(select(.[2] != "")) | group_by([.[0], .[1], .[2]]) | map(max_by(better))))
| group_by([.[3], .[1]])
| map(
    . as $all
    | map(select(.[4])) as $ok
    | ($ok | map(.[5] | values) | sort) as $inputs
    | ($ok | map(.[8] | values)) as $outputs
    | group_by(.[9][0:16]) as $minutes
    | {model: $all[0][3], region: $all[0][1], requests: ($all | length), successful: ($ok | length),
       input: ($inputs | total), input_known: ($inputs | length), input_average: ($inputs | average),
       output: ($outputs | total), output_known: ($outputs | length), output_average: ($outputs | average),
       cache_read: ($ok | map(.[6]) | total), cache_write: ($ok | map(.[7]) | total),
       high: ($inputs | map(select(. > $high)) | length),
       p50: ($inputs | rank(50)), p90: ($inputs | rank(90)), p99: ($inputs | rank(99)),
       peak_requests: ($minutes | map(length) | max),
       peak_tokens: ($minutes | map(map(select(.[4]) | (.[5] // 0) + (.[8] // 0)) | add // 0) | max)})
| {groups: .}
