#!/bin/sh
# 16-bit grey from training to the files that are made of it: how it becomes 8-bit goes along.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
FIXTURES=$(realpath "$WELD_FIXTURES")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

"$MAKE_PHOTOS" photos 2 4 24
for class in class_a class_b; do cp "$FIXTURES/images/grey16_full.png" photos/$class/; done
cat > deep.yaml << 'END'
model: {name: repvit, channels: [8], depths: [1], stem_stride: 2}
data: {train: photos, val: photos, input_size: 16, scale16: 65535}
augment: {repeats: 1}
train: {epochs: 1, batch_size: 4, ema_decay: null}
END

works "train with all of the range" "$WELD" train deep.yaml --out run
says "which is told at the start" "inputs of 16, 16-bit grey up to 65535"
holds "with no word of loss" sh -c '! grep -q "is white" stderr'
works "train as Pillow has it" "$WELD" train deep.yaml --out clipped --set data.scale16=255
says "what is lost is told, and the way out" "from 0 to 65535: all above 255 is white, as in Pillow, which is 99.* data.scale16"
refuses "a value below 8 bits" "data.scale16: 254 is out of range: give 255 to 65535" \
    "$WELD" train deep.yaml --out no --set data.scale16=254
works "merge" "$WELD" reparam run/last.h5 -o deploy.h5 --verify photos
works "export" "$WELD" export deploy.h5 -o out.safetensors
works "export to ONNX" "$WELD" export deploy.h5 -o out.onnx
works "import" "$WELD" import out.safetensors -o back.h5
for file in run/last.h5 deploy.h5 out.safetensors back.h5; do
    works "inspect $file" "$WELD" inspect $file --json
    prints "it keeps the value" '"scale16": *65535'
done
holds "so does ONNX" grep -aq '"scale16": *65535' out.onnx
works "the clipped run" "$WELD" inspect clipped/last.h5 --json
holds "says nothing of it but in its recipe, as ever" sh -c '! grep -q "\"scale16\"" stdout'

for file in deploy.h5 out.safetensors back.h5; do
    "$WELD" predict $file photos/class_a/grey16_full.png --csv > $file.csv
    same "the same answer by $file" deploy.h5.csv $file.csv
done
"$WELD" inspect photos/class_a/grey16_full.png > image.txt
holds "an image says its range" grep -q "from 0 to 65535" image.txt

# Weights of which nobody knows how images are prepared.
sed 's/weld\.checksum/else.checksum/; s/weld\.preprocessing/weld.preprocessinG/' out.safetensors > foreign.safetensors
"$WELD" predict foreign.safetensors photos/class_a/grey16_full.png --csv --size 16 --crop 0.875 > clipped.csv
works "state it" "$WELD" predict foreign.safetensors photos/class_a/grey16_full.png --csv --size 16 --crop 0.875 --scale16 65535
cp stdout stated.csv
holds "it matters" sh -c '! cmp -s clipped.csv stated.csv'
same "and it is what the file had said" deploy.h5.csv stated.csv
refuses "a value that is none" "scale16 is 70000: it must be in 255..65535" \
    "$WELD" predict foreign.safetensors photos/class_a/grey16_full.png --scale16 70000
refuses "what a file says is not to be said otherwise" "scale16 65535, .*are in the file" \
    "$WELD" predict deploy.h5 photos/class_a/grey16_full.png --scale16 4095

works "pack" "$WELD" pack photos -o packed.h5 --size 16 --scale16 65535
holds "without a note" sh -c '! grep -q "is white" stderr'
works "evaluate on it" "$WELD" eval deploy.h5 --data packed.h5
refuses "not by a model of another value" "packed.h5: was packed with --scale16 65535, but images are to be read with 255" \
    "$WELD" eval clipped/last.h5 --data packed.h5
works "pack as Pillow has it" "$WELD" pack photos -o lost.h5 --size 16
says "what is lost is told" "all above 255 is white"
run "$WELD" pack photos -o no.h5 --scale16 65535
holds "without --size there is nothing to scale" test "$status" = 2
finish
