#!/bin/sh
# OpenBLAS, which is loaded when something needs it: by the program with the right code for the cpu;
# and where it cannot be loaded, what needs it is refused and everything else works.
# Arguments: the program, make_network, make_photos, write_operators, the library's name.
WELD=$(realpath "$1")
MAKE_NETWORK=$(realpath "$2")
MAKE_PHOTOS=$(realpath "$3")
WRITE_OPERATORS=$(realpath "$4")
LIBRARY=$5
. "$(dirname "$0")/tap.sh"
cd "$WORK" || exit 1
unset OPENBLAS_CORETYPE OPENBLAS_NUM_THREADS WELD_ISA

run "$WELD" --version --verbose
if grep -q "avx512 yes" stdout; then
    prints "AVX-512 is made use of" "^openblas: core SkylakeX, threads 1$"
    run env OPENBLAS_CORETYPE=Haswell "$WELD" --version --verbose
    prints "what the environment says has its way" "^openblas: core Haswell, threads 1$"
else
    prints "OpenBLAS has one thread" "^openblas: core [A-Z].*, threads 1$"
fi

"$MAKE_NETWORK" repvit_m0_6 m.h5
"$MAKE_PHOTOS" photos 1 1 100
"$WELD" predict m.h5 photos/class_a/0000.jpg > with

# The dynamic linker finds this first.
mkdir broken operators
echo "no library" > "broken/$LIBRARY"
export LD_LIBRARY_PATH="$WORK/broken${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
works "version without OpenBLAS" "$WELD" --version --verbose
prints "version tells why there is none, and what to do" "^openblas: .*cannot be loaded: .*$LIBRARY: .*: install it"
works "predict without OpenBLAS" "$WELD" predict m.h5 photos/class_a/0000.jpg
cp stdout without
same "predict says the same without it" without with
run "$WRITE_OPERATORS" operators
says "attention without it: the message names operator, library and what to do" "attention: OpenBLAS cannot be loaded: .*$LIBRARY: .*: install it"
holds "it is refused" test "$status" = 1
works "kernels in plain C need none" env WELD_ISA=ref "$WRITE_OPERATORS" operators
finish
