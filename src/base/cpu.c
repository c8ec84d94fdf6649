/* What the processor can do; see cpu.h. */
#include "base/cpu.h"

#include <stdbool.h>
#include <string.h>

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

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

/* VDPBF16PS does two FMAs' work, in half their time on Zen 4, Zen 5 and Cooper Lake. Intel's later
 * cores leave products to AMX: on Emerald Rapids it takes two cycles, four times an FMA's. They are
 * told by maker and model, not by AMX, which hypervisors hide. */
static bool gains_by_bf16(void) {
    enum { FAMILY_6 = 6, COOPER_LAKE = 0x55 }; /* before it that model has no AVX512-BF16 */
    unsigned a, b, c, d;
    if (!__get_cpuid(0, &a, &b, &c, &d) || b != signature_INTEL_ebx || c != signature_INTEL_ecx ||
        d != signature_INTEL_edx || !__get_cpuid(1, &a, &b, &c, &d)) {
        return true;
    }
    const unsigned family = a >> 8 & 0xf, model = (a >> 4 & 0xf) | (a >> 12 & 0xf0);
    return family == FAMILY_6 && model == COOPER_LAKE;
}

/* What multiplies codes, on a processor that has `features`. */
static unsigned int8_features(unsigned features) {
    unsigned a, b, c, d;
    if (features & WELD_CPU_AVX2_FMA && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1)) {
        features |= WELD_CPU_AVX_VNNI;
    }
    if (!(features & WELD_CPU_AVX512) || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        return features;
    }
    features |= c >> 11 & 1 ? WELD_CPU_AVX512_VNNI : 0;
    features |= c >> 1 & 1 ? WELD_CPU_AVX512_VBMI : 0;
    const unsigned needed = WELD_CPU_AMX_BF16 | WELD_CPU_AVX512_VNNI | WELD_CPU_AVX512_VBMI;
    if ((features & needed) == needed && (d >> 25 & 1)) {
        features |= WELD_CPU_AMX_INT8;
    }
    return features;
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
        features |= WELD_CPU_AVX512_BF16 | (gains_by_bf16() ? WELD_CPU_BF16_GAINS : 0);
    }
    if (features & WELD_CPU_AVX512_BF16 && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
        (d >> 22 & 1) && (d >> 24 & 1) && may_use_tiles()) {
        features |= WELD_CPU_AMX_BF16;
    }
    return int8_features(features);
}

/* 48 bytes in three leaves (Intel, Software Developer's Manual, CPUID: "Processor Brand String"),
 * filled up with spaces or zeros on either side. */
const char *weld_cpu_name(char name[WELD_CPU_NAME_SIZE]) {
    unsigned text[3][4] = {{0}};
    memset(name, 0, WELD_CPU_NAME_SIZE);
    for (unsigned i = 0; i < 3; i++) {
        if (!__get_cpuid(0x80000002 + i, &text[i][0], &text[i][1], &text[i][2], &text[i][3])) {
            return name;
        }
    }
    memcpy(name, text, sizeof text);
    memmove(name, name + strspn(name, " "), strlen(name + strspn(name, " ")) + 1);
    for (size_t end = strlen(name); end > 0 && name[end - 1] == ' ';) {
        name[--end] = 0;
    }
    return name;
}
#else
unsigned weld_cpu_features(void) {
    unsigned features = 0;
#if defined(__aarch64__)
    features |= WELD_CPU_NEON; /* it is part of the architecture */
#if defined(__linux__)
    features |= getauxval(AT_HWCAP2) & HWCAP2_BF16 ? WELD_CPU_NEON_BF16 : 0;
    features |= getauxval(AT_HWCAP2) & HWCAP2_I8MM ? WELD_CPU_NEON_I8MM : 0;
#endif
#endif
    return features;
}

const char *weld_cpu_name(char name[WELD_CPU_NAME_SIZE]) {
    name[0] = 0;
    return name;
}
#endif
