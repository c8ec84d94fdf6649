#!/bin/sh
# Images and their classes out of a CSV file, in every command that takes a data set.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

"$MAKE_PHOTOS" photos 3 6 24
mkdir flat lists
for image in photos/*/*.jpg; do
    class=$(basename "$(dirname "$image")")
    cp "$image" "flat/$class-$(basename "$image")"
done
{
    echo 'id,file,split,label'
    for image in flat/*; do
        class=$(basename "$image" | cut -d- -f1)
        echo "1,../$image,all,$class"
    done | sort -r
} > lists/train.csv
cp lists/train.csv lists/val.csv
cat > small.yaml << 'END'
model: {name: repvit, channels: [8], depths: [1], stem_stride: 2}
data: {train: photos, val: photos, input_size: 16}
augment: {repeats: 1}
train: {epochs: 2, batch_size: 6, ema_decay: null, events: false}
END
cat > teacher.yaml << 'END'
model: {name: repvit, channels: [8], depths: [1], stem_stride: 2}
data: {train: lists/train.csv, val: null, input_size: 16}
augment: {repeats: 1}
loss: {distillation: {kind: soft, teacher: folders/last.h5}}
train: {epochs: 1, batch_size: 6, ema_decay: null, events: false}
END

works "train on folders" "$WELD" train small.yaml --out folders
works "train on the list of them" "$WELD" train small.yaml --out listed --data lists
says "what is taken for what is said" "train.csv: 18 images: paths are in column 'file', classes in 'label'; passed over: 'id', 'split'"
untimed folders/metrics.jsonl > folders.jsonl
untimed listed/metrics.jsonl > listed.jsonl
same "it is the same training" folders.jsonl listed.jsonl
works "go on with it" "$WELD" train small.yaml --out listed --data lists --resume
works "a list alone, part of it set aside" "$WELD" train small.yaml --out alone --data lists/train.csv --set data.split=0.2

works "eval" "$WELD" eval folders/last.h5 --data lists/val.csv --json
cp stdout listed.json
works "eval of the folders" "$WELD" eval folders/last.h5 --data photos --json
cp stdout folders.json
same "says the same" folders.json listed.json
works "compare" "$WELD" compare folders/last.h5 listed/last.h5 --data lists/val.csv
prints "both on all images" "^18 images"
works "check-data" "$WELD" check-data lists/train.csv
prints "goes through all" "images +18: 0 broken"
works "inspect" "$WELD" inspect lists/train.csv
prints "says what it is" "a data set that a CSV file lists"
prints "and the columns" "columns +paths are in column 'file'"
works "pack" "$WELD" pack lists/train.csv -o packed.h5
works "evaluate on the packed list" "$WELD" eval folders/last.h5 --data packed.h5 --json
cp stdout packed.json
same "says the same again" packed.json listed.json
works "distill-cache" "$WELD" distill-cache teacher.yaml -o cache.safetensors
works "preview" "$WELD" preview teacher.yaml -o sheet.png --count 4

echo '1,../flat/none.jpg,all,class_a' >> lists/train.csv
refuses "a file that is not there" "lists/train.csv:20: no file '../flat/none.jpg' in lists" \
    "$WELD" check-data lists/train.csv
printf 'a.jpg;cat\n' > semicolons.csv
refuses "semicolons" "semicolons.csv:1: has one field" "$WELD" eval folders/last.h5 --data semicolons.csv
finish
