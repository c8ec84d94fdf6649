#!/bin/sh
# weld train --dry-run: the recipe with all defaults, and what the run will take.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

mkdir photos
"$MAKE_PHOTOS" photos/train 4 24 40
"$MAKE_PHOTOS" photos/val 4 9 40
cat > small.yaml << 'EOF'
model: {name: repvit, channels: [16, 24], depths: [1, 1], stem_stride: 2}
data: {train: photos/train, val: photos/val, input_size: 32}
augment: {kind: small, repeats: 1}
optimizer: {lr: 8e-3, lr_batch: 128}
train: {epochs: 4, batch_size: 8, accumulate: 2}
EOF

works "a dry run" "$WELD" train small.yaml --dry-run --set train.seed=5
prints "the recipe has what --set says" "^ +seed: 5$"
prints "the recipe has defaults" "^ +weight_decay: 0.025$"
prints "the images of an update are told" "^# 4 epochs of 6 updates of 16 images \(2 batches of 8\)"
prints "the scaled rate is told" "^# learning rate 0.001 = 0.008 \* 16 / 128"
prints "what becomes of it is told" "^# schedule: a cosine to 1e-05 over 4 epochs; in the first 5 epochs"
prints "weights are counted" "^# weights: [0-9]+ tensors, [0-9]+ scalars, weight decay 0.025$"
prints "what does not decay is counted" "^# norms and biases: .*, no weight decay$"
prints "memory is told" "^# memory: .* of accumulated gradients; the process took [0-9]+ MB$"
prints "the time of all is told" "^# 24 updates and 4 evaluations: [0-9]"
prints "a batch far below the recipe's is warned of" "^# note: an update is on 16 images, far below the 128"
cp "$WORK/stdout" resolved.yaml
holds "nothing is said of a mean that is as usual" sh -c '! grep "0 to 255" resolved.yaml'
works "what is printed is a recipe" "$WELD" train resolved.yaml --dry-run
sed '/^#/d' resolved.yaml > a
sed '/^#/d' "$WORK/stdout" > b
same "that resolves to itself" a b
works "of a mean from another program" "$WELD" train small.yaml --dry-run --set 'data.mean=[123.7, 116.3, 103.5]'
prints "which is told" "^# note: data.mean 123.7 is of pixels of 0 to 255"
works "of several sizes" "$WELD" train small.yaml --dry-run --set 'data.sizes=[24, 32]'
prints "each has its batch" "^# an update is on 2 batches of 14 images of 24 x 24 or 8 images of 32 x 32$"
prints "updates are drawn before" "^# 4 epochs of about [0-9]+ updates, [0-9]+ in all; fp32, [0-9]+ threads"
holds "nothing is written" test ! -e runs
run "$WELD" train small.yaml --dry-run --resume --out x
holds "resuming at the same time is wrong usage" test "$status" = 2
finish
