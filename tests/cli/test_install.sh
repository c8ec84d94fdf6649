#!/bin/sh
# The installed library is enough to write a program of one's own: install, build examples against it
# with pkg-config alone, classify a photo, find boxes in it; the same with the static library.
# Arguments: the program, make_photos, the build folder, the sanitizers (or none), the compiler,
# make_network.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
BUILD=$3
SANITIZE=$4
CC=$5
MAKE_NETWORK=$(realpath "$6")
here=$(cd "$(dirname "$0")" && pwd)
. "$here/tap.sh"
cd "$WORK" || exit 1
mkdir photos
"$MAKE_PHOTOS" photos/train 3 8 32
cat > small.yaml << 'EOF'
model: {name: repvit, channels: [8, 16], depths: [1, 1], stem_stride: 2}
data: {train: photos/train, val: photos/train, input_size: 32}
augment: {kind: none}
train: {epochs: 1, batch_size: 8, ema_decay: null}
EOF
works "train" "$WELD" train small.yaml --out run
works "merge" "$WELD" reparam run/last.h5 -o deploy.h5
works "install" meson install -C "$BUILD" --no-rebuild --destdir "$WORK/root"
pkgconfig=$(dirname "$(find root -name weld.pc)")
prefix=$(sed -n 's/^prefix=//p' "$pkgconfig/weld.pc")
export PKG_CONFIG_PATH="$WORK/$pkgconfig" PKG_CONFIG_SYSROOT_DIR="$WORK/root"
flags=""
[ "$SANITIZE" = none ] || flags="-fsanitize=$SANITIZE"
libdir=$(dirname "$(find root -name 'libweld.so')")

# shellcheck disable=SC2046,SC2086 # lists of flags are meant
works "build against the installed shared library" "$CC" -std=c17 -Wall -Wextra -Werror $flags "$here/classify.c" -o classify \
    "-I$WORK/root$prefix/include" "-L$WORK/$libdir" $(PKG_CONFIG_SYSROOT_DIR="" pkg-config --libs-only-l weld)
export LD_LIBRARY_PATH="$WORK/$libdir"
works "classify a photo" ./classify deploy.h5 photos/train/class_b/0000.jpg
prints "it says the class and the probability" "^class_[abc] 0\.[0-9]+$"
cp "$WORK/stdout" by_library
"$WELD" predict deploy.h5 photos/train/class_b/0000.jpg --top 1 > by_program
holds "the program says the same class" grep -q "$(cut -d' ' -f1 by_library)" by_program
works "quantise" "$WELD" quantize deploy.h5 --data photos/train -o int8.h5
works "classify a photo by a network of integers" ./classify int8.h5 photos/train/class_b/0000.jpg
prints "it says the class and the probability" "^class_[abc] 0\.[0-9]+$"
run ./classify deploy.h5 nowhere.jpg
says "a missing file is an error with a message" "nowhere.jpg"
unset LD_LIBRARY_PATH
# shellcheck disable=SC2046,SC2086
works "build a program that detects" "$CC" -std=c17 -Wall -Wextra -Werror $flags "$here/detect.c" -o detect \
    "-I$WORK/root$prefix/include" "-L$WORK/$libdir" $(PKG_CONFIG_SYSROOT_DIR="" pkg-config --libs-only-l weld)
works "make a detector" "$MAKE_NETWORK" yolo11 yolo11.h5 64 width=0.125 depth=0.25
works "as others write it" "$WELD" export yolo11.h5 -o yolo11.safetensors
seq -f 'thing %.0f' 0 79 > names.txt
works "with names" "$WELD" import yolo11.safetensors --classes names.txt -o detector.h5
export LD_LIBRARY_PATH="$WORK/$libdir"
works "find boxes" ./detect detector.h5 photos/train/class_b/0000.jpg 0.6
prints "it says class, score and box" "^thing [0-9]+ 0\.[0-9]+ at [0-9.]+, [0-9.]+: [0-9.]+ x [0-9.]+$"
sed 's/ at .*//; s/\(0\.....\).*/\1/' stdout > found
"$WELD" predict detector.h5 photos/train/class_b/0000.jpg --conf 0.6 --csv 2> stderr | tail -n +2 |
    cut -d, -f2,4 | sed 's/,\(0\.....\).*/ \1/' > told
