#!/bin/sh
# A signal that ends a command while it writes leaves nothing half-written, and who waits for the
# command sees that signal. Arguments: the program, make_photos, make_network.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
MAKE_NETWORK=$(realpath "$3")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

# ended SIGNAL STATUS PATTERN COMMAND...: the signal, sent as soon as a file beside its final place
# (PATTERN) is there, ended the command. Where the command was faster it is tried again.
ended() {
    signal=$1 expected=$2 pattern=$3
    shift 3
    what="$1, SIG$signal"
    tries=0
    status=0
    while [ "$status" = 0 ] && [ $tries -lt 50 ]; do
        tries=$((tries + 1))
        rm -rf out
        mkdir out
        [ "$1" = predict ] || echo before > out/file
        # Shells start what runs beside them with SIGINT ignored, and this test may run under nohup.
        env --default-signal=INT,HUP "$WELD" "$@" > said 2>&1 < /dev/null &
        pid=$!
        # shellcheck disable=SC2086 # a pattern is meant
        until [ -e $pattern ] 2> silent || ! kill -0 $pid 2> silent; do :; done
        kill -"$signal" $pid 2> silent
        wait $pid 2> silent
        status=$?
    done
    holds "$what: ends it" sh -c "cat said; [ $status = $expected ]"
    holds "$what: nothing is left beside" sh -c '! find out | grep -E "\.(tmp|partial)$"'
}
untouched() {
    holds "$what: what was there stays" [ "$(cat out/file)" = before ]
}

if ! env --default-signal=INT,HUP true 2> stderr; then
    skip "signals" "env knows no --default-signal"
    finish
fi
"$MAKE_NETWORK" repvit_m0_6 net.h5 32
"$MAKE_NETWORK" yolo11n detector.h5 64
works "a file to import" "$WELD" export net.h5 -o net.safetensors
mkdir photos
"$MAKE_PHOTOS" photos 3 30 48

import="import net.safetensors --size 32 -o out/file"
# shellcheck disable=SC2086 # lists of words are meant
for signal in "INT 130" "TERM 143" "HUP 129"; do
    ended $signal "out/file.weld-*.tmp" $import
    untouched
done
ended TERM 143 "out/file.safetensors.weld-*.tmp" export net.h5 -o out/file.safetensors
ended INT 130 "out/file.weld-*.tmp" pack photos -o out/file
untouched
# Between two files there may be nothing to remove, but none must be left.
ended HUP 129 "out/*.tmp" predict detector.h5 photos/class_a --draw out
ended INT 130 "out/0002.png" predict detector.h5 photos/class_a --draw out --csv
holds "predict: the answers of images that are drawn are told, to the end of a line" \
    sh -c "grep -q class_a/0001 said && [ -z \"\$(tail -c 1 said)\" ]"

# Before a run has begun there is nothing to be saved. The network is so deep that it is planned when
# the signal comes.
cat > deep.yaml <<'END'
model: {name: repvit, channels: [8, 16], depths: [1000, 1000]}
data: {train: photos, input_size: 32}
train: {epochs: 1, batch_size: 2}
END
env --default-signal=INT,HUP "$WELD" train deep.yaml --out run > said 2>&1 < /dev/null &
pid=$!
sleep 0.3
kill -TERM $pid
wait $pid 2> silent
holds "train: a signal ends the planning of a network" [ $? = 143 ]
holds "train: before it has begun" sh -c '! grep "writing to" said && [ ! -e run/last.h5 ]'

# A run that has begun ends its step. Of SIGHUP, which a shell sends too when its terminal closes, and
# of SIGXCPU a second one says nothing new. Without a signal these runs would take half an hour.
cat > small.yaml <<'END'
model: {name: repvit, channels: [8, 16], depths: [1, 1]}
data: {train: photos, input_size: 32}
augment: {kind: small}
train: {epochs: 100000, batch_size: 30}
END
for signal in "HUP 129" "XCPU 152" "USR2 140"; do
    sent=${signal% *}
    env --default-signal=INT,HUP "$WELD" train small.yaml --out "$sent" > said 2>&1 < /dev/null &
    pid=$!
    until grep -q "writing to" said || ! kill -0 $pid 2> silent; do :; done
    kill -"$sent" $pid
    [ "$sent" = USR2 ] || kill -"$sent" $pid
    wait $pid 2> silent
    holds "train: SIG$sent ends it after its step" [ $? = "${signal#* }" ]
    holds "train: SIG$sent: it can be resumed" sh -c "cat said; [ -s $sent/last.h5 ]"
done
(trap '' HUP && exec "$WELD" train small.yaml --out kept --set train.epochs=2) > said 2>&1 &
pid=$!
until grep -q "writing to" said || ! kill -0 $pid 2> silent; do :; done
kill -HUP $pid
wait $pid
holds "train: under nohup a closed terminal ends nothing" [ $? = 0 ]

# What is ignored stays so: the program goes on when the terminal is gone (nohup).
rm -rf out
mkdir out
# shellcheck disable=SC2086
(trap '' HUP && exec "$WELD" $import) > said 2>&1 &
pid=$!
# shellcheck disable=SC2144 # there is one at most
until [ -e out/file.weld-*.tmp ] || ! kill -0 $pid 2> silent; do :; done
kill -HUP $pid 2> silent
wait $pid
holds "a signal that is ignored ends nothing" [ $? = 0 ]
works "what it wrote is whole" "$WELD" inspect out/file
finish
