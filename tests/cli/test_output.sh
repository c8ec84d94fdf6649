#!/bin/sh
# What a command prints, or writes, and nobody gets: a full disk, a reader that is gone, a limit on the size of files. Each is exit status 1,
# for every command that `weld --help` names, and all but the reader's going a line.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

make_inputs

# The arguments of each command, in small; OUT is what it writes, where it writes something.
arguments() {
    case $1 in
    train) echo "small.yaml --out OUT" ;;
    preview) echo "small.yaml --count 4 -o OUT.png" ;;
    eval) echo "run/best.h5 --data photos/val --details OUT.json" ;;
    predict) echo "run/best.h5 photos/val/class_a/0000.jpg" ;;
    run) echo "run/best.h5 --input x.npy --features --output OUT.npy" ;;
    reparam) echo "run/best.h5 -o OUT.h5" ;;
    quantize) echo "run/best.h5 --data photos/train --eval photos/val --images 4 -o OUT.h5" ;;
    export) echo "run/best.h5 -o OUT.onnx" ;;
    import) echo "x.safetensors -o OUT.h5" ;;
    pack) echo "photos/train -o OUT.h5" ;;
    distill-cache) echo "small.yaml --teacher run/best.h5 -o OUT.safetensors --views 2" ;;
    check-data) echo "photos/train" ;;
    bench) echo "run/best.h5 --steps 1 --trace OUT.json" ;;
    inspect) echo "run/best.h5 --tensors" ;;
    report) echo "run -o OUT.html" ;;
    models) echo ;;
    compare) echo "run/best.h5 run/last.h5 --data photos/val" ;;
    explain) echo "run/best.h5 photos/val/class_a/0000.jpg -o OUT.png" ;;
    esac
}

# A pipe without a reader, as file descriptor 4.
mkfifo pipe
# shellcheck disable=SC2094 # that it is one pipe is the point
exec 3<> pipe 4> pipe 3<&-

# lost NAME REASON: the last command failed for it, and said so.
lost() {
    [ "$status" = 1 ] && grep -q "^weld: what was printed could not be written: $2" stderr
    report $? "$1"
}

# unread NAME: the last command's reader had gone, of which nothing is said.
unread() {
    [ "$status" = 1 ] && ! grep -qi "written\|broken pipe" stderr
    report $? "$1"
}

commands=$("$WELD" --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')
for command in $commands; do
    holds "$command: its arguments are known here" sh -c "echo '$(arguments "$command")' | grep -q . || [ $command = models ]"
    rm -rf OUT*
    # shellcheck disable=SC2046 # words
    set -- "$command" $(arguments "$command")
    works "$command" "$WELD" "$@"
    if [ -s stdout ]; then
        rm -rf OUT*
        "$WELD" "$@" > /dev/full 2> stderr
        status=$?
        lost "$command: a full disk" "No space left on device"
        rm -rf OUT*
        "$WELD" "$@" >&4 2> stderr
        status=$?
        unread "$command: a reader that is gone"
    fi
    rm -rf OUT*
    case $* in *OUT*)
        (ulimit -f 1; run "$WELD" "$@"; echo "$status" > status)
        [ "$(cat status)" = 1 ] && grep -q '^weld: .*File too large' stderr
        report $? "$command: a limit on the size of files"
        [ "$command" = train ] || holds "$command: nothing is left" sh -c '! ls -d OUT*'
        ;;
    esac
    "$WELD" "$command" --help > /dev/full 2> stderr
    status=$?
    lost "$command --help: a full disk" "No space left on device"
done
for option in --help --version "--version --verbose"; do
    # shellcheck disable=SC2086 # words
    "$WELD" $option > /dev/full 2> stderr
    status=$?
    lost "$option: a full disk" "No space left on device"
done
for option in --graph --dot; do
    "$WELD" inspect run/best.h5 $option > /dev/full 2> stderr
    status=$?
    lost "inspect $option: a full disk" "No space left on device"
    is "which one line says" "$(wc -l < stderr)" 1
    first=$("$WELD" inspect run/best.h5 $option 2> stderr | head -n 1)
    holds "inspect $option: its first line" test -n "$first"
    holds "by itself" test ! -s stderr
    "$WELD" inspect run/best.h5 $option >&4 2> stderr
    status=$?
    unread "inspect $option: a reader that is gone"
