#!/bin/sh
# What commands write, where they are killed, where the system fails them, and what lies beside: what was there stays or the new file is whole, nothing
# is left, and nobody else's file is touched.
# Arguments: the program, the same with system calls that fail (failing.c), make_photos.
WELD=$(realpath "$1")
FAILING=$(realpath "$2")
MAKE_PHOTOS=$(realpath "$3")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1
export XDG_CACHE_HOME="$WORK/cache"

make_inputs

# arguments COMMAND: of a command that writes out/file, whose name tells what to write.
arguments() {
    case $1 in
    preview) echo "preview small.yaml --count 4 -o out/file" ;;
    eval) echo "eval run/best.h5 --data photos/val --details out/file" ;;
    reparam) echo "reparam run/best.h5 -o out/file" ;;
    quantize) echo "quantize run/best.h5 --data photos/train --eval photos/val --images 4 -o out/file" ;;
    onnx) echo "export run/best.h5 -o out/file.onnx" ;;
    safetensors) echo "export run/best.h5 -o out/file.safetensors" ;;
    import) echo "import x.safetensors -o out/file" ;;
    pack) echo "pack photos/train -o out/file" ;;
    cache) echo "distill-cache small.yaml --teacher run/best.h5 -o out/file.safetensors" ;;
    array) echo "run run/best.h5 --input x.npy --output out/file" ;;
    bench) echo "bench run/best.h5 --steps 1 --trace out/file" ;;
    explain) echo "explain run/best.h5 photos/val/class_a/0000.jpg -o out/file" ;;
    esac
}

# file COMMAND: what it writes.
file() {
    arguments "$1" | sed 's/.* //'
}

# before FILE: out/ with a file that only its owner reads, and links to another's by the names that come to mind.
before() {
    rm -rf out
    mkdir out
    echo before > "$1"
    chmod 600 "$1"
    echo diary > diary
    ln diary "$1.tmp"
    ln -s ../diary "$1.lock"
}
# mode FILE
mode() {
    # shellcheck disable=SC2012 # names are plain
    ls -l "$1" | cut -c 1-10
}
# alone NAME: out/ has what `before` made and no more, and the other's file is as it was.
alone() {
    holds "$1" sh -c 'ls -A out; [ "$(ls -A out | wc -l)" = 3 ] && [ -h out/*.lock ] && [ "$(cat diary out/*.tmp)" = "$(printf "diary\ndiary")" ]'
}
# The sweep of those that a kill left is by whatever is written to the folder next.
sweep() {
    "$WELD" reparam run/best.h5 -o out/other > stdout 2> stderr && rm out/other
}

for what in preview eval reparam quantize onnx safetensors import pack cache array bench explain; do
    command=$(arguments $what)
    file=$(file $what)
    before "$file"
    # shellcheck disable=SC2086 # words
    works "$what" "$WELD" $command
    is "$what: the mode stays" "$(mode "$file")" "-rw-------"
    alone "$what: nothing else is touched"
    before "$file"
    # shellcheck disable=SC2086
    WELD_FAIL="rename 1 kill" run "$FAILING" $command
    is "$what: killed before its file is in place" "$status" 137
    is "$what: what was there stays" "$(cat "$file")" before
    holds "$what: what was written waits" sh -c 'ls -A out; [ "$(ls -A out | wc -l)" = 4 ]'
    [ $what = cache ] || sweep # its file is gone on with
    # shellcheck disable=SC2086
    [ $what != cache ] || run "$WELD" $command
    alone "$what: and is gone with the next that is written there"
    before "$file"
    # shellcheck disable=SC2086
    WELD_FAIL="rename 1 5" refuses "$what: it cannot be put in place" "$file.*Input/output error" "$FAILING" $command
    is "$what: and what was there stays" "$(cat "$file")" before
    alone "$what: alone"
done

# What a run goes on from is training's alone; other checkpoints are written over.
for what in preview eval reparam quantize onnx safetensors import pack cache array bench explain; do
    file=$(file $what)
    before "$file"
    cat run/last.h5 > "$file"
    # shellcheck disable=SC2046 # words
    misused "$what: not over a checkpoint of a run" \
        "$file: is a checkpoint that training goes on from, and would be lost: name another file, or remove it" \
        "$WELD" $(arguments $what)
    holds "$what: it stays" cmp run/last.h5 "$file"
