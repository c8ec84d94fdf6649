#!/bin/sh
# ONNX files of integer networks: ONNX Runtime gives weld's bits, and makes integers of all that weld does;
# the checker of Debian's python3-onnx accepts them. Either is skipped where it is not installed; on
# processors without VNNI ONNX Runtime's sums saturate, so that nothing is compared there.
# Arguments: the program, write_integers, a folder that may have node_modules/onnxruntime-node, make_photos.
here=$(cd "$(dirname "$0")" && pwd)
MAKE_PHOTOS=$(realpath "$4")
. "$here/onnx.sh"

if [ -z "$no_runtime" ] && ! grep -qs vnni /proc/cpuinfo; then
    no_runtime="the processor has no VNNI"
fi

# runs NAME FILE NETWORK CONVOLUTIONS PRODUCTS =|~
runs() {
    if [ -n "$no_runtime" ]; then
        skip "$1" "$no_runtime"
    else
        works "$1" node "$here/run_integers.js" "$2" "$3.input.npy" "$4" "$5" "logits$6$3.logits.npy" \
            "map$6$3.map.npy"
    fi
}

export CK_FORK=no
works "write networks" "$WRITE_OPERATORS"
while read -r network convolutions products; do
    # Debian's checker knows sets up to 17.
    checks "the checker accepts it ($network)" "${network}_15.onnx"
    files=$network
    [ "$network" != repvit ] || files="$network ${network}_15"
    for file in $files; do
        case $network in
        *_float)
            runs "layers that are floats stay so ($file)" "$file.onnx" "$network" - "$products" '~' ;;
        mobilevit | cmt) # Between their softmaxes and norms some convolutions make floats.
            runs "the bits are weld's ($file)" "$file.onnx" "$network" - "$products" = ;;
        *)
            runs "the bits are weld's, all convolutions integers ($file)" "$file.onnx" "$network" \
                "$convolutions" "$products" = ;;
        esac
    done
    case $network in
    repvit | mobilenetv3)
        runs "codes around 0 are what they are taken for ($network)" "${network}_symmetric.onnx" \
            "${network}_symmetric" plain - '~' ;;
    esac
done < networks

# By the program: a network of PyTorch's, quantised on photos, for any batch.
"$MAKE_PHOTOS" photos 1 20 32
network=$FIXTURES/current.pth images=$FIXTURES/images.npy
works "quantize" "$WELD" quantize "$network" --size 32 --data photos/* -o int8.h5
works "export" "$WELD" export int8.h5 -o int8.onnx
prints "the operator set is that of GELU" "^opset +20"
works "run" "$WELD" run int8.h5 --input "$images" --output int8.npy
works "export for older readers" "$WELD" export int8.h5 --opset 15 --batch 2 -o old.onnx
checks "the checker accepts it" old.onnx
for file in int8 old; do
    if [ -n "$no_runtime" ]; then
        skip "logits are weld run's, to the bit ($file)" "$no_runtime"
    else
        works "logits are weld run's, to the bit ($file)" node "$here/run_integers.js" $file.onnx \
            "$images" - - logits=int8.npy
    fi
done
says_codes() {
    grep -aq 'weld.quantization' int8.onnx && grep -aq '"arithmetic":"weld-int8-1"' int8.onnx
}
holds "the codes are in the metadata" says_codes
works "export maps" "$WELD" export int8.h5 --features --size dynamic -o maps.onnx
works "export for TensorRT" "$WELD" export int8.h5 --for tensorrt -o tensorrt.onnx
prints "what that costs is told" "^noise of activations on noise [0-9.]+ dB below the logits"
refuses "floats have no such form" "int8 networks" "$WELD" export "$network" --size 32 --for tensorrt \
    -o none.onnx
refuses "a set without integers by channel is refused" "opset 13 suffices" "$WELD" export int8.h5 \
    --opset 12 -o none.onnx
finish
