#!/bin/sh
# Ranks on cpus of several kinds: refused, but for --mixed. Arguments: the program, make_photos, the module
# of MPI ("" where it is not built).
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
MODULE=$3
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

need_mpi "$MODULE"
if "$WELD" --version --verbose | grep -q "^kernels: *f32 ref,"; then
    skip "cpus of several kinds" "this one has no kernels but plain C"
    finish
fi

mkdir photos
"$MAKE_PHOTOS" photos/train 2 24 32
"$MAKE_PHOTOS" photos/val 2 5 32
cat > small.yaml << 'END'
model: {name: repvit, channels: [8, 16], depths: [1, 1], stem_stride: 2}
data: {train: photos/train, val: photos/val, input_size: 32}
augment: {kind: small, auto_augment: null}
optimizer: {lr_batch: 16}
schedule: {warmup_epochs: 0}
train: {epochs: 3, batch_size: 4, accumulate: 4, ema_decay: 0.9, ema_warmup: true, precision: fp32}
END

# kinds OPTION...: on two ranks, of which the first is on an old cpu.
kinds() {
    timeout 120 mpirun -n 1 -x WELD_ISA=ref "$WELD" train small.yaml "$@" : \
        -n 1 "$WELD" train small.yaml "$@"
}
# one OPTION...: on one process.
one() {
    "$WELD" train small.yaml "$@"
}

refuses "they are refused, with the ways out" \
    "^weld: rank 1 \(.*\): computes by .*, rank 0 by ref, ref in bf16, which has other bits: for the same bits everywhere mpirun -x WELD_ISA=ref; to let each be as fast as it can: --mixed$" \
    kinds --out a
[ ! -e a ]
report $? "and leave nothing"
refuses "all must be asked to" "rank 1 .*: was started with --mixed, rank 0 with no --mixed" \
    mpirun -n 1 "$WELD" train small.yaml --out a : -n 1 "$WELD" train small.yaml --out a --mixed
works "with --mixed they train" kinds --out a --mixed
says "it is said who computes how" "^weld: mixed: rank 0 computes by ref, ref in bf16, 1 of the others by other kernels \(rank 1 \(.*\): .*\)"
works "twice" kinds --out b --mixed
untimed a/metrics.jsonl > a.rows
untimed b/metrics.jsonl > b.rows
same "to the same rows" a.rows b.rows
for run in a b; do "$WELD" export $run/best.h5 -o $run.safetensors > "$run.said"; done
same "to the same weights" a.safetensors b.safetensors
for file in last best; do
    run "$WELD" inspect a/$file.h5
    prints "$file.h5 says so" "^    mixed +true$"
done
works "alike on all it is said that it need not be" \
    timeout 120 mpirun -n 2 "$WELD" train small.yaml --out alike --mixed
says "it is" "^weld: mixed: all ranks compute by .*: without --mixed they come to the bits of one process"

works "such a run goes on without" one --out a --resume --extend 4
says "which is said" "^weld: a/last.h5: was trained with --mixed, by cpus of several kinds: "
run "$WELD" inspect a/last.h5
prints "and stays known" "^    mixed +true$"
works "one process does as always" one --out c --mixed
run "$WELD" inspect c/last.h5
! grep -q mixed stdout
report $? "and has nothing mixed"
works "another run goes on with" kinds --out c --resume --extend 4 --mixed
says "which is said too" "^weld: c/last.h5: was trained without --mixed: "
finish
