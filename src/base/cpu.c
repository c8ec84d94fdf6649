/* What the processor can do; see cpu.h. */
#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>

weld_cpu weld_cpu_features(void) {
    weld_cpu cpu = {0};
    __builtin_cpu_init(); /* its answers include the operating system's support */
    cpu.avx2_fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    cpu.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    unsigned a, b, c, d;
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d)) {
        cpu.avx512_bf16 = cpu.avx512 && (a >> 5 & 1);
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        cpu.amx_bf16 = cpu.avx512 && (d >> 22 & 1) && (d >> 24 & 1);
    }
    return cpu;
}
#else
weld_cpu weld_cpu_features(void) {
    return (weld_cpu){0};
}
#endif
