#!/bin/sh
# How runs on several ranks end, other than well: a rank is killed or stands still, hosts have other
# data or cpus, a disk is full, a signal comes. All ranks end with one message, last.h5 is whole, and
# nothing is left. Arguments: the program, make_photos, the module of MPI ("" where it is not built).
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
MODULE=$3
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

need_mpi "$MODULE"
# What Open MPI leaves behind is to be seen.
mkdir left shared
export TMPDIR="$WORK/left" OMPI_MCA_btl_vader_backing_directory="$WORK/shared"

mkdir photos
"$MAKE_PHOTOS" photos/train 2 24 32
"$MAKE_PHOTOS" photos/val 2 5 32
cat > small.yaml << 'END'
model: {name: repvit, channels: [8, 16], depths: [1, 1], stem_stride: 2}
data: {train: photos/train, val: photos/val, input_size: 32}
augment: {kind: small, auto_augment: null}
train: {epochs: 100, batch_size: 4, accumulate: 4, ema_decay: 0.9, ema_warmup: false, precision: fp32, eval_every: 0, checkpoint_every: 1}
END
cp small.yaml short.yaml
sed -i 's/epochs: 100/epochs: 3/' short.yaml

rows_done() {
    if [ -e long/metrics.jsonl ]; then wc -l < long/metrics.jsonl; else echo 0; fi
}
# begin N OPTION...: the long run goes on, on N ranks, up to some update of its own. $pid is mpirun.
begin() {
    n=$1
    shift
    before=$(rows_done)
    mpirun -n "$n" "$WELD" train small.yaml --out long --resume "$@" > stdout 2> stderr &
    pid=$!
    while kill -0 $pid 2> gone && [ "$(rows_done)" -lt $((before + 4)) ]; do sleep 0.02; done
}
# rank N: the process of rank N of the run that goes on; other tests' ranks are in other folders.
rank() {
    for process in $(pgrep -f "^$WELD train small.yaml"); do
        [ "$(readlink "/proc/$process/cwd")" = "$(pwd -P)" ] || continue
        ! tr '\0' '\n' < "/proc/$process/environ" | grep -qx "OMPI_COMM_WORLD_RANK=$1" || echo "$process"
    done
}
end() {
    wait $pid
    status=$?
}
# ends NAME STATUS: the long run has ended with it, and with a last.h5 that can be read.
ends() {
    end
    echo "mpirun: status $status" >> stderr
    [ "$status" = "$2" ] && "$WELD" inspect long/last.h5 > inspected
    report $? "$1"
}
# once NAME PATTERN: the latest command ended with 1 and one line of weld's, which matches.
once() {
    [ "$status" = 1 ] && [ "$(grep -c "^weld: " stderr)" = 1 ] && grep -Eq -- "$2" stderr
    report $? "$1"
}

# --- Signals
begin 2
kill -USR1 $pid
ends "SIGUSR1 to mpirun ends the run" 138
prints "after its update" "^stopped after update [0-9]+: continue with mpirun \.\.\. weld train"
begin 3
kill -USR1 "$(rank 2)"
ends "to one rank, all of them" 138
prints "after the same update" "^stopped after update [0-9]+: continue with mpirun \.\.\. weld train"
begin 3
kill -TERM "$(rank 1)"
ends "so does SIGTERM" 143
begin 2
kill -INT $pid
ends "Ctrl-C, which mpirun takes for itself, ends all" 1

# --- Killed
begin 4
kill -KILL "$(rank 3)"
ends "a rank that is killed ends all" 137
begin 3
kill -KILL "$(rank 0)"
ends "rank 0 as any other" 137

# MPI ends no rank that is alone. What mpirun leaves where it is killed itself is its own.
mkdir orphan
TMPDIR=$WORK/orphan mpirun -n 1 sh -c 'exec "$0" train small.yaml --out long --resume 2> orphan/said' "$WELD" > stdout 2> stderr &
pid=$!
before=$(rows_done)
while kill -0 $pid 2> gone && [ "$(rows_done)" -lt $((before + 4)) ]; do sleep 0.02; done
orphan=$(rank 0)
kill -KILL $pid
wait $pid
for turn in $(seq 1500); do
    [ -n "$(rank 0)" ] || break
    sleep 0.02
