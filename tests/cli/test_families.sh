#!/bin/sh
# What a user does with a network, with a small one of each family but RepViT's: training in parts, files
# under every naming, both forms, other classes, maps, and teaching a RepViT.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

"$MAKE_PHOTOS" all 5 12 40
mkdir -p data mine
mv all/class_a all/class_b all/class_c data
mv all/class_d all/class_e mine

# recipe NAME MODEL: a short training of it
recipe() {
    cat > "$1.yaml" << EOF
model: {$2}
data: {train: data, val: data, input_size: 24}
augment: {kind: small, auto_augment: null, random_erasing: null, mixup: 0, cutmix: 0, repeats: 1}
optimizer: {lr: 4e-3, lr_batch: 0}
schedule: {warmup_epochs: 1}
train: {epochs: 2, batch_size: 8, seed: 3, ema_decay: null}
EOF
}

# family NAME NAMINGS: what follows is the same for all
family() {
    works "$1: train it" "$WELD" train "$1.yaml" --out "$1"
    works "$1: train it in bf16 with one thread" "$WELD" train "$1.yaml" --out "$1-1" --threads 1 \
        --set train.precision=bf16
    works "$1: and with 24" "$WELD" train "$1.yaml" --out "$1-24" --threads 24 \
        --set train.precision=bf16
    for threads in 1 24; do
        works "$1: its weights after $threads" "$WELD" export "$1-$threads/last.h5" --form training \
            -o "$threads.safetensors"
    done
    holds "$1: they are the same to the bit" cmp 1.safetensors 24.safetensors
    works "$1: merge it" "$WELD" reparam "$1/last.h5" -o "$1.h5" --verify data
    works "$1: an ONNX file of it" "$WELD" export "$1/last.h5" -o "$1.onnx" --verify data
    for naming in $2; do
        works "$1: export it by $naming's names" "$WELD" export "$1/last.h5" -o t.safetensors \
            --form training --names "$naming" --verify data
        works "$1: and import that" "$WELD" import t.safetensors -o t.h5
        works "$1: and merged" "$WELD" export "$1/last.h5" -o m.safetensors --names "$naming" \
            --verify data
        works "$1: and evaluate that" "$WELD" eval m.safetensors --data data
    done
    works "$1: other classes, all but the head as it was" "$WELD" train "$1.yaml" --init "$1/last.h5" \
        --set data.train=mine --set data.val=mine --set train.freeze=backbone --out "$1-mine"
    says "$1: the head is made anew" "2 made anew \(head: 3 -> 2 classes\)"
    works "$1: the first stage as it was" "$WELD" train "$1.yaml" --init "$1/last.h5" --out "$1-part" \
        --set train.freeze=stage1
    works "$1: teach a RepViT" "$WELD" train student.yaml --out "$1-taught" \
        --set loss.distillation.kind=hard --set "loss.distillation.teacher=$1/last.h5"
    works "$1: keep what it says" "$WELD" distill-cache student.yaml --teacher "$1.h5" -o "$1.said.safetensors" \
        --views 2
    works "$1: teach by that" "$WELD" train student.yaml --out "$1-cached" \
        --set loss.distillation.kind=soft --set "loss.distillation.cache=$1.said.safetensors"
    works "$1: learn from a RepViT" "$WELD" train "$1.yaml" --out "$1-pupil" \
        --set loss.distillation.kind=soft --set loss.distillation.teacher=teacher.h5
}

recipe regnety "name: regnety, depth: 5, w0: 8, wa: 5, wm: 1.6, group_width: 6, group_min_ratio: 0,
  se_ratio: 0.25, stem_width: 8, stem_stride: 1, drop_path: 0.1, dropout: 0.1"
recipe repvgg "name: repvgg, channels: [8, 16], depths: [2, 2], stem_channels: 8, groups: 2,
  stem_stride: 1, dropout: 0.1"
recipe mobileone "name: mobileone, channels: [8, 16], depths: [1, 2], se_layers: [0, 1],
  stem_channels: 8, branches: 2, stem_stride: 1"
recipe mobilenetv3 "name: mobilenetv3, channels: [8, 16, 24], depths: [1, 2, 1], stem_channels: 8,
  head_channels: [32, 24], stem_stride: 1, drop_path: 0.1, dropout: 0.1"
recipe mobilenetv3_repvit "name: mobilenetv3_repvit, channels: [8, 8, 16, 24], depths: [1, 1, 3, 1],
  kernels: [3, 5, 3, 3], block: repvit, head_channels: [32, 24], stem_stride: 2, drop_path: 0.1"
recipe student "name: repvit, channels: [8], depths: [1], stem_stride: 2"
works "a RepViT to learn from" "$WELD" train student.yaml --out teacher
mv teacher/last.h5 teacher.h5

family regnety "timm torchvision pycls"
works "regnety: pycls sees other images" "$WELD" export regnety/last.h5 -o p.safetensors --names pycls
prints "regnety: of which it is told" "pycls, for BGR images: the first convolution is turned"
family repvgg "timm official"
family mobileone "timm official"
family mobilenetv3 "timm torchvision"
family mobilenetv3_repvit "official"

refuses "a network without a residual branch leaves none out" \
    "drop_path is 0.1, but the network has no residual branch" \
    "$WELD" train repvgg.yaml --out none --set model.drop_path=0.1 --set data.val=null
finish
