#!/bin/sh
# Contact sheets of what training sees.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

"$MAKE_PHOTOS" photos 3 8 24
cat > small.yaml << 'EOT'
model: {name: repvit, channels: [8, 12], depths: [1, 1], stem_stride: 2}
data: {train: photos, val: photos, input_size: 16}
augment: {kind: imagenet}
train: {epochs: 2, batch_size: 8, ema_decay: null}
EOT
mkdir both && cp -r photos both/train && cp -r photos both/val
"$WELD" pack photos -o packed.h5 > /dev/null 2>&1
# shellcheck disable=SC2046 # a list of words is meant
tar cf photos.tar -C photos $(ls photos)

works "preview" "$WELD" preview small.yaml -o sheet.png --count 10
prints "it tells what it drew" "^sheet.png: the first 10 samples of epoch 1, 950 x [0-9]+ pixels$"
holds "the sheet is a PNG" sh -c 'head -c 8 sheet.png | od -An -c | grep -q "211 *P *N *G"'
works "a preview by the name of a JPEG" "$WELD" preview small.yaml -o sheet.jpg --count 10
works "is one" "$WELD" inspect sheet.jpg
prints "as inspect sees it" "^sheet.jpg: a JPEG image$"
works "the same again, with one thread" "$WELD" preview small.yaml -o again.png --count 10 --threads 1
same "gives the same file" sheet.png again.png
works "another epoch" "$WELD" preview small.yaml -o epoch.png --count 10 --epoch 2
prints "it is told" "10 samples of epoch 2"
holds "looks different" sh -c '! cmp -s sheet.png epoch.png'
works "vertical flips" "$WELD" preview small.yaml -o upright.png --count 10 --set augment.vflip=1
holds "are seen" sh -c '! cmp -s sheet.png upright.png'
works "another seed" "$WELD" preview small.yaml -o seed.png --count 10 --seed 5
holds "looks different too" sh -c '! cmp -s sheet.png seed.png'
works "the recipe's seed" "$WELD" preview small.yaml -o set.png --count 10 --set train.seed=5
same "is the same as --seed" seed.png set.png
works "a packed set" "$WELD" preview small.yaml -o packed.png --count 10 --set data.train=packed.h5
same "looks as its folder does" sheet.png packed.png
works "a tar file" "$WELD" preview small.yaml -o tar.png --count 10 --set data.train=photos.tar
same "does so too" sheet.png tar.png
works "--data" "$WELD" preview small.yaml -o data.png --count 10 --data both
same "finds the folder train" sheet.png data.png

# Where few batches are mixed, one of them is shown nevertheless.
for seed in 1 2 3 4 5 6; do
    set -- --count 2 --seed $seed --set train.batch_size=2 --set augment.mixup=1
    run "$WELD" preview small.yaml -o mixed.png "$@" --set augment.mix_probability=0.3
    grep -c "passed over, for one that is mixed" stdout >> passed
    run "$WELD" preview small.yaml -o unmixed.png "$@" --set augment.mix_probability=0
    holds "seed $seed: mixing is seen" sh -c '! cmp -s mixed.png unmixed.png'
done
holds "batches that are passed over are told" grep -q 1 passed

works "several sizes" "$WELD" preview small.yaml -o sizes.png --count 10 --set 'data.sizes=[12, 16]'
prints "are told" "^sizes.png: the first 10 samples of epoch 1 of all sizes"
refuses "a recipe that is wrong" "augment.hflip: 3 is out of range" \
    "$WELD" preview small.yaml -o bad.png --set augment.hflip=3
refuses "a seed that is no number" "train.seed: 'x' is not a whole number" \
    "$WELD" preview small.yaml -o bad.png --seed x
refuses "data that are missing" "nowhere" "$WELD" preview small.yaml -o bad.png --set data.train=nowhere
refuses "a folder that is missing" "no/bad.png" "$WELD" preview small.yaml -o no/bad.png
holds "none of these leaves a file" sh -c '! ls | grep -q bad'
run "$WELD" preview small.yaml
holds "-o is needed" test "$status" = 2
run "$WELD" preview -o sheet.png
holds "a recipe is needed" test "$status" = 2
run "$WELD" preview small.yaml -o sheet.png --count 0
holds "at least one sample is needed" test "$status" = 2
works "--help" "$WELD" preview --help
prints "tells of the options" "--epoch"
finish
