#!/bin/sh
# Files for other programs: what is written, what it says, and that nothing is left after an error.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1
F=$WELD_FIXTURES/weights

# close NAME A.npy B.npy: the same logits to 1e-4 of the largest (headers are of 128 bytes).
close() {
    tail -c +129 "$2" | od -An -v -w4 -t f4 > a
    tail -c +129 "$3" | od -An -v -w4 -t f4 > b
    holds "$1" sh -c "paste a b | awk '
        { x = \$1 < 0 ? -\$1 : \$1; d = \$1 - \$2; d = d < 0 ? -d : d
          if (x > largest) largest = x; if (d > worst) worst = d }
        END { exit !(NR == 10 && largest > 0 && worst <= 1e-4 * largest) }'"
}

# Classes are those of make_photos' folders.
mkdir photos
"$MAKE_PHOTOS" photos 5 2 32
printf 'class_a\nclass_b\nclass_c\nclass_d\nclass_e\n' > names.txt
works "import a network with its names" "$WELD" import "$F/distillation.pth" --classes names.txt --size 32 -o net.h5

works "export" "$WELD" export net.h5 -o net.safetensors --verify photos
prints "the form is merged unless asked otherwise" "^form +merged"
prints "names are official unless asked otherwise" "^names +official"
prints "the written file is compared on the images" "^verified on 10 images: largest difference .*; same class for 10"
prints "top-1 is told" "^top-1"
works "run what was exported" "$WELD" run net.safetensors --input "$F/images.npy" --output y.npy
close "it gives PyTorch's logits" "$F/distillation.logits.npy" y.npy
works "inspect it" "$WELD" inspect net.safetensors
prints "classes travel" "class_a, class_b, class_c, class_d, class_e"
prints "preprocessing travels" "size 32"

works "export the training form with timm's names" "$WELD" export net.h5 -o timm.safetensors --form training --names timm
prints "without images noise is compared" "^verified on 32 images of noise: largest difference 0 "
works "run the training form" "$WELD" run timm.safetensors --input "$F/images.npy" --output y.npy
close "the training form gives PyTorch's logits" "$F/distillation.logits.npy" y.npy
works "evaluate it" "$WELD" eval timm.safetensors --data photos
works "export a file of another program directly" "$WELD" export "$F/timm_legacy.safetensors" --size 32 -o legacy.safetensors
works "run it" "$WELD" run legacy.safetensors --input "$F/images.npy" --output y.npy
close "that gives PyTorch's logits too" "$F/timm_legacy.logits.npy" y.npy

# There and back: the training form in both namings, and weld's own file again.
works "export under official names" "$WELD" export net.h5 -o a.safetensors --form training
works "export that under timm's" "$WELD" export a.safetensors -o b.safetensors --form training --names timm
same "the way does not matter" b.safetensors timm.safetensors
works "and that under official names" "$WELD" export b.safetensors -o back.safetensors --form training
same "is what it was" a.safetensors back.safetensors

works "merge" "$WELD" reparam net.h5 -o deploy.h5
works "export what is merged already" "$WELD" export deploy.h5 -o c.safetensors
works "run that" "$WELD" run c.safetensors --input "$F/images.npy" --output y.npy
close "it is the same network" "$F/distillation.logits.npy" y.npy
works "export as ONNX" "$WELD" export net.h5 -o net.onnx --verify photos
prints "the batch is dynamic unless asked otherwise" "^batch +dynamic"
prints "the merged network is compared, which is told from the file" "^merging verified on 10 images"
prints "that is not" "^the ONNX file itself was not run: compare its logits"
works "export as ONNX with a fixed batch" "$WELD" export deploy.h5 -o fixed.onnx --batch 7
prints "the batch is told" "^batch +7$"

works "export as ONNX of another operator set" "$WELD" export net.h5 -o net.onnx --opset 13
prints "the operator set is told" "^opset +13$"
prints "and the version of the format" "^IR version +7$"
works "export as ONNX without one" "$WELD" export net.h5 -o net.onnx
prints "it is the lowest that suffices" "^opset +9$"
prints "the outputs are told" "^outputs +logits \[batch, [0-9]+\]$"
works "export for any size" "$WELD" export net.h5 -o net.onnx --size dynamic
prints "that is told" "^height and width +dynamic$"
works "export for another size than the file's" "$WELD" export net.h5 -o net.onnx --size 48x32 --batch 1
prints "that is told too" "^height and width +48 x 32$"
works "export the maps" "$WELD" export net.h5 -o maps.onnx --features
prints "they are named by stride" "^outputs +stride[0-9]+ \[batch, [0-9]+, [0-9]+, [0-9]+\], stride[0-9]+ "
prints "maps are compared" "^merging verified on .* of largest element of a map [0-9.e+-]+$"
stride=$(sed -nE 's/^outputs +stride([0-9]+) .*/\1/p' stdout)
works "export one of them" "$WELD" export deploy.h5 -o maps.onnx --features --strides "$stride"
prints "it is told" "^outputs +stride$stride \[batch, [0-9]+, [0-9]+, [0-9]+\]$"

