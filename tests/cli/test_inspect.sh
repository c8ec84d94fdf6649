#!/bin/sh
# What inspect says about every sort of file.
# Arguments: the program, make_photos.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1
weights=$WELD_FIXTURES/weights

"$MAKE_PHOTOS" photos 3 5 24
cat > small.yaml << 'EOT'
model: {name: repvit, channels: [8, 12], depths: [1, 1], stem_stride: 2, distillation_head: true}
data: {train: photos, val: photos, input_size: 16}
augment: {kind: none}
optimizer: {lr: 1e-2, lr_batch: 0}
train: {epochs: 2, batch_size: 4, eval_every: 1, ema_decay: null}
EOT
"$WELD" train small.yaml --out run > /dev/null 2>&1
"$WELD" reparam run/best.h5 -o deploy.h5 > /dev/null
"$WELD" export run/best.h5 -o out.safetensors > /dev/null 2>&1
"$WELD" pack photos -o packed.h5 > /dev/null 2>&1
tar cf photos.tar photos 2> /dev/null
cp packed.h5 of_photos.h5

works "inspect a checkpoint" "$WELD" inspect run/last.h5
prints "it tells the form and the heads" "^form +training, not merged, distillation head$"
prints "it tells the classes" "^classes +3: class_a, class_b, class_c$"
prints "it tells multiply-adds and their size" "^MACs +[0-9.]+ M at 16 x 16$"
prints "it tells the preprocessing" "^preprocessing +size 16, crop fraction 0.875, bicubic, mean 0.485 0.456 0.406"
prints "it tells the training" "^trained +2 epochs, 6 updates, best top-1 [0-9.]+ % in epoch [12]$"
prints "it tells whether the optimizer's state is there" "^optimizer +its state is kept"
prints "it shows the summary" "^    train_images +15$"
prints "it shows the recipe" "^      batch_size: 4$"
holds "nothing is said to be not finite" sh -c '! grep -qi "not finite" stdout'
works "inspect a deploy file" "$WELD" inspect deploy.h5
prints "it tells what was merged" "^form +merged, for deployment; before that, distillation head$"
prints "it shows the verification" "^    largest_difference +[0-9.e-]+$"
works "inspect a deploy file's tensors" "$WELD" inspect deploy.h5 --tensors
prints "a tensor has shape, type, mean, deviation and range" \
    "^features.0.0.bias +f32 +\[4\]( +-?[0-9.e-]+){4}$"
works "inspect a deploy file as JSON" "$WELD" inspect deploy.h5 --json
prints "JSON tells the form" '"form": "merged"'
prints "JSON tells the classes" '"class_names": \["class_a", "class_b", "class_c"\]'
works "inspect an exported file" "$WELD" inspect out.safetensors
prints "it is as it was written" "^checksum +right$"
prints "class names travelled into it" "^classes +3: class_a, class_b, class_c$"
prints "and the preprocessing" "^preprocessing +size 16,.*0.406, std 0.229 0.224 0.225, upright by EXIF$"

works "inspect a .pth of a trainer" "$WELD" inspect "$weights/nested.pth"
prints "it tells the state dict, and which others there are" "^state dict +model \(also there: model_ema"
prints "it tells whose names the tensors have" "^tensor count +126, official names, float32$"
prints "it says that names are not known" "^classes +5, names not known$"
prints "it says that the preprocessing is the usual one" "^preprocessing.*the file says nothing of it"
works "inspect timm's half" "$WELD" inspect "$weights/timm_bfloat16.safetensors" --tensors
prints "tensors are listed as they stand in the file" "^stem.conv1.c.weight +bfloat16 +\[4, 3, 3, 3\]"
works "inspect a merged file of another program" "$WELD" inspect "$weights/merged_timm.safetensors"
prints "it tells what it cannot check" "^checksum +none: whether it is as it was written cannot be checked$"
prints "it does not claim to know what it was merged from" "^form +merged, for deployment$"

cp "$weights/timm.safetensors" damaged.safetensors
printf '\000\000\300\177' | dd of=damaged.safetensors bs=1 conv=notrunc \
    seek=$(($(wc -c < damaged.safetensors) - 4)) 2> /dev/null
