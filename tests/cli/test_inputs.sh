#!/bin/sh
# Inputs that are not square, and images that are squashed or letterboxed, from training to ONNX.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

mkdir photos
"$MAKE_PHOTOS" photos/train 3 8 40
"$MAKE_PHOTOS" photos/val 3 3 40
cat > small.yaml << 'END'
model: {name: repvit, channels: [8], depths: [1], stem_stride: 2}
data: {train: photos/train, val: photos/val}
augment: {repeats: 1}
train: {epochs: 1, batch_size: 8}
END

works "a dry run says the size" "$WELD" train small.yaml --dry-run --set 'data.input_size=[16, 32]'
prints "of the inputs" "inputs of 16 x 32; "
prints "as a list" "input_size: \[ *16, 32 *\]|input_size: \[16, 32\]"
cp stdout resolved.yaml
works "what is printed is a recipe" "$WELD" train resolved.yaml --dry-run
prints "of the same size" "inputs of 16 x 32; "
works "two numbers are read, too" "$WELD" train small.yaml --dry-run --set data.input_size=16x32
prints "height first" "inputs of 16 x 32; "
works "one number is square" "$WELD" train small.yaml --dry-run --set data.input_size=16
prints "and stays one" "input_size: 16$"
refuses "three numbers are too many" "input_size" "$WELD" train small.yaml --dry-run --set 'data.input_size=[1, 2, 3]'
refuses "several sizes are square" "data.sizes: are of square images" "$WELD" train small.yaml --dry-run \
    --set 'data.input_size=[16, 32]' --set 'data.sizes=[16, 32]'
cat > cmt.yaml << 'END'
model: {name: cmt_ti}
data: {train: photos/train, input_size: [64, 96]}
END
refuses "tables of positions too" "data.input_size: cmt_ti has tables of positions, which are for square images" \
    "$WELD" train cmt.yaml --dry-run

set -- --set 'data.input_size=[16, 32]' --set data.resize=letterbox --set 'data.padding=[10, 20, 30]'
works "train" "$WELD" train small.yaml --out run "$@"
says "size and padding are said" "inputs of 16 x 32, letterbox on 10,20,30; "
works "resume" "$WELD" train small.yaml --out run --resume "$@"
works "preview" "$WELD" preview small.yaml -o sheet.png --count 4 "$@"
works "evaluate" "$WELD" eval run/last.h5 --data photos/val --json
prints "with what the file keeps" '"input_size": \[16, 32\], "resize": "letterbox", "crop_fraction": 1.0'
works "inspect" "$WELD" inspect run/last.h5
prints "says it" "size 16 x 32, letterbox on 10,20,30, crop fraction 1,"
prints "with multiply-adds of that size" "at 16 x 32"
works "merge" "$WELD" reparam run/last.h5 -o deploy.h5 --verify photos/val
"$WELD" predict run/last.h5 photos/val --csv -k 1 | cut -d, -f 1,2,3 > unmerged
"$WELD" predict deploy.h5 photos/val --csv -k 1 | cut -d, -f 1,2,3 > merged
same "the merged network answers the same" unmerged merged
"$WELD" predict deploy.h5 photos/val/class_a/0000.jpg --csv > own
"$WELD" predict deploy.h5 photos/val/class_a/0000.jpg --csv --size 16x32 --resize letterbox > stated
same "stating what the file says changes nothing" own stated
"$WELD" predict deploy.h5 photos/val/class_a/0000.jpg --csv --size 32x16 > turned
holds "another size does" sh -c '! cmp -s own turned'
"$WELD" predict deploy.h5 photos/val/class_a/0000.jpg --csv --resize squash > squashed
holds "and another way to fit" sh -c '! cmp -s own squashed'
works "export" "$WELD" export deploy.h5 -o out.safetensors
"$WELD" predict out.safetensors photos/val --csv -k 1 | cut -d, -f 1,2,3 > exported
same "the exported file is prepared for likewise" merged exported
works "an ONNX file" "$WELD" export deploy.h5 -o out.onnx
works "bench" "$WELD" bench deploy.h5 --size 32x48 --steps 1 --json
prints "at another size" '"size": \[32, 48\]'
works "bench a network by name" "$WELD" bench repvit_m0_6 --size 32x64 --steps 1
prints "says both sides" "32 x 64, threads"
works "go on from it" "$WELD" train small.yaml --out next --init run/best.h5
says "with the same inputs" "inputs of 16 x 32, letterbox on 10,20,30; "
works "an evaluation at several sizes" "$WELD" eval deploy.h5 --data photos/val --size 16x32,32,32x64
prints "names each" "^size 16 x 32, letterbox on 10,20,30, crop 1, bicubic: "
prints "and each" "^size 32, letterbox"
run "$WELD" eval deploy.h5 --data photos/val --size 16x
holds "half a size is wrong usage" test "$status" = 2
works "a crop is the usual" "$WELD" train small.yaml --out plain --set data.input_size=16
works "which older programs read" "$WELD" inspect plain/last.h5 --json
prints "as ever" '"preprocessing": \{"input_size": 16, "resize": "crop", "crop_fraction": 0.875'
finish
