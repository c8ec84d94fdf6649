#!/bin/sh
# weld quantize as a user calls it: the table, what is refused and told, and that nothing is ever half written.
# Arguments: the program, make_photos, make_network.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
MAKE_NETWORK=$(realpath "$3")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

make_learnable
works "train" "$WELD" train small.yaml --out run
works "merge" "$WELD" reparam run/last.h5 -o merged.h5

# --- The table, and what is in the file

works "quantise a merged network" "$WELD" quantize merged.h5 --data photos/train --eval photos/val -o int8.h5 --images 32 --report report.json
prints "what was done" "^int8.h5 written: int8, (99.99 percentile|all of the range) of 32 images"
prints "on which images" "^calibrated on 32 images of photos/train, chosen by 8 others, compared on 36 of photos/val$"
prints "before and after" "^top-1 on 36 +[0-9.]+ % +[0-9.]+ % +drop -?[0-9.]+ \+- [0-9.]+; [0-9]+ lost, [0-9]+ gained$"
prints "for how many the class is the same" "^same class +[0-9.]+ % *$"
prints "sizes" "^file +[0-9.]+ MB +[0-9.]+ MB *$"
prints "times" "^latency, one image +[0-9.]+ ms +[0-9.]+ ms *(the machine was not quiet: do not quote this, weld bench tells)?$"
prints "where the noise comes from" "^noise [0-9.]+ dB below the logits. Of it:  [0-9]+ % "
holds "the notes of it are empty" test ! -s stderr
holds "the report names every part" grep -q '"name": "features.0"' report.json
after=$(sed -nE 's/.*"top1_int8": ([0-9.]+).*/\1/p' report.json)
works "evaluate what was written" "$WELD" eval int8.h5 --data photos/val --json
holds "it does as well as was told" sh -c "sed -nE 's/.*\"top1\": *([0-9.]+).*/\1/p' stdout | awk '{d = \$1 - $after; exit !(d < 0.01 && d > -0.01)}'"
works "predict" "$WELD" predict int8.h5 photos/val/class_a/0000.jpg
works "quantise the checkpoint in one thread" "$WELD" quantize run/last.h5 --data photos/train --eval photos/val -o one.h5 --images 32 --threads 1
works "and in four" "$WELD" quantize run/last.h5 --data photos/train --eval photos/val -o four.h5 --images 32 --threads 4
same "the bytes are the same" one.h5 four.h5
works "and by another path to the images" "$WELD" quantize run/last.h5 --data "$PWD/photos/train/" --eval ./photos/val -o path.h5 --images 32
same "the bytes are the same" one.h5 path.h5

# --- Images

works "without others to compare on" "$WELD" quantize merged.h5 --data photos/train -o parted.h5 --images 32
prints "it is those that are left" "^top-1 on 56 "
prints "as is said" "^calibrated on 32 images of photos/train, chosen by 8 others, compared on 56 others$"
mkdir flat
for i in 0 1 2 3 4 5 6 7 8 9; do
    cp "photos/val/class_a/000$((i % 9)).jpg" "flat/a$i.jpg"
    cp "photos/val/class_b/000$((i % 9)).jpg" "flat/b$i.jpg"
done
works "images without labels" "$WELD" quantize merged.h5 --data flat/ -o flat.h5 --images 10
says "that there are none is told" "^note: flat/?: images without labels: "
says "and that there are few" "^note: flat/?: 8 images to calibrate on: .*; 16 would do$"
says "for half is held back" ": of 20 images 10 are held back to compare both networks on \(--eval names others\) and 2 to choose the best way; "
prints "what is told then" "^same class +[0-9.]+ % +of 10 without labels$"
holds "no accuracy is" sh -c "! grep -q top-1 stdout"
refuses "a drop that nobody can know" "flat/?: without labels nobody knows what is lost" \
    "$WELD" quantize merged.h5 --data flat -o none.h5 --max-drop 1