works "inspect a file with a value that is no number" "$WELD" inspect damaged.safetensors
prints "it says so loudly, and where" "^not finite +1 VALUES IN 1 TENSORS ARE NOT FINITE: features"
works "inspect its tensors" "$WELD" inspect damaged.safetensors --tensors
prints "the tensor is marked" "  1 NOT FINITE$"
prints "so is the list" "^1 TENSORS HAVE VALUES"

header='{"a.weight":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]},"b":{"dtype":"I64","shape":[],"data_offsets":[4,12]}}'
{
    printf '\166\0\0\0\0\0\0\0%s%*s' "$header" $((118 - ${#header})) ''
    printf '\000\074\000\100\007\0\0\0\0\0\0\0'
} > other.safetensors
works "inspect tensors of no known network" "$WELD" inspect other.safetensors
prints "it says that it is none" "^network +none that can be used$"
prints "it says why" "^reason +its 2 tensors \(a.weight, b\) are of no network that is known"
prints "it lists the tensors all the same" "^a.weight +float16 +\[2, 1\]"
works "and what they are like" "$WELD" inspect other.safetensors --tensors
prints "halves are read" "^a.weight +float16 +\[2, 1\] +1.5 +0.5 +1 +2$"
prints "integers are read" "^b +int64 +\[\] +7 +0 +7 +7$"
works "the same as JSON" "$WELD" inspect other.safetensors --json
prints "JSON has no network then" '"network": null'
refuses "the graph of no network" "of no network that is known" "$WELD" inspect other.safetensors --graph

works "inspect a packed data set" "$WELD" inspect packed.h5
prints "it counts the images of a class" "^    class_b +5$"
printf 'no image' > photos/class_b/zzz.jpg
works "inspect a folder of class folders" "$WELD" inspect photos
prints "it counts what is there" "^    class_b +6$"
run "$WELD" inspect photos --check
says "which is said" "^weld: photos: 1 of [0-9]+ images cannot be read$"
prints "it counts what cannot be read" "^unreadable +1$"
prints "and names it" "^    photos.*class_b/zzz.jpg: "
holds "an image that cannot be read makes a check fail" test "$status" = 1
mkdir above
cp -r photos above/train
cp -r photos above/val
run "$WELD" inspect above
says "the folder above train and val is told" "^note: above: its folders are parts of a data set"
rm -r above
works "a check of sound images" "$WELD" inspect packed.h5 --check
works "inspect an array" "$WELD" inspect "$weights/images.npy"
prints "it tells the shape" "^shape +\[2, 3, 32, 32\]$"
works "inspect an image" "$WELD" inspect photos/class_a/0000.jpg
prints "it tells the size" "^size +24 x 24$"
refuses "an image beyond the limit" "0000.jpg: image of 24 x 24 pixels: the limit is 500 pixels" \
    "$WELD" inspect photos/class_a/0000.jpg --max-pixels 500
run "$WELD" inspect photos --check --max-pixels 500
says "a check has the same limit" "^weld: photos: 16 of 16 images cannot be read$"
works "inspect a recipe" "$WELD" inspect small.yaml
prints "it writes out the defaults" "^      weight_decay: 0.025$"

refuses "the folder of a run" "run: .*best.h5 or last.h5" "$WELD" inspect run
refuses "a data set's graph" "photos: is a data set: leave out --graph" "$WELD" inspect photos --graph
refuses "an array's tensors" "is an array: leave out --tensors" "$WELD" inspect "$weights/images.npy" --tensors
refuses "a network's pixels" "is a network: leave out --max-pixels" "$WELD" inspect deploy.h5 --max-pixels 500
head -c 3000 deploy.h5 > cut.h5
refuses "a cut file" "cut.h5: " "$WELD" inspect cut.h5

# Is it sound? Of any file: what is sound, then the same with a byte that is another, or cut.
by_checksum="^checked +good: all of it is as it was written$"
by_reading="no checksum of weld.s tells whether all of it is as it was written$"
for file in run/last.h5 deploy.h5 out.safetensors packed.h5; do
    works "a check of $file" "$WELD" inspect --check "$file"
    prints "goes by its checksum" "$by_checksum"
    cp "$file" damaged
    printf '\001\002\003' | dd of=damaged bs=1 conv=notrunc seek=$(($(wc -c < damaged) / 2)) 2> /dev/null
    run "$WELD" inspect --check damaged
    is "which damage does not pass" "$status" 1
done
for file in "$weights/merged_official.safetensors" "$weights/current.pth" "$weights/images.npy" photos/class_a/0000.jpg; do
    works "a check of ${file##*/}" "$WELD" inspect --check "$file"
    prints "says that there is no checksum" "$by_reading"
    head -c $(($(wc -c < "$file") / 2)) "$file" > damaged
    run "$WELD" inspect --check damaged
    is "and refuses half of it" "$status" 1
done
# By the checksums of an archive, or of the header alone, not all is known to be as it was written: here a byte of a tensor is another.
spoil() {
    printf '\125' | dd of="$1" bs=1 conv=notrunc seek="$2" 2> /dev/null
}
cp "$weights"/shards* .
works "a check of shards" "$WELD" inspect --check shards.bin.index.json
prints "says that there is no checksum" "$by_reading"
"$WELD" distill-cache small.yaml --teacher run/last.h5 -o cache.safetensors > stdout 2> stderr
spoil cache.safetensors $(($(wc -c < cache.safetensors) - 2))
works "a cache's tensors can be read" "$WELD" inspect --tensors --check cache.safetensors
prints "but are not said to be as they were written" "$by_reading"
run "$WELD" inspect --check cache.safetensors
is "which they are not" "$status" 1
works "a check of a recipe" "$WELD" inspect --check small.yaml
refuses "a check of what is not there" "^weld: nothere: cannot open: No such file" "$WELD" inspect --check nothere
printf 'path,label\nclass_b/zzz.jpg,b\nclass_a/0000.jpg,a\n' > photos/list.csv
run "$WELD" inspect --check photos/list.csv
prints "images of a list are named by their own paths" "^    photos/class_b/zzz.jpg: "
rm photos/list.csv
refuses "a file of no sort" "unknown kind" "$WELD" inspect photos/class_b/zzz.jpg
"$WELD" export deploy.h5 -o out.onnx > /dev/null 2>&1
refuses "an ONNX file" "ONNX file, which weld writes but does not read" "$WELD" inspect out.onnx

# Classes of a data set that are not the model's.
mv photos/class_c photos/class_x
works "evaluating on other classes" "$WELD" eval deploy.h5 --data photos
says "which they are is said" "no images of 1 of the network's classes: 'class_c'.*'class_x'.*whose 5 images are left out"
works "verifying a merge on other classes" "$WELD" reparam run/best.h5 -o x.h5 --verify photos
"$MAKE_PHOTOS" five 5 2 32
works "evaluating a model without names" "$WELD" eval "$weights/current.pth" --data five --size 32
says "it is said that names were not compared" "^note: .*no names of classes"
rm -r five/class_e
refuses "evaluating it on another number of classes" "4 classes, the model 5" "$WELD" eval "$weights/current.pth" --data five --size 32
# Archives.
if [ -f photos.tar ]; then
    works "inspect an archive" "$WELD" inspect photos.tar
    prints "it is told as a data set" "^photos.tar: a data set in a tar archive$"
    prints "with its classes" "^    class_b +5$"
    works "an archive trains as its folder does" "$WELD" train small.yaml --out run_tar \
        --set data.train=photos.tar --set data.val=photos.tar
    untimed run/metrics.jsonl > folder.txt
    untimed run_tar/metrics.jsonl > tar.txt
    same "with the same losses" folder.txt tar.txt
    works "an archive is packed" "$WELD" pack photos.tar -o packed_tar.h5
    same "to the same bytes" of_photos.h5 packed_tar.h5
    gzip -k photos.tar
    refuses "a compressed archive is refused" "photos.tar.gz: compressed by gzip.*gunzip" \
        "$WELD" inspect photos.tar.gz
else
    skip "archives" "no tar here"
fi

finish
