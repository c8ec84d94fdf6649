#!/bin/sh
# The installed library is enough to write a program of one's own: install, build examples against it
# with pkg-config alone, classify a photo; the same with the static library.
# Arguments: the program, make_photos, the build folder, the sanitizers (or none), the compiler.
WELD=$(realpath "$1")
MAKE_PHOTOS=$(realpath "$2")
BUILD=$3
SANITIZE=$4
CC=$5
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
run ./classify deploy.h5 nowhere.jpg
says "a missing file is an error with a message" "nowhere.jpg"
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
# shellcheck disable=SC2086
works "build the host of a plug-in" "$CC" -std=gnu17 -Wall -Wextra $flags "$here/reload_library.c" -o reload_library \
    "-I$WORK/root$prefix/include" -ldl
works "the library may be unloaded and loaded again" ./reload_library "$WORK/$libdir/libweld.so" deploy.h5 \
    photos/train/class_a/0001.jpg
finish
