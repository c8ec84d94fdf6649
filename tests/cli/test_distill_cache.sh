#!/bin/sh
# Learning from a teacher, in the step and from a file of what it said, as a user does it.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

"$MAKE_PHOTOS" all 3 12 40
mkdir -p data/train data/val
for c in a b c; do
    mkdir "data/val/class_$c"
    mv all/class_$c/000[0-3].jpg "data/val/class_$c"
    mv all/class_$c data/train
done
cat > recipe.yaml << 'EOF'
model: {name: repvit, channels: [8], depths: [1], stem_stride: 2}
data: {train: data/train, val: data/val, input_size: 32}
augment: {kind: small, repeats: 1}
optimizer: {lr: 4e-3, lr_batch: 0}
schedule: {warmup_epochs: 1}
train: {epochs: 2, batch_size: 8, seed: 3}
EOF
works "train a teacher" "$WELD" train recipe.yaml --out teacher --set 'model.channels=[16]' \
    --set 'data.mean=[0.5, 0.5, 0.5]'

learn() {
    "$WELD" train recipe.yaml --set loss.distillation.kind=soft \
        --set loss.distillation.temperature=2 "$@"
}
works "learn from it" learn --out live --set loss.distillation.teacher=teacher/last.h5
says "it tells what the teacher is and takes" \
    "teacher: teacher/last.h5: repvit, [0-9.]+ M parameters, [0-9]+ MB"
holds "the recipe of the run has the second head" grep -q "distillation_head: true" live/recipe.yaml
works "evaluate what has learned" "$WELD" eval live/last.h5 --data data/val
refuses "without a teacher" "recipe.yaml: loss.distillation.teacher: missing" learn --out none
refuses "a teacher that is not there" "loss.distillation.teacher: .*nowhere.h5" learn --out none \
    --set loss.distillation.teacher=nowhere.h5

refuses "a cache for several sizes" "recipe.yaml: data.sizes: a cache is of images of one size" \
    "$WELD" distill-cache recipe.yaml --teacher teacher/last.h5 -o none.safetensors --set 'data.sizes=[24, 32]'

ask() {
    "$WELD" distill-cache recipe.yaml --teacher teacher/last.h5 "$@"
}
refuses "a name with another ending" "c.h5: the ending tells the format: call it .safetensors" ask -o c.h5
ln -s data/train/class_a/0004.jpg train.safetensors
refuses "an image that is trained on" "train.safetensors: is a file of the data set that is read, data/train" \
    ask -o train.safetensors
ln -s data/val/class_a/0000.jpg val.safetensors
cp val.safetensors before
refuses "one that training is judged by" "val.safetensors: is a file of the data set that is read, data/val" \
    ask -o val.safetensors
same "which stays" val.safetensors before

echo "no picture" > data/train/class_b/broken.jpg
works "keep what it says" "$WELD" distill-cache recipe.yaml --teacher teacher/last.h5 \
    -o c.safetensors --views 2
is "and tells it once" "$(grep -c "skipped:.*broken.jpg" stderr)" 1
says "it tells the size and the time before" \
    "^25 images, 2 views, the 3 largest of 3 classes: 0\.0 MB, about [0-9:]+$"
prints "it counts what it could not read, once for both views" "^c.safetensors: without 1 image that cannot be read$"
holds "nothing is left half-written" test ! -e c.safetensors.partial
run ask -o none.safetensors --set data.max_bad=0
is "no more images may be bad than in training" "$status" 1
says "it tells the limit" \
    "^weld: data/train: more than 0 bad images \(data.max_bad\): weld check-data lists them all; the last: .*broken.jpg"
holds "and leaves nothing" test ! -e none.safetensors.partial
cp data/train/class_b/broken.jpg before
cp data/train/class_a/0004.jpg data/train/class_b/broken.jpg
run learn --out mended --set loss.distillation.cache=c.safetensors
is "an image that was mended since asks for another cache" "$status" 1
says "it is named" \
    "^weld: data/train: class_b/broken.jpg: could not be read when the distillation cache was made, .*: make the cache again"
cp before data/train/class_b/broken.jpg
works "inspect tells what it is" "$WELD" inspect c.safetensors
prints "that its header is as it was written" "^checksum +right of the header; rows have their own, checked when they are read"
prints "of which teacher" "^teacher +repvit [0-9a-f]{16}$"
prints "of how many images" "^images +25$"
works "the recipe may say already how to learn from it" "$WELD" distill-cache recipe.yaml \
    --teacher teacher/last.h5 -o d.safetensors --views 2 --set loss.distillation.kind=soft
