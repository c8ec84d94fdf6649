# Tests of ONNX files: source this in the place of tap.sh, with `here` set to this folder. It takes the
# arguments: the program, write_operators, a folder that may have node_modules/onnxruntime-node
# (scripts/test installs it).
WELD=$(realpath "$1")
WRITE_OPERATORS=$(realpath "$2")
export NODE_PATH="${WELD_ONNXRUNTIME:-$3}/node_modules:${NODE_PATH:-}"
FIXTURES=$WELD_FIXTURES/weights
. "$here/tap.sh"
cd "$WORK" || exit 1

python=/usr/bin/python3
no_checker=""
if ! "$python" -c 'import onnx' > /dev/null 2>&1; then
    no_checker="python3-onnx is not installed"
fi
no_runtime=""
if ! command -v node > /dev/null; then
    no_runtime="node is not installed"
elif ! node -e 'require.resolve("onnxruntime-node")' > /dev/null 2>&1; then
    no_runtime="node has no onnxruntime-node: scripts/test installs it, with a network"
fi

# checks NAME FILE [open]: the checker accepts it, and infers a shape for every value (but where shapes
# are computed).
checks() {
    if [ -n "$no_checker" ]; then
        skip "$1" "$no_checker"
    else
        works "$1" "$python" "$here/check_onnx.py" "$2" ${3:+"$3"}
    fi
}

# agrees NAME FILE INPUT OUTPUT=EXPECTED...: ONNX Runtime gives the expected.
agrees() {
    if [ -n "$no_runtime" ]; then
        skip "$1" "$no_runtime"
    else
        name=$1
        shift
        works "$name" node "$here/run_onnx.js" "$@"
    fi
}
