#!/bin/sh
# Training that mpirun starts on several ranks, as a user does it. Arguments: the program, make_photos,
# the module of MPI ("" where it is not built).
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
MODULE=$3
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

mkdir photos
"$MAKE_PHOTOS" photos/train 2 24 32
"$MAKE_PHOTOS" photos/val 2 5 32
cat > small.yaml << 'END'
model: {name: repvit, channels: [8, 16], depths: [1, 1], stem_stride: 2}
data: {train: photos/train, val: photos/val, input_size: 32}
augment: {kind: small, auto_augment: null}
train: {epochs: 3, batch_size: 4, accumulate: 4, ema_decay: 0.9, precision: fp32}
END

unset WELD_MPI
export OMPI_COMM_WORLD_SIZE=4
run "$WELD" inspect small.yaml
says "other commands are of one process" "^weld inspect: runs on one process: start it without mpirun: "
is "and did not run" "$status" 2
run env OMPI_COMM_WORLD_RANK=2 "$WELD" inspect small.yaml
is "which is said once" "$status $(cat stdout stderr)" "2 "
run env OMPI_COMM_WORLD_RANK=2 "$WELD" train small.yaml --thread
is "and so is what is wrong with options" "$status $(cat stdout stderr)" "2 "
refuses "ranks without a module do not train each for itself" "none.so" \
    env WELD_MPI="$WORK/none.so" "$WELD" train small.yaml --out none
is "and leave nothing" "$(ls)" "$(printf 'photos\nsmall.yaml\nstderr\nstdout')"
run env WELD_MPI="$WORK/none.so" OMPI_COMM_WORLD_RANK=2 OMPI_COMM_WORLD_LOCAL_RANK=0 "$WELD" train small.yaml --out none
says "each host says so" "^weld: rank 2: cannot load the MPI module: .*none.so"
run env WELD_MPI="$WORK/none.so" OMPI_COMM_WORLD_RANK=3 OMPI_COMM_WORLD_LOCAL_RANK=1 "$WELD" train small.yaml --out none
says "and so does a rank that is alone with it, in the end" "^weld: rank 3: cannot load the MPI module: .*none.so"
works "but help is for all" "$WELD" train --help
unset OMPI_COMM_WORLD_SIZE
misused "a time-out is a number" "^weld train: --rank-timeout wants seconds, not 'soon'" \
    "$WELD" train small.yaml --rank-timeout soon

need_mpi "$MODULE"

# over N OPTION...: the run on N ranks.
over() {
    ranks=$1
    shift
    timeout 120 mpirun -n "$ranks" "$WELD" train small.yaml "$@"
}
# rows RUN: its metrics without what the clock says.
rows() {
    sed -E 's/"[a-z_]*second[a-z_]*":[^,}]*,?//g; s/,}/}/' "$1/metrics.jsonl"
}
# same NAME RUN: as the run of one process.
same() {
    rows "$2" > "$2.rows"
    cmp one.rows "$2.rows" > stdout && cmp one/evaluation.json "$2/evaluation.json" > stdout &&
        "$WELD" compare one/best.h5 "$2/best.h5" --data photos/val > stdout
    report $? "$1"
}

works "one process" "$WELD" train small.yaml --out one
rows one > one.rows
works "three ranks" over 3 --out three
is "one of them speaks" "$(grep -c 'to train on' stderr)" 1
is "and ends" "$(grep -c '^three: 3 epochs' stdout)" 1
says "it says how many there are" "^weld: 3 ranks on 1 host, [0-9]+ threads? each; kernels .*; exchange .* MB an update"
says "and who waited" "^weld: ranks: waiting for others [0-9.]+ % \(slowest: rank [0-2] \("
says "uneven shares are told" "3 ranks share 4 batches as 2, 1, 1: at best 67 % of their speed"
same "they come to the same bits" three
works "a dry run of three ranks" over 3 --dry-run
is "one of them prints the recipe" "$(grep -c '^train:' stdout)" 1
says "all say what they would do" "^weld: rank 2 \(.*\): batch 4 of an update"
says "and how fast they are" "^weld: ranks: messages take [0-9.]+ us, "
expected() {
    grep -E "^weld: [0-9]+ ranks.*: [0-9]+ % \([0-9]+ %\) of [0-9]+ times one's speed; an exchange takes [0-9.]+ ms, [0-9]+ % of it behind" stderr |
        sed -E 's/^weld: ([0-9]+) ranks(.*): .* of ([0-9]+) times.*/\1\2 \3/' | tr '\n' ';'
}
is "and what to expect of them, fewer and more" "$(expected)" "2 2;3, as here 3;4 4;"
refuses "too many ranks are refused, once" "^weld: 5 ranks, but train.accumulate 4: an update has 4 batches to share: start 4" \
    over 5 --out five
[ ! -e five ]
report $? "and leave nothing"
refuses "a folder of another run is kept" "three: holds a run already" over 2 --out three

# Long enough to be stopped in the middle.
long="--set train.epochs=30 --set train.eval_every=0 --set train.checkpoint_every=1"
rows_done() {
    if [ -e long/metrics.jsonl ]; then wc -l < long/metrics.jsonl; else echo 0; fi
}
# started N: a run on N ranks goes on, in the background, up to some update of its own; $pid is mpirun.
started() {
    # shellcheck disable=SC2086 # words
    mpirun -n "$1" "$WELD" train small.yaml --out long --resume $long > said 2> stderr &
    pid=$!
    lines=$(rows_done)
    while kill -0 $pid 2> gone && [ "$(rows_done)" -lt $((lines + 3)) ]; do sleep 0.02; done
}
started 2
kill -USR1 $pid
wait $pid
cp said stdout
prints "SIGUSR1 to mpirun ends a run after its update" "^stopped after update [0-9]+: continue with mpirun \.\.\. weld train"
started 4
victim=$(pgrep -P $pid | tail -1)
kill -KILL "$victim"
! wait $pid
report $? "a rank that is killed ends all"
started 1
kill -TERM $pid
wait $pid
# shellcheck disable=SC2086 # words
works "it goes on" over 3 --out long --resume $long
# shellcheck disable=SC2086 # words
works "without ranks too" "$WELD" train small.yaml --out alone $long
rows alone > alone.rows
rows long > long.rows
cmp alone.rows long.rows > stdout
report $? "and ends as one that was never stopped"
for process in /proc/[0-9]*; do
    [ "$(readlink "$process/cwd")" != "$WORK" ] || [ "$(readlink "$process/exe")" != "$WELD" ] || echo "$process"
done > stdout
! grep . stdout > stderr
report $? "no process is left"
finish
