#!/bin/sh
# weld predict on folders, lists and many images.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

mkdir photos
"$MAKE_PHOTOS" photos/train 3 4 40
cat > small.yaml << 'END'
model: {name: repvit, channels: [8], depths: [1], stem_stride: 2}
data: {train: photos/train, input_size: 16}
augment: {kind: small, repeats: 1}
train: {epochs: 1, batch_size: 4}
END
works "a network" "$WELD" train small.yaml --out run
mkdir -p in/b/deep in/a
cp photos/train/class_a/0000.jpg in/z.jpg
cp photos/train/class_b/0000.jpg in/b/1.jpg
cp photos/train/class_b/0001.jpg in/b/deep/0.jpg
cp photos/train/class_c/0000.jpg "in/a/x, y"
echo text > in/a/notes.txt

works "a folder" "$WELD" predict run/last.h5 in -k 1
says "what is passed over is said" "^note: in: images by their contents: 1 \(a/x, y\); passed over: not an image: 1 \(a/notes.txt\)"
cp stdout by_folder
grep '^in' by_folder > names
printf '%s\n' in/z.jpg "in/a/x, y" in/b/1.jpg in/b/deep/0.jpg > wanted
same "its images in order of folders and names" names wanted
sh -c "'$WELD' predict run/last.h5 - -k 1 < wanted > by_list 2> stderr"
same "a list on standard input" by_folder by_list
printf 'in/\r\n' > folders
sh -c "'$WELD' predict run/last.h5 -k 1 - < folders > by_list 2> stderr"
same "a list may name folders" by_folder by_list
sh -c "'$WELD' predict run/last.h5 in -k 1e0 --max-pixels 1e8 > by_list 2> stderr"
same "numbers may be as in recipes" by_folder by_list
misused "but are whole" "--top wants a whole number from 1 to 2147483647, not '1e-1'" "$WELD" predict run/last.h5 in -k 1e-1
mkdir empty
refuses "a folder without images is an error" "empty: there is no JPEG, PNG or WebP image" "$WELD" predict run/last.h5 empty
refuses "and so is an empty list" "standard input: names no image" "$WELD" predict run/last.h5 -

head -c 300 in/z.jpg > in/b/cut.jpg
run "$WELD" predict run/last.h5 in --csv -k 2
tr -d '\r' < stdout > csv
says "it is named" "^weld: in/b/cut.jpg: truncated JPEG"
says "and counted" "^weld: 1 of 5 images could not be read"
holds "a bad image makes it fail" test "$status" = 1
holds "CSV has a head and a row for each class" test "$(wc -l < csv)" = 10
holds "of these columns" grep -qx "image,class,index,probability,error" csv
holds "names with commas are quoted" grep -Eqx '"in/a/x, y",class_[abc],[012],0\.[0-9]+,' csv
holds "the bad one has its error" grep -q '^in/b/cut.jpg,,,,"\?in/b/cut.jpg: truncated JPEG' csv
for format in --csv --json; do
    "$WELD" predict run/last.h5 in photos/train $format > one 2> stderr_one
    "$WELD" predict run/last.h5 in photos/train $format --jobs 5 > five 2> stderr_five
    same "the same with threads that read ahead ($format)" one five
    same "and the same is said ($format)" stderr_one stderr_five
done
refuses "tiles are for boxes" "^weld: --tile: is for other networks than those for classification" \
    "$WELD" predict run/last.h5 in --tile 64
run "$WELD" predict run/last.h5 in --csv --json
holds "two formats are wrong usage" test "$status" = 2
finish
