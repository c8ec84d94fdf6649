# Shell tests in TAP: source this, call the checks, end with `finish`.
# WELD: the program. WORK: a folder of this test's own, removed at the end.
set -u
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
tests=0
failures=0

# report STATUS NAME: one line of TAP; details are on stdout with '#' in front.
report() {
    tests=$((tests + 1))
    if [ "$1" = 0 ]; then
        echo "ok $tests - $2"
    else
        failures=$((failures + 1))
        echo "not ok $tests - $2"
        sed 's/^/# /' "$WORK/stdout" "$WORK/stderr" 2> /dev/null
    fi
}

# skip NAME REASON: a check that cannot be made here.
skip() {
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}

# run COMMAND...: keeps stdout, stderr and the exit status in $WORK/stdout, $WORK/stderr, $status.
run() {
    "$@" > "$WORK/stdout" 2> "$WORK/stderr" < /dev/null
    status=$?
}

# works NAME COMMAND...: exit status 0.
works() {
    name=$1
    shift
    run "$@"
    report "$status" "$name"
}

# prints NAME PATTERN: the last command's stdout has a line that matches (extended regexp).
prints() {
    grep -Eq -- "$2" "$WORK/stdout"
    report $? "$1"
}

# says NAME PATTERN: the last command's stderr does.
says() {
    grep -Eq -- "$2" "$WORK/stderr"
    report $? "$1"
}

# refuses NAME PATTERN COMMAND...: exit status 1 and exactly one line of the program's on stderr,
# which matches.
refuses() {
    name=$1
    pattern=$2
    shift 2
    run "$@"
    [ "$status" = 1 ] && [ "$(grep -c '^weld: ' "$WORK/stderr")" = 1 ] &&
        grep -Eq -- "$pattern" "$WORK/stderr"
    report $? "$name"
}

# misused NAME PATTERN COMMAND...: wrong usage, exit status 2, with a line on stderr that matches.
misused() {
    name=$1
    pattern=$2
    shift 2
    run "$@"
    [ "$status" = 2 ] && grep -Eq -- "$pattern" "$WORK/stderr"
    report $? "$name"
}

# same NAME A B: two files hold the same bytes.
same() {
    cmp "$2" "$3" > "$WORK/stdout" 2> "$WORK/stderr"
    report $? "$1"
}

# is NAME A B: two texts are the same.
is() {
    [ "$2" = "$3" ]
    report $? "$1"
}

# holds NAME COMMAND...: a condition, as a command, which may ask what the last one printed.
holds() {
    name=$1
    shift
    held=$("$@" 2>&1)
    met=$?
    [ "$met" = 0 ] || printf '%s\n' "$held" | sed 's/^/# /'
    report "$met" "$name"
}

# need_mpi MODULE: the rest of the test is of ranks that mpirun starts, with this module of weld's; where
# there is none ("") or mpirun cannot start any, it ends here.
need_mpi() {
    # Debian's Open MPI: root, two cores, containers.
    export WELD_MPI="$1" OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_rmaps_base_oversubscribe=1
    if [ -z "$1" ] || ! command -v mpirun > /dev/null; then
        skip "ranks over MPI" "no MPI here: scripts/setup with MPI=1 installs it and builds the module"
        finish
    fi
    run timeout 60 mpirun -n 2 true
    if [ "$status" != 0 ]; then
        skip "ranks over MPI" "mpirun cannot start two processes here: $(grep -m 1 '[a-z]' "$WORK/stderr")"
        finish
    fi
}

# make_inputs: what commands take, in the folder one is in: photos, small.yaml and its run, x.safetensors, and an image as x.npy. MAKE_PHOTOS:
# the program.
make_inputs() {
    mkdir photos
    "$MAKE_PHOTOS" photos/train 2 8 32
    "$MAKE_PHOTOS" photos/val 2 3 32
    cat > small.yaml << 'YAML'
model: {name: repvit, channels: [8], depths: [1], stem_stride: 2}
data: {train: photos/train, val: photos/val, input_size: 32}
augment: {kind: small, auto_augment: null, mixup: 0}
train: {epochs: 1, batch_size: 4, ema_decay: null}
YAML
    works "train" "$WELD" train small.yaml --out run
    works "export" "$WELD" export run/best.h5 -o x.safetensors
    printf "\223NUMPY\001\000\166\000{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 32, 32), }%50s\n" '' > x.npy
    head -c 12288 /dev/zero >> x.npy
}

# make_learnable: photos of four classes and small.yaml, by which a network learns to tell them within seconds. MAKE_PHOTOS: the program.
make_learnable() {
    mkdir photos
    "$MAKE_PHOTOS" photos/train 4 24 40
    "$MAKE_PHOTOS" photos/val 4 9 40
    cat > small.yaml << 'YAML'
model: {name: repvit, channels: [16, 24, 32], depths: [1, 1, 1], stem_stride: 2}
data: {train: photos/train, val: photos/val, input_size: 32}
augment: {kind: small, auto_augment: null, color_jitter: null, random_erasing: null, mixup: 0.2, cutmix: 0, repeats: 1, hflip: 0}
optimizer: {lr: 8e-3, lr_batch: 0}
schedule: {warmup_epochs: 1}
train: {epochs: 8, batch_size: 16, seed: 3, eval_every: 1, ema_decay: null}
YAML
}

# untimed FILE: a metrics file without the keys that depend on the clock.
untimed() {
    sed -E 's/"[^"]*second[^"]*": ?[^,}]*,? ?//g' "$1"
}

finish() {
    echo "1..$tests"
    [ "$failures" = 0 ]
    exit
}
