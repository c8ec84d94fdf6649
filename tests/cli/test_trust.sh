#!/bin/sh
# How far a network is to be believed: a temperature, "none of these", and where a decision came from.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

mkdir photos
"$MAKE_PHOTOS" photos/train 3 20 40
"$MAKE_PHOTOS" photos/val 3 8 40
# Some that cannot be right, so that there is something to be unsure of.
cp photos/val/class_a/0000.jpg photos/val/class_b/wrong.jpg
cp photos/val/class_b/0001.jpg photos/val/class_c/wrong.jpg
cp photos/val/class_c/0002.jpg photos/val/class_a/wrong.jpg
cat > small.yaml << 'EOF'
model: {name: repvit, channels: [16, 24, 32], depths: [1, 1, 1], stem_stride: 2}
data: {train: photos/train, val: photos/val, input_size: 32}
augment: {kind: small, auto_augment: null, color_jitter: null, random_erasing: null, mixup: 0, cutmix: 0, hflip: 0}
optimizer: {lr: 8e-3, lr_batch: 0}
schedule: {warmup_epochs: 0}
train: {epochs: 4, batch_size: 15, seed: 3, ema_decay: 0.5}
EOF
works "train" "$WELD" train small.yaml --out run
works "fit a temperature" "$WELD" eval run/best.h5 --data photos/val --fit-temperature fitted.h5 --json
says "what it came to is said" "^fitted.h5 written: temperature [0-9.]+: on 27 images the loss goes from [0-9.]+ to [0-9.]+$"
cp stdout with.json
"$WELD" eval run/best.h5 --data photos/val --json > without.json 2> /dev/null
holds "the loss is lower with it, the accuracy the same" sh -c "
    number() { sed \"s/.*\\\"\$1\\\": *\\([0-9.]*\\).*/\\1/\" \$2; }
    [ \$(number top1 with.json) = \$(number top1 without.json) ] &&
    awk \"BEGIN {exit !(\$(number loss with.json) < \$(number loss without.json))}\""
works "it is in the file" "$WELD" inspect fitted.h5
prints "which says so" "^temperature +[0-9.]+: logits are divided by it"
"$WELD" inspect run/best.h5 --json > of_run
"$WELD" inspect fitted.h5 --json > of_fitted
holds "without the scores and the loss of what it was before" sh -c '
    grep -q "\"val_loss\"" of_run && grep -q "\"ema_top1\"" of_run &&
    ! grep -Eq "\"(ema_)?(val_loss|top1|val_images)\"" of_fitted'
holds "with all that is true of both" grep -q '"steps"' of_fitted
works "fit one with black around the images" "$WELD" eval run/best.h5 --data photos/val --crop 1.2 --fit-temperature black.h5
works "the file says so" "$WELD" inspect black.h5
prints "as all of it" "crop fraction 1.2,"
run "$WELD" eval run/best.h5 --data photos/val --crop 2.1 --fit-temperature no.h5
holds "what no file can hold is wrong usage" test "$status" = 2
run "$WELD" eval run/best.h5 --data photos/val --size 4097 --fit-temperature no.h5
holds "so is a size of that kind" test "$status" = 2
works "merging keeps it" "$WELD" reparam fitted.h5 -o merged.h5
"$WELD" inspect merged.h5 | grep '^temperature' > of_merged
"$WELD" inspect fitted.h5 | grep '^temperature' > of_fitted
same "to the last digit" of_merged of_fitted
"$WELD" predict fitted.h5 photos/val/class_a/0003.jpg > fitted.txt
"$WELD" predict merged.h5 photos/val/class_a/0003.jpg > merged.txt
"$WELD" predict fitted.h5 --key ema photos/val/class_a/0003.jpg > average.txt 2> /dev/null
"$WELD" predict run/best.h5 --key ema photos/val/class_a/0003.jpg > unfitted.txt 2> /dev/null
holds "there is a moving average" test -s average.txt
same "which has no temperature, as it was fitted to the weights" average.txt unfitted.txt
same "both give the same probabilities" fitted.txt merged.txt
works "export it" "$WELD" export merged.h5 -o merged.safetensors
"$WELD" predict merged.safetensors photos/val/class_a/0003.jpg > exported.txt
same "weights for others carry it too" exported.txt merged.txt
works "without it there are others" "$WELD" predict run/best.h5 photos/val/class_a/0003.jpg
holds "other ones" sh -c "! cmp -s stdout fitted.txt"
class=$("$WELD" predict run/best.h5 --top 1 photos/val/class_a/0003.jpg | sed -n 's/.*%  //p')
mkdir -p "one/$class"
cp photos/val/class_a/0003.jpg "one/$class"
refuses "no temperature of a network that is always right" "no temperature fits" \
    "$WELD" eval run/best.h5 --data one --fit-temperature no.h5
holds "and no file" test ! -e no.h5

works "reject nothing" "$WELD" predict merged.h5 --reject 0 photos/val/class_a/0003.jpg
holds "nothing is rejected" sh -c "! grep -q 'none of these' stdout"
works "reject all" "$WELD" predict merged.h5 --reject 1 photos/val/class_a/0003.jpg
prints "none of these" "^  none of these:$"
works "as JSON" "$WELD" predict merged.h5 --reject 1 --json photos/val/class_a/0003.jpg
prints "with a member for it" '"rejected": *true'
works "as CSV" "$WELD" predict merged.h5 --reject 1 --csv --top 1 photos/val/class_a/0003.jpg
prints "with a column for it" "^image,class,index,probability,rejected,error"
prints "which says so" "^photos/val/class_a/0003.jpg,class_.,[0-9],[0-9.e-]+,true,"
run "$WELD" predict merged.h5 --reject 2 photos/val/class_a/0003.jpg
holds "a probability above 1 is wrong usage" test "$status" = 2

for model in run/best.h5 merged.h5; do
    works "explain by $model" "$WELD" explain $model photos/val/class_b/0003.jpg -o why.png
    prints "what it decided, and where most of it is" "^why.png written: class [0-2], class_[abc], [0-9.]+ %; (most of it at [0-9]+ % from the left and [0-9]+ % from the top|no place)"
    works "the picture is one" "$WELD" predict $model why.png
done
works "explain another class" "$WELD" explain merged.h5 photos/val/class_b/0003.jpg --class class_c -o why.png
prints "that class" "^why.png written: class 2, class_c, "
refuses "a class that is not there" "--class dog: the network has no such class" \
    "$WELD" explain merged.h5 photos/val/class_b/0003.jpg --class dog -o why.png
refuses "a picture that cannot be written" "nowhere" \
    "$WELD" explain merged.h5 photos/val/class_b/0003.jpg -o nowhere/why.png
finish
