/* A plugin of QEMU's user mode that counts the instructions a program runs, by function: for
 * scripts/test_arm. What it needs of QEMU's interface (version 1, docs/devel/tcg-plugins.rst) is
 * declared here, as no package of Debian 12 has its header.
 *
 *     qemu-aarch64 -plugin count_instructions.so,out=FILE PROGRAM
 *
 * FILE gets "COUNT FUNCTION" lines; a block of code counts where it begins. Threads add to the same
 * counters without locks, so counts are exact for one thread only. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*call)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, enum qemu_plugin_op op,
                                              void *counter, uint64_t add);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*call)(qemu_plugin_id_t, void *),
                                    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t i);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *instruction);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

enum { MOST = 8192 };

static struct function {
    char name[120];
    uint64_t count;
} functions[MOST];
static int known;
static char out[4096];

/* Where the instructions of a function are counted; those beyond the most count with the last. */
static uint64_t *counter_of(const char *name) {
    int i = 0;
    while (i < known && strcmp(functions[i].name, name) != 0) {
        i++;
    }
    if (i == known && known < MOST) {
        snprintf(functions[known++].name, sizeof functions->name, "%s", name);
    }
    return &functions[i < MOST ? i : MOST - 1].count;
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    const char *name = qemu_plugin_insn_symbol(qemu_plugin_tb_get_insn(block, 0));
    qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64,
                                             counter_of(name && *name ? name : "?"),
                                             qemu_plugin_tb_n_insns(block));
}

static void end(qemu_plugin_id_t id, void *data) {
    (void)id, (void)data;
    FILE *f = fopen(out, "w");
    if (!f) {
        perror(out);
        return;
    }
    for (int i = 0; i < known; i++) {
        fprintf(f, "%llu %s\n", (unsigned long long)functions[i].count, functions[i].name);
    }
    fclose(f);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id,
                                                               const void *info, int count,
                                                               char **arguments) {
    (void)info;
    if (count != 1 || strncmp(arguments[0], "out=", 4) != 0) {
        fprintf(stderr, "count_instructions: wants out=FILE\n");
        return -1;
    }
    snprintf(out, sizeof out, "%s", arguments[0] + 4);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, end, NULL);
    return 0;
}
