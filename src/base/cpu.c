/* What the processor can do; see cpu.h. */
#include "base/cpu.h"

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
        const bool tiles = (d >> 22 & 1) && (d >> 24 & 1);
        cpu.amx_bf16 = cpu.avx512_bf16 && tiles && may_use_tiles();
    }
    return cpu;
}
#else
weld_cpu weld_cpu_features(void) {
    return (weld_cpu){0};
}
#endif
