#!/bin/sh
# ONNX files of a detector: rows as the runtimes of YOLO read them, boxes after suppression, the maps of the
# head. ONNX Runtime finds what weld finds; it is skipped where it is not installed.
# Arguments: the program, write_operators, a folder that may have node_modules/onnxruntime-node, and
# make_network.
MAKE_NETWORK=$(realpath "$4")
here=$(cd "$(dirname "$0")" && pwd)
. "$here/onnx.sh"

# finds NAME LAYOUT FILE SIZE [OPTIONS]...: what weld says of noise of that size is in the file too.
finds() {
    if [ -n "$no_runtime" ]; then
        skip "$1" "$no_runtime"
        return
    fi
    name=$1
    layout=$2
    file=$3
    size=$4
    shift 4
    works "$name" node "$here/run_detector.js" "$layout" "$file" "noise_$size.npy" "Y_$size.boxes.npy" \
        "Y_$size.scores.npy" "$@"
}

works "noise" "$WRITE_OPERATORS" .
works "a detector" "$MAKE_NETWORK" yolo11 yolo11.h5 64 width=0.125 depth=0.25
works "outputs of it" "$WELD" run yolo11.h5 --input noise_64x96.npy --output Y_64x96.npy
says "are told one by one" "^Y_64x96.boxes.npy written: \[2, 126, 4\]"
says "with their names" "^Y_64x96.scores.npy written: \[2, 126, 80\]"

works "export" "$WELD" export yolo11.h5 --size 64x96 --batch dynamic -o rows.onnx
prints "whose batch is open, of one size, is said to mislead" "^batch +dynamic .programs may take height"
prints "has one output" "^outputs +output0 \[batch, 84, 126\]$"
prints "of the operator set of its enlarging" "^opset +11$"
checks "the checker accepts it" rows.onnx
finds "rows are boxes and scores" rows rows.onnx 64x96
works "the same again" "$WELD" export yolo11.h5 --size 64x96 --batch dynamic -o again.onnx
same "is the same file" rows.onnx again.onnx
works "for any size" "$WELD" export yolo11.h5 --size dynamic -o any.onnx
prints "has an open number of anchors" "^outputs +output0 \[batch, 84, any\]$"
finds "has the same rows" rows any.onnx 64x96
works "where nothing is said" "$WELD" export yolo11.h5 --size 64x96 -o one.onnx
prints "for one image, as the runtimes expect" "^batch +1$"
works "for two images" "$WELD" export yolo11.h5 --size 64x96 --batch 2 -o two.onnx
finds "has them too" rows two.onnx 64x96

works "the maps of the head" "$WELD" export yolo11.h5 --size 64x96 --raw --batch dynamic -o raw.onnx
prints "are three" "^outputs +stride8 \[batch, 144, 8, 12\], stride16 \[batch, 144, 4, 6\], stride32 \[batch, 144, 2, 3\]$"
checks "the checker accepts them" raw.onnx
finds "they come to the same boxes and scores" raw raw.onnx 64x96

works "suppression" "$WELD" export yolo11.h5 --size 64x96 --nms --conf 0.6 --iou 0.2 --batch dynamic -o nms.onnx
prints "is told with its shape" "^outputs +output0 \[batch, 300, 6\]$"
checks "the checker accepts it" nms.onnx open
finds "boxes are those that are to be kept, then zeros" nms nms.onnx 64x96 0.6 0.2 300
works "of all that there is" "$WELD" export yolo11.h5 --size 64x96 --nms --conf 0 --iou 0.6 --batch dynamic -o all.onnx
finds "each anchor counts once" nms all.onnx 64x96 0 0.6 300
works "for any size, of few boxes" "$WELD" export yolo11.h5 --size dynamic --nms --conf 0.6 --iou 0.6 --max-det 5 -o few.onnx
finds "they are the best" nms few.onnx 64x96 0.6 0.6 5
works "of all classes alike" "$WELD" export yolo11.h5 --size 64x96 --nms --conf 0.6 --iou 0.2 --agnostic --batch dynamic -o agnostic.onnx
finds "boxes of another class count" nms agnostic.onnx 64x96 0.6 0.2 300 agnostic
works "in a late operator set" "$WELD" export yolo11.h5 --size 64x96 --nms --conf 0.6 --iou 0.2 --opset 20 --batch dynamic -o late.onnx
finds "it is the same" nms late.onnx 64x96 0.6 0.2 300

# Names with all that Python's quotes need.
printf "it's\nback\\\\slash\n\"quoted\"\nmüsli\n" > names.txt
seq 5 80 >> names.txt
works "as safetensors" "$WELD" export yolo11.h5 -o yolo11.safetensors
works "with names" "$WELD" export yolo11.safetensors --size 64 --classes names.txt --nms --batch 2 -o named.onnx
cat > literal.py << 'END'
import ast, onnx
texts = {p.key: p.value for p in onnx.load("named.onnx").metadata_props}
names = ast.literal_eval(texts["names"])
assert [names[i] for i in range(4)] == ["it's", "back\\slash", '"quoted"', "müsli"], names
assert len(names) == 80
assert ast.literal_eval(texts["imgsz"]) == [64, 64]
assert ast.literal_eval(texts["args"])["nms"] is True
assert (texts["task"], texts["stride"], texts["batch"]) == ("detect", "32", "2")
assert "date" not in texts
END
# Runtimes give rectangles to files that are "dynamic", which those of one size refuse.
cat > dynamic.py << 'END'
import ast, onnx
for name, open_size in ("rows.onnx", False), ("one.onnx", False), ("nms.onnx", False), ("two.onnx", False), ("any.onnx", True):
    texts = {p.key: p.value for p in onnx.load(name).metadata_props}
    assert ast.literal_eval(texts["args"])["dynamic"] is open_size, (name, texts["args"])
# Ultralytics takes the file for dynamic where the output's batch is open, whatever args say.
first = onnx.load("one.onnx").graph.output[0].type.tensor_type.shape.dim[0]
assert first.dim_value == 1, first
END
if [ -n "$no_checker" ]; then
    skip "runtimes read them" "$no_checker"
    skip "they are told whether the size of images is open" "$no_checker"
else
    works "runtimes read them" "$python" literal.py
    works "they are told whether the size of images is open" "$python" dynamic.py
fi

run "$WELD" export yolo11.h5 --nms --raw -o no.onnx
says "two layouts are too many" "--nms and --raw: one of them"
run "$WELD" export yolo11.h5 --conf 0.3 -o no.onnx
says "a threshold is for suppression" "--conf: is for --nms"
misused "a threshold beyond 1" "^weld export: --conf: 3 is out of range" "$WELD" export yolo11.h5 --nms --conf 3 -o no.onnx
refuses "suppression in safetensors" "outputs are an ONNX file's" "$WELD" export yolo11.h5 --nms -o no.safetensors
works "a classifier" "$MAKE_NETWORK" repvit repvit.h5 32 channels=8,12 depths=1,1
refuses "boxes of classes" "^weld: --max-det: is for other networks" "$WELD" export repvit.h5 --nms --max-det 3 -o no.onnx
refuses "suppression of classes" "classification have no other" "$WELD" export repvit.h5 --nms -o no.onnx
finish
