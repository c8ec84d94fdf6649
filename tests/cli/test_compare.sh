#!/bin/sh
# Two models on the same images, as a user compares them; and images that a run set aside.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

"$MAKE_PHOTOS" photos 3 20 40
cat > small.yaml << 'EOF'
model: {name: repvit, channels: [16, 24, 32], depths: [1, 1, 1], stem_stride: 2}
data: {train: photos, split: 0.3, input_size: 32}
augment: {kind: small, auto_augment: null, color_jitter: null, random_erasing: null, mixup: 0, cutmix: 0, hflip: 0}
optimizer: {lr: 8e-3, lr_batch: 0}
schedule: {warmup_epochs: 0}
train: {epochs: 1, batch_size: 14, seed: 3, ema_decay: null}
EOF
works "train with a part of one folder set aside" "$WELD" train small.yaml --out a
says "how many there are of each is said" "photos: 42 images are trained on, 18 evaluated on"
works "train another one, for other images" "$WELD" train small.yaml --out b --set data.input_size=24 --set train.epochs=3
works "evaluate on what was set aside" "$WELD" eval a/best.h5 --data photos --split --details details.json
prints "it is those images" "^18 images: "
same "the run said the same of them" details.json a/evaluation.json
works "evaluate on all" "$WELD" eval a/best.h5 --data photos
says "that it was trained on some of them is said" "photos: the model was trained on images of it: --split"

works "compare" "$WELD" compare a/best.h5 b/best.h5 --data photos --split
prints "the images" "^18 images$"
prints "the first" "^A: a/best.h5: size 32: top-1 [0-9.]+ %, loss [0-9.]+$"
prints "the second" "^B: b/best.h5: size 24: top-1 [0-9.]+ %, loss [0-9.]+$"
prints "the difference and how it was judged" "^B - A: top-1 [-+][0-9.]+ %, 95 % interval [-+][0-9.]+ to [-+][0-9.]+ \(matched pairs, Agresti and Min\)"
prints "who was right on how many" "^right: both on [0-9]+, only A on [0-9]+, only B on [0-9]+, neither on [0-9]+; McNemar's exact test: p = "
works "as JSON, with a list" "$WELD" compare a/best.h5 b/best.h5 --data photos --split --list --json
prints "the members" '"images": *18.*"a": *\{.*"b": *\{.*"difference": *\{"top1".*"low".*"high".*"p".*"differ": *\['
cp stdout compared.json
a=$("$WELD" eval a/best.h5 --data photos --split --json | sed 's/.*"top1": *\([0-9.]*\).*/\1/')
holds "the first scores as its evaluation does" grep -q "\"a\": *{[^}]*\"top1\": *$a" compared.json
works "compare a model with itself" "$WELD" compare a/best.h5 a/best.h5 --data photos
prints "it says the same of all" "^different answers on 0 images$"
mv photos/class_a a_class
works "compare on some of the classes" "$WELD" compare a/best.h5 b/best.h5 --data photos --list
prints "the images of these count" "^40 images$"
says "what is not there is said" "^note: A and B: .*no images of 1 of the network's classes: 'class_a'"
refuses "a file that is none" "nowhere.h5" "$WELD" compare a/best.h5 nowhere.h5 --data photos
refuses "a part where the run had none" "--split: the file does not come of a run with data.split" \
    sh -c "\"$WELD\" train small.yaml --set data.split=0 --out c > /dev/null 2>&1; \"$WELD\" eval c/last.h5 --data photos --split"
finish