cp -r photos damaged
head -c 100 photos/class_b/0000.jpg > damaged/class_b/0000.jpg
for out in cut.safetensors cut.onnx; do
    works "verify on what can be read: $out" "$WELD" export net.h5 -o $out --verify damaged
    prints "and say how many cannot" "verified on 9 images: .*; 1 skipped"
    is "and which" "$(grep -c "^weld: skipped: damaged/class_b/0000.jpg: truncated JPEG" stderr)" 1
done
works "so does reparam" "$WELD" reparam net.h5 -o cut.h5 --verify damaged
says "by name" "^weld: skipped: damaged/class_b/0000.jpg: truncated JPEG"

# What has no meaning.
refuses "an operator set that is too old" "bad.onnx: opset 8 is not known: files can be of 9 to " "$WELD" export net.h5 -o bad.onnx --opset 8
refuses "an operator set that is not known" "bad.onnx: opset 99 is not known" "$WELD" export net.h5 -o bad.onnx --opset 99
refuses "an operator set of a safetensors file" "bad.safetensors.*opset" "$WELD" export net.h5 -o bad.safetensors --opset 13
refuses "maps in a safetensors file" "bad.safetensors.*features" "$WELD" export net.h5 -o bad.safetensors --features
refuses "any size in a safetensors file" "bad.safetensors.*size" "$WELD" export net.h5 -o bad.safetensors --size dynamic
refuses "strides without maps" "bad.onnx: strides choose among features" "$WELD" export net.h5 -o bad.onnx --strides 8
refuses "a stride that no map has" "bad.onnx: there is no map of stride 3: the network's are [0-9]+, " "$WELD" export net.h5 -o bad.onnx --features --strides 3
refuses "scores of maps" "bad.onnx: maps have no labels" "$WELD" export net.h5 -o bad.onnx --features --verify photos
refuses "the training form of a merged network" "cannot be undone" "$WELD" export deploy.h5 -o bad.safetensors --form training
refuses "the training form in an ONNX file" "bad.onnx.*training form" "$WELD" export net.h5 -o bad.onnx --form training
refuses "timm's names in an ONNX file" "bad.onnx.*names" "$WELD" export net.h5 -o bad.onnx --names timm
refuses "a batch in a safetensors file" "bad.safetensors.*batch" "$WELD" export net.h5 -o bad.safetensors --batch 2
refuses "another ending" "bad.h5.*\.safetensors or \.onnx" "$WELD" export net.h5 -o bad.h5
for wrong in "--form deploy" "--names keras" "--batch 0" "--batch 2x" "--batch -1" "--size 0" "--size 32x" \
    "--size any" "--opset 0" "--opset new" "--features --strides 8," "--features --strides all"; do
    # shellcheck disable=SC2086
    run "$WELD" export net.h5 -o bad.onnx $wrong
    holds "$wrong is wrong usage" test "$status" = 2
done
run "$WELD" export net.h5
holds "a missing -o is wrong usage" test "$status" = 2

# What fails leaves nothing, or what was there.
mkdir other
"$MAKE_PHOTOS" other 1 2 32
mv other/class_a other/yak
refuses "images of other classes" "class" "$WELD" export net.h5 -o bad.safetensors --verify other
refuses "images that are not there" "nowhere" "$WELD" export net.h5 -o bad.onnx --verify nowhere
refuses "a folder that is not there" "nowhere/bad.safetensors" "$WELD" export net.h5 -o nowhere/bad.safetensors
refuses "a network that is not there" "nothing.h5" "$WELD" export nothing.h5 -o bad.safetensors
cp net.safetensors before.safetensors
for ending in safetensors onnx; do
    refuses "a full disk, $ending" "net.$ending" sh -c "trap '' XFSZ; ulimit -f 4; exec \"$WELD\" export net.h5 -o net.$ending"
done
same "the old file is as it was" net.safetensors before.safetensors
holds "nothing else is left" sh -c '! ls bad* *.tmp 2> stderr'
finish
