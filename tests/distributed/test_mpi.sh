#!/bin/sh
# Ranks over MPI, as mpirun starts them. Arguments: mpi_ranks, the folder where modules are installed,
# the module ("" where it is not built).
RANKS=$(realpath "$1")
INSTALLED=$2/weld_mpi.so
MODULE=$3
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../cli/tap.sh"
cd "$WORK" || exit 1

# started N WHAT...: as if by a launcher, but without one.
started() {
    size=$1
    shift
    run env OMPI_COMM_WORLD_SIZE="$size" "$RANKS" "$@"
}
fails() {
    [ "$status" != 0 ] && grep -Eq -- "$2" stderr
    report $? "$1"
}
! ldd "$RANKS" | grep -i mpi > stdout
report $? "a program of weld is not linked with MPI"
unset WELD_MPI
if [ -e "$INSTALLED" ]; then
    skip "without a module it is said that there is none" "$INSTALLED is there"
else
    started 4 talk
    fails "without a module it is said that there is none" "^error: started as one of 4 ranks, but this weld has no MPI module: MPI=1 scripts/setup builds it .*; it is neither in the program's build folder nor $INSTALLED$"
    run env -u OMPI_COMM_WORLD_SIZE PMIX_RANK=0 "$RANKS" talk
    fails "so it is where the launcher does not say how many ranks" "^error: started by a launcher of several ranks, but this weld has no MPI module"
    run env -u OMPI_COMM_WORLD_SIZE SLURM_STEP_NUM_TASKS=3 "$RANKS" talk
    fails "srun's ranks are ranks" "^error: started as one of 3 ranks"
fi
started 1 talk
[ "$status" = 0 ]
report $? "one rank alone needs no module"
export WELD_MPI="$WORK/none.so"
started 2 talk
fails "a module that is not there is named" "^error: cannot load the MPI module: .*/none.so"
echo "no library" > none.so
started 2 talk
fails "a file that is none is named" "^error: cannot load the MPI module: .*/none.so"

need_mpi "$MODULE"
started 4 talk
fails "ranks that MPI does not know of are no runs of one" "^error: started as one of 4 ranks, but MPI knows of one: the launcher is of another MPI than .*weld_mpi.so \(.+\); under srun add --mpi=pmix"

for n in 2 4; do
    works "$n ranks say and hear, and exchange gradients" timeout 120 mpirun -n $n "$RANKS" talk
    prints "they know how many they are" "^$n ranks, $n on this host of 1, .*: all is right$"
done
run timeout 120 mpirun -n 3 "$RANKS" fail 2
fails "a rank's error is that of all" "^error: rank 2 \(.+\): disk full$"
[ "$(grep -c '^error: ' stderr)" = 1 ]
report $? "and said once"
run timeout 120 mpirun -n 3 "$RANKS" kill 1
[ "$status" != 0 ] && [ "$status" != 124 ]
report $? "the death of a rank ends all"
for rank in 2 0; do
    run timeout 120 mpirun -n 3 "$RANKS" stop $rank 2
    fails "rank $rank, which does not answer, is named, and all are ended" "^error: waiting for rank $rank \(.+, pid [0-9]+\) since [2-9] s, update 2: it does not answer: given up: --rank-timeout 0 waits for ever$"
done
run timeout 120 mpirun -n 3 "$RANKS" leave 1
fails "so is one that ends before the others" "^error: rank 1 \(.+, pid [0-9]+\) has ended the run before its time$"
run timeout 60 mpirun -n 3 "$RANKS" late 0 1
fails "and one that does not end when all is done" "^note: waiting for rank 0 \(.+, pid [0-9]+\) to end since [0-9] s: given up: --rank-timeout 0 waits for ever$"
run timeout 60 mpirun -n 1 "$RANKS" late 1 1 : -n 1 true
fails "another program among the ranks ends them" "^note: waiting for MPI to start since [0-9] s: given up: --rank-timeout 0 waits for ever: do all ranks run weld\?$"
for process in /proc/[0-9]*; do
    [ "$(readlink "$process/exe")" != "$RANKS" ] || echo "$process"
done > stdout
! grep . stdout > stderr
report $? "no process of them is left"
finish
