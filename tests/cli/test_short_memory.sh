#!/bin/sh
# Commands in which one allocation of the process, of weld or of a library under it, finds no memory: done all the same, or an error that
# says so, with nothing half-written.
# Arguments: the program, the same with failures (failing.c), make_photos.
WELD=$(realpath "$1")
FAILING=$(realpath "$2")
MAKE_PHOTOS=$(realpath "$3")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1
export XDG_CACHE_HOME="$WORK/cache"

"$MAKE_PHOTOS" photos 2 4 16
cat > small.yaml << 'YAML'
model: {name: repvit, channels: [8], depths: [1], stem_stride: 2}
data: {train: photos, val: photos, input_size: 16}
augment: {kind: none}
train: {epochs: 1, batch_size: 4, ema_decay: null}
YAML
works "train" "$WELD" train small.yaml --out run
works "export" "$WELD" export run/best.h5 -o x.safetensors

# left_over: what a command that failed should not have left in out: anything, but that a run's folder may keep whole files.
left_over() {
    if [ ! -d out/file ]; then
        ls -A out
        return
    fi
    find out/file -empty -o -name '*.weld-*' -o -name '*.partial'
    for checkpoint in out/file/*.h5; do
        [ ! -e "$checkpoint" ] || "$WELD" inspect "$checkpoint" > inspected 2>&1 || cat inspected
    done
}

undated() { sed 's/"made":"[^"]*"//' "$1"; }

# survives NAME COMMAND...: with the failure at numbers spread over its allocations, more of them at the beginning. It writes out/file, or that with an ending.
survives() {
    name=$1
    shift
    bad=
    errors=0
    for number in 1 5 13 31 64 117 193 430 807 1360 2125 2600 3142 4450; do
        rm -rf out
        mkdir out
        WELD_FAIL="malloc $number 12" run "$FAILING" "$@"
        case $status in
        0)
            [ -n "$(ls -A out)" ] || bad="$bad $number: nothing was written;"
            [ "$1" != report ] || [ "$(undated out/file)" = "$(undated whole)" ] || bad="$bad $number: a part of the page is missing;"
            ;;
        1)
            errors=$((errors + 1))
            tail -n 1 stderr | grep -q memory || bad="$bad $number: $(tail -n 1 stderr);"
            left=$(left_over)
            [ -z "$left" ] || bad="$bad $number: left $left;"
            ;;
        *) bad="$bad $number: exit status $status;" ;;
        esac
    done
    is "$name: done, or an error of memory" "$bad" ""
    holds "$name: errors there were" test "$errors" -gt 0
}
survives train train small.yaml --threads 1 --out out/file
survives reparam reparam run/best.h5 -o out/file
survives import import x.safetensors -o out/file
survives pack pack photos -o out/file
survives distill-cache distill-cache small.yaml --teacher run/best.h5 -o out/file.safetensors

# A checkpoint with an average, of which people are told; nothing has been written by then.
works "train with an average" "$WELD" train small.yaml --set train.ema_decay=0.9 --out average
WELD_CALLS=$WORK/calls works "merge it" "$FAILING" reparam average/last.h5 --threads 1 -o whole.h5
count=$(sed -n "s/^malloc //p" calls)
bad=
number=$((count / 8))
while [ $number -lt $((count / 2)) ]; do
    rm -rf out
    mkdir out
    WELD_FAIL="malloc $number 12" run "$FAILING" reparam average/last.h5 --threads 1 -o out/file
    [ "$status" = 0 ] || [ -z "$(ls -A out)" ] || bad="$bad $number: $(tail -n 1 stderr);"
    number=$((number + 7))
done
is "what an error is said of is not there" "$bad" ""

# shows NAME ARGUMENTS...: inspect, with the failure at numbers spread over its allocations, prints all of it or says that memory is short.
shows() {
    what=$1
    shift
    WELD_CALLS=$WORK/calls works "inspect: $what" "$FAILING" inspect "$@"
    cp stdout shown
    count=$(sed -n "s/^malloc //p" calls)
    bad=
    for share in 2 5 10 25 40 50 60 70 80 85 90 93 95 97 98 99 100; do
        number=$((count * share / 100))
        WELD_FAIL="malloc $number 12" run "$FAILING" inspect "$@"
        case $status in
        0) cmp -s stdout shown || bad="$bad $number: prints other facts;" ;;
        1) tail -n 1 stderr | grep -qi memory || bad="$bad $number: $(tail -n 1 stderr);" ;;
        *) bad="$bad $number: exit status $status;" ;;
        esac
    done
    is "inspect: $what: shown, or an error of memory" "$bad" ""
}
shows "a checkpoint" run/best.h5
shows "a foreign file" x.safetensors
shows "its tensors as JSON" x.safetensors --tensors --json
shows "a recipe" run/recipe.yaml
works "report" "$WELD" report run -o whole
survives report report run -o out/file
finish
