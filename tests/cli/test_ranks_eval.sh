#!/bin/sh
# Evaluation and a teacher's cache on several ranks that mpirun starts: what is printed and written is
# what one process prints and writes. Arguments: the program, make_photos, compose_scenes, the module
# of MPI ("" where it is not built).
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
COMPOSE=$(realpath "$3")
MODULE=$4
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

need_mpi "$MODULE"
export OMP_NUM_THREADS=1
mkdir photos
"$MAKE_PHOTOS" photos/train 3 24 32
"$MAKE_PHOTOS" photos/val 3 13 32
cat > small.yaml << 'EOF'
model: {name: repvit, channels: [8, 16], depths: [1, 1], stem_stride: 2}
data: {train: photos/train, val: photos/val, input_size: 32}
augment: {kind: small}
optimizer: {lr: 8e-3, lr_batch: 0}
train: {epochs: 3, batch_size: 8, precision: fp32}
EOF
works "a classifier" "$WELD" train small.yaml --out run
echo "no photo" > photos/val/class_b/0003.jpg
echo "no photo" > photos/train/class_a/0005.jpg
"$MAKE_PHOTOS" items 3 30 20 && "$WELD" pack items --size 20 -o items.h5 > stdout &&
    "$COMPOSE" items.h5 scenes train 1 24 > stdout && "$COMPOSE" items.h5 scenes val 2 13 > stdout
cat > scenes.yaml << 'EOF'
model: {name: yolo11_repvit, channels: [8, 8, 16, 16], depths: [1, 1, 1, 1], width: 0.125, normalize: none}
data: {train: scenes/instances_train.json, val: scenes/instances_val.json, input_size: 64}
train: {epochs: 2, batch_size: 4, precision: fp32, eval_every: 0}
EOF
works "a detector" "$WELD" train scenes.yaml --out detector
echo "no scene" > scenes/images/val/000004.png

# over N FOLDER COMMAND...: on N ranks (1: without mpirun), in a folder of its own, which keeps all of it.
over() {
    ranks=$1
    folder=$2
    shift 2
    mkdir "$folder"
    if [ "$ranks" = 1 ]; then
        (cd "$folder" && "$WELD" "$@" > said 2> told)
    else
        (cd "$folder" && timeout 60 mpirun -n "$ranks" "$WELD" "$@" > said 2> told)
    fi
    status=$?
    cp "$folder/told" stderr
    sed -i -E '/ ranks on 1 host, 1 thread each$/d; / ranks share [0-9]+ cpus? /d; /^note: 3 ranks, but 1 batch /d; s/about [0-9:]+$/about/' "$folder/told"
}
# alike RANKS NAME COMMAND...: on one process and on each of these numbers the same files and words.
alike() {
    numbers=$1
    name=$2
    shift 2
    rm -rf one ranks
    over 1 one "$@"
    different=$status
    for number in $numbers; do
        over "$number" ranks "$@"
        diff -r one ranks > stdout && [ "$status" = 0 ] || different=1
        mv ranks last
        rm -rf "last.$number"
        mv last "last.$number"
    done
    report "$different" "$name"
}

alike "2 3" "a classifier is evaluated to the same" eval ../run/best.h5 --data ../photos/val --batch 4 --per-class \
    --confusion confusion.csv --details details.json
says "one of them tells how many there are" "^weld: 3 ranks on 1 host, 1 thread each$"
holds "and which image is bad" grep -q "^weld: skipped: .*class_b/0003.jpg" last.3/told
alike 3 "at several sizes, in fewer batches than ranks" eval ../run/best.h5 --data ../photos/val --size 24,32 --json
says "which is told" "^note: 3 ranks, but 1 batch of images: --batch makes them smaller$"
alike 2 "its temperature is fitted to the same" eval ../run/best.h5 --data ../photos/val --batch 4 --fit-temperature fitted.h5
alike "2 3" "a detector is evaluated to the same" eval ../detector/last.h5 --data ../scenes/instances_val.json --batch 2 \
    --per-class --confusion confusion.csv --details details.json --write-results found.json
holds "with what it found" grep -q '"score"' last.3/found.json
alike "2 3" "a teacher's cache is the same file" distill-cache ../small.yaml --teacher ../run/best.h5 --data ../photos \
    -o cache.safetensors --views 3
holds "and so is what could not be read" grep -q "^cache.safetensors: without 1 image that cannot be read$" last.3/said

