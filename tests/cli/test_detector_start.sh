#!/bin/sh
# What a detector starts from: the backbone of a classifier, another detector, files of other programs.
# Arguments: the program, make_photos, compose_scenes.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
COMPOSE=$(realpath "$3")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

"$MAKE_PHOTOS" items 3 30 20
works "items" "$WELD" pack items --size 20 -o items.h5
works "scenes" "$COMPOSE" items.h5 scenes train 1 8
cat > items.yaml << 'END'
model: {name: repvit, channels: [8, 8, 16, 16], depths: [1, 1, 1, 1]}
data: {train: items, input_size: 32, mean: [0.4, 0.45, 0.5], std: [0.2, 0.25, 0.3]}
augment: {kind: small, auto_augment: null, color_jitter: null, random_erasing: null, mixup: 0, cutmix: 0, repeats: 1}
train: {epochs: 1, batch_size: 16, ema_decay: null}
END
cat > scenes.yaml << 'END'
model: {name: yolo11_repvit, channels: [8, 8, 16, 16], depths: [1, 1, 1, 1], width: 0.125}
data: {train: scenes/instances_train.json, val: scenes/instances_train.json, input_size: 64}
train: {epochs: 1, batch_size: 4, ema_decay: null, ema_warmup: false}
END
works "a classifier of items" "$WELD" train items.yaml --out items_run
works "is what a detector begins with" "$WELD" train scenes.yaml --init items_run/last.h5 --out run \
    --set train.freeze=backbone --set train.bn_eval=true
says "which counts its tensors" "items_run/last.h5: [0-9]+ tensors of the backbone loaded, [0-9]+ made anew \(all that comes after it\), 7 unused \(the file's head\)"
says "and sees images as it did" "normalises images as that backbone was given them \(mean 0.4 0.45 0.5, std 0.2 0.25 0.3\)"
holds "while the run's are of 0 to 1" grep -q "mean: \[ *0, 0, 0 *\]" run/recipe.yaml
works "as safetensors, the classifier" "$WELD" export items_run/last.h5 -o items.safetensors --form training
works "and the detector" "$WELD" export run/last.h5 -o run.safetensors --form training
works "frozen parts" "$WELD" inspect run/last.h5
holds "are the classifier's, and the numbers that images are normalised by are its own" \
    python3 - << 'END'
import json
import struct
def load(path):
    data = open(path, "rb").read()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    return {name: data[8 + length + t["data_offsets"][0]:8 + length + t["data_offsets"][1]]
            for name, t in header.items() if name != "__metadata__"}
items, run = load("items.safetensors"), load("run.safetensors")
names = [name for name in items if name.startswith("features.")]
assert names and all(items[name] == run["backbone." + name] for name in names)
factor = struct.unpack("<f", run["normalize.factor.green"])[0]
shift = struct.unpack("<f", run["normalize.shift.blue"])[0]
assert abs(factor - 4) < 1e-6 and abs(shift + 0.5 / 0.3) < 1e-6
assert run["model.23.dfl.conv.weight"] == struct.pack("<16f", *range(16))
END
works "without normalisation" "$WELD" train scenes.yaml --init items_run/last.h5 --out plain --set model.normalize=none
says "it is said what is missing" "the network does not normalise them: set model.normalize to usual"
refuses "a classifier of other sizes" "tensors do not fit" \
    "$WELD" train scenes.yaml --init items_run/last.h5 --out other --set "model.channels=[8, 8, 16, 24]" --set data.val=null \
    --set data.input_size=160
refuses "images of other sizes" "multiples of 32, not 72 x 72" "$WELD" train scenes.yaml --out odd --set data.input_size=72
refuses "and several" "multiples of 32, not 80 x 80" "$WELD" train scenes.yaml --out odd --set "data.sizes=[64, 80]"

works "what was exported is read again" "$WELD" eval run.safetensors --data scenes/instances_train.json --json
cp stdout again
works "and is what it was" "$WELD" eval run/last.h5 --data scenes/instances_train.json --json
cp stdout before
same "to the same scores" again before
works "merged too" "$WELD" export run/last.h5 -o merged.safetensors
works "read again" "$WELD" inspect merged.safetensors
prints "as a merged network" "merged"
works "a detector goes on from a detector" "$WELD" train scenes.yaml --init run.safetensors --out more
says "with its head" "head kept: the same [0-9]+ classes"

sed 's/^model: .*/model: {name: yolo11_on, backbone: mobilenetv3_small_050, width: 0.125}/' scenes.yaml > named.yaml
works "a detector on a network by its name" "$WELD" train named.yaml --out named
works "goes to a file" "$WELD" export named/last.h5 -o named.safetensors
works "and comes back from it" "$WELD" inspect named.safetensors
prints "with that name" "backbone +mobilenetv3_small_050"
sed 's/mobilenetv3_small_050/cmt_ti/' named.yaml > cmt.yaml
refuses "a network that cannot be one's beginning" "must be a variant of repvit" "$WELD" train cmt.yaml --out no
finish
