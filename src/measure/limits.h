/* What the machine can do at most: the measure of a profile. */
#ifndef WELD_MEASURE_LIMITS_H
#define WELD_MEASURE_LIMITS_H

#include <stddef.h>

#include "weld/status.h"

typedef struct weld_limits {
    double flops; /* fp32, a second: fused multiply-adds in registers, each two */
    double
        bf16_flops;   /* of the product of bf16 matrices that lie in the cache; 0: no such kernel */
    double int8_ops;  /* of codes, in registers, each multiply-add two; 0: no such kernel */
    double bandwidth; /* bytes a second, read and written, of arrays far larger than the caches */
} weld_limits;

/* Measure with `threads` threads, for about half a second in all; takes 256 MB for the while.
 * Errors: memory, kernels that WELD_ISA names and this cpu lacks. */
weld_status weld_limits_measure(int threads, weld_limits *out, weld_error *err);

/* The most resident memory that the process has had so far. */
size_t weld_peak_bytes(void);

#endif
