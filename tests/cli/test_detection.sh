#!/bin/sh
# A detector from scenes to boxes: training, stopping and going on, evaluating, predicting, merging,
# and the same from a program.
# Arguments: the program, make_photos, compose_scenes, a program that detects, make_network.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
COMPOSE=$(realpath "$3")
DETECT=$(realpath "$4")
MAKE_NETWORK=$(realpath "$5")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

# What a run's metrics say, without times.
losses() {
    untimed "$1/metrics.jsonl" > "$2"
}

"$MAKE_PHOTOS" items 3 30 20
works "items" "$WELD" pack items --size 20 -o items.h5
works "scenes to train on" "$COMPOSE" items.h5 scenes train 1 24
works "scenes to evaluate on" "$COMPOSE" items.h5 scenes val 2 8
works "the same scenes again" "$COMPOSE" items.h5 again val 2 8
same "have the same boxes" scenes/instances_val.json again/instances_val.json
same "and the same pixels" scenes/images/val/000003.png again/images/val/000003.png
printf 'train: images/train\nval: images/val\nnames: [class_a, class_b, class_c]\n' > scenes/data.yaml

cat > small.yaml << 'END'
model: {name: yolo11_repvit, channels: [8, 8, 16, 16], depths: [1, 1, 1, 1], width: 0.125, normalize: none}
data: {train: scenes/instances_train.json, val: scenes/instances_val.json, input_size: 64}
augment: {mosaic: 0.5, close_mosaic: 1}
train: {epochs: 3, batch_size: 4, checkpoint_every: 1}
END
works "training" "$WELD" train small.yaml --out run
says "tells what the loss is made of, and AP" \
    "^epoch 3: train loss [0-9.]+ \(box [0-9.]+, class [0-9.]+, dfl [0-9.]+\), AP [0-9.]+"
losses run whole
sh -c "'$WELD' train small.yaml --out parts 2> log & pid=\$!
    while ! grep -q '\"step\":8,' parts/metrics.jsonl 2> /dev/null && kill -0 \$pid 2> /dev/null; do sleep 0.02; done
    kill -9 \$pid 2> /dev/null; wait \$pid 2> /dev/null"
works "a run that was killed" "$WELD" train small.yaml --out parts --resume --threads 1
losses parts resumed
same "goes on to the same losses on another number of threads" whole resumed
sed 's/scenes/nowhere/g' small.yaml > other.yaml
refuses "going on without the data that it was begun with" \
    "^weld: nowhere/instances_train.json: .* begun with other data: give run/recipe.yaml, .* place of other.yaml$" \
    "$WELD" train other.yaml --out run --resume
sed 's/data: .*/data: {input_size: 64}/' small.yaml > other.yaml
refuses "nor by a recipe that never named them" \
    "^weld: other.yaml(:2)?: data.train: missing: name the data that the run was begun with, or give the recipe.yaml" \
    "$WELD" train other.yaml --out run --resume
