#!/bin/sh
# Evaluation as a user does it: classes, confusion, calibration, other input sizes.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

mkdir photos
"$MAKE_PHOTOS" photos/train 4 24 40
"$MAKE_PHOTOS" photos/val 4 9 40
mv photos/train/class_b "photos/train/b, \"quoted\""
mv photos/val/class_b "photos/val/b, \"quoted\""
rm photos/val/class_d/000[0-4].jpg
cat > small.yaml << 'EOF'
model: {name: repvit, channels: [16, 24, 32], depths: [1, 1, 1], stem_stride: 2}
data: {train: photos/train, val: photos/val, input_size: 32}
augment: {kind: small, auto_augment: null, color_jitter: null, random_erasing: null, mixup: 0.2, hflip: 0}
optimizer: {lr: 8e-3, lr_batch: 0}
schedule: {warmup_epochs: 1}
train: {epochs: 3, batch_size: 16, seed: 3, eval_every: 1, ema_decay: null}
EOF
works "train" "$WELD" train small.yaml --out run

works "evaluate" "$WELD" eval run/best.h5 --data photos/val
prints "the first line is the accuracy" "^31 images: top-1 [0-9.]+ %, top-5 [0-9.]+ %, loss [0-9.]+$"
prints "calibration and the worst classes follow" "^calibration error [0-9.]+ %; lowest recall: .* %, .* %, .* %, .* %$"
holds "no table of classes unless it is asked for" test "$(wc -l < stdout)" = 2
works "evaluate with a table, a matrix and all details" "$WELD" eval run/best.h5 --data photos/val --per-class \
    --confusion confusion.csv --details details.json
prints "a row for a class" "^ +9 +[0-9.]+ % +([0-9.]+ %|-)  b, \"quoted\"$"
prints "a class of fewer images" "^ +4 +[0-9.]+ % +([0-9.]+ %|-)  class_d$"
same "evaluation.json beside best.h5 says the same" details.json run/evaluation.json
holds "names are quoted in CSV" grep -q '^"b, ""quoted""",' confusion.csv
holds "a row of the matrix for each class" test "$(wc -l < confusion.csv)" = 5
holds "the rows have each image once" sh -c \
    "tail -n +2 confusion.csv | sed 's/^\"[^,]*,[^,]*\",/b,/' | tr -d '\r' | awk -F, '{for (i = 2; i <= NF; i++) n += \$i} END {exit n != 31}'"
works "as JSON" "$WELD" eval run/best.h5 --data photos/val --json --per-class
prints "with the calibration error and the size" '"calibration_error": *[0-9.]+.*"input_size": *32.*"classes": *\[\{'
refuses "detections of a classifier" "found.json: networks for classification have no results" "$WELD" eval run/best.h5 --data photos/val --write-results found.json
refuses "a matrix that cannot be written" "nowhere/x.csv" "$WELD" eval run/best.h5 --data photos/val --confusion nowhere/x.csv

# Classes are matched by name: some of them, an empty folder, one that the network does not know.
mkdir -p part/class_a part/class_d part/class_c part/aaa_new
cp photos/val/class_a/*.jpg part/class_a; cp photos/val/class_d/*.jpg part/class_d
cp photos/val/class_a/0000.jpg part/aaa_new
"$WELD" eval run/best.h5 --data photos/val --per-class 2> stderr | awk '/class_[ad]$/ {print $2}' > whole
works "evaluate on some of the classes" "$WELD" eval run/best.h5 --data part --per-class
prints "the images of these count" "^13 images: "
says "what is not there is said" "no images of 2 of the network's classes: 'b, \"quoted\"', 'class_c'"
says "what is not known is left out and said" "'aaa_new'.*whose 1 image is left out"
prints "a class without images has none" "^ +0 +- +([0-9.]+ %|-)  class_c$"
awk '/class_[ad]$/ {print $2}' stdout > some
same "each class has the recall that it has among all" whole some
works "as JSON" "$WELD" eval run/best.h5 --data part --per-class --json
prints "its recall is null, what was left out is counted" '"left_out": *1.*"name": *"class_c", *"images": *0, *"recall": *null'
works "validate on some of the classes" "$WELD" train small.yaml --set data.val=part --set train.epochs=1 --out run_part
says "training says so" "no images of 2 of the network's classes"
works "merge and verify on some of the classes" "$WELD" reparam run/best.h5 -o part.h5 --verify part
prints "of which the known are compared" "^verified on 13 images"
rm -r part/class_a part/class_d
refuses "data of which no class is known" "no image of a class that the network knows" "$WELD" eval run/best.h5 --data part

works "merge" "$WELD" reparam run/best.h5 -o deploy.h5
works "evaluate the checkpoint at several sizes" "$WELD" eval run/best.h5 --data photos/val --size 24,32,40 --crop 0.875,1
prints "a line for each size and crop" "^size 40, crop 1, bicubic: 31 images: top-1 "
grep "^size 32, crop 0.875" stdout | sed 's/^.*bicubic: //' > own
sed -E 's/, loss .*//' stdout > a
holds "six of them" test "$(wc -l < a)" = 6
works "evaluate the merged network at several sizes" "$WELD" eval deploy.h5 --data photos/val --size 24,32,40 --crop 0.875,1
sed -E 's/, loss .*//' stdout > b
same "merged or not, at every size the same images are right" a b
works "evaluate the checkpoint as it is" "$WELD" eval run/best.h5 --data photos/val
head -n 1 stdout > a
same "its own size among others is evaluated the same" a own
works "evaluate the checkpoint at another size in bf16" "$WELD" eval run/best.h5 --data photos/val --size 48 --precision bf16
prints "one size prints the usual line" "^31 images: top-1 "
works "several sizes as JSON" "$WELD" eval deploy.h5 --data photos/val --size 24,32 --interpolation bilinear --json
prints "are a list" '^\[\{.*"input_size": *24.*"interpolation": *"bilinear".*\}, ?\{.*"input_size": *32.*\}\]$'
works "classify at another size" "$WELD" predict deploy.h5 photos/val/class_a/0000.jpg --size 48 --crop 1
works "time it at another size" "$WELD" bench deploy.h5 --size 48 --steps 1 --json
prints "which is what is timed" '"size": *48'

run "$WELD" eval run/best.h5 --data photos/val --size 24,x
says "a size that is no number is named" "size wants .*'24,x'"
holds "and wrong usage" test "$status" = 2
run "$WELD" eval run/best.h5 --data photos/val --size 24,32 --details x.json
holds "details of several sizes are wrong usage" test "$status" = 2
run "$WELD" predict run/best.h5 photos/val/class_a/0000.jpg --size 24,32
holds "several sizes are wrong usage where images are classified" test "$status" = 2
run "$WELD" eval run/best.h5 --data photos/val --crop 0
holds "a crop of nothing is wrong usage" test "$status" = 2
finish
