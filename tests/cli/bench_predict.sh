#!/bin/sh
# How long `weld predict` takes from its start to the answer, process and all: RepViT-M0.9, one photo.
# Arguments: the program, make_network, make_photos. RUNS=N takes the time of N runs (20).
set -eu
weld=$(realpath "$1")
make_network=$(realpath "$2")
make_photos=$(realpath "$3")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$make_network" repvit_m0_9 m.h5
"$make_photos" photos 1 1 400
for _ in $(seq "${RUNS:-20}"); do
    start=$(date +%s%N)
    "$weld" predict m.h5 photos/class_a/0000.jpg > answer
    echo $((($(date +%s%N) - start) / 1000))
done | sort -n | awk '
    { micro[NR] = $1 }
    END { printf "predict: shortest %.1f ms, median %.1f ms\n", micro[1] / 1e3, micro[int((NR + 1) / 2)] / 1e3 }'
