#!/bin/sh
# A file of a network of integers, in all commands that take files of networks.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

mkdir photos
"$MAKE_PHOTOS" photos/train 3 16 40
"$MAKE_PHOTOS" photos/val 3 8 40
cat > small.yaml << 'EOF2'
model: {name: repvit, channels: [16, 24, 32], depths: [1, 1, 1], stem_stride: 2}
data: {train: photos/train, val: photos/val, input_size: 32}
augment: {kind: none}
optimizer: {lr: 8e-3, lr_batch: 0}
schedule: {warmup_epochs: 1}
train: {epochs: 12, batch_size: 16, seed: 3, ema_decay: null}
EOF2
works "train" "$WELD" train small.yaml --out run
works "merge" "$WELD" reparam run/last.h5 -o deploy.h5
works "quantise" "$WELD" quantize run/last.h5 --data photos/train -o int8.h5
holds "it is smaller" test "$(wc -c < int8.h5)" -lt "$(wc -c < deploy.h5)"

works "predict" "$WELD" predict int8.h5 photos/val/class_a/0000.jpg
prints "a class and its probability" "class_[abc]"
works "evaluate" "$WELD" eval int8.h5 --data photos/val --json
top1=$(sed -n 's/.*"top1": *\([0-9.]*\).*/\1/p' stdout)
holds "it knows the classes" awk -v "right=$top1" 'BEGIN {exit !(right > 90)}'
works "compare both" "$WELD" compare deploy.h5 int8.h5 --data photos/val

# Arrays: the same bits whatever the number of threads and the instructions.
printf '\223NUMPY\001\000v\000%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3, 32, 32), }" > in.npy
awk 'BEGIN {srand(3); for (i = 0; i < 61440; i++) printf "%c", 1 + int(rand() * 62)}' | head -c 61440 > body
cat body >> in.npy
works "run" "$WELD" run int8.h5 --input in.npy --output one.npy --threads 1
works "run with more threads" "$WELD" run int8.h5 --input in.npy --output seven.npy --threads 7
same "with the same bits" one.npy seven.npy
works "run in plain C" env WELD_ISA=ref "$WELD" run int8.h5 --input in.npy --output ref.npy
same "with the same bits" one.npy ref.npy
works "run with maps" "$WELD" run int8.h5 --input in.npy --output maps --features
holds "they are there" test -s maps.stride8.npy
works "run with dequantised weights" "$WELD" run int8.h5 --input in.npy --output fp32.npy --precision fp32
works "export those" "$WELD" export int8.h5 -o floats.safetensors --float
works "run these" "$WELD" run floats.safetensors --input in.npy --output again.npy --size 32
same "which are the same" fp32.npy again.npy
{ head -c 128 in.npy; head -c 20000 body; printf '\000\000\300\177'; tail -c +20005 body; } > nan.npy
refuses "run with an image that is not finite" "images\[1\]: the network's logits are not finite" "$WELD" run int8.h5 --input nan.npy --output nan.out.npy
works "run at another size" "$WELD" bench int8.h5 --size 64 --steps 1

works "inspect" "$WELD" inspect int8.h5
prints "the form" "^form +merged, for deployment, int8$"
prints "values with codes" "^codes +[0-9]+ values of 8 bits"
prints "float layers" "^float layers +none$"
works "inspect as JSON" "$WELD" inspect int8.h5 --json
prints "scales and zero points" '"scale": *[0-9.e-]+, *"zero": *[0-9]+'
works "its graph" "$WELD" inspect int8.h5 --graph
prints "of integers" "conv2d_codes\(.* codes=[0-9.e-]+@[0-9]+"
works "its tensors" "$WELD" inspect int8.h5 --tensors
prints "with their types" "features.0.0.weight +i8 "
works "bench" "$WELD" bench int8.h5 --steps 1 --profile
prints "in operations, two a multiply-add as of floats" "inference, int8, .* GOP/s"
prints "the limit of integers too" "^limits of .* GFLOP/s fp32.*, [1-9][0-9]+ GOP/s int8 products, "
prints "and how near it operators are" "operator +nodes +ms +share +GOP/s +GB/s +of limit"
prints "a row an operator" "^conv2d_codes "
works "bench its weights as floats" "$WELD" bench int8.h5 --steps 1 --precision fp32
prints "in fp32" "inference, fp32, .* GFLOP/s"

refuses "bench a file that there is not" "nosuch.h5: cannot open: " "$WELD" bench nosuch.h5
refuses "bf16" "int8.h5: the network is int8: bf16 is for networks of floats" \
    "$WELD" predict int8.h5 photos/val/class_a/0000.jpg --precision bf16
refuses "bf16 in bench" "int8.h5: the network is int8: bf16" "$WELD" bench int8.h5 --precision bf16
refuses "the time of a training step" "int8.h5: the network is int8, .*of the file that it was made of" \
    "$WELD" bench int8.h5 --train --steps 1
refuses "also on more threads than there are" "int8.h5: the network is int8, " "$WELD" bench int8.h5 --train --simulate-threads 2 --steps 1
refuses "merging" "int8.h5: the network is int8: merge the file that it was made of" "$WELD" reparam int8.h5 -o x.h5
refuses "safetensors" "the network is int8: .*--float" "$WELD" export int8.h5 -o x.safetensors
refuses "training from it" "int8.h5: is a merged network: give the file that it was made of" \
    "$WELD" train small.yaml --init int8.h5 --out other
refuses "explaining" "the network is int8: .*explain the file that it was made of" \
    "$WELD" explain int8.h5 photos/val/class_a/0000.jpg -o x.png
holds "nothing was written" test ! -e x.h5 -a ! -e x.safetensors -a ! -e x.png

head -c 3000 int8.h5 > cut.h5
refuses "a file that is cut" "cut.h5" "$WELD" inspect cut.h5
finish
