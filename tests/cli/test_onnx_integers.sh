#!/bin/sh
# ONNX files of integer networks: ONNX Runtime gives weld's bits, and makes integers of all that weld does;
# the checker of Debian's python3-onnx accepts them. Either is skipped where it is not installed; on
# processors without VNNI ONNX Runtime's sums saturate, so that nothing is compared there.
# Arguments: the program, write_integers, a folder that may have node_modules/onnxruntime-node.
here=$(cd "$(dirname "$0")" && pwd)
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
done < networks
finish
