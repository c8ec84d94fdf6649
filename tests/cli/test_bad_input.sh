#!/bin/sh
# Bad input ends with exit status 1 and one line that says what is wrong; nothing is half-written.
# Arguments: the program, make_photos, the fixtures.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1
mkdir photos
"$MAKE_PHOTOS" photos/train 3 8 32
"$MAKE_PHOTOS" photos/val 3 3 32
cat > good.yaml << 'EOF'
model: {name: repvit, channels: [8, 16], depths: [1, 1], stem_stride: 2}
data: {train: photos/train, val: photos/val, input_size: 32}
augment: {kind: small, cutmix: null, repeats: 1}
train: {epochs: 1, batch_size: 8, ema_decay: null}
EOF

# Usage: status 2.
run "$WELD" nonsense
holds "an unknown command is wrong usage" test "$status" = 2
run "$WELD" train good.yaml --nonsense
holds "an unknown option is wrong usage" test "$status" = 2
# The beginning of an option's name is not the option: --conf is one of predict, --confusion of eval.
misused "a part of an option's name" "'--conf': did you mean --confusion" "$WELD" eval net.h5 --data photos --conf 0.001
holds "writes nothing" test ! -e 0.001
misused "with its value behind =" "'--conf': did you mean --confusion" "$WELD" eval net.h5 --conf=0.001 --data photos
misused "of a flag" "'--jso': did you mean --json" "$WELD" eval --jso net.h5 --data photos
misused "of what takes the place of a model" "'--result': did you mean --results" "$WELD" eval --result r.json --data photos
misused "of --help" "'--hel': did you mean --help" "$WELD" models --hel
run "$WELD" eval
holds "a missing argument is wrong usage" test "$status" = 2

# Recipes.
refuses "a missing recipe" "none.yaml" "$WELD" train none.yaml --out r
printf 'model: {name: repvit_m0_9}\ntrain:\n  epochz: 3\n' > key.yaml
refuses "an unknown key, with its line" "key.yaml:3.*epochz" "$WELD" train key.yaml --out r
printf 'model: {name: repvit_m0_9}\ntrain:\n  epochs: many\n' > type.yaml
refuses "a wrong type, with its line" "type.yaml:3.*epochs" "$WELD" train type.yaml --out r
printf 'model: {name: repvit_m0_9}\ntrain:\n  epochs: -1\n' > range.yaml
refuses "a value out of range, with its line" "range.yaml:3.*epochs" "$WELD" train range.yaml --out r
refuses "an unknown key in --set" "set.*train.epochz" "$WELD" train good.yaml --set train.epochz=3 --out r
refuses "an unknown network" "repvit_m9" "$WELD" train good.yaml --set model.name=repvit_m9 --out r
holds "no folder was left behind by a bad recipe" test ! -e r

# Data.
refuses "a missing folder" "nowhere" "$WELD" train good.yaml --set data.train=nowhere --out r
cp -r photos/train empty && mkdir empty/class_x
refuses "an empty class" "class_x" "$WELD" train good.yaml --set data.train=empty --out r
mkdir level && cp -r photos/train level/images
refuses "one class whose folders are the classes" \
    "level: has one class, 'images'.*'class_a', 'class_b', 'class_c'.*give level/images" \
    "$WELD" train good.yaml --set data.train=level --set data.val=null --out r
mkdir -p above && cp -r photos above/dataset
refuses "the folder above a data set" "'train', 'val'.*give above/dataset" \
    "$WELD" train good.yaml --set data.train=above --set data.val=null --out r
mkdir alone && cp -r photos/train/class_a alone
refuses "one class alone, before anything is measured" "has one class, 'class_a'" \
    "$WELD" train good.yaml --set data.train=alone --set data.val=null --set train.precision=auto --out r
refuses "batch norm over one value" "classifier.*one value per channel.*bn_eval" \
    "$WELD" train good.yaml --set train.batch_size=1 --out r
refuses "in batches that are accumulated, too" "one value per channel" \
    "$WELD" train good.yaml --set train.batch_size=1 --set train.accumulate=4 --out r
refuses "and in a dry run" "one value per channel" "$WELD" train good.yaml --set train.batch_size=1 --dry-run
holds "no folder was left behind by bad data" test ! -e r

# What people call the parts of a data set, and what file servers and archivers leave in it.
mkdir -p called/Training called/Valid
cp -r photos/train/. called/Training && cp -r photos/val/. called/Valid
mkdir -p called/Training/class_a/@eaDir/0000.jpg called/Training/__MACOSX called/Valid/class_b/__MACOSX
cp photos/val/class_a/0000.jpg called/Training/class_a/@eaDir/0000.jpg/thumb.jpg
cp photos/val/class_a/0000.jpg called/Valid/class_b/__MACOSX/0000.jpg
mv called/Training/class_b/0000.jpg called/Training/class_b/0000.JFIF
mv called/Training/class_b/0001.jpg called/Training/class_b/0001.jpe
works "train on folders of other names" "$WELD" train good.yaml --data called --out called_run
says "with all images and none else" "3 classes, 24 images to train on, 9 to evaluate"
works "check them" "$WELD" check-data called/Training
prints "what is passed over is told" "^skipped +class_a/@eaDir: left by a file server or archiver"
tar -C called/Training -cf called.tar . && works "the same as an archive" "$WELD" check-data called.tar
prints "has the same images" "^images +24: 0 broken"

