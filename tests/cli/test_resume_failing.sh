#!/bin/sh
# A run that is resumed where a system call fails: it goes on as if nothing had been, or says what failed, and nothing of it is begun anew.
# Arguments: the program, the same with system calls that fail (failing.c), make_photos.
WELD=$(realpath "$1")
FAILING=$(realpath "$2")
MAKE_PHOTOS=$(realpath "$3")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1
export XDG_CACHE_HOME="$WORK/cache"

mkdir photos
"$MAKE_PHOTOS" photos/train 2 2 16
"$MAKE_PHOTOS" photos/val 2 1 16
works "what is evaluated is packed: an image that cannot be read is passed over" "$WELD" pack photos/val -o val.h5
cat > small.yaml << 'YAML'
model: {name: repvit, channels: [8], depths: [1], stem_stride: 2}
data: {train: photos/train, val: val.h5, input_size: 16, max_bad: 0}
augment: {kind: none}
train: {epochs: 1, batch_size: 4, ema_decay: null}
YAML
works "a run" "$WELD" train small.yaml --out begun
cp -r begun whole
works "that goes on" "$WELD" train small.yaml --threads 1 --out whole --resume --extend 2
"$WELD" export whole/best.h5 -o whole.safetensors > stdout 2> stderr

# fails CALL: each of its calls in turn. Where the run ended well its best is what it would have been; else that is so when it goes on.
fails() {
    cp -r begun counted
    WELD_CALLS=$WORK/calls run "$FAILING" train small.yaml --threads 1 --out counted --resume --extend 2
    rm -r counted
    count=$(sed -n "s/^$1 //p" calls)
    holds "there are calls of $1" test "$count" -gt 0
    bad=
    number=1
    while [ "$number" -le "$count" ]; do
        cp -r begun run
        WELD_FAIL="$1 $number 5" run "$FAILING" train small.yaml --threads 1 --out run --resume --extend 2
        if [ "$status" = 0 ]; then
            "$WELD" export run/best.h5 -o run.safetensors > exported 2>&1
            cmp -s run.safetensors whole.safetensors || bad="$bad $number: another best;"
            ! grep -q 'best.h5' stderr || bad="$bad $number: $(grep best.h5 stderr);"
        else
            "$WELD" train small.yaml --threads 1 --out run --resume --extend 2 > exported 2>&1 || bad="$bad $number: cannot go on: $(tail -n 1 exported);"
            "$WELD" export run/best.h5 -o run.safetensors > exported 2>&1
            cmp -s run.safetensors whole.safetensors || bad="$bad $number: another best afterwards;"
        fi
        rm -r run
        number=$((number + 1))
    done
    is "$1 fails: it goes on as ever, or can be gone on with" "$bad" ""
}
fails stat
fails open
cp -r begun run
WELD_FAIL="stat 0 5" refuses "where nothing can be told it is not begun anew" "run/last.h5: cannot tell whether it is there: Input/output error" \
    "$FAILING" train small.yaml --out run --resume
same "and stays as it is" begun/last.h5 run/last.h5
finish
