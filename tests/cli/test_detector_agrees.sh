#!/bin/sh
# A detector's figures are the same wherever they come from: told in training and of its file, by the
# weights and by an average that is nothing but them, in batches of any size, on any number of threads, in
# ONNX Runtime. What is said of the data reaches it, and nothing is written to what is read.
# Arguments: the program, write_operators, a folder that may have node_modules/onnxruntime-node, make_photos,
# compose_scenes.
MAKE_PHOTOS=$(realpath "$4")
COMPOSE=$(realpath "$5")
here=$(cd "$(dirname "$0")" && pwd)
. "$here/onnx.sh"

# losses RUN FILE: what a run's steps say of their losses.
losses() {
    grep -o '"loss":[^,]*' "$1/metrics.jsonl" > "$2"
}

# figures FILE: AP and the others of `eval --json`, a line each.
figures() {
    grep -oE '"A[PR][0-9a-z]*": [^,}]*' "$1"
}

"$MAKE_PHOTOS" items 3 30 20
works "items" "$WELD" pack items --size 20 -o items.h5
works "scenes" "$COMPOSE" items.h5 scenes val 2 20
cat > fit.yaml << 'END'
model: {name: yolo11_repvit, channels: [8, 8, 16, 16], depths: [1, 1, 1, 1], width: 0.125, normalize: usual}
data: {train: scenes/instances_val.json, val: scenes/instances_val.json, input_size: 64}
augment: {mosaic: 0, scale: 0, translate: 0, hsv: [0, 0, 0], hflip: 0}
optimizer: {lr: 0.02, lr_batch: 4}
schedule: {warmup_epochs: 1}
train: {epochs: 30, batch_size: 4, eval_every: 30, ema_decay: 1e-300, ema_warmup: false}
END

# While it is trained, and of its file.
works "a detector that learns these images" "$WELD" train fit.yaml --out run
works "of its file" "$WELD" eval run/last.h5 --data scenes/instances_val.json --json
cp stdout weights.json
works "of the average, which without a decay is the weights" \
    "$WELD" eval run/last.h5 --key ema --data scenes/instances_val.json --json
cp stdout average.json
same "AP is the same to the last digit" weights.json average.json
holds "as it was told in training, of both" python3 - << 'END'
import json
row = [json.loads(line) for line in open("run/metrics.jsonl")][-1]
told = json.load(open("weights.json"))
assert row["kind"] == "epoch" and row["AP"] > 0.001, row
for key in ("AP", "AP50"):
    assert abs(row[key] - told[key]) < 1e-6, (key, row, told)
assert row["ema_AP"] == row["AP"], row
END
works "the weights" "$WELD" export run/last.h5 --form training -o weights.safetensors
works "and their average" "$WELD" export run/last.h5 --key ema --form training -o average.safetensors
# Behind the header, which says of the one that it is an average.
holds "are the same bits, statistics of batch norms too" python3 - << 'END'
def elements(path):
    data = open(path, "rb").read()
    return data[8 + int.from_bytes(data[:8], "little"):]
assert len(elements("weights.safetensors")) > 10000
assert elements("weights.safetensors") == elements("average.safetensors")
END

# Batches and threads.
for batch in 1 3 20; do
    works "what is found in batches of $batch" "$WELD" eval run/last.h5 --data scenes/instances_val.json \
        --batch $batch --threads $((1 + batch % 2)) --write-results found_$batch.json --json
    cp stdout told_$batch.json
done
holds "is something" grep -q '"bbox"' found_1.json
same "and does not depend on what else is in the batch" found_1.json found_3.json
same "nor on threads" found_1.json found_20.json
same "nor do the figures" told_1.json told_20.json

# Another program. What weld is surest of in each image is the truth here, so that all depends on it.
works "what is found in wider inputs" "$WELD" eval run/last.h5 --data scenes/instances_val.json --size 160x192 \
    --write-results found.json --json
holds "is made the truth" python3 - << 'END'
import json
data = json.load(open("scenes/instances_val.json"))
found = json.load(open("found.json"))
best = [sorted((f for f in found if f["image_id"] == i["id"]), key=lambda f: -f["score"])[:5] for i in data["images"]]
data["annotations"] = [dict(f, id=n, area=f["bbox"][2] * f["bbox"][3], iscrowd=0)
                       for n, f in enumerate(f for image in best for f in image)]
assert len(data["annotations"]) > len(data["images"]) == 20, len(data["annotations"])
json.dump(data, open("scenes/truth.json", "w"))
END
works "which weld finds" "$WELD" eval run/last.h5 --data scenes/truth.json --size 160x192 --json
figures stdout > of_weld
works "export" "$WELD" export run/last.h5 --size 160x192 -o run.onnx
if [ -n "$no_runtime" ]; then
    skip "an ONNX file finds it too" "$no_runtime"