same "the program finds the same" found told
run ./detect deploy.h5 photos/train/class_b/0000.jpg 0.6
says "a classifier finds none" "it finds no boxes"
# libweld.a with the shared libraries it stands on: what libzip privately needs, three more, which its
# package does not bring for linking, is its own business.
# shellcheck disable=SC2046,SC2086
works "build against the static library" "$CC" -std=c17 $flags "$here/classify.c" -o classify_static \
    "-I$WORK/root$prefix/include" "$WORK/$libdir/libweld.a" \
    $(PKG_CONFIG_SYSROOT_DIR="" pkg-config --static --libs weld | sed 's/-lweld//; s/-l\(bz2\|ssl\|crypto\)\>//g')
unset LD_LIBRARY_PATH
works "classify with it" ./classify_static deploy.h5 photos/train/class_b/0000.jpg
cp stdout by_static
same "shared and static say the same" by_static by_library
# shellcheck disable=SC2046,SC2086
works "build the program of several threads" "$CC" -std=gnu17 -Wall -Wextra $flags "$here/share_model.c" -o share_model \
    "-I$WORK/root$prefix/include" "-L$WORK/$libdir" $(PKG_CONFIG_SYSROOT_DIR="" pkg-config --libs-only-l weld) -pthread
export LD_LIBRARY_PATH="$WORK/$libdir"
works "several threads share one model" ./share_model deploy.h5 photos/train/class_a/0001.jpg
# shellcheck disable=SC2046,SC2086
works "build the program of a network of one's own" "$CC" -std=c17 -Wall -Wextra -Werror $flags "$here/own_network.c" -o own_network \
    "-I$WORK/root$prefix/include" "-L$WORK/$libdir" $(PKG_CONFIG_SYSROOT_DIR="" pkg-config --libs-only-l weld)
"$MAKE_PHOTOS" photos/val 3 4 32
works "it trains its network" ./own_network photos/train photos/val 24 own.h5 own_deploy.h5
prints "and it learns" "^epoch 24: .* top-1 100.0 %"
works "the program reads the merged network" "$WELD" predict own_deploy.h5 photos/val/class_b/0001.jpg --top 1
prints "with its classes" "class_b"
works "evaluates what it was merged from, of which the average is kept" "$WELD" eval own.h5 --data photos/val --key ema
prints "on all images" "^12 images: top-1 100.00 %"
works "merges it again" "$WELD" reparam own.h5 -o again.h5 --verify photos/val
works "exports it" "$WELD" export own.h5 -o own.onnx
works "inspects it" "$WELD" inspect own.h5
prints "by its name" "^network +own:small_convnext"
prints "and says how long it was trained" "^trained +72 updates"
run "$WELD" train small.yaml --init own.h5 --out no_run
says "but cannot train it" "own.h5: is a network that a program built"
run "$WELD" bench own.h5 --train
says "nor time its training" "a program built this network"
if command -v valgrind > /dev/null && [ "$SANITIZE" = none ]; then
    "$MAKE_PHOTOS" few 3 3 32
    works "valgrind finds no leak and no error" valgrind -q --leak-check=full --errors-for-leak-kinds=definite,indirect \
        --error-exitcode=9 ./own_network few few 1 own.h5 own_deploy.h5
else
    skip "valgrind finds no leak and no error" "no valgrind, or sanitizers in its place"
fi
# shellcheck disable=SC2086
works "build the host of a plug-in" "$CC" -std=gnu17 -Wall -Wextra $flags "$here/reload_library.c" -o reload_library \
    "-I$WORK/root$prefix/include" -ldl
# The leak sanitizer would read the thread-local memory of the library that is gone.
works "the library may be unloaded and loaded again" env LSAN_OPTIONS=use_tls=0 ./reload_library "$WORK/$libdir/libweld.so" deploy.h5 \
    photos/train/class_a/0001.jpg
finish
