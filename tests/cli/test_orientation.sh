#!/bin/sh
# Photos that are turned by their metadata, from training to the files that are made of it; and
# images that are too large. Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

# turn FROM TO: the same file with EXIF's orientation 6, "to be turned by 90 degrees".
turn() {
    {
        printf '\377\330\377\341\0\042Exif\0\0MM\0\052\0\0\0\010\0\1\1\022\0\3\0\0\0\1\0\6\0\0\0\0\0\0'
        tail -c +3 "$1"
    } > "$2"
}
"$MAKE_PHOTOS" photos 2 4 24
turn photos/class_a/0000.jpg turned.jpg
mkdir -p held/class_a held/class_b
for class in class_a class_b; do
    for i in 0 1; do turn photos/$class/000$i.jpg held/$class/$i.jpg; done
done
cat > small.yaml << 'END'
model: {name: repvit, channels: [8], depths: [1], stem_stride: 2}
data: {train: photos, val: photos, input_size: 16}
train: {epochs: 1, batch_size: 4, ema_decay: null}
END

works "train" "$WELD" train small.yaml --out run
works "look at its file" "$WELD" inspect run/last.h5
prints "photos are seen upright" "^preprocessing .*, upright by EXIF$"
works "train as pixels are stored" "$WELD" train small.yaml --out stored --set data.orientation=ignore
works "look at its file" "$WELD" inspect stored/last.h5 --json
holds "which says nothing, as those of earlier versions" sh -c '! grep -q exif stdout'

# All files that are made of a run answer alike.
works "merge" "$WELD" reparam run/last.h5 -o deploy.h5 --verify held
works "export" "$WELD" export deploy.h5 -o out.safetensors
works "export to ONNX" "$WELD" export deploy.h5 -o out.onnx
works "import" "$WELD" import out.safetensors -o back.h5
holds "ONNX says how images are prepared" grep -aq '"orientation": *"exif"' out.onnx
for file in run/last.h5 deploy.h5 out.safetensors back.h5; do
    works "inspect $file" "$WELD" inspect $file --json
    prints "it says so" '"orientation": *"exif"'
    "$WELD" predict $file turned.jpg --csv > turned.csv
    "$WELD" predict $file photos/class_a/0000.jpg --csv | sed 's,photos/class_a/0000,turned,' > plain.csv
    holds "$file: a photo that is held otherwise is seen otherwise" sh -c '[ -s turned.csv ] && ! cmp turned.csv plain.csv'
done
"$WELD" predict stored/last.h5 turned.jpg --csv > turned.csv
"$WELD" predict stored/last.h5 photos/class_a/0000.jpg --csv | sed 's,photos/class_a/0000,turned,' > plain.csv
same "a network for images as they are stored does not care" turned.csv plain.csv

# A run that began without is resumed without, by a recipe that says nothing of it.
works "go on with the run for images as they are stored" "$WELD" train small.yaml --out stored --resume --extend 2
"$WELD" predict stored/last.h5 turned.jpg --csv > turned.csv
"$WELD" predict stored/last.h5 photos/class_a/0000.jpg --csv | sed 's,photos/class_a/0000,turned,' > plain.csv
same "it stays so" turned.csv plain.csv

works "pack photos, made smaller" "$WELD" pack held -o held.h5 --size 16
works "look at them" "$WELD" check-data held.h5
prints "they still say how they are held" "^turned +4 images by the metadata, seen upright"
works "evaluate upright" "$WELD" eval deploy.h5 --data held.h5

# Too large.
works "a limit on pixels, that holds in training" "$WELD" train small.yaml --out limited --set data.max_pixels=1000000
works "is told by its files" "$WELD" inspect limited/last.h5 --json
prints "with the number" '"max_pixels": *1000000'
run "$WELD" train small.yaml --out none --set data.max_pixels=100
says "images beyond it are bad, with the way out" "pixels: the limit is 100 pixels in all .data.max_pixels of a recipe; --max-pixels"
refuses "an answer likewise" "the limit is 100 pixels" "$WELD" predict deploy.h5 turned.jpg --max-pixels 100
run "$WELD" check-data photos --max-pixels 100
prints "and a look at the data" "^broken .*the limit is 100 pixels"
misused "a limit that is none" "--max-pixels 200000000: give 178956970 at most" \
    "$WELD" predict deploy.h5 turned.jpg --max-pixels 200000000
finish