else
    works "an ONNX file" node "$here/find_boxes.js" run.onnx scenes/truth.json scenes 160 192
    cp stdout of_onnx.json
    works "is evaluated" "$WELD" eval --results of_onnx.json --data scenes/truth.json --json
    figures stdout > of_onnx
    holds "to the figures of weld" python3 - << 'END'
figures = [[line.rsplit(": ", 1) for line in open(name)] for name in ("of_weld", "of_onnx")]
assert len(figures[0]) == len(figures[1]) == 12 and float(figures[0][0][1]) > 0.1, figures
for (key, weld), (_, onnx) in zip(*figures):
    assert weld == onnx or abs(float(weld) - float(onnx)) < 1e-3, (key, weld, onnx)
END
fi

# Mosaics end when the recipe says.
set -- --set train.epochs=2 --set train.eval_every=2 --set augment.scale=0.5
works "epochs without mosaics" "$WELD" train fit.yaml --out none "$@"
losses none none.txt
works "a run that is all end" "$WELD" train fit.yaml --out end "$@" --set augment.mosaic=1 --set augment.close_mosaic=2
losses end end.txt
same "is a run without mosaics" none.txt end.txt
works "with one epoch of them" "$WELD" train fit.yaml --out one "$@" --set augment.mosaic=1 --set augment.close_mosaic=1
losses one one.txt
works "with both" "$WELD" train fit.yaml --out both "$@" --set augment.mosaic=1 --set augment.close_mosaic=0
losses both both.txt
holds "the first epoch is the same, and the second is not" sh -c \
    'head -n 5 one.txt > a && head -n 5 both.txt | cmp - a && ! cmp -s one.txt both.txt && ! cmp -s one.txt none.txt'

# Classes by name, whatever number they have.
cat > turned.py << 'END'
import json
data = json.load(open("scenes/instances_val.json"))
last = max(c["id"] for c in data["categories"])
for c in data["categories"]:
    c["id"] = last - c["id"]
for a in data["annotations"]:
    a["category_id"] = last - a["category_id"]
json.dump(data, open("scenes/turned.json", "w"))
for c in data["categories"]:
    c["name"] += " of another set"
json.dump(data, open("scenes/strange.json", "w"))
END
works "classes in another order" python3 turned.py
works "are evaluated" "$WELD" eval run/last.h5 --data scenes/turned.json --json
cp stdout turned.json
same "to the same figures, by their names" weights.json turned.json
refuses "classes that the network does not know" "class_a of another set|missing .*class_a" "$WELD" eval run/last.h5 --data scenes/strange.json

# One digit of a label, in a file of the same size and time; a packed file beside the labels is none of them.
printf 'train: images/val\nval: images/val\nnames: [class_a, class_b, class_c]\n' > scenes/data.yaml
rm scenes/*.json
set -- --data scenes --set train.epochs=1
works "packed beside the labels" "$WELD" pack scenes -o scenes/train.h5
works "training" "$WELD" train fit.yaml --out before "$@"
losses before before.txt
label=scenes/labels/val/000003.txt
cp -p $label label.txt
sed 's/^0/3/; s/^[12]/0/; s/^3/1/' label.txt > $label
touch -r label.txt $label
holds "a label is another, and as large and old as it was" sh -c \
    "! cmp -s label.txt $label && test ! $label -nt label.txt && test ! $label -ot label.txt && test \$(wc -c < $label) = \$(wc -c < label.txt)"
works "training again" "$WELD" train fit.yaml --out after "$@"
losses after after.txt
holds "sees the digit" sh -c '! cmp -s before.txt after.txt'

# The data are read alone. A photo whose end is missing is not put right in its place.
size=$(wc -c < items/class_a/0000.jpg)
head -c $((size - 2)) items/class_a/0000.jpg > scenes/images/val/cut.jpg
echo '0 0.5 0.5 0.5 0.5' > scenes/labels/val/cut.txt
printf '0 0.5 0.5 0.5 0.5\n0 0.5 0.5 0.5 0.5\n1 0.9 0.9 0.4 0.4\n' >> $label
chmod -R a-w scenes
find scenes -printf '%p %s %T@ %C@\n' | sort > state.txt
works "a data set that cannot be written to is checked" "$WELD" check-data scenes
works "trained on" "$WELD" train fit.yaml --out only "$@"
works "evaluated" "$WELD" eval only/last.h5 --data scenes
works "predicted" "$WELD" predict only/last.h5 scenes/images/val --json
find scenes -printf '%p %s %T@ %C@\n' | sort > now.txt
same "and has not changed" state.txt now.txt
chmod -R u+w scenes
finish
