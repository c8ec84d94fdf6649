#!/bin/sh
# Weights from other programs: imported, and taken directly by the commands that take a model.
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

# Every kind of file gives PyTorch's logits, directly and merged.
for net in current legacy distillation float16 bfloat16 float64 data_parallel nested; do
    works "run $net.pth" "$WELD" run "$F/$net.pth" --input "$F/images.npy" --output y.npy
    close "$net.pth gives PyTorch's logits" "$F/$net.logits.npy" y.npy
done
for net in official timm timm_legacy timm_distillation timm_bfloat16; do
    works "run $net.safetensors" "$WELD" run "$F/$net.safetensors" --input "$F/images.npy" --output y.npy
    close "$net.safetensors gives PyTorch's logits" "$F/$net.logits.npy" y.npy
done
works "run PyTorch's shards by their index" "$WELD" run "$F/shards.bin.index.json" --input "$F/images.npy" --output y.npy
close "they give PyTorch's logits" "$F/bfloat16.logits.npy" y.npy
works "import them" "$WELD" import "$F/shards.bin.index.json" -o shards.h5
prints "as what they are" "shards.bin.index.json: an index of files, [0-9]+ tensors"
refuses "one of them alone" "one of 2 files that hold a network together: give their index .*shards.bin.index.json" \
    "$WELD" run "$F/shards-00001-of-00002.bin" --input "$F/images.npy" --output y.npy
for file in merged.pth merged_official.safetensors merged_timm.safetensors merged_timm_distillation.safetensors; do
    works "run $file" "$WELD" run "$F/$file" --size 32 --input "$F/images.npy" --output y.npy
    close "$file gives PyTorch's logits" "$F/${file%.*}.logits.npy" y.npy
done
for file in legacy.pth timm_distillation.safetensors; do
    works "reparam $file" "$WELD" reparam "$F/$file" --size 32 -o deploy.h5
    works "run it merged" "$WELD" run deploy.h5 --input "$F/images.npy" --output y.npy
    close "$file merged gives PyTorch's logits" "$F/${file%.*}.logits.npy" y.npy
done

# Importing says what was found, and the file it writes is like any other.
works "import" "$WELD" import "$F/nested.pth" -o model.h5
prints "import tells the kind of file and the state dict" "a PyTorch .pth file, state dict model, 126 tensors"
prints "import tells of the other state dict" "model_ema \(--key"
prints "import tells names and element type" "official names, float32"
prints "import tells the network" "repvit, training form"
prints "import tells what it could not see" "stem stride 4 \(tensors do not tell\)"
prints "import tells the classes" "classes +5, no names"
works "run what was imported" "$WELD" run model.h5 --input "$F/images.npy" --output y.npy
close "an imported file gives PyTorch's logits" "$F/nested.logits.npy" y.npy
works "import another state dict" "$WELD" import "$F/nested.pth" --key model_ema -o ema.h5
works "run it" "$WELD" run ema.h5 --input "$F/images.npy" --output y.npy
close "--key takes the one asked for" "$F/nested_ema.logits.npy" y.npy
works "inspect what was imported" "$WELD" inspect model.h5
prints "it tells where it is from" '^    imported_from +nested.pth'
holds "and of no training" sh -c "! grep -q updates stdout"
works "import merged weights" "$WELD" import "$F/merged_timm.safetensors" --size 32 -o deploy.h5
prints "it tells what it cannot check" "^checksum +none: whether it is as it was written cannot be checked$"
prints "import tells timm's names" "timm's names, float32"
prints "import tells the merged form" "repvit, merged form"
works "run what was imported merged" "$WELD" run deploy.h5 --input "$F/images.npy" --output y.npy
close "an imported merged file gives PyTorch's logits" "$F/merged_timm.logits.npy" y.npy
works "inspect a file that was not imported" "$WELD" inspect "$F/timm_legacy.safetensors"
prints "inspect tells timm's preprocessing" "size 224, crop fraction 0.95, bicubic"
works "bench a file that was not imported" "$WELD" bench "$F/merged.pth" --steps 1

