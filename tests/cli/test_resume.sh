#!/bin/sh
# Going on with a run as a user does it, in a folder whose name a shell would take apart.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

mkdir photos
"$MAKE_PHOTOS" photos/train 2 8 32
"$MAKE_PHOTOS" photos/val 2 3 32
cat > small.yaml << 'EOF'
model: {name: repvit, channels: [8, 16], depths: [1, 1], stem_stride: 2}
data: {train: photos/train, val: photos/val, input_size: 32}
augment: {kind: small, auto_augment: null, mixup: 0}
train: {epochs: 40, batch_size: 4, ema_decay: null, eval_every: 0}
EOF
out="my run's/\$1"
"$WELD" train small.yaml --out "$out" > said 2> stderr &
pid=$!
while kill -0 $pid 2> /dev/null && ! grep -q '"step": *2' "$out/metrics.jsonl" 2> /dev/null; do sleep 0.02; done
kill -TERM $pid 2> /dev/null
wait $pid
holds "a run is stopped" grep -q "continue with weld train" said
advice=$(sed -n 's/.*continue with //p' said)
weld() { "$WELD" "$@"; }
works "what it says goes into a shell as it is" eval "$advice"
prints "and goes on to the end" "^my run's/.*: 40 epochs"
refuses "more epochs without a word" "--extend 42, .*--init 'my run'.*last.h5'" \
    "$WELD" train small.yaml --out "$out" --resume --set train.epochs=42
works "go on to more" "$WELD" train small.yaml --out "$out" --resume --extend 42
prints "it does" ": 42 epochs"
says "it says what becomes of the rate" "extended from 40 to 42 epochs: the optimizer's state goes on, the rate is [0-9.e-]+ where"
works "at other intervals" "$WELD" train small.yaml --out "$out" --resume --extend 43 --set train.eval_every=1 \
    --set train.checkpoint_every=1
mv photos/train/class_a/0000.jpg photos/train/class_b/0099.jpg
refuses "a photo that became another class's" "^weld: photos/train: its images had other names, or were in other folders, when .* into another --out" \
    "$WELD" train small.yaml --out "$out" --resume --extend 44
run "$WELD" train small.yaml --out other --extend 3
holds "only of a run that is resumed" test "$status" = 2
finish