# Images: a bad one is named and skipped.
cp -r photos/val broken
head -c 400 photos/val/class_a/0000.jpg > broken/class_a/0000.jpg
echo "this is text" > broken/class_b/0001.jpg
works "train a first network" "$WELD" train good.yaml --out run
works "evaluation skips bad images" "$WELD" eval run/last.h5 --data broken --json
prints "and counts the others once" '"images": *7'
says "a truncated JPEG is named" "class_a/0000.jpg"
says "a text file is named" "class_b/0001.jpg"
refuses "predict refuses a truncated JPEG" "broken/class_a/0000.jpg" "$WELD" predict run/last.h5 broken/class_a/0000.jpg
refuses "predict refuses a text file" "broken/class_b/0001.jpg" "$WELD" predict run/last.h5 broken/class_b/0001.jpg
run "$WELD" predict run/last.h5 broken/class_a/0000.jpg broken/class_a/0001.jpg nowhere.jpg broken/class_c/0000.jpg -k 1
holds "predict goes on after bad images, and fails" test "$status" = 1
run "$WELD" predict run/last.h5 broken/class_a/0000.jpg broken/class_a/0001.jpg nowhere.jpg broken/class_c/0000.jpg -k 1
prints "the good ones are answered" "^broken/class_c/0000.jpg$"
says "the bad ones are named" "^weld: broken/class_a/0000.jpg: truncated"
says "and counted" "^weld: 2 of 4 images could not be read$"
run "$WELD" predict run/last.h5 broken/class_a/0000.jpg broken/class_a/0001.jpg -k 1 --json
tr -d '\n ' < stdout > one_line
holds "JSON has the error in its place" grep -q \
    '^\[{"image":"broken/class_a/0000.jpg","error":"broken/class_a/0000.jpg:truncated.*{"image":"broken/class_a/0001.jpg","predictions":\[{' one_line
works "training replaces bad images and goes on" "$WELD" train good.yaml --out run2 --set data.train=broken --set train.batch_size=3
prints "it tells how many there were" ", [1-9] bad images skipped$"

# Model files.
size=$(wc -c < run/last.h5)
head -c $((size / 2)) run/last.h5 > cut.h5
refuses "a cut checkpoint" "cut.h5" "$WELD" eval cut.h5 --data photos/val
cp run/last.h5 flipped.h5
printf '\377' | dd of=flipped.h5 bs=1 seek=$((size / 3)) conv=notrunc 2> /dev/null
refuses "a bit-flipped checkpoint" "flipped.h5" "$WELD" reparam flipped.h5 -o x.h5
holds "nothing is written from it" test ! -e x.h5
refuses "an image is no model" "0000.jpg" "$WELD" reparam photos/val/class_a/0000.jpg -o r.h5
refuses "a folder is no model" "photos" "$WELD" eval photos --data photos/val
run "$WELD" train good.yaml --init run/last.h5 --set train.freeze=backbone --set train.batch_size=1 --out r
says "batch norm over one value above a frozen backbone is told, with the ways out" \
    "classifier.*one value per channel.*bn_eval"
holds "and refused" test "$status" = 1
mkdir other && cp -r photos/val/class_a other/ant && cp -r photos/val/class_a other/bee
refuses "data of other classes" "'ant', 'bee'" "$WELD" eval run/last.h5 --data other
cp run/last.h5 before.h5
mkdir resumed && cp cut.h5 resumed/last.h5
refuses "resuming from a cut checkpoint" "last.h5" "$WELD" train good.yaml --out resumed --resume

# Two runs into one folder: the second is refused while the first goes on.
"$WELD" train good.yaml --out busy --set train.epochs=200 > /dev/null 2>&1 &
pid=$!
while ! [ -e busy/metrics.jsonl ] && kill -0 $pid 2> /dev/null; do sleep 0.02; done
refuses "a second run into a folder in use" "busy" "$WELD" train good.yaml --out busy --resume
kill -KILL $pid
wait $pid 2> /dev/null

refuses "a file in the place of a run's folder" "^weld: good.yaml: is a file: --out names the folder of a run$" \
    "$WELD" train good.yaml --out good.yaml

# A full disk: the old checkpoint stays whole.
blocks=$(($(wc -c < run/last.h5) / 512 + 8))
run sh -c "ulimit -f $blocks; exec \"\$0\" \"\$@\"" "$WELD" train good.yaml --out limited --set train.epochs=500
is "a file that cannot be written ends a run" "$status" 1
says "which can go on" "^weld: limited/.*: once that is mended --resume goes on from limited/last.h5$"
if mkdir tiny && mount -t tmpfs -o size=600k none tiny 2> /dev/null; then
    refuses "a full disk" "tiny/.*(space|disk)" "$WELD" train good.yaml --out tiny/run --set train.epochs=50 \
        --set "model.channels=[48, 96]"
    holds "no half-written file stays" sh -c '! ls tiny/run | grep -q tmp'
    umount tiny
else
    echo "# no right to mount a tmpfs here: the full disk is tested by a file size limit alone"
fi
finish
