#!/bin/sh
# A program that uses the library lives in a locale with decimal commas, or with other small letters for I: recipes are
# read, and files and JSON written, as in locale C. Its own printing stays its own.
# Arguments: the program, the same in the locale of the environment, make_photos.
WELD=$(realpath "$1")
ABROAD=$(realpath "$2")
MAKE_PHOTOS=$(realpath "$3")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

mkdir photos
"$MAKE_PHOTOS" photos/train 3 16 40
"$MAKE_PHOTOS" photos/val 3 6 40
for photo in photos/*/class_b/0001.jpg; do mv "$photo" "${photo%jpg}JPG"; done
for photo in photos/*/class_c/0001.jpg; do mv "$photo" "${photo%jpg}JFIF"; done
cat > small.yaml << 'YAML'
model: {name: repvit, channels: [16, 24, 32], depths: [1, 1, 1], stem_stride: 2, dropout: 0.125}
data: {train: photos/train, val: photos/val, input_size: 32, crop_fraction: 0.9375, mean: [0.5, 0.25, 0.125]}
augment: {kind: small, auto_augment: rand-m9-mstd0.5-inc1, color_jitter: 0.3, random_erasing: 0.25, mixup: 0.2, hflip: 0.5}
optimizer: {lr: 8e-3, lr_batch: 0}
schedule: {warmup_epochs: 0.5}
train: {epochs: 2, batch_size: 16, seed: 3, eval_every: 1, ema_decay: 0.9}
YAML

# use PROGRAM FOLDER: all that reads or writes numbers.
use() {
    "$1" train small.yaml --set loss.label_smoothing=0.0625 --out "$2/run" > "$2/train.out" 2> "$2/train.err" || {
        cat "$2/train.err" >&2
        return 1
    }
    "$1" train small.yaml --set optimizer.weight_decay=-0.5 2> "$2/refused" && return 1
    "$1" train small.yaml --set optimizer.momentum=0,5 2>> "$2/refused" && return 1
    "$1" eval "$2/run/best.h5" --data photos/val --json --details "$2/details.json" > "$2/eval.json" || return 1
    "$1" eval "$2/run/best.h5" --data photos/val --json --crop 0.75 > "$2/crop.json" || return 1
    "$1" predict "$2/run/best.h5" photos/val/class_a/0000.jpg --json | sed 's/"seconds.*//' > "$2/predict.json" || return 1
    "$1" inspect "$2/run/best.h5" --json > out || return 1
    untimed out > "$2/inspect.json"
    "$1" inspect "$2/run/best.h5" --graph > "$2/graph" || return 1
    "$1" check-data photos/train --json > "$2/data.json" || return 1
    "$1" export "$2/run/best.h5" -o "$2/x.onnx" > "$2/export.out" || return 1
    "$1" export "$2/run/best.h5" -o "$2/x.safetensors" > "$2/export.out" || return 1
    "$1" reparam "$2/run/best.h5" -o "$2/deploy.h5" > "$2/reparam.out" || return 1
    "$1" inspect "$2/deploy.h5" --tensors --json > out || return 1
    sed -E 's/"milliseconds[a-z_]*": [0-9.e-]*//g' out | untimed /dev/stdin > "$2/deploy.json"
    "$1" report "$2/run" -o "$2/report.html" || return 1
}

# equal WHERE FILE: as at home.
equal() {
    sed "s,$1/,home/,g" "$1/$2" > theirs
    sed "s,home/,home/,g" "home/$2" > ours
    holds "$1: $2" sh -c 'test -s ours && cmp ours theirs'
}

mkdir home
run use "$WELD" home
report "$status" "use in locale C"
# The C library keeps what it made of LOCPATH.
echo "leak:argz_add_sep" > leaks
export LSAN_OPTIONS="${LSAN_OPTIONS:+$LSAN_OPTIONS:}suppressions=$WORK/leaks:print_suppressions=0"
sources=/usr/share/i18n/locales
for locale in de_DE.UTF-8 tr_TR.UTF-8 tr_TR.ISO-8859-9; do
    name=${locale%%.*}
    if ! command -v localedef > /dev/null || [ ! -e "$sources/$name" ]; then
        skip "use in $locale" "no localedef, or no sources of locales (Debian: locales)"
        continue
    fi
    mkdir "$locale"
    holds "make $locale" localedef -i "$name" -f "${locale#*.}" "./$locale/$locale"
    export LOCPATH="$WORK/$locale" LC_ALL="$locale"
    run use "$ABROAD" "$locale"
    report "$status" "use in $locale"
    unset LOCPATH LC_ALL
    untimed home/run/metrics.jsonl > home/metrics
    untimed "$locale/run/metrics.jsonl" > "$locale/metrics"
    for file in metrics run/recipe.yaml refused run/evaluation.json details.json eval.json crop.json predict.json inspect.json \
        graph data.json x.onnx x.safetensors deploy.json; do
        equal "$locale" "$file"
    done
    holds "$locale: what the host prints has commas" grep -Eq '[0-9],[0-9]' "$locale/train.out"
    holds "$locale: the report's numbers have points" sh -c \
        "! grep -oE '(lr|loss|top1|x|y)\"?[:=] *\"?-?[0-9]+,[0-9]+\"' '$locale/report.html'"
done
finish