cp -r photos/train damaged
echo "no image" > damaged/class_b/0003.jpg
works "a broken image" "$WELD" quantize merged.h5 --data damaged --eval photos/val -o broken.h5 --images 96
says "is named and skipped" "^weld: skipped: .*class_b/0003.jpg"
prints "and does not count" "^calibrated on 76 images of damaged, chosen by 19 others, compared on 36 of photos/val"
cp -r flat halves
for i in 0 1 2 3 4 5 6 7 8 9; do
    echo "no image" > halves/a$i.jpg
done
works "broken ones among images" "$WELD" quantize merged.h5 --data halves --eval photos/val -o broken.h5 --images 8
prints "good ones take their place" "^calibrated on 8 images of halves, chosen by 2 others,"
says "and say so" "^note: halves: 8 images to calibrate on: 2 more are held back to choose the best way; ranges "
works "half of which are to be compared on" "$WELD" quantize merged.h5 --data halves -o broken.h5
prints "leave some for that" "^calibrated on 7 images of halves, compared on 3 others$"
mkdir alone
cp flat/b0.jpg alone
works "one image alone" "$WELD" quantize merged.h5 --data alone -o alone.h5
prints "is compared on itself" "^calibrated on 1 image of alone, compared on itself: there is no other$"
prints "which is said of its noise" "^noise [0-9.]+ dB below the logits, on the image that was calibrated on\. Of it: "
says "nor is any held back" "^note: alone: 1 image to calibrate on: ranges "
holds "and biases are not fitted to it" sh -c "! grep -q 'biases corrected' stdout"
cp -r photos/train strange
cp -r photos/val/class_a strange/zebra
works "images of a class that the network does not know" "$WELD" quantize merged.h5 --data strange -o strange.h5 --images 32
says "are told" "^note: .*strange.*zebra"
mkdir empty
refuses "a folder without images" "empty" "$WELD" quantize merged.h5 --data empty -o none.h5
refuses "a folder that is not there" "nowhere" "$WELD" quantize merged.h5 --data nowhere -o none.h5
mkdir other
cp -r photos/val/class_a other/zebra
refuses "other classes to compare on" "unknown to the model: 'zebra'" "$WELD" quantize merged.h5 --data photos/train --eval other -o none.h5

mkdir wrong
cp -r photos/val/class_a wrong/class_b
works "a network that is never right" "$WELD" quantize merged.h5 --data photos/train --eval wrong -o wrong.h5 --images 32
says "loses nothing, which says nothing" "^note: the top-1 of the float network is 0 on these images: that it loses nothing says nothing$"

# --- Layers that stay float

works "layers that are named stay float" "$WELD" quantize merged.h5 --data photos/train --eval photos/val -o mixed.h5 --images 32 --float features.0,classifier
prints "which is told" "^2 of [0-9]+ parts are float: features.0, classifier$"
works "by the names that are printed" "$WELD" quantize merged.h5 --data photos/train --eval photos/val -o mixed.h5 --images 32 --float "stem (features.0),head"
prints "these are the same" "^2 of [0-9]+ parts are float: features.0, classifier$"
refuses "a layer that there is not" "'feature': no layer or module of this name could stay float: there are stem, head, features.0, " \
    "$WELD" quantize merged.h5 --data photos/train --eval photos/val -o none.h5 --float feature
misused "no name at all" "--float wants names of layers" "$WELD" quantize merged.h5 --data photos/train -o none.h5 --float ""
misused "names without any" "--float wants names of layers" "$WELD" quantize merged.h5 --data photos/train -o none.h5 --float ,
misused "a drop that is no number" "--max-drop wants points from 0 to 100, not 'much'" \
    "$WELD" quantize merged.h5 --data photos/train -o none.h5 --max-drop much
works "a drop that is met" "$WELD" quantize merged.h5 --data photos/train --eval photos/val -o met.h5 --images 32 --max-drop 50
works "one that so few images cannot tell" "$WELD" quantize merged.h5 --data photos/train --eval photos/val -o told.h5 --images 32 --max-drop 30 --method minmax

# --- What is refused

refuses "integers are not quantised again" "^weld: int8.h5 is int8 already: quantise the file that it was made of$" \
    "$WELD" quantize int8.h5 --data photos/train -o none.h5
