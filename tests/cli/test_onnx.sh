#!/bin/sh
# ONNX files are what others take them for: the checker of Debian's python3-onnx accepts them, and ONNX
# Runtime (by node) says what weld says. Either is skipped where it is not installed.
# Arguments: the program, write_operators, a folder that may have node_modules/onnxruntime-node
# (scripts/test installs it).
here=$(cd "$(dirname "$0")" && pwd)
. "$here/onnx.sh"

images=$FIXTURES/images.npy
works "write every operator" "$WRITE_OPERATORS" .
cp stdout names
for file in operators operators_14 operators_17 operators_25; do
    # Debian's checker knows sets up to 17.
    [ $file = operators_25 ] || checks "the checker accepts every operator ($file)" $file.onnx
    # shellcheck disable=SC2046 # a list of words is meant
    agrees "every operator means the same ($file)" $file.onnx operators_input.npy $(sed 's/.*/&=&.npy/' names)
done

printf 'cat\nd"og\nfish\nmüsli\nowl\n' > classes.txt
for network in current legacy distillation; do
    file=$FIXTURES/$network.pth
    works "export ($network)" "$WELD" export "$file" --size 32 --classes classes.txt -o $network.onnx
    checks "the checker accepts it ($network)" $network.onnx
    agrees "logits are PyTorch's ($network)" $network.onnx "$images" "logits=$FIXTURES/$network.logits.npy"
    works "run ($network)" "$WELD" run "$file" --size 32 --input "$images" --output logits.npy
    agrees "logits are weld's ($network)" $network.onnx "$images" logits=logits.npy
done
prints_names() {
    "$python" "$here/check_onnx.py" current.onnx | grep -qF '["cat","d\"og","fish","müsli","owl"]'
}
if [ -n "$no_checker" ]; then
    skip "class names are in the metadata" "$no_checker"
else
    holds "class names are in the metadata" prints_names
fi

# Another size, batches of one and three, fixed and not.
file=$FIXTURES/distillation.pth
works "run a larger network" "$WELD" run "$file" --size 48 --input noise.npy --output logits.npy
for batch in dynamic 3 1; do
    works "export with batch $batch" "$WELD" export "$file" --size 48 --batch $batch -o large_$batch.onnx
    checks "the checker accepts batch $batch" large_$batch.onnx
done
agrees "three images in a dynamic batch" large_dynamic.onnx noise.npy logits=logits.npy
agrees "three images in a batch of three" large_3.onnx noise.npy logits=logits.npy
head -c 128 noise.npy | sed 's/(3, 3, 48, 48)/(1, 3, 48, 48)/' > one.npy
tail -c +129 noise.npy | head -c $((3 * 48 * 48 * 4)) >> one.npy
works "run one image" "$WELD" run "$file" --size 48 --input one.npy --output logits.npy
agrees "one image in a dynamic batch" large_dynamic.onnx one.npy logits=logits.npy
agrees "one image in a batch of one" large_1.onnx one.npy logits=logits.npy
if [ -n "$no_runtime" ]; then
    skip "a batch of one takes no other" "$no_runtime"
else
    run node "$here/run_onnx.js" large_1.onnx noise.npy logits=logits.npy
    says "a batch of one takes no other" "Got: 3 Expected: 1"
fi

# A merged file of weld's own, and the comparison itself.
works "merge" "$WELD" reparam "$FIXTURES/current.pth" --size 32 -o deploy.h5
works "export the merged file" "$WELD" export deploy.h5 -o deploy.onnx
agrees "a merged file gives the same" deploy.onnx "$images" "logits=$FIXTURES/current.logits.npy"
if [ -n "$no_runtime" ]; then
    skip "another network is told apart" "$no_runtime"
else
    run node "$here/run_onnx.js" deploy.onnx "$images" "logits=$FIXTURES/legacy.logits.npy"
    prints "another network is told apart" "DIFFERENT"
fi
finish