holds "which changes nothing" cmp c.safetensors d.safetensors
works "learn from that" learn --out cached --set loss.distillation.cache=c.safetensors
says "it tells what it learns from" \
    "cached teacher: c.safetensors: repvit [0-9a-f]{16}, 2 views, 3 of 3 classes"
ln -s l.safetensors link.safetensors
: > l.safetensors
# stop_after PATTERN ARGUMENT...: Ctrl-C as soon as it has said that.
stop_after() {
    pattern=$1
    shift
    : > stderr # it is looked at at once
    "$WELD" distill-cache recipe.yaml --teacher teacher/last.h5 -o link.safetensors --views 3000 "$@" > stdout 2> stderr &
    pid=$!
    while kill -0 $pid 2> gone && ! grep -q "$pattern" stderr; do sleep 0.02; done
    kill -INT $pid
    wait $pid
}
stop_after "^weld: skipped: "
is "Ctrl-C stops it" $? 130
prints "it names what it leaves, beside the file that a link leads to" "^stopped: .*/l.safetensors.partial holds what is done"
holds "which is there" test -s l.safetensors.partial
works "inspect says that it is not finished" "$WELD" inspect --check l.safetensors.partial
prints "and how to go on" "^to go on +the distill-cache command that began it"
refuses "nothing is learned from it yet" "l.safetensors.partial: is not finished, [0-9]+ rows are in it: " \
    learn --out none --set loss.distillation.cache=l.safetensors.partial
refuses "whoever goes on with it counts what was bad before" \
    "more than 0 bad images .* class_b/broken.jpg: could not be read when the cache was begun" \
    ask -o link.safetensors --views 3000 --set data.max_bad=0
stop_after "^[0-9]* images, "
says "the same command goes on with it" "; going on after [0-9.]+ %"
holds "without a word of another" sh -c '! grep -q "begun anew" stderr'
begun_anew="^note: .*/l.safetensors.partial: was made of files of other sizes, at another precision or by other kernels: begun anew$"
stop_after "^weld: skipped: " --set train.precision=bf16
says "at another precision it does not" "$begun_anew"
stop_after "^weld: skipped: "
says "nor back at the first" "$begun_anew"
printf 'more' >> data/train/class_a/0004.jpg
stop_after "^[0-9]* images, "
says "nor of an image of another size" "$begun_anew"
refuses "with another augmentation" \
    "c.safetensors: was made with augment.hflip 0.5, the recipe has '0'" \
    learn --out none --set loss.distillation.cache=c.safetensors --set augment.hflip=0
refuses "with a file of another kind" "loss.distillation.cache: " learn --out none \
    --set loss.distillation.cache=teacher/last.h5

works "a check reads all of its rows" "$WELD" inspect c.safetensors --check
prints "and counts them" "^rows +50, all read$"
prints "it is as it was written" "^checked +good: all of it is as it was written$"
prints "those that say nothing apart" "^unknown +2 of unreadable images$"
prints "and those that are damaged" "^unreadable +0$"

# The last byte is of a value of the last row.
cp c.safetensors damaged.safetensors
printf '\001' | dd of=damaged.safetensors bs=1 conv=notrunc \
    seek=$(($(wc -c < damaged.safetensors) - 1)) 2> /dev/null
run learn --out bad --set loss.distillation.cache=damaged.safetensors
is "a damaged one ends the training" "$status" 1
says "it tells what is damaged" "^weld: damaged.safetensors: view 1 of image 24: its checksum differs"
run "$WELD" inspect damaged.safetensors --check
is "a check of it fails" "$status" 1
says "it counts what is damaged" "^weld: damaged.safetensors: 1 of 50 rows cannot be read$"
prints "and what is left" "^rows +50, of which 49 can be read$"
prints "and names it" "^    damaged.safetensors: view 1 of image 24: its checksum differs"
LC_ALL=C sed 's/weld.header_checksum/weld.no_checksum_now/' c.safetensors > other.safetensors
works "learn from one without a checksum" learn --out other --set loss.distillation.cache=other.safetensors
says "it tells what cannot be checked" "3 of 3 classes; checksums: none: whether it is as it was written cannot be checked$"

run "$WELD" distill-cache recipe.yaml --teacher teacher/last.h5
holds "without a name for the file it is wrong usage" test "$status" = 2
works "help" "$WELD" distill-cache --help
prints "it tells its options" "--views V"
finish