# Names of classes.
printf 'ant\nbee\r\ncat\nfine dog\nelk' > names.txt
works "import with names" "$WELD" import "$F/current.pth" --classes names.txt --num-classes 5 --size 32 -o named.h5
mkdir photos
"$MAKE_PHOTOS" photos 5 2 32
works "predict directly" "$WELD" predict "$F/current.pth" photos/class_a/0000.jpg --size 32 --classes names.txt
cp stdout direct
prints "predict prints names" "%  fine dog"
works "predict from the imported file" "$WELD" predict named.h5 photos/class_a/0000.jpg
cp stdout imported
same "both say the same" imported direct
works "evaluate directly" "$WELD" eval "$F/current.pth" --data photos --size 32
prints "every image counts" "10 images"
refuses "evaluating on other classes" "class" "$WELD" eval named.h5 --data photos
head -n 4 names.txt > four.txt
refuses "too few names" "4" "$WELD" import "$F/current.pth" --classes four.txt -o bad.h5
printf 'ant\n\ncat\n' > hole.txt
refuses "an empty name" "hole.txt:2" "$WELD" import "$F/current.pth" --classes hole.txt -o bad.h5
: > none.txt
refuses "no names" "none.txt" "$WELD" import "$F/current.pth" --classes none.txt -o bad.h5

# What does not fit is refused.
refuses "another number of classes" "number of classes 1000.*is 5" "$WELD" import "$F/current.pth" --num-classes 1000 -o bad.h5
refuses "another variant" "repvit \(8 12 16 20; 1 1 2 1\), not repvit_m0_9" "$WELD" eval "$F/current.pth" --model repvit_m0_9 --data photos
refuses "an unknown variant" "resnet50.*the families are repvit, " "$WELD" run "$F/current.pth" --model resnet50 --input "$F/images.npy" --output y.npy
works "the family fits any" "$WELD" import "$F/current.pth" --model repvit -o family.h5
refuses "a state dict that is not there" "optimizer" "$WELD" import "$F/nested.pth" --key optimizer -o bad.h5
refuses "a stem stride without sense" "stem_stride" "$WELD" import "$F/current.pth" --stem-stride 3 -o bad.h5
refuses "a size that the file states otherwise" "input size 64.*is 32" "$WELD" reparam deploy.h5 --size 64 -o bad.h5
refuses "a key for weld's own file" "checkpoint" "$WELD" eval model.h5 --key model --data photos
refuses "PyTorch's old format" "torch.save" "$WELD" import "$F/before_zip.pth" -o bad.h5
refuses "a file of something else" "images.npy" "$WELD" import "$F/images.npy" -o bad.h5
head -c 20000 "$F/timm.safetensors" > cut.safetensors
refuses "a cut file" "cut.safetensors" "$WELD" import cut.safetensors -o bad.h5
LC_ALL=C sed 's/stages\.1\.downsample\.ffn\.conv2\.bn\.bias/stages.1.downsample.ffn.conv2.bn.bios/' "$F/timm.safetensors" > bios.safetensors
refuses "tensors that do not fit, in a list" "1 missing: stages.1.downsample.ffn.conv2.bn.bias; 1 unexpected: stages.1.downsample.ffn.conv2.bn.bios" "$WELD" import bios.safetensors -o bad.h5
cp "$F/timm.safetensors" nan.safetensors
printf '\000\000\300\177' | dd of=nan.safetensors bs=1 conv=notrunc \
    seek=$(($(wc -c < nan.safetensors) - 4)) 2> /dev/null
