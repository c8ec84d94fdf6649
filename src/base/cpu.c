/* What the processor can do; see cpu.h. */
#include "base/cpu.h"

#include <stdbool.h>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* Linux gives a process tile registers, which are large, only when asked. */
static bool may_use_tiles(void) {
#if defined(__linux__)
    enum { ARCH_REQUEST_STATE = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQUEST_STATE, TILE_DATA) == 0;
#else
    return false;
#endif
}

unsigned weld_cpu_features(void) {
    unsigned features = 0, a, b, c, d;
    __builtin_cpu_init(); /* its answers include the operating system's support */
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        features |= WELD_CPU_AVX2_FMA;
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        features |= WELD_CPU_AVX512;
    }
    if (features & WELD_CPU_AVX512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1)) {
        features |= WELD_CPU_AVX512_BF16;
    }
    if (features & WELD_CPU_AVX512_BF16 && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
        (d >> 22 & 1) && (d >> 24 & 1) && may_use_tiles()) {
        features |= WELD_CPU_AMX_BF16;
    }
    return features;
}
#else
unsigned weld_cpu_features(void) {
    return 0;
}
#endif
