#!/bin/sh
# Which files of a data set are taken, and what is said of the others, in each command.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

mkdir photos
"$MAKE_PHOTOS" photos/train 3 8 40
"$MAKE_PHOTOS" photos/test 3 3 40
cat > small.yaml << 'END'
model: {name: repvit, channels: [8], depths: [1], stem_stride: 2}
data: {input_size: 16}
augment: {kind: small, repeats: 1}
train: {epochs: 1, batch_size: 8}
END

# An image is one by its contents, whatever it is called.
mv photos/train/class_a/0000.jpg photos/train/class_a/0000.JPG_large
mv photos/train/class_a/0001.jpg photos/train/class_a/photo
cp photos/train/class_b/0001.jpg photos/train/class_b/._0001.jpg
cp photos/train/class_b/0001.jpg photos/train/loose
mkdir photos/train/class_b/@eaDir
printf 'GIF89a and more' > photos/train/class_c/film.gif
echo text > photos/train/class_c/notes.txt
taken='images by their contents: 2 \(class_a/0000.JPG_large, class_a/photo\)'
over='beside the class folders: 1 \(loose\)'
works "a dry run" "$WELD" train small.yaml --data photos --dry-run
prints "all images are taken" "3 classes, 24 images to train on, 9 to evaluate"
for what in "$taken" "$over" 'hidden: 1 \(class_b/\._0001.jpg\)' \
    'left by a file server or archiver: 1 \(class_b/@eaDir\)' 'a GIF image: 1 \(class_c/film.gif\)' \
    'not an image: 1 \(class_c/notes.txt\)'; do
    says "said: $what" "$what"
done
says "that a test set stands for val is said" "there is no val: test is evaluated on while training"
works "pack" "$WELD" pack photos/train -o packed.h5
prints "takes the same" "24 images of 3 classes"
says "and says it" "$taken.*passed over: .*$over"
works "inspect" "$WELD" inspect photos/train
prints "likewise" "$taken.*passed over: .*$over"
run "$WELD" check-data photos/train
prints "check-data likewise" "^images +24: 0 broken, 0 odd, 5 skipped$"
if tar cf train.tar -C photos/train . 2> /dev/null; then
    works "an archive is the same" "$WELD" pack train.tar -o tar.h5
    prints "with as many images" "24 images of 3 classes"
    says "and it is said" "$taken.*passed over: .*a GIF image: 1"
else
    skip "an archive is the same" "no tar here"
fi
works "training" "$WELD" train small.yaml --data photos --out run
works "evaluation" "$WELD" eval run/last.h5 --data photos/train --json
prints "of the same images" '"images": 24'
says "says it too" "^note: photos/train: $taken"

# A packed file is not what the folder beside it has become.
mv packed.h5 photos/train.h5
works "a packed file beside a folder" "$WELD" train small.yaml --data photos --dry-run
says "is taken, which is said" "train.h5 is taken, not train beside it$"
sleep 0.02
cp photos/train/class_c/0001.jpg photos/train/class_c/new.jpg
works "a folder that changed since" "$WELD" train small.yaml --data photos --dry-run
says "is told" "train.h5 is taken, not train beside it, which has changed since: pack it again"
works "naming it" "$WELD" train small.yaml --data photos --set data.train=photos/train --dry-run
prints "takes it" "25 images to train on"
holds "and nothing is said" sh -c "! grep -q beside '$WORK/stderr' || grep -q 'beside the class' '$WORK/stderr'"
run "$WELD" train small.yaml --set data.train=photos --dry-run
holds "parts are no classes" test "$status" = 1
run "$WELD" train small.yaml --set data.train=photos --dry-run
says "which is said" "^weld: photos: its folders are parts of a data set \('test', 'train'\).*as photos/train"
refuses "nor are they to be packed" "^weld: photos: its folders are parts of a data set .*as photos/train" \
    "$WELD" pack photos -o parts.h5
