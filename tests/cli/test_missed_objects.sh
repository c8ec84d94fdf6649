#!/bin/sh
# Objects that no anchor is to find, of which nothing is learned: who trains hears of them.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

# Twelve images with a large object each, and a tiny one of 3 pixels of 64 that is between the
# centres of all anchors, mirrored too.
"$MAKE_PHOTOS" photos 1 12 128
mkdir -p data/images data/labels
i=10
for photo in photos/*/*; do
    cp "$photo" "data/images/$i.${photo##*.}"
    printf '0 0.6 0.6 0.5 0.5\n0 0.1640625 0.1640625 0.046875 0.046875\n' > "data/labels/$i.txt"
    i=$((i + 1))
done
printf 'train: images\nval: images\nnames: [thing]\n' > data/data.yaml
cat > plain.yaml << 'END'
model: {name: yolo11_repvit, channels: [8, 8, 16, 16], depths: [1, 1, 1, 1], width: 0.125, normalize: none}
data: {train: data/data.yaml, val: null, input_size: 64}
augment: {mosaic: 0, scale: 0, translate: 0}
train: {epochs: 2, batch_size: 4, checkpoint_every: 1}
END

works "training with objects too small" "$WELD" train plain.yaml --out run --set loss.small_objects=false
says "tells how many had no anchor" \
    "^epoch 2: 50\.0 % of the objects \(12 of 24\) got no anchor, .*: too small, .* \(data\.input_size\)"
holds "in the metrics of each epoch" test \
    "$(grep -c '"kind":"epoch".*"train_objects":24,"train_positives":[1-9][0-9]*,"train_missed":12,' run/metrics.jsonl)" = 2
holds "and of each update" test \
    "$(grep -c '"kind":"step".*"objects":8,"positives":[1-9][0-9]*,"missed":4,' run/metrics.jsonl)" = 6
untimed run/metrics.jsonl > whole
sh -c "'$WELD' train plain.yaml --out parts --set loss.small_objects=false 2> log & pid=\$!
    while ! grep -q '\"step\":2,' parts/metrics.jsonl 2> /dev/null && kill -0 \$pid 2> /dev/null; do sleep 0.02; done
    kill -9 \$pid 2> /dev/null; wait \$pid 2> /dev/null"
works "a run that was killed" "$WELD" train plain.yaml --out parts --resume --set loss.small_objects=false
untimed parts/metrics.jsonl > resumed
same "counts the same" whole resumed

# label SIDE: the tiny object is of so much of the image.
label() {
    for labels in data/labels/*; do
        printf '0 0.6 0.6 0.5 0.5\n0 0.2 0.2 %s %s\n' "$1" "$1" > "$labels"
    done
}
label 0.03
works "training with objects of two pixels" "$WELD" train plain.yaml --out two
says "which are learned from nowhere" "^epoch 2: 50\.0 % of the objects \(12 of 24\) got no anchor"
holds "is counted" grep -q '"train_objects":24,"train_positives":[1-9][0-9]*,"train_missed":12,' two/metrics.jsonl

label 0.4
works "training with objects large enough" "$WELD" train plain.yaml --out large
holds "counts them" grep -q '"train_objects":24,"train_positives":[1-9][0-9]*,"train_missed":0,' large/metrics.jsonl
holds "and has nothing to say" sh -c '! grep "got no anchor" stderr'
finish