refuses "a weight that is no number, by name" "features.*: element [0-9]* is not finite" "$WELD" import nan.safetensors -o bad.h5
holds "nothing was written" test ! -e bad.h5
run "$WELD" import "$F/current.pth"
holds "a missing -o is wrong usage" test "$status" = 2
# How images are prepared: stated by config.json beside the weights, by options, or assumed and said.
mkdir hub && cp "$F/official.safetensors" hub/model.safetensors
"$MAKE_PHOTOS" hub/photos 1 1 40
hub() { # hub MEAN CLASSES
    cat > hub/config.json << END
{"architecture": "repvit_m0_9", "num_classes": $2, "label_names": ["n0", "n1", "n2", "n3", "n4"],
 "pretrained_cfg": {"input_size": [3, 48, 48], "interpolation": "bilinear", "crop_pct": 1.0, "crop_mode": "center",
  "mean": $1, "std": [0.25, 0.5, 0.75]}}
END
}
PHOTO=$(find hub/photos -name '*.jpg')
works "predict without a word on images" "$WELD" predict hub/model.safetensors "$PHOTO" --json
says "what is assumed is said" "in the usual way, an assumption: size 224, crop 0.875, bicubic, mean 0.485,0.456,0.406"
hub '[0.1, 0.2, 0.3]' 5
works "predict with config.json beside the weights" "$WELD" predict hub/model.safetensors "$PHOTO" --json
says "what it says is said" "as config.json beside it says: size 48, crop 1, bilinear, mean 0.1,0.2,0.3, std 0.25,0.5,0.75"
prints "and its names are the classes'" '"class": *"n[0-4]"'
cp stdout by_config
works "import it" "$WELD" import hub/model.safetensors -o hub.h5
works "what was imported predicts" "$WELD" predict hub.h5 "$PHOTO" --json
cp stdout again
same "the same" by_config again
sed -i 's/\[3, 48, 48\]/[3, 32, 64]/; s/"center"/"border"/' hub/config.json
works "one with borders, for inputs that are not square" "$WELD" import hub/model.safetensors -o wide.h5
run "$WELD" predict hub/model.safetensors "$PHOTO" --json
says "says so" "size 32 x 64, letterbox on 26,51,76, crop 1, bilinear"
cp stdout wide
works "which is kept" "$WELD" predict wide.h5 "$PHOTO" --json
cp stdout again
same "with the same answer" wide again
sed -i 's/"border"/"sideways"/' hub/config.json
refuses "a mode that is not known" "crop_mode: is neither center, squash nor border" "$WELD" predict hub/model.safetensors "$PHOTO"
rm hub/config.json
seq -f n%g 0 4 > names
works "state all of it by options" "$WELD" predict hub/model.safetensors "$PHOTO" --json --size 48 --crop 1 \
    --interpolation bilinear --mean 0.1,0.2,0.3 --std 0.25,0.5,0.75 --classes names
cp stdout again
same "with the same answer" by_config again
works "the mean of another program" "$WELD" import hub/model.safetensors -o bytes.h5 --mean 123.7,116.3,103.5 --std 58.4,57.1,57.4
says "is told from weld's" "^note: .*a mean of 123.7 is of pixels of 0 to 255"
refuses "what is no colour" "three numbers" "$WELD" predict hub/model.safetensors "$PHOTO" --mean 0.1,0.2
refuses "another mean than a file of weld's states" "hub.h5: mean 0.1 0.2 0.3" "$WELD" predict hub.h5 "$PHOTO" --mean 0,0,0
hub '[0.1, 0.2]' 5
refuses "a config.json with a wrong value" "hub/config.json: pretrained_cfg.mean" "$WELD" import hub/model.safetensors -o x.h5
hub '[0.1, 0.2, 0.3]' 12
refuses "a config.json of another network" "hub/config.json: is of a network of 12 classes.*of 5" \
    "$WELD" import hub/model.safetensors -o x.h5
printf '{"pretrained_cfg": ' > hub/config.json
refuses "a config.json that is cut" "hub/config.json: byte 19: the text ends where a value is expected" "$WELD" import hub/model.safetensors -o x.h5
sed 's/repvit_m0_9/repvit_m9_9/' > hub/config.json << END
{"architecture": "repvit_m0_9", "pretrained_cfg": {"input_size": [3, 48, 48]}}
END
refuses "an architecture that is not known" "calls it repvit_m9_9, which weld does not know" \
    "$WELD" eval hub/model.safetensors --data hub/photos
works "until it is said what it is taken for" "$WELD" import hub/model.safetensors -o x.h5 --model repvit
printf '{"model_type": "bert"}' > hub/config.json
works "another program's config.json is nobody's business" "$WELD" import hub/model.safetensors -o x.h5
says "so that the usual is assumed" "an assumption"
finish