done
"$WELD" predict run/best.h5 nowhere.jpg >&- 2> said
status=$?
holds "nothing printed needs no output" sh -c "[ $status = 1 ] && [ \$(wc -l < said) = 1 ]"

# What is read is not written over, under whatever name.
# keeps FILE COMMAND...: wrong usage, said, with FILE as it was.
keeps() {
    file=$1
    shift
    cp "$file" before
    run "$WELD" "$@"
    [ "$status" = 2 ] && grep -q "which would be lost: choose another" stderr && cmp -s before "$file"
    report $? "$1: $file stays"
}
ln -s run/best.h5 link.h5
keeps run/best.h5 reparam run/best.h5 -o run/best.h5
keeps run/best.h5 reparam link.h5 -o ./run/best.h5
keeps run/best.h5 eval run/best.h5 --data photos/val --fit-temperature link.h5
keeps run/best.h5 bench run/best.h5 --steps 1 --trace run/best.h5
cp run/best.h5 best.safetensors # whose ending says nothing here
keeps best.safetensors distill-cache small.yaml --teacher best.safetensors -o best.safetensors
keeps x.safetensors export x.safetensors -o x.safetensors
keeps x.safetensors import x.safetensors -o x.safetensors
keeps x.npy run run/best.h5 --input x.npy --output x.npy
keeps small.yaml preview small.yaml -o small.yaml
keeps photos/val/class_a/0000.jpg explain run/best.h5 photos/val/class_a/0000.jpg -o photos/val/class_a/0000.jpg
# Nor is a file of the data set that is named by its folder; what was written before is.
# spares FILE COMMAND...: a failure, said, with FILE as it was.
spares() {
    file=$1
    shift
    cp "$file" before
    run "$WELD" "$@"
    [ "$status" = 1 ] && grep -q "is a file of the data set that is read" stderr && cmp -s before "$file"
    report $? "$1: $file of the data set stays"
}
image=photos/val/class_a/0000.jpg
spares $image eval run/best.h5 --data photos/val --details $image
spares $image eval run/best.h5 --data photos/val --fit-temperature $image
spares $image reparam run/best.h5 --verify photos/val -o $image
spares photos/train/class_a/0000.jpg preview small.yaml -o photos/train/class_a/0000.jpg
spares $image pack photos/val -o $image
for file in best.h5 metrics.jsonl recipe.yaml; do
    cp run/$file before
    refuses "a report does not take the place of $file" "run/$file: is there and is no page" \
        "$WELD" report run -o run/$file
    same "which stays" before run/$file
done
works "a report" "$WELD" report run -o page.html
works "is written over" "$WELD" report run -o page.html
works "results are written over" "$WELD" eval run/best.h5 --data photos/val --details again.json
works "as often as one likes" "$WELD" eval run/best.h5 --data photos/val --details again.json
run "$WELD" eval run/best.h5 --data photos/val --details one --confusion one
[ "$status" = 2 ] && [ ! -e one ]
report $? "nor are two files written under one name"

# An option that has nothing to do is one that was meant otherwise.
# idle COMMAND...: wrong usage, said.
idle() {
    run "$WELD" "$@"
    [ "$status" = 2 ] && grep -q "^weld $1: --" stderr
    report $? "$* has nothing to do"
}
idle train small.yaml --out idle --key ema
idle preview small.yaml -o idle.png --key ema
idle bench run/best.h5 --by-node
idle bench run/best.h5 --freeze stem
idle bench run/best.h5 --recompute block
idle bench run/best.h5 --simulate-threads 0
idle bench run/best.h5 --simulate-threads 2,,4
idle bench run/best.h5 --simulate-threads 4 --threads 2
idle pack photos/train -o idle.h5 --split t10k
idle pack photos/train -o idle.h5 --classes small.yaml
finish
