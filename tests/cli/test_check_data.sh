#!/bin/sh
# weld check-data as a user runs it.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

"$MAKE_PHOTOS" train 3 4 40
"$MAKE_PHOTOS" val 3 2 64
works "a sound data set is looked through" "$WELD" check-data train --threads 2
prints "it is counted" "^images +12: 0 broken, 0 odd, 0 skipped$"
prints "so are its classes" "^classes +3: 4 to 4 images, median 4$"
prints "and its sizes" "^width +[0-9]+ to [0-9]+, median [0-9]+$"

head -c 400 train/class_a/0001.jpg > train/class_a/cut.jpg
cp train/class_a/0002.jpg train/class_b/again.jpg
echo text > train/class_c/notes.txt
cp train/class_c/0003.jpg val/class_c/leak.jpg
run "$WELD" check-data train --against val
prints "the broken image is named" "^broken +class_a/cut.jpg: "
prints "contradictory labels are named" \
    "^conflict +class_b/again.jpg: the same bytes as class_a/0002.jpg, of another class$"
prints "what was passed over is named" "^skipped +class_c/notes.txt: not an image$"
prints "images of the other set are named" \
    "^leak +class_c/0003.jpg: the same bytes as val/class_c/leak.jpg$"
says "the failure says how many" "^weld: train: 1 of 14 images cannot be used"
holds "a broken image makes it fail" test "$status" = 1
run "$WELD" check-data train --json
prints "with counts" '"images": 14, "broken": 1, .*"conflict": 1, .*"skipped": 1'
prints "and findings" '"kind": "broken", "name": "class_a/cut.jpg", "reason": "'
holds "JSON is one object" test "$(wc -l < stdout)" = 1
rm train/class_a/cut.jpg
works "odd images are no failure" "$WELD" check-data train
works "packed files will do" sh -c "'$WELD' pack train -o train.h5 && '$WELD' check-data train.h5"
if tar cf train.tar train 2> /dev/null; then
    works "archives will do" "$WELD" check-data train.tar
else
    skip "archives will do" "no tar here"
fi
refuses "what is no data set is refused" "no class folders" "$WELD" check-data train/class_a

# Boxes.
mkdir -p boxes/images boxes/labels
cp train/class_a/0000.jpg boxes/images/a.jpg
cp train/class_a/0001.jpg boxes/images/b.jpg
printf 'train: images\nnames: [cat, "d\303\266g"]\n' > boxes/data.yaml
printf '0 .5 .5 .5 .5\n' > boxes/labels/a.txt
works "a data set with boxes is looked through" "$WELD" check-data boxes
prints "with boxes of each class" "^    cat {26}1$"
prints "whatever letters its name has" "^    d[^ a-z]+g {26}0$"
prints "and classes that have none" "^class +d[^ a-z]+g: no box$"
prints "and images without a file of labels" "^faults +1 no label file$"
prints "of the part that it is of" "^part +train$"
cp -r boxes parts
mkdir parts/more
cp train/class_a/0002.jpg parts/more/c.jpg
printf '1 .5 .5 .5 .5\n' > parts/more/c.txt
printf 'train: images\nval: more\nnames: [cat, dog]\n' > parts/data.yaml
works "of several parts one" "$WELD" check-data parts
prints "is looked at, with a word on the other" "^part +train; to check another: parts:val$"
works "the other" "$WELD" check-data parts:val
prints "is" "^part +val$"
for i in 0 1 2 3; do
    {
        printf '\377\330\377\341\0\042Exif\0\0MM\0\052\0\0\0\010\0\1\1\022\0\3\0\0\0\1\0\6\0\0\0\0\0\0'
        tail -c +3 train/class_a/000$i.jpg
    } > parts/more/turned$i.jpg
done
works "photos that were held upright" "$WELD" check-data parts:val
prints "are told together" \
    "^turned +4 images by the metadata, seen upright: more/turned0.jpg, more/turned1.jpg, more/turned2.jpg, ...$"
prints "and are not odd" "^images +5: 0 broken, 0 odd"
run "$WELD" check-data parts:val --json
prints "programs get each" '"name": "more/turned3.jpg", "reason": "EXIF orientation 6: seen upright, as its boxes"'
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22; do
    echo "2 .5 .5 .$i .5"
done >> boxes/labels/a.txt
run "$WELD" check-data boxes
says "entries that cannot be used are counted" "boxes: 22 entries of its annotations cannot be used"
holds "and make it fail" test "$status" = 1
run "$WELD" check-data boxes --json
prints "of each kind of fault all are counted" '"unknown class": 22, '
prints "and the first are told with file and line" '"name": "boxes/labels/a.txt:21", '
holds "but no more than twenty" sh -c "! grep -q 'a.txt:22' stdout"
refuses "training has none of it" "boxes/labels/a.txt:2: class 2, but there are 2" \
    "$WELD" pack boxes -o boxes.h5
finish
