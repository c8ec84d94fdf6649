/* Instruction sets: what they are called, whether this cpu runs them, what they bring. */
#ifndef WELD_KERNELS_ISA_H
#define WELD_KERNELS_ISA_H

#include "kernels/int8.h"
#include "kernels/kernels.h"

typedef struct weld_isa {
    const char *name;     /* as WELD_ISA has it; "ref" is plain C */
    const char *features; /* what the cpu must have, in words; NULL: nothing */
    unsigned needs;       /* the same: WELD_CPU_... */
    /* By dtype: its table of kernels; NULL where it has none of its own for the type. */
    const weld_kernels *(*kernels[WELD_DTYPES])(void);
    const weld_int8_kernels *(*int8)(void); /* NULL likewise */
    unsigned gains_by; /* without these a set before it is faster: it must be named to be taken */
} weld_isa;

/* All that weld knows, slowest first; NULL past the end. */
const weld_isa *weld_isa_at(int i);
bool weld_isa_runs(const weld_isa *isa);

/* The set whose table for a type a cpu of these features gets where none is named. */
const weld_isa *weld_isa_best(weld_dtype dtype, unsigned features);

/* For loops outside of the tables of kernels: may those for the set of this name be used? The cpu
 * must run it, and WELD_ISA, where it names a set that the cpu runs, must name none that is slower.
 */
bool weld_isa_allowed(const char *name);

#endif