done
[ -n "$orphan" ] && [ "$turn" -lt 1500 ]
report $? "the only rank ends when its mpirun is killed"
cp orphan/said stderr
says "and says why" "^weld: mpirun has gone: stopping after this step$"
works "with what it has done" "$WELD" inspect long/last.h5

# Before the run has begun: its recipe is not there yet.
mkfifo waits.yaml
rm orphan/said
TMPDIR=$WORK/orphan mpirun -n 1 sh -c 'exec "$0" train waits.yaml --out early 2> orphan/said' "$WELD" > stdout 2> stderr &
pid=$!
exec 3> waits.yaml # once it opens it
kill -KILL $pid
wait $pid
cat short.yaml >&3
exec 3>&-
for turn in $(seq 1500); do
    ! grep -q "^weld: mpirun has gone" orphan/said || break
    sleep 0.02
done
cp orphan/said stderr
says "so it does when that is killed before the run has begun" "^weld: mpirun has gone: stopping after this step$"
for turn in $(seq 1500); do
    [ ! -e early/last.h5 ] || break
    sleep 0.02
done
works "after its first update" "$WELD" inspect early/last.h5
is "and no other" "$(wc -l < early/metrics.jsonl)" 1

# --- Standing still
begin 3 --rank-timeout 3
still=$(rank 1)
kill -STOP "$still"
ends "a rank that stands still ends all" 1
says "and is named" "^weld: waiting for rank 1 \(.+, pid $still\) since [0-9]+ s.*: it does not answer: given up: --rank-timeout 0 waits for ever$"
begin 2 --rank-timeout 60
still=$(rank 1)
kill -STOP "$still"
sleep 0.5
kill -CONT "$still"
before=$(rows_done)
while kill -0 $pid 2> gone && [ "$(rows_done)" -lt $((before + 4)) ]; do sleep 0.02; done
kill -USR1 $pid
ends "one that goes on before that does not" 138

# --- The end
works "all of it goes on, with any number of ranks" timeout 120 mpirun -n 3 "$WELD" train small.yaml --out long --resume
works "without ranks, and never stopped" "$WELD" train small.yaml --out alone
for run in long alone; do
    sed -E 's/"[a-z_]*second[a-z_]*":[^,}]*,?//g; s/,}/}/' $run/metrics.jsonl > $run.rows
    for key in weights ema; do
        option="--key ema"
        [ $key = ema ] || option=
        # shellcheck disable=SC2086 # words
        "$WELD" export $run/last.h5 --form training $option -o $run.$key.safetensors > said
    done
done
same "its metrics are the same" alone.rows long.rows
same "its evaluation" alone/evaluation.json long/evaluation.json
same "its weights" alone.weights.safetensors long.weights.safetensors
same "and their average" alone.ema.safetensors long.ema.safetensors

