#!/bin/sh
# Results of any program, evaluated by annotations alone: no network, no images.
# Arguments: the program.
WELD=$(realpath "$1")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

# Four objects of "cup" in image 30, one of "cat" in image 4; "dog" has none.
cat > truth.json << 'END'
{"images": [{"id": 30, "file_name": "b.jpg", "width": 640, "height": 480}, {"id": 4, "file_name": "a.jpg"}],
 "annotations": [
  {"id": 0, "image_id": 30, "category_id": 7, "bbox": [0, 0, 40, 40], "area": 1600, "iscrowd": 0},
  {"id": 1, "image_id": 30, "category_id": 7, "bbox": [50, 0, 40, 40], "area": 1600, "iscrowd": 0},
  {"id": 2, "image_id": 30, "category_id": 7, "bbox": [100, 0, 40, 40], "area": 1600, "iscrowd": 0},
  {"id": 3, "image_id": 30, "category_id": 7, "bbox": [150, 0, 40, 40], "area": 1600, "iscrowd": 0},
  {"id": 4, "image_id": 4, "category_id": 2, "bbox": [0, 0, 40, 40], "area": 900, "iscrowd": 0}],
 "categories": [{"id": 7, "name": "cup"}, {"id": 2, "name": "cat"}, {"id": 9, "name": "dog"}]}
END
cat > results.json << 'END'
[{"image_id": 30, "category_id": 7, "bbox": [0, 0, 40, 40], "score": 0.9},
 {"image_id": 30, "category_id": 7, "bbox": [300, 300, 40, 40], "score": 0.8},
 {"image_id": 30, "category_id": 7, "bbox": [50, 0, 40, 40], "score": 0.7},
 {"image_id": 30, "category_id": 7, "bbox": [100, 0, 40, 36], "score": 0.6},
 {"image_id": 4, "category_id": 2, "bbox": [0, 0, 40, 40], "score": 0.9},
 {"image_id": 4, "category_id": 9, "bbox": [0, 0, 40, 40], "score": 0.99}]
END

# By hand: cup 0.608086 (0.628713 at IoU 0.5), cat 1; small objects are the cat.
works "results of another program" "$WELD" eval --results results.json --data truth.json
prints "AP and AP50 are the means of the classes that have objects" "^2 images: AP 0\.8040, AP50 0\.8144$"
prints "with the other figures" "APs 1\.000, APm 0\.608, APl -,"
works "with each class" "$WELD" eval --results results.json --data truth.json --per-class --confusion c.csv --details d.json
prints "a class" "^ +4 +0\.608 +0\.629 .* cup$"
prints "a class without objects has none" "^ +0 +- +- .* dog$"
prints "and what Ultralytics prints" "ultralytics 8\.4"
holds "what is taken for what" grep -q '^cup,0,3,0,1' c.csv
holds "and what is not there" grep -q '^false,1,1,0,0' c.csv
holds "all of it, as JSON" grep -q '"curve":\[1,' d.json
sed 's/"area": 900/"area": -1/' truth.json > negative.json
works "an area that is none" "$WELD" eval --results results.json --data negative.json
prints "the object is ignored, as by COCO's own program" "^2 images: AP 0\.6081,"
says "which is said" "^note: negative.json: 1 box of an area below 0 or above 1e10, ignored in evaluation"
run "$WELD" eval --results results.json --data truth.json --threads 2
[ "$status" = 2 ] && grep -q -- "--threads is of a model, in whose place --results stands" stderr
report $? "what is of a model alone is told as that"
mkdir -p set/annotations
cp truth.json set/annotations/instances_val.json
run "$WELD" eval --results results.json --data set --details set/annotations/instances_val.json
[ "$status" = 1 ] && cmp -s truth.json set/annotations/instances_val.json
report $? "annotations that a folder has are not written over"
works "as JSON" "$WELD" eval --results results.json --data truth.json --json
prints "to the last digit, undefined is null" '"AP": 0\.80404[0-9]{11,}, "AP50": 0\.8143[0-9]+.* "APl": null'
# shellcheck disable=SC2016
holds "without a loss, which there is none of" sh -c '! "$1" eval --results results.json --data truth.json --json | grep loss' - "$WELD"

echo '[]' > none.json
works "results without detections" "$WELD" eval --results none.json --data truth.json
prints "are worth nothing" "^2 images: AP 0\.0000, AP50 0\.0000$"
says "and it is said that there are none" "^note: none.json: an empty list"
echo '{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [], "categories": [{"id": 1, "name": "cup"}]}' > empty.json
works "annotations without objects" "$WELD" eval --results none.json --data empty.json
prints "leave all undefined" "^1 image: AP -, AP50 -$"
sed 's/"category_id": 9/"category_id": 8/' results.json > other.json
works "a category that the data lacks" "$WELD" eval --results other.json --data truth.json
says "is told" "note: other.json: 1 detection is of categories"
sed 's/"image_id": 4/"image_id": 5/' results.json > other.json
refuses "an image that the data lacks" "other.json: offset [0-9]+: image_id 5" \
    "$WELD" eval --results other.json --data truth.json
sed 's/"image_id": 30/"image_id": "b"/; s/"image_id": 4,/"image_id": 0, "file_name": "a.jpg",/' results.json > other.json
works "images by the names of their files" "$WELD" eval --results other.json --data truth.json
prints "come to the same" "^2 images: AP 0\.8040, AP50 0\.8144$"
refuses "the number of the first of categories that have ids" "truth.json: categories of the data have ids" \
    "$WELD" eval --results results.json --data truth.json --first-category 1
refuses "annotations in place of results" "a list of detections is expected" \
    "$WELD" eval --results truth.json --data truth.json
run "$WELD" eval --results results.json --data truth.json model.h5
holds "a model besides is wrong usage" test "$status" = 2
run "$WELD" eval --data truth.json
holds "neither is too" test "$status" = 2

finish