done
# Nor is one that cannot be read, or that is damaged: it may be one all the same.
for what in preview reparam safetensors array; do
    file=$(file $what)
    before "$file"
    cat run/last.h5 > "$file"
    printf '\001\002\003' | dd of="$file" bs=1 conv=notrunc seek=$(($(wc -c < "$file") / 2)) 2> /dev/null
    cp "$file" damaged
    # shellcheck disable=SC2046
    refuses "$what: not over a damaged checkpoint" \
        "$file: .*cannot tell whether a run goes on from it: name another file, or remove it" "$WELD" $(arguments $what)
    holds "$what: which stays" cmp damaged "$file"
done
for call in "open 1 13" "pread 0 5"; do # it is denied, as to who is not root; the disk fails
    before out/file
    cat run/last.h5 > out/file
    WELD_FAIL="$call" refuses "not over a file that cannot be read: $call" "^weld: out/file: cannot (open: Permission|read: Input)" \
        "$FAILING" reparam run/best.h5 -o out/file
    holds "which stays" cmp run/last.h5 out/file
done
before out/file
cat run/best.h5 > out/file
works "over the weights alone another file is written" "$WELD" reparam run/best.h5 -o out/file
for i in 1 2; do
    works "a fitted copy of a checkpoint can be written again ($i)" "$WELD" eval run/last.h5 --data photos/val --fit-temperature out/fitted
done

# Each call that writing is made of, for files that are made in the three ways.
for what in reparam pack cache; do
    command=$(arguments $what)
    file=$(file $what)
    calls="fsync lock pwrite"
    [ $what != cache ] || calls="$calls ftruncate fallocate" # of it alone
    for call in $calls; do
        before "$file"
        # shellcheck disable=SC2086
        WELD_FAIL="$call 1 5" refuses "$what: $call fails" "$file.*Input/output error" "$FAILING" $command
        is "$what: and what was there stays" "$(cat "$file")" before
        alone "$what: alone"
    done
    for call in $calls rename; do
        before "$file"
        # shellcheck disable=SC2086
        WELD_FAIL="$call 1 4" works "$what: $call is interrupted" "$FAILING" $command
        alone "$what: and all is as it would be"
    done
done

# A file system without locks.
before out/file
WELD_FAIL="lock 0 37" works "without locks files are written" "$FAILING" reparam run/best.h5 -o out/file
alone "and nothing is left"
WELD_FAIL="lock 0 37" refuses "a run wants one, and says so" \
    "none: cannot keep a second run out by a lock: No locks available: its file system cannot do this: choose a place" \
    "$FAILING" train small.yaml --out none
holds "and leaves no folder" [ ! -e none ]
WELD_FAIL="lock 0 37" refuses "a cache likewise" "cannot keep a second process out by a lock: No locks available" \
    "$FAILING" distill-cache small.yaml --teacher run/best.h5 -o cache.safetensors
holds "and leaves nothing" [ ! -e cache.safetensors.partial ]

# A run: killed before its checkpoint is in place, and gone on with.
WELD_FAIL="rename 3 kill" run "$FAILING" train small.yaml --out killed
holds "a run leaves what it was writing" sh -c 'ls killed; ls killed/*.weld-*.tmp'
works "and is gone on with" "$WELD" train small.yaml --out killed --resume
holds "after which that is gone" sh -c '! ls killed/*.tmp'
for run in run killed; do
    "$WELD" export $run/best.h5 -o $run.safetensors > stdout 2> stderr
done
same "and all is as if nothing had been" run.safetensors killed.safetensors

# Checkpoints of epochs that are to go: killed before they do.
WELD_FAIL="unlink 1 kill" run "$FAILING" train small.yaml --out pruned --set train.epochs=2 --set train.keep=1
works "a run that is to remove a checkpoint goes on" "$WELD" train small.yaml --out pruned --set train.epochs=2 --set train.keep=1 --resume
is "and has removed it" "$(echo pruned/epoch-*)" pruned/epoch-2.h5

mkdir linked
cp run/* linked
echo diary > diary
ln -sf ../diary linked/metrics.jsonl
run "$WELD" train small.yaml --out linked --resume --extend 2
is "a record that is a link is refused" "$status" 1
says "by its name" "linked/metrics.jsonl: is a link, which is not followed"
is "and what it leads to stays" "$(cat diary)" diary
finish
