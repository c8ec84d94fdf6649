#!/bin/sh
# Arrays in and out: every type of elements, logits and maps, and what is refused.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1

"$MAKE_PHOTOS" photos 2 4 16
cat > small.yaml << 'EOT'
model: {name: repvit, channels: [8, 12], depths: [1, 1], stem_stride: 2}
data: {train: photos, val: photos, input_size: 16}
augment: {kind: none}
optimizer: {lr: 1e-2, lr_batch: 0}
train: {epochs: 1, batch_size: 4, ema_decay: null}
EOT
"$WELD" train small.yaml --out run > /dev/null 2>&1
"$WELD" reparam run/best.h5 -o deploy.h5 > /dev/null

# npy DESCR ONE ZERO SHAPE ORDER: 540 ones and zeros, as NumPy saves them; ONE and ZERO are printf's.
bits=$(awk 'BEGIN { for (i = 0; i < 540; i++) print i * i % 7 < 3 }')
npy() {
    printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '$1', 'fortran_order': $5, 'shape': $4, }"
    for bit in $bits; do
        # shellcheck disable=SC2059 # they are made of escapes
        if [ "$bit" = 1 ]; then printf "$2"; else printf "$3"; fi
    done
}
all='(3, 3, 6, 10)'
zeros='\0\0\0\0'
npy '<f4' '\0\0\200\077' "$zeros" "$all" False > f4.npy
npy '<f2' '\0\074' '\0\0' "$all" False > f2.npy
npy '<f8' '\0\0\0\0\0\0\360\077' "$zeros$zeros" "$all" False > f8.npy
npy '|u1' '\001' '\0' "$all" False > u1.npy
npy '<i4' '\001\0\0\0' "$zeros" "$all" False > i4.npy
npy '<i8' '\001\0\0\0\0\0\0\0' "$zeros$zeros" "$all" False > i8.npy

works "logits for an array of f4" "$WELD" run deploy.h5 --input f4.npy --output f4.logits.npy
says "it says what was written" "f4.logits.npy written: \[3, 2\]"
for type in f2 f8 u1 i4 i8; do
    works "logits for an array of $type" "$WELD" run deploy.h5 --input $type.npy --output logits.npy
    same "they are those for the same numbers as f4" logits.npy f4.logits.npy
done

works "maps of the merged network" "$WELD" run deploy.h5 --input u1.npy --output maps.npy --features
says "strides count pixels" "maps.stride4.npy written: \[3, 12, 2, 3\]"
cp u1.npy copy.stride4.npy
refuses "maps that would be written over the images" "would be written over --input" \
    "$WELD" run deploy.h5 --input copy.stride4.npy --output copy.npy --features
same "which stay" u1.npy copy.stride4.npy
works "maps of the unmerged network" "$WELD" run run/best.h5 --input u1.npy --output unmerged --features
for stride in 2 4; do
    tail -c +129 maps.stride$stride.npy | od -An -v -w4 -t f4 > a
    tail -c +129 unmerged.stride$stride.npy | od -An -v -w4 -t f4 > b
    holds "both give the same map at stride $stride, to 1e-4 of the largest" sh -c "paste a b | awk '
        { x = \$1 < 0 ? -\$1 : \$1; d = \$1 - \$2; d = d < 0 ? -d : d
          if (x > largest) largest = x; if (d > worst) worst = d }
        END { exit !(NR > 0 && largest > 0 && worst <= 1e-4 * largest) }'"
done
holds "no other file is written" test "$(echo maps* unmerged* | wc -w)" = 4

npy '<f4' '\0\0\200\077' "$zeros" "$all" True > bad.npy
refuses "an array in Fortran's order" "C order: .*ascontiguousarray" "$WELD" run deploy.h5 --input bad.npy --output y.npy
npy '>f4' '\077\200\0\0' "$zeros" "$all" False > bad.npy
refuses "a big-endian array" "big-endian: .*astype" "$WELD" run deploy.h5 --input bad.npy --output y.npy
npy '<c8' '\0\0\200\077' "$zeros" '(3, 3, 6, 5)' False > bad.npy
refuses "complex numbers" "<f4, <f2, <f8, .u1, <i4, <i8" "$WELD" run deploy.h5 --input bad.npy --output y.npy
npy '|u1' '\001' '\0' '(9, 6, 10)' False > bad.npy
refuses "an array of three dimensions" "\[9, 6, 10\].*\[n, 3, height, width\]" "$WELD" run deploy.h5 --input bad.npy --output y.npy
npy '|u1' '\001' '\0' '(3, 6, 10, 3)' False > bad.npy
refuses "channels last" "\[3, 6, 10, 3\].*\[n, 3, height, width\]" "$WELD" run deploy.h5 --input bad.npy --output y.npy
head -c 400 u1.npy > bad.npy
refuses "a cut array" "expected 540 bytes" "$WELD" run deploy.h5 --input bad.npy --output y.npy
refuses "something else" "bad.yaml|small.yaml.*numpy" "$WELD" run deploy.h5 --input small.yaml --output y.npy
npy '<f4' '\0\0\300\177' "$zeros" "$all" False > bad.npy
refuses "numbers that are none" "images\[0\]: the network's logits are not finite" \
    "$WELD" run deploy.h5 --input bad.npy --output y.npy
refuses "nor are maps made of them" "images\[0\]: the network's features of stage 1 are not finite" \
    "$WELD" run deploy.h5 --input bad.npy --output y.npy --features
holds "nothing is written where a run is refused" sh -c '! ls | grep -q "^y\."'

# Larger than one slice of images (16 MiB).
head -c 6000000 /dev/zero > zeros
{
    printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': (30000, 3, 8, 8), }"
    head -c 5760000 zeros
} > large.npy
works "an array of many slices" "$WELD" run deploy.h5 --input large.npy --output large.logits.npy
holds "has logits for every image" test "$(tail -c +129 large.logits.npy | wc -c)" = 240000
holds "which are the same for equal images" test "$(tail -c +129 large.logits.npy | od -An -v -w8 -t x8 | sort -u | wc -l)" = 1
finish
