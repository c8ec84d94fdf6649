/* What the processor can do. */
#ifndef WELD_BASE_CPU_H
#define WELD_BASE_CPU_H

#include <stdbool.h>

typedef struct weld_cpu {
    bool avx2_fma, avx512, avx512_bf16, amx_bf16;
} weld_cpu;

/* Features that both the processor and the operating system support; all false off x86-64.
 * avx512 means F, BW, DQ and VL together. amx_bf16, which comes with avx512_bf16, asks the system
 * for this process to have tile registers, and is true once they are granted. */
weld_cpu weld_cpu_features(void);

#endif