works "the same data in another place" "$WELD" train small.yaml --out run --resume --set data.val=again/instances_val.json
for file in scenes/instances_train again/instances_val; do
    sed '0,/"category_id": *1\([,}]\)/s//"category_id": 2\1/' $file.json > ${file}_other.json
    run "$WELD" train small.yaml --out run --resume --set data.${file##*_}=${file}_other.json
    going_on=$status
    says "other boxes in $file are told" \
        "^weld: ${file}_other.json: its boxes or classes were others when run/last.h5 was written: resume"
    holds "and are not gone on with" test "$going_on" = 1
done

works "the boxes of YOLO's files" "$WELD" train small.yaml --out yolo --set train.epochs=1 \
    --set data.train=scenes/data.yaml --set data.val=scenes/data.yaml
holds "whose parts are told apart" sh -c '! grep "is what is trained on" stderr'
works "a part that is trained on" "$WELD" train small.yaml --dry-run \
    --set data.train=scenes/data.yaml:train --set data.val=scenes/data.yaml:train
says "is known too" "is what is trained on"
works "a set of which the part val is left out" "$WELD" train small.yaml --dry-run \
    --set data.train=scenes/data.yaml --set data.val=null
says "which is told" "^weld: data.val is not set, .*: scenes/data.yaml has images to evaluate on too: --data takes both"
cp -r scenes fewer
rm fewer/labels/train/000000.txt fewer/labels/val/000000.txt fewer/labels/val/000001.txt
works "images without labels" "$WELD" train small.yaml --dry-run --set data.train=fewer/data.yaml --set data.val=fewer/data.yaml
says "are told of one part" "^weld: fewer/data.yaml:train: .*1 image without a label file"
says "and of the other by its name" "^weld: fewer/data.yaml:val: .*2 images without a label file"
works "and those of COCO's" "$WELD" train small.yaml --out coco --set train.epochs=1
grep '"kind":"step"' yolo/metrics.jsonl | head -n 1 > one.jsonl && untimed one.jsonl > one
grep '"kind":"step"' coco/metrics.jsonl | head -n 1 > two.jsonl && untimed two.jsonl > two
same "make the same first step" one two

works "evaluation" "$WELD" eval run/best.h5 --data scenes/instances_val.json --per-class
prints "tells of each class" "class_c"
prints "and of what size there is nothing" "APl -"
refuses "images in the place of what says their boxes" "images/val: .*: give scenes/data.yaml" \
    "$WELD" eval run/best.h5 --data scenes/images/val
refuses "or all of them" "images: has no boxes, .*: scenes/data.yaml" "$WELD" eval run/best.h5 --data scenes/images
works "as JSON" "$WELD" eval run/best.h5 --data scenes/instances_val.json --json
prints "has the twelve figures" '"ARl"'
works "to files" "$WELD" eval run/best.h5 --data scenes/instances_val.json --details details.json \
    --confusion confusion.csv
label=$(find scenes/labels/train -name '*.txt' | sort | head -n 1)
cp "$label" before
refuses "a label of the part that is trained on is not written over" "is a file of the data set that is read" \
    "$WELD" eval run/best.h5 --data scenes/data.yaml --details "$label"
same "and stays" before "$label"
cp scenes/instances_val.json before
mkdir -p both/annotations both/images && cp -r scenes/images both/images && cp scenes/instances_train.json scenes/instances_val.json both/annotations
refuses "nor the boxes of the other part" "is a file of the data set that is read" \
    "$WELD" pack both:train -o both/annotations/instances_val.json
same "which stay" before both/annotations/instances_val.json
holds "has curves" grep -q '"curve":\[' details.json
holds "and what was missed" grep -q '^,class_a,class_b,class_c,missed' confusion.csv
works "with what it finds" "$WELD" eval run/best.h5 --data scenes/instances_val.json --per-class --write-results found.json
cp stdout told
works "which is evaluated like any program's" "$WELD" eval --results found.json --data scenes/instances_val.json --per-class
cp stdout of_file
same "to the same figures" told of_file
sed 's/"category_id": *1\([^0-9]\)/"category_id": -2\1/g; /"categories"/,$s/"id": *1\([^0-9]\)/"id": -2\1/' \
    scenes/instances_val.json > scenes/below.json
works "ids of classes below 0" "$WELD" eval run/best.h5 --data scenes/below.json --per-class --write-results found.json
cp stdout of_file
same "are worth the same" told of_file
holds "are written" grep -q '"category_id":-2,' found.json
works "and read" "$WELD" eval --results found.json --data scenes/below.json --per-class
cp stdout of_file
same "to the same figures again" told of_file
works "what it finds in the part val" "$WELD" eval yolo/best.h5 --data scenes/data.yaml --per-class --write-results found.json
cp stdout told
holds "which is another than the one of training" sh -c '! grep "was trained on images" stderr'
works "is held against that part" "$WELD" eval --results found.json --data scenes/data.yaml --per-class
cp stdout of_file
same "and not against the other" told of_file
mkdir -p turned/images && cp -r scenes/labels turned && ln -s ../../scenes/images/val turned/images/val &&
    sed -i 's/^0 /x /; s/^2 /0 /; s/^x /2 /' turned/labels/val/*.txt
printf 'val: images/val\nnames: [class_c, class_b, class_a]\n' > turned/data.yaml
works "what it finds of the same classes in another order" "$WELD" eval yolo/best.h5 --data turned/data.yaml --write-results found.json
cp stdout told
works "has the data's numbers and names" "$WELD" eval --results found.json --data turned/data.yaml
cp stdout of_file
same "so that it is worth the same" told of_file
works "in another precision" "$WELD" eval run/best.h5 --data scenes/instances_val.json --precision bf16

works "training on some of the classes" "$WELD" train small.yaml --out part --set train.epochs=1 \
    --set 'data.classes=[class_c, class_a]'
says "tells what is left out" "instances_train.json: data.classes: 2 of 3 classes \('class_a', 'class_c'\): [0-9]+ boxes"
says "in what is evaluated on too" "instances_val.json: data.classes: 2 of 3 classes"
run "$WELD" train small.yaml --out part --resume --set train.epochs=1 --set 'data.classes=[class_b, class_a]'
going_on=$status
says "going on with others is no more of this run" \
    "last.h5: was made with data.classes class_c, class_a, but now it is class_b, class_a"
holds "and refused" test "$going_on" = 1
refuses "a class that is not there" "'class_x' is none of its 3 classes: there are 'class_a', 'class_b', 'class_c'" \
    "$WELD" train small.yaml --out no --set 'data.classes=[class_x]'
works "evaluating it on all" "$WELD" eval part/last.h5 --data scenes/instances_val.json --per-class --write-results found.json
grep ' class_[abc]$' stdout > told
holds "is of these" sh -c 'test -s told && ! grep class_b told'
works "what it finds" "$WELD" eval --results found.json --data scenes/instances_val.json --per-class
grep ' class_[ac]$' stdout > of_file
same "has the classes of all by their ids" told of_file
works "training on one class of all" "$WELD" train small.yaml --out single --set train.epochs=1 --set data.single_class=true
works "which is judged so" "$WELD" eval single/last.h5 --data scenes/data.yaml --per-class
prints "by boxes of all classes" "^ +$(cat scenes/labels/val/*.txt | wc -l) .* object$"

refuses "a run's folder in the place of its file" "^weld: run: is the folder of a training run: .*: run/best.h5$" \
    "$WELD" predict run scenes/images/val
works "predicting" "$WELD" predict run/best.h5 scenes/images/val --conf 0.0001 --max-det 3 --json
prints "gives boxes" '"width":'
works "and files" "$WELD" predict run/best.h5 scenes/images/val --conf 0.0001 --draw drawn --txt labels
mkdir -p pseudo/images pseudo/labels && ln -s ../../scenes/images/val pseudo/images/val
printf 'train: images/val\nval: images/val\nnames: [class_a, class_b, class_c]\n' > pseudo/data.yaml
works "labels to learn from" "$WELD" predict run/best.h5 scenes/images/val --conf 0.0001 --txt pseudo/labels/val --no-conf
works "are boxes of a data set" "$WELD" check-data pseudo/data.yaml
misused "without a file of labels there is no score to leave out" "no-conf goes with --txt" \
    "$WELD" predict run/best.h5 scenes/images/val --no-conf
mkdir -p scored/images scored/labels && ln -s ../../scenes/images/val scored/images/val && cp -r labels scored/labels/val
cp pseudo/data.yaml scored
refuses "with scores they are none" "6 numbers: .*--no-conf" "$WELD" eval run/best.h5 --data scored/data.yaml
works "no boxes" "$WELD" predict run/best.h5 scenes/images/val/000007.png --conf 1 --draw bare
holds "drawn" sh -c 'test -s drawn/000007.png && test -s bare/000007.png && ! cmp -s drawn/000007.png bare/000007.png'
holds "and as labels" test -s labels/000007.txt
cp scenes/images/val/000007.png before.png
refuses "drawings in the place of the photos" "is there already" \
    "$WELD" predict run/best.h5 scenes/images/val --draw scenes/images/val
same "which stay as they are" before.png scenes/images/val/000007.png
refuses "labels in the place of others" "scenes/labels/val/000000.txt is there already" \
    "$WELD" predict run/best.h5 scenes/images/val --txt scenes/labels/val
refuses "a file in the place of a folder" "before.png is no folder" \
    "$WELD" predict run/best.h5 scenes/images/val --draw before.png
set -- items/class_a/*.jpg
{
    printf '\377\330\377\341\0\042Exif\0\0MM\0\052\0\0\0\010\0\1\1\022\0\3\0\0\0\1\0\6\0\0\0\0\0\0'
    tail -c +3 "$1"
} > turned.jpg
cp "$1" stored.jpg
works "a photo that its metadata say is turned" "$WELD" predict run/best.h5 turned.jpg stored.jpg --conf 1 --draw upright
holds "is drawn upright" sh -c 'test -s upright/turned.png && ! cmp -s upright/turned.png upright/stored.png'
works "and so seen" "$WELD" predict run/best.h5 turned.jpg --conf 0.0001 --txt seen
works "as is" "$WELD" predict run/best.h5 upright/turned.png --conf 0.0001 --txt known
same "the photo that was turned by hand" seen/turned.txt known/turned.txt
holds "in which there is something" test -s seen/turned.txt
works "a table" "$WELD" predict run/best.h5 scenes/images/val/000000.png --csv --conf 0.0001
prints "of what is told" "^image,class,index,score,x,y,width,height,error"
misused "a score beyond 1" "^weld predict: --conf: 2 is out of range: give 0 to 1" "$WELD" predict run/best.h5 scenes/images/val/000000.png --conf 2
misused "more boxes than there are, by the name of the option" "^weld predict: --max-det: 30001 is out of range" \
    "$WELD" predict run/best.h5 scenes/images/val/000000.png --max-det 30001
refuses "an overlap of no tiles" "--overlap: says nothing without --tile" "$WELD" predict run/best.h5 \
    scenes/images/val/000000.png --overlap 0.3
works "a network that finds much" "$MAKE_NETWORK" yolo11 untaught.h5 256 width=0.125 depth=0.25
works "all of an image" "$WELD" predict untaught.h5 scenes/images/val --csv
cp stdout whole
works "in tiles larger than it" "$WELD" predict untaught.h5 scenes/images/val --csv --tile 4096
cp stdout tiles
same "there are none" tiles whole
works "in tiles" "$WELD" predict untaught.h5 scenes/images/val --csv --tile 100 --overlap 0.3
cp stdout tiles
holds "there are other boxes" sh -c '! cmp -s tiles whole'
works "read by other threads" "$WELD" predict untaught.h5 scenes/images/val --csv --tile 100 --overlap 0.3 --jobs 3
cp stdout read_ahead
same "which are the same" read_ahead tiles
works "drawn and as labels" "$WELD" predict untaught.h5 scenes/images/val/000000.png --tile 100 --draw tiled --txt tiled
holds "too" sh -c 'test -s tiled/000000.png && test -s tiled/000000.txt'
for side in 31 0 -5; do
    misused "tiles of no size ($side)" "^weld predict: --tile: $side is out of range: give 32" \
        "$WELD" predict run/best.h5 scenes/images/val --tile $side
done
mkdir broken && head -c 100 scenes/images/val/000000.png > broken/000000.png
refuses "nothing but images that cannot be read" "000000.png: truncated" \
    "$WELD" predict run/best.h5 broken --draw broken_drawn --txt broken
holds "leaves no empty folder behind, and none away that was there" test -d broken -a ! -e broken_drawn
mkdir -p twice/a twice/b && cp scenes/images/val/000000.png twice/a/ && cp scenes/images/val/000001.png twice/b/000000.png
refuses "two images that would be written to one file" "would be written to one file" \
    "$WELD" predict run/best.h5 twice --draw drawn_twice

works "comparing" "$WELD" compare run/best.h5 run/last.h5 --data scenes/instances_val.json --per-class --threads 1
cp stdout compared
prints "scores of both" "^A: run/best.h5: size 64.*: AP [0-9.]+, AP50 [0-9.]+$"
prints "the difference and what is chance" "^B - A: AP [-+][0-9.]+, 95 % interval [-+][0-9.]+ to [-+][0-9.]+, p = [0-9.e-]+: (chance|A|B)"
prints "and of each class" "^ *[0-9.]+ +[0-9.]+ +[-+][0-9.]+ .* class_a$"
works "on other threads" "$WELD" compare run/best.h5 run/last.h5 --data scenes/instances_val.json --per-class --threads 3
cp stdout compared_again
same "to the same figures" compared compared_again
works "with itself" "$WELD" compare run/best.h5 run/best.h5 --data scenes/instances_val.json
prints "there is no difference" "^B - A: AP \\+0.0000, 95 % interval \\+0.0000 to \\+0.0000, p = 1: chance"
prints "to what the evaluation says" \
    "$("$WELD" eval run/best.h5 --data scenes/instances_val.json 2> /dev/null | sed -n 's/^[0-9]* images: \(AP [0-9.]*, AP50 [0-9.]*\).*/\1/p')"
prints "with a word on how few images that are" "1000 resamples .*; of so few images, intervals are too narrow"
sed -E '/00000[2-6].png/d; /"image_id":[3-7],/d; s/class_b/class_x/' scenes/instances_val.json > scenes/three.json
works "on three of the images" "$WELD" compare run/best.h5 yolo/best.h5 --data scenes/three.json
prints "there is no interval" "^B - A: AP [-+][0-9.]+: too few images"
says "what is so of the classes of both is said once" "^note: A and B: .*no boxes of .*; 1 class that .*'class_x'"
holds "and not of each" test "$(grep -c class_x "$WORK/stderr")" = 1
refuses "one class and its kinds" "no class with boxes that both models know .*: weld eval" \
    "$WELD" compare single/last.h5 run/best.h5 --data scenes/instances_val.json
says "whose one class is told of the one" "^note: A: .*3 classes become one, 'object'"
refuses "images that are right or wrong" "^weld: --list: what networks for detection say" \
    "$WELD" compare run/best.h5 run/best.h5 --data scenes/instances_val.json --list

works "merging" "$WELD" reparam run/best.h5 -o deploy.h5 --verify scenes/instances_val.json
works "integers" "$WELD" quantize deploy.h5 --data scenes/instances_train.json --eval scenes/instances_val.json -o int8.h5 --images 16
prints "AP before and after" "^AP on 8 +[01]\.[0-9]{4} +[01]\.[0-9]{4} +drop -?[0-9.]+ points$"
prints "whose drop has no error, but elsewhere" "^AP is of all images together, so its drop has no \+-: weld compare of both files on scenes/instances_val.json gives an interval$"
ap=$(sed -nE 's/^AP on 8 +[0-9.]+ +([0-9.]+) .*/\1/p' stdout)
works "evaluating them" "$WELD" eval int8.h5 --data scenes/instances_val.json
prints "gives the AP that was told" "AP $ap"
works "which is found there" "$WELD" compare deploy.h5 int8.h5 --data scenes/instances_val.json
prints "as was said" "^B - A: AP [-+][0-9.]+, 95 % interval "
works "a program" "$DETECT" deploy.h5 scenes/images/val/000000.png 0.0001
cp stdout detected
"$WELD" predict deploy.h5 scenes/images/val/000000.png --conf 0.0001 --csv 2> /dev/null |
    tail -n +2 | cut -d, -f2,4 | sed 's/,\(0\.....\).*/ \1/' > told
cut -d' ' -f1,2 detected | sed 's/\(0\.....\).*/\1/' > found
same "finds what the command does" told found
works "report" "$WELD" report run -o page.html
holds "has curves of classes, and the worst images drawn" grep -q '"rows":\[\[[0-9]*,[0-9.]*,[0-9].*"curves":\[{.*"picture":"data:image/jpeg' page.html
works "preview" "$WELD" preview small.yaml -o sheet.png
works "turned, sheared, from aside and blended" "$WELD" preview small.yaml -o turned.png --set augment.degrees=20 \
    --set augment.shear=10 --set augment.perspective=0.001 --set augment.blend=1
holds "looks different" sh -c '! cmp -s sheet.png turned.png'
sed 's/class_a/Pullóver/; s/class_b/犬/' scenes/instances_train.json > scenes/letters.json
set -- --set data.train=scenes/letters.json --set data.val=null --set train.epochs=1
works "classes of other letters" "$WELD" preview small.yaml -o letters.png "$@"
says "of which some cannot be drawn" "^weld: letters of 1 class cannot be drawn, .*: '犬'$"
works "learned" "$WELD" train small.yaml --out letters "$@"
works "and drawn" "$WELD" predict letters/last.h5 scenes/images/val/000000.png --conf 0.0001 --draw letters/drawn
says "are told too" "^note: --draw: letters of 1 class cannot be drawn, .*: '犬'$"
works "not drawn" "$WELD" predict letters/last.h5 scenes/images/val/000000.png
holds "they are as they are" sh -c '! grep -q letters "$0"' "$WORK/stderr"
works "a run that is all end" "$WELD" train small.yaml --dry-run --set augment.close_mosaic=3
prints "is told that it has no mosaics" "augment.close_mosaic 3 is all of the run's 3 epochs"

sed '/"image_id"/d; s/^"annotations":\[$/"annotations":[],/' scenes/instances_val.json > scenes/instances_none.json
refuses "images without a box" "instances_none.json: none of its 8 images has a box to learn from" \
    "$WELD" train small.yaml --out no --set data.train=scenes/instances_none.json
"$WELD" pack items --size 16 -o classes.h5 > /dev/null 2>&1
refuses "folders of classes" "has no boxes" "$WELD" train small.yaml --out no --set data.train=items --set data.val=items
finish
