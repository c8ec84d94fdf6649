#!/bin/sh
# Fine-tuning as a user does it: one command, from our own checkpoint and from other programs' weights.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
RECIPE=$WELD_SOURCE/recipes/finetune.yaml
F=$WELD_FIXTURES/weights
cd "$WORK" || exit 1

# Four classes to begin with, and two others of "one's own".
"$MAKE_PHOTOS" all 6 16 40
mkdir -p first/train mine/train mine/val
mv all/class_a all/class_b all/class_c all/class_d first/train
for c in e f; do
    mkdir "mine/val/class_$c"
    mv all/class_$c/000[0-7].jpg "mine/val/class_$c"
    mv all/class_$c mine/train
done
cat > small.yaml << 'EOF'
model: {name: repvit, channels: [16, 24], depths: [1, 1], stem_stride: 2}
data: {train: first/train, input_size: 32, mean: [0.4, 0.4, 0.4]}
augment: {kind: small, auto_augment: null, color_jitter: null, random_erasing: null, mixup: 0, cutmix: 0, repeats: 1, hflip: 0}
optimizer: {lr: 8e-3, lr_batch: 0}
schedule: {warmup_epochs: 1}
train: {epochs: 6, batch_size: 16, seed: 3, ema_decay: null}
EOF
works "train the network to start from" "$WELD" train small.yaml --out first/run
FAST="--set train.batch_size=8 --set optimizer.lr=4e-3"

# shellcheck disable=SC2086 # a list of words is meant
works "fine-tune in one command" "$WELD" train "$RECIPE" --init first/run/last.h5 --data mine --out tuned $FAST
says "it counts the tensors, and tells of the head" "first/run/last.h5: [0-9]+ tensors loaded, 2 made anew \(head: 4 -> 2 classes\), 0 unused"
says "it tells the rates of the parts" "learning rates: stem [0-9.e-]+, stage1 .*, head "
works "evaluate it" "$WELD" eval tuned/last.h5 --data mine/val --json
holds "the new classes were learned" sh -c "sed -nE 's/.*\"top1\": ?([0-9.]+).*/\1/p' stdout | awk '{ exit !(\$1 > 80) }'"
works "predict" "$WELD" predict tuned/best.h5 mine/val/class_e/0000.jpg
prints "it knows the new classes by name" "class_e"
works "inspect" "$WELD" inspect tuned/last.h5
refuses "evaluating on the old classes" "class" "$WELD" eval tuned/last.h5 --data first/train
holds "the run's recipe holds the network" grep -q "name: repvit" tuned/recipe.yaml
holds "and the preprocessing of the file" grep -q "mean: \[ *0.4, 0.4, 0.4 *\]" tuned/recipe.yaml

# On for integers, with itself as the teacher.
works "train it for integers" "$WELD" train "$WELD_SOURCE/recipes/quantize.yaml" --init tuned/best.h5 --data mine \
    --out codes --set train.batch_size=8 --set train.epochs=1
says "it tells the teacher" "teacher: tuned/best.h5"
says "and what rounding costs" "quantize: ranges by [0-9]+ images.* dB below the outputs"
works "inspect it" "$WELD" inspect codes/best.h5
prints "it tells what it was trained for" "trained for +weights of 8 bits and activations of 8"
rounded=$(sed -nE 's/.*"top1":([0-9.]+).*/\1/p' codes/metrics.jsonl)
works "quantise it" "$WELD" quantize codes/best.h5 --data mine/train --eval mine/val -o codes8.h5 --report codes8.json
prints "with what it was trained for" "^codes8.h5 written: int8, weights of 8 bits, activations of 8, as it was trained for$"
holds "which scores what the run told" grep -qE "\"top1_int8\": $rounded(\\.0)?," codes8.json
works "merge it" "$WELD" reparam codes/best.h5 -o codes.h5
works "quantise what was merged" "$WELD" quantize codes.h5 --data mine/train --eval mine/val -o merged8.h5
prints "with the same" "^merged8.h5 written: int8, .* as it was trained for$"
works "with ranges of these images in their place" "$WELD" quantize codes.h5 --data mine/train --eval mine/val -o merged8.h5 --method minmax
prints "as is named" "^merged8.h5 written: int8, all of the range of "
refuses "with what was not trained" "was not trained for integers" \
    "$WELD" quantize tuned/best.h5 --data mine/train --eval mine/val -o none.h5 --method trained