refuses "an output that cannot be" "nowhere/int8.h5" "$WELD" quantize merged.h5 --data photos/train --eval photos/val -o nowhere/int8.h5 --images 16
refuses "before anything is calibrated" "nowhere/int8.h5" "$WELD" quantize merged.h5 --data damaged --eval photos/val -o nowhere/int8.h5
holds "no image was read" sh -c "! grep -q skipped stderr"
refuses "nor a report that cannot be" "nowhere/report.json" \
    "$WELD" quantize merged.h5 --data damaged --eval photos/val -o none.h5 --report nowhere/report.json
holds "is one read" sh -c "! grep -q skipped stderr"
misused "a file of another kind" "-o none.onnx: it would be no .onnx file: write an .h5, then weld export" \
    "$WELD" quantize merged.h5 --data photos/train -o none.onnx
works "inspect what was written" "$WELD" inspect int8.h5
prints "whose scores stand in it" "^summary \(of the float network\)$"
prints "its parts are a table" "^ +name +float +share +sqnr_alone"
prints "a row each" "^ +features.0 +no +0\.[0-9]+ +[0-9.]+"
misused "no output" "-o OUT.h5 is missing" "$WELD" quantize merged.h5 --data photos/train
refuses "an image as output" "class_a/0000.jpg" \
    "$WELD" quantize merged.h5 --data photos/train --eval photos/val -o photos/train/class_a/0000.jpg
holds "nothing of these was written" test ! -e none.h5

# --- Killed at any moment

cp int8.h5 old.h5
killed=0
for moment in 0.02 0.05 0.1 0.15 0.2 0.3 0.4 0.6; do
    cp old.h5 kept.h5
    "$WELD" quantize merged.h5 --data photos/train --eval photos/val -o kept.h5 --images 33 --threads 1 > /dev/null 2>&1 &
    pid=$!
    sleep $moment
    kill -KILL $pid 2> /dev/null
    wait $pid
    [ $? = 137 ] && killed=$((killed + 1)) && { cmp -s old.h5 kept.h5 || echo "written" >> half; }
done
holds "some were killed" test "$killed" -gt 0
holds "none of them left anything but the old file" test ! -e half
works "the next one" "$WELD" quantize merged.h5 --data photos/train --eval photos/val -o kept.h5 --images 33
holds "removes what they left" sh -c "! ls kept.h5.weld-* 2> /dev/null"

# --- A detector

works "a detector's boxes" "$MAKE_NETWORK" yolo11n detector.h5 64
works "are quantised by images without any" "$WELD" quantize detector.h5 --data flat -o detector8.h5 --images 10
prints "and its noise told" "^noise -?[0-9.]+ dB below the "

# --- ReLUs of sums

works "a network with some" "$MAKE_NETWORK" regnety_002 relus.h5 64
works "is quantised" "$WELD" quantize relus.h5 --data flat -o relus8.h5 --images 4
says "by no more images than were asked for" "^note: flat: 4 images to calibrate on: ranges "
works "its graph" "$WELD" inspect relus8.h5 --graph
prints "has sums" " = conv2d_codes\("
cp stdout relus.txt
holds "none is a table" sh -c "! grep -qE ' = (lookup|activation)\(' relus.txt"

# --- Batch norms that cannot be merged

works "a network with some" "$MAKE_NETWORK" cmt cmt.h5 32 stem_channels=8 head_channels=32 channels=16,32,64,128 depths=1,1,1,1 \
    mlp_ratio=2 stem_stride=1
works "is quantised" "$WELD" quantize cmt.h5 --data flat -o cmt8.h5 --images 10
works "its graph" "$WELD" inspect cmt8.h5 --graph
prints "has attention on floats" " = attention\("
cp stdout graph.txt
holds "but no activation" sh -c "! grep -qE ' = (activation|batch_norm_eval|affine)\(' graph.txt"
works "it runs at another size" "$WELD" predict cmt8.h5 --size 64 photos/val/class_a/0000.jpg
works "and is exported" "$WELD" export cmt8.h5 -o cmt8.onnx
works "as floats with its norms" "$WELD" export cmt8.h5 --float -o cmt8.safetensors
works "which is read again" "$WELD" inspect cmt8.safetensors --graph
prints "and has them" " = batch_norm_eval\("

finish
