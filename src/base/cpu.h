/* What the processor can do. */
#ifndef WELD_BASE_CPU_H
#define WELD_BASE_CPU_H

enum {
    /* Of x86-64. */
    WELD_CPU_AVX2_FMA = 1 << 0,
    WELD_CPU_AVX512 = 1 << 1, /* F, BW, DQ and VL together */
    WELD_CPU_AVX512_BF16 = 1 << 2,
    WELD_CPU_AMX_BF16 = 1 << 3,    /* comes with AVX512_BF16 */
    WELD_CPU_AVX_VNNI = 1 << 6,    /* comes with AVX2_FMA */
    WELD_CPU_AVX512_VNNI = 1 << 7, /* comes with AVX512 */
    WELD_CPU_AVX512_VBMI = 1 << 8, /* likewise */
    WELD_CPU_AMX_INT8 = 1 << 9,    /* comes with AMX_BF16, AVX512_VNNI and _VBMI */
    WELD_CPU_BF16_GAINS = 1 << 11, /* AVX512_BF16's products are faster than those of floats */
    /* Of 64-bit ARM. */
    WELD_CPU_NEON = 1 << 4,
    WELD_CPU_NEON_BF16 = 1 << 5,
    WELD_CPU_NEON_I8MM = 1 << 10
};

/* Those that both the processor and the operating system support. It asks the system for this
 * process to have tile registers: AMX_BF16 is set once they are granted. */
unsigned weld_cpu_features(void);

enum { WELD_CPU_NAME_SIZE = 49 };
/* What the processor calls itself, "AMD EPYC 9354P 32-Core Processor"; "" where it does not say.
 * Returns name. */
const char *weld_cpu_name(char name[WELD_CPU_NAME_SIZE]);

#endif
