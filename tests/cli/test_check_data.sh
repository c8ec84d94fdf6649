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
finish