# --- Errors
export OMPI_MCA_odls_base_sigkill_timeout=0 # those that are still there are not waited for
# once NAME PATTERN: the latest command ended with 1, and one line of weld's but the number of ranks, which matches.
once() {
    grep '^weld: ' stderr | grep -v "ranks on 1 host\|ranks share\|skipped: " > lines
    [ "$status" = 1 ] && [ "$(wc -l < lines)" = 1 ] && grep -Eq -- "$2" lines
    report $? "$1"
}
refuse() {
    run timeout 60 mpirun "$@"
}
refuse -n 2 "$WELD" eval run/best.h5 --data photos/val --details nowhere/x.json
once "a file that cannot be written ends all" "nowhere/x.json"
refuse -n 1 "$WELD" eval run/best.h5 --data photos/val : -n 1 "$WELD" eval run/best.h5 --data photos/train
once "ranks of other commands are refused" "rank 1 \(.*\): was started with --data photos/train, rank 0 with --data photos/val: "
mkdir other
cp -r photos other
"$WELD" train small.yaml --out other/run --set train.seed=5 --set train.epochs=1 > stdout 2> stderr
rm other/photos/val/class_c/0001.jpg
mkdir none lacks
cp -r run none
cp -r photos small.yaml lacks
# two FOLDER: rank 1 in another folder, as on another host.
two() {
    refuse -n 1 "$WELD" eval run/best.h5 --data photos/val --batch 4 : -n 1 -wdir "$1" "$WELD" eval run/best.h5 --data photos/val --batch 4
}
two none
once "data that a host has not" "rank 1 \(.*\): photos/val: "
two lacks
once "a model that a host has not" "rank 1 \(.*\): run/best.h5: "
refuse -n 1 "$WELD" distill-cache small.yaml --teacher run/best.h5 --data photos -o x.safetensors : \
    -n 1 -wdir lacks "$WELD" distill-cache small.yaml --teacher run/best.h5 --data photos -o x.safetensors
once "a teacher that a host has not" "rank 1 \(.*\): run/best.h5: "
refuse -n 1 "$WELD" eval run/best.h5 --data photos/val : -n 1 -x WELD_ISA=nosuch "$WELD" eval run/best.h5 --data photos/val
once "kernels that there are not" "rank 1 \(.*\): .*nosuch"
two other
once "other data" "rank 1 \(.*\): photos/val has 38 images, rank 0's 39: give all hosts the same data"
cp photos/val/class_c/0001.jpg other/photos/val/class_c
two other
once "another network" "rank 1 \(.*\): evaluates repvit, .*, rank 0 repvit, .* \(run/best.h5\): copy the same"
"$WELD" train small.yaml --out stored --set data.orientation=ignore > stdout 2> stderr
cp stored/best.h5 other/run/best.h5
two other
once "the same network for photos that are not turned" \
    "rank 1 \(.*\): evaluates repvit, weights ([0-9a-f]+), images prepared as .*, rank 0 repvit, weights \1, images prepared as "
cp run/best.h5 other/run/best.h5
spoil() {
    for image in "$@"; do printf 'no photo' | dd of="$image" conv=notrunc 2> stderr; done
}
spoil other/photos/val/class_c/000[2-9].jpg
two other
once "an image that is bad for one of them alone" "rank 1 \(.*\): photos/val/class_c/.*: not a JPEG.*: but rank 0 \(.*\) can use it"
spoil other/photos/val/class_a/0001.jpg
two other
once "other pixels under the same names" "rank 1 \(.*\): makes something else of the first batch than rank 0: "
run timeout 60 mpirun -n 1 -x WELD_ISA=ref "$WELD" eval run/best.h5 --data photos/val : -n 1 -x WELD_ISA=avx2 "$WELD" eval run/best.h5 --data photos/val
if grep -q "this cpu" stderr; then
    skip "other kernels" "this cpu has none"
else
    once "other kernels" "rank 1 \(.*\): computes by avx2.*, rank 0 by ref.*: .*mpirun -x WELD_ISA="
fi
misused "results of other programs are for one process" "^weld eval: --results runs on one process: start it without mpirun: " \
    env OMPI_COMM_WORLD_SIZE=2 "$WELD" eval --results found.json --data scenes/instances_val.json

# --- Signals
unset OMPI_MCA_odls_base_sigkill_timeout
keep="distill-cache small.yaml --teacher run/best.h5 --data photos --views 200"
# shellcheck disable=SC2086 # words
works "a cache of many views" "$WELD" $keep -o alone.safetensors
: > told # it is looked at at once
# shellcheck disable=SC2086 # words
mpirun -n 2 "$WELD" $keep -o parts.safetensors > said 2> told &
pid=$!
while kill -0 $pid 2> gone && [ "$(grep -c "^weld: skipped: " told)" -lt 1 ]; do sleep 0.02; done
kill -USR1 "$(pgrep -P $pid | tail -n 1)"
wait $pid
status=$?
cp said stdout
cp told stderr
prints "SIGUSR1 to a rank ends all" "^stopped: parts.safetensors.partial holds what is done"
is "with its status" "$status" 138
# shellcheck disable=SC2086 # words
works "other ranks go on there" mpirun -n 3 "$WELD" $keep -o parts.safetensors
says "after what was done" "; going on after [0-9.]+ %$"
same "to the same file" alone.safetensors parts.safetensors
finish
