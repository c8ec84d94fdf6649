#!/bin/sh
# Where the system cannot tell what a file is like: for a moment, and nobody notices; or it stays so, and no image is lost without a word.
# Arguments: the program, the same with system calls that fail (failing.c), make_photos.
WELD=$(realpath "$1")
FAILING=$(realpath "$2")
MAKE_PHOTOS=$(realpath "$3")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1
export XDG_CACHE_HOME="$WORK/cache"

make_inputs
mkdir linked linked/class_a linked/class_b
for image in class_a/0000 class_a/0001 class_b/0000; do
    ln -s "$WORK/photos/val/$image.jpg" "linked/$image.jpg"
done

# passes NAME ERRNO COMMAND...: each of its calls of stat fails once, and what it writes, out/file, is the same.
passes() {
    what=$1
    number=$2
    shift 2
    rm -rf out cache
    mkdir out
    WELD_CALLS=$WORK/calls works "$what" "$FAILING" "$@"
    cp out/file* whole
    count=$(sed -n "s/^stat //p" calls)
    holds "$what: it looks at files" test "$count" -gt 0
    bad=
    call=1
    while [ "$call" -le "$count" ]; do
        rm -rf out cache
        mkdir out
        WELD_FAIL="stat $call $number" run "$FAILING" "$@"
        [ "$status" = 0 ] || bad="$bad $call: $(tail -n 1 stderr);"
        undated out/file* > now
        undated whole | cmp -s - now || bad="$bad $call: another file;"
        call=$((call + 1))
    done
    is "$what: error $number of one call is not noticed" "$bad" ""
}
undated() { sed -E 's/"made":"[^"]*"//' "$1"; }

passes "pack" 5 pack linked -o out/file
passes "eval" 5 eval run/best.h5 --data linked --details out/file.csv
passes "preview" 4 preview small.yaml --count 4 -o out/file.png
passes "run" 4 run run/best.h5 --input x.npy --output out/file
passes "explain" 4 explain run/best.h5 photos/val/class_a/0000.jpg -o out/file.png
passes "report" 4 report run -o out/file

# An image that a server has put anew, which has to be opened again.
WELD_CALLS=$WORK/calls works "check-data" "$FAILING" check-data linked
count=$(sed -n "s/^pread //p" calls)
holds "it reads images" test "$count" -ge 3
bad=
call=1
while [ "$call" -le "$count" ]; do
    rm -rf cache
    WELD_FAIL="pread $call 116" run "$FAILING" check-data linked
    grep -q "^images  *3: 0 broken, 0 odd, 0 skipped" stdout || bad="$bad $call: $(grep -h ^images stdout; tail -n 1 stderr);"
    call=$((call + 1))
done
is "a file put anew is opened again" "$bad" ""

# What stays, as where permission is denied on the way to a linked image.
WELD_CALLS=$WORK/calls works "check-data" "$FAILING" check-data linked
count=$(sed -n "s/^stat //p" calls)
bad=
call=1
while [ "$call" -le "$count" ]; do
    rm -rf cache
    WELD_FAIL="stat $call 13" run "$FAILING" check-data linked
    [ "$status" = 1 ] || grep -q "^images  *3: 0 broken, 0 odd, 0 skipped" stdout || bad="$bad $call: $(grep -h -e ^images -e ^skipped stdout);"
    call=$((call + 1))
done
is "no image is lost without a word" "$bad" ""

# A link that is no image by its name, to where we may not go: passed over with a word. What fails otherwise (EPERM) is an error.
mkdir old
ln -s "$WORK/old" linked/class_a/old
WELD_CALLS=$WORK/calls works "a link to a folder" "$FAILING" check-data linked
count=$(sed -n "s/^stat //p" calls)
told=
call=1
while [ "$call" -le "$count" ]; do
    for number in 13 1; do
        rm -rf cache
        WELD_FAIL="stat $call $number" run "$FAILING" check-data linked
        ! grep -q "^skipped  *class_a/old: a link that may not be followed$" stdout || told="$told $number skipped $status;"
        ! grep -q "class_a/old: cannot tell what it is" stderr || told="$told $number error $status;"
    done
    call=$((call + 1))
done
is "one that may not be followed is told, and refuses no data set" "$told" " 13 skipped 0; 1 error 1;"
rm linked/class_a/old
ln -s nowhere linked/class_a/lost.jpg
works "a link to nothing" "$WELD" pack linked -o packed
says "is called that" "a link to what is not there"
finish