# A resumed run needs the file no more.
# shellcheck disable=SC2086
tune() { "$WELD" train "$RECIPE" --init first/start.h5 --data mine $FAST --set train.freeze=stage1 --set train.epochs=3 "$@"; }
cp first/run/last.h5 first/start.h5
works "fine-tune with a frozen stage" tune --out whole
says "it tells what is frozen" "learning rates: stem frozen, stage1 frozen, stage2 .*, head .*M of the parameters are trained"
works "fine-tune with an average" tune --out average --set train.epochs=1 \
    --set train.ema_decay=0.9999 --set train.ema_warmup=false
says "it tells that it stays what it began with" "train.ema_decay 0.9999: .* of the average is what it started from, the weights of --init"
# shellcheck disable=SC2086
"$WELD" train "$RECIPE" --init first/start.h5 --data mine $FAST --set train.freeze=stage1 --set train.epochs=3 \
    --out parts > stdout2 2> stderr2 &
pid=$!
while kill -0 $pid 2> /dev/null && ! grep -q '"step": *2' parts/metrics.jsonl 2> /dev/null; do sleep 0.02; done
kill -TERM $pid 2> /dev/null
wait $pid
rm first/start.h5
works "resume without the file that it started from" "$WELD" train parts/recipe.yaml --out parts --resume
untimed whole/metrics.jsonl > a
untimed parts/metrics.jsonl > b
same "it has the metrics of a run that never stopped" a b
works "the first command resumes too" tune --out parts --resume

# Class folders alone are enough.
works "train on class folders" "$WELD" train "$RECIPE" --init first/run/last.h5 --data mine/train --out plain --set train.epochs=1
says "it tells that nothing is left to evaluate on" "all images are trained on"

# Weights of other programs: five classes without names, PyTorch's or timm's.
SMALL="--set train.epochs=1 --set train.batch_size=8 --set data.input_size=32"
for file in current.pth nested.pth legacy.pth timm.safetensors timm_legacy.safetensors; do
    # shellcheck disable=SC2086
    works "start from $file" "$WELD" train "$RECIPE" --init "$F/$file" --data mine --out "from_$file" $SMALL
    says "$file fits but for the head" "2 made anew \(head: 5 -> 2 classes\), 0 unused"
done
# shellcheck disable=SC2086
works "start from weights with two heads" "$WELD" train "$RECIPE" --init "$F/distillation.pth" --data mine --out one_head $SMALL
says "the second head is left out" "2 made anew .*, 7 unused \(distillation head\)"
# shellcheck disable=SC2086
works "with two heads" "$WELD" train "$RECIPE" --init "$F/distillation.pth" --data mine --out two_heads $SMALL \
    --set model.distillation_head=true --set train.bn_eval=true
says "both are made anew" "4 made anew \(head: 5 -> 2 classes\), 0 unused"

# What cannot be.
refuses "another network than the recipe's" "[0-9]+ tensors do not fit: features.0.0.c.weight is \[8, 3, 3, 3\] in place of \[24, 3, 3, 3\]" \
    "$WELD" train "$RECIPE" --init first/run/last.h5 --data mine --out bad --set model.name=repvit_m0_9
refuses "no network at all" "model.name: missing: .*--init" "$WELD" train "$RECIPE" --data mine --out bad
refuses "a merged network" "is a merged network" "$WELD" train "$RECIPE" --init "$F/merged.pth" --data mine --out bad
refuses "a file that is not there" "absent.pth" "$WELD" train "$RECIPE" --init absent.pth --data mine --out bad
refuses "freezing more than there is" "has 2 stages" "$WELD" train "$RECIPE" --init first/run/last.h5 --data mine --out bad --set train.freeze=stage3
works "time a step with frozen stages" "$WELD" bench repvit_m0_6 --train --size 32 --batch 2 --steps 1 --freeze stage2
finish
