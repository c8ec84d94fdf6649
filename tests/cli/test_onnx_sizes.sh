#!/bin/sh
# ONNX files for images that are not square, for any height and width, and of the stages' maps, of a small
# network of each family: ONNX Runtime says what weld says at each size. It is skipped where it is not
# installed.
# Arguments: the program, write_operators, a folder that may have node_modules/onnxruntime-node, and
# make_network.
MAKE_NETWORK=$(realpath "$4")
here=$(cd "$(dirname "$0")" && pwd)
. "$here/onnx.sh"
works "write operators for any size" "$WRITE_OPERATORS" .
checks "the checker accepts them" sized.onnx open
agrees "they are the same at another size" sized.onnx sized_input.npy sized_twice=sized_twice.npy \
    sized_rows=sized_rows.npy sized_map=sized_map.npy sized_boxes=sized_boxes.npy

# expect NETWORK OPTIONS...: what `weld run` says of noise of each size, as words for run_onnx.js.
expect() {
    network=$1
    shift
    for size in $sizes; do
        "$WELD" run "$network.h5" --input "noise_$size.npy" --output "$network.$size.npy" "$@" 2> stderr
        printf ' noise_%s.npy' "$size"
        for output in "$network.$size".stride*.npy; do
            [ ! -e "$output" ] || printf ' %s=%s' "$(echo "$output" | cut -d . -f 3)" "$output"
        done
        [ ! -e "$network.$size.npy" ] || printf ' logits=%s' "$network.$size.npy"
    done
}

# outputs TITLE FILE OPTIONS...: logits and maps of a file, at all of $sizes.
outputs() {
    title=$1
    file=$2
    shift 2
    rm -f ./*.stride*.npy ./*.[0-9]*x[0-9]*.npy
    words=$(expect "$net" "$@")
    # shellcheck disable=SC2086 # a list of words is meant
    agrees "$title" "$file" $words
}

while read -r net open keys; do
    # shellcheck disable=SC2086 # a list of words is meant
    works "$net: make a network" "$MAKE_NETWORK" "$net" "$net.h5" 64 $keys
    sizes="33x50 40x24"
    case $open in
        open)
            works "$net: any size" "$WELD" export "$net.h5" -o any.onnx --size dynamic
            prints "$net: it is told" "^height and width +dynamic$"
            checks "$net: the checker accepts it" any.onnx
            outputs "$net: at two sizes" any.onnx
            works "$net: maps for any size" "$WELD" export "$net.h5" -o maps.onnx --size dynamic --features
            checks "$net: the checker accepts them" maps.onnx
            outputs "$net: maps at two sizes" maps.onnx --features
            ;;
        *)
            refuses "$net: no other size than its own" "any.onnx: height and width cannot be left open: .*$open" \
                "$WELD" export "$net.h5" -o any.onnx --size dynamic
            ;;
    esac
    [ "$open" != tables ] || continue
    sizes=33x50
    works "$net: not square" "$WELD" export "$net.h5" -o fixed.onnx --size 33x50
    prints "$net: the size is told" "^height and width +33 x 50$"
    outputs "$net: what it says is the same" fixed.onnx
    works "$net: maps" "$WELD" export "$net.h5" -o maps.onnx --size 33x50 --features
    outputs "$net: maps are the same" maps.onnx --features
done << 'EOF'
repvit open channels=8,12,16 depths=1,2,1
mobilenetv3 open channels=8,6,8,6,10 depths=1,2,1,1,1 stem_channels=8 head_channels=20,16
mobilenetv3_repvit open channels=6,8,10,12 late_channels=14 depths=1,1,3,1 kernels=3,5,3,5 block=repvit expansion=2 downsampling=deep head_channels=24,20
mobilenetv3 open padding=same channels=8,6,8,6,10 depths=1,2,1,1,1 stem_channels=8 head_channels=20,16
regnety open depth=5 w0=8 wa=5 wm=1.6 group_width=6 se_ratio=0.25 stem_width=10
repvgg open channels=8,16 depths=2,3 stem_channels=8 groups=2
mobileone open channels=8,16,24 depths=1,2,2 se_layers=0,0,1 stem_channels=8 branches=3
mobilevit Reshape channels=4,8,8,8,8,8 transformer_channels=8,12,8 depths=1,2,1 expansion=2
cmt tables stem_channels=4 head_channels=16 channels=4,4,8,8 depths=1,1,2,1 mlp_ratio=2.3
EOF

# A detector.
works "make a detector" "$MAKE_NETWORK" yolo11 yolo11.h5 64 width=0.125 depth=0.25
works "export it for any size" "$WELD" export yolo11.h5 -o any.onnx --size dynamic
prints "it is told which it takes" "^height and width +dynamic, multiples of 32$"
prints "and what it gives" "^outputs +output0 \[batch, 84, any\]$"
checks "the checker accepts it" any.onnx open
finish