run "$WELD" check-data photos
says "a check of both says so" "^note: photos: its folders are parts of a data set "
refuses "a class folder alone is not a data set" \
    "photos/train/class_a: holds images and no class folders.*the one above" \
    "$WELD" train small.yaml --set data.train=photos/train/class_a --dry-run

# Images that no epoch, or never one, has.
rm photos/train.h5
rm photos/train/class_c/new.jpg
run "$WELD" train small.yaml --data photos --dry-run --set train.batch_size=9
prints "images that are left out are told" "^# note: 6 of the 24 images are left out of every epoch, others each time"
run "$WELD" train small.yaml --data photos --dry-run --set train.batch_size=4 --set train.accumulate=4
prints "by accumulation too" "^# note: 8 of the 24 images are left out of every epoch"
run "$WELD" train small.yaml --data photos --dry-run --set train.batch_size=9 --set train.shuffle=false
prints "always the same ones are told" "^# note: train.shuffle false: the last 6 of the 24 images are never trained on"
run "$WELD" train small.yaml --data photos --dry-run --set augment.repeats=3 --set train.shuffle=false
prints "repeats likewise" "the last 16 of the 24 images are never trained on, for each of the others comes several times"
run "$WELD" train small.yaml --data photos --dry-run
holds "and nothing where all take part" sh -c "! grep -q 'left out\|never' '$WORK/stdout'"

# Every other command that opens a data set.
cp "$WELD_FIXTURES/images/grey16.png" photos/train/class_a/0.png
grey='photos/train: .* 16-bit grey'
weld() { "$WELD" "$@"; }
for command in "eval run/last.h5 --data photos/train" "compare run/last.h5 run/best.h5 --data photos/train" \
    "reparam run/last.h5 -o merged.h5 --verify photos/train" \
    "quantize run/last.h5 -o int8.h5 --data photos/train" \
    "export run/last.h5 -o merged.onnx --verify photos/train" \
    "export run/last.h5 -o merged.safetensors --verify photos/train" \
    "distill-cache small.yaml --data photos --teacher run/last.h5 -o cache.safetensors" \
    "train small.yaml --data photos --out again" "preview small.yaml --data photos -o sheet.png" \
    "pack photos/train -o again.h5" "check-data photos/test --against photos/train"; do
    # shellcheck disable=SC2086 # words are meant
    works "$command" weld $command
    says "says what is passed over" "photos/train: $taken.*passed over: .*$over"
    says "and what pixels lose" "$grey"
done
run "$WELD" compare run/last.h5 run/best.h5 --data photos/train
holds "two models on one data set say it once" test "$(grep -c "images by their contents" "$WORK/stderr")" = 1
works "a run that is evaluated on what it is trained on" \
    "$WELD" train small.yaml --set data.train=photos/train --set data.val=./photos/train --dry-run
says "is told so" "^weld: data.val is what is trained on"
works "of another folder" "$WELD" train small.yaml --data photos --dry-run
holds "nothing of the kind is said" sh -c '! grep "what is trained on" stderr'
# Boxes are another matter: no network learns what its data does not say.
mkdir -p boxes/images boxes/labels
cp photos/train/class_a/0002.jpg boxes/images/a.jpg
echo '0 .5 .5 .5 .5' > boxes/labels/a.txt
printf 'train: images\nval: images\nnames: [cat]\n' > boxes/data.yaml
refuses "a classifier does not learn boxes" \
    "boxes: has boxes, which networks for classification do not learn" \
    "$WELD" train small.yaml --data boxes --dry-run
echo 'model: {name: yolo11n}' > detector.yaml
refuses "nor a detector classes" "photos/train: has no boxes, which networks for detection learn" \
    "$WELD" train detector.yaml --set data.train=photos/train --dry-run
works "inspect tells the kind of annotations" "$WELD" inspect boxes/data.yaml
prints "and boxes of each class" "^    cat +1$"
finish