# --- Other data, other cpus
two() {
    folder=$1
    shift
    run timeout 120 mpirun -n 1 "$WELD" train short.yaml --out other "$@" : -n 1 --wdir "$folder" "$WELD" train short.yaml --out other
}
mkdir none more less
two "$WORK/none"
once "data that a host has not" "^weld: rank 1 \(.+\): photos/train: "
cp -r photos more
cp more/photos/train/class_a/0000.jpg more/photos/train/class_a/9999.jpg
two "$WORK/more"
once "an image more" "^weld: rank 1 \(.+\): photos/train has 49 images, rank 0's 48: give all hosts the same data$"
cp -r photos less
for image in less/photos/train/class_a/*; do cp photos/train/class_b/0000.jpg "$image"; done
two "$WORK/less"
once "other files under the same names" "^weld: rank 1 \(.+\): photos/train has files of other sizes than rank 0's: give all hosts the same data$"
for image in photos/train/class_a/* less/photos/train/class_a/*; do truncate -s 20000 "$image"; done # behind their ends
two "$WORK/less"
once "other pixels in files of the same sizes" "^weld: rank 1 \(.+\): makes other pixels of the first batch than rank 0: its files have other contents"
run timeout 120 mpirun -n 1 -x WELD_ISA=ref "$WELD" train short.yaml --out other : -n 1 -x WELD_ISA=avx2 "$WELD" train short.yaml --out other
if grep -q "this cpu" stderr; then
    skip "other kernels" "this cpu has none"
else
    once "other kernels" "^weld: rank 1 \(.+\): computes by avx2.*, rank 0 by ref.*: for the same bits everywhere mpirun -x WELD_ISA=ref; "
fi
! find other -name '*.h5' 2> gone | grep . > stdout
report $? "nothing of a run was written by then"

# --- Other programs, other modules
run timeout 60 mpirun -n 1 "$WELD" train short.yaml --out other : -n 1 -x WELD_MPI=none.so "$WELD" train short.yaml --out other
says "a rank that has no module says so itself" "^weld: rank 1: cannot load the MPI module: none.so"
run timeout 60 mpirun -n 1 "$WELD" train short.yaml --out other --rank-timeout 2 : -n 1 sleep 60
once "another program in place of a rank ends all" "^weld: waiting for MPI to start since [0-9]+ s: given up: --rank-timeout 0 waits for ever: do all ranks run weld\?$"

# --- In a run
# As one process would say it, who meets the same images in the same order.
mkdir bad
cp -r photos bad
for image in bad/photos/train/class_?/000[0-5].jpg; do echo "no photo" > "$image"; done
cp short.yaml bad
cd bad || exit 1
run "$WELD" train short.yaml --out alone --set data.max_bad=5
grep '^weld: ' "$WORK/stderr" | sort > ../bad.one
last=$(grep '^weld: ' "$WORK/stderr" | tail -n 1)
run timeout 120 mpirun -n 2 "$WELD" train short.yaml --out ranks --set data.max_bad=5
cd .. || exit 1
is "too many bad images, met by two ranks together" "$status $(grep '^weld: ' stderr | tail -n 1)" "1 $last"
grep '^weld: ' stderr | grep -v "ranks: \|ranks on" | sort > bad.ranks
same "are named as by one process" bad.one bad.ranks

run "$WELD" train short.yaml --out nan.one --set optimizer.lr=1e30 --set optimizer.lr_batch=0 --set schedule.warmup_epochs=0
alone=$(grep '^weld: .*not finite' stderr)
run timeout 120 mpirun -n 3 "$WELD" train short.yaml --out nan.three --set optimizer.lr=1e30 --set optimizer.lr_batch=0 --set schedule.warmup_epochs=0
is "a loss that is not finite is told as by one process" "$status $(grep '^weld: .*not finite' stderr | sed 's/nan.three/nan.one/g')" "1 $alone"

cat > full << END
#!/bin/sh
ulimit -f 40
exec "\$@"
END
chmod +x full
OMPI_MCA_btl=tcp,self
export OMPI_MCA_btl
run timeout 120 mpirun -n 2 ./full "$WELD" train short.yaml --out full.run
[ "$status" = 1 ] && grep -q "^weld: .*full.run.*File too large" stderr && [ "$(grep -c "File too large" stderr)" = 1 ]
report $? "a full disk ends all"
unset OMPI_MCA_btl

# --- What is left
for process in /proc/[0-9]*; do
    [ "$(readlink "$process/cwd")" != "$WORK" ] || [ "$(readlink "$process/exe")" != "$WELD" ] || echo "$process"
done > stdout
! grep . stdout > stderr
report $? "no process is left"
find left shared -type f > stdout
! grep . stdout > stderr
report $? "and no file of theirs"
finish
