/* The structure of HDF5 files; see hdf5_structure.h. Addresses count from the end of the user
 * block, and "none" is all ones. */
#include "formats/hdf5_structure.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "formats/bytes.h"

enum {
    LEAF_K = 4,           /* "group leaf node K": a symbol table node has room for twice as many */
    INTERNAL_K = 16,      /* likewise of nodes of the B-tree above them */
    SYMBOLS = 2 * LEAF_K, /* of a symbol table node */
    CHILDREN = 2 * INTERNAL_K, /* of a node of the tree */
    TREE_NODE_SIZE = 24 + 8 * (CHILDREN + CHILDREN + 1),
    LAST_FREE = 1 /* ends a heap's list of free blocks */
};
/* Types of messages in object headers. */
enum {
    DATASPACE = 0x1,
    DATATYPE = 0x3,
    FILL_VALUE = 0x5,
    LAYOUT = 0x8,
    ATTRIBUTE = 0xc,
    SYMBOL_TABLE = 0x11
};
enum { CONSTANT = 1 };  /* flag of a message */
enum { I32_SIZE = 12 }; /* of the type of attributes, unpadded */

/* A member of a group; of a group itself also what is in it. */
typedef struct symbol {
    const char *path;     /* of a dataset: it, or one that is below */
    size_t begin, length; /* of the name in the path */
    uint64_t name_at;     /* in the group's heap */
    uint64_t header;
    bool is_group;
    uint64_t tree, heap;
} symbol;

/* A node of symbols or of the tree, when its parent is made. */
typedef struct node {
    uint64_t at, last_name;
} node;

typedef struct builder {
    const weld_hdf5_file *file;
    weld_array *bytes;
    weld_array symbols; /* of all groups that are being made, the innermost last */
    weld_array nodes;   /* of one group */
    weld_status status;
    weld_error *err;
} builder;

/* --- Bytes. After a failure nothing more comes of them. --------------------------------------- */

static void append(builder *b, weld_array *to, const void *data, size_t count) {
    if (!b->status && !weld_array_append(to, data, count)) {
        b->status = weld_fail_memory(b->err, b->file->name);
    }
}

static void put(builder *b, const void *data, size_t bytes) {
    append(b, b->bytes, data, bytes);
}

static void put_number(builder *b, uint64_t value, size_t bytes) {
    put(b, &value, bytes);
}

static void put_zeros(builder *b, size_t bytes) {
    static const char zeros[64];
    for (size_t n; bytes; bytes -= n) {
        n = bytes < sizeof zeros ? bytes : sizeof zeros;
        put(b, zeros, n);
    }
}

/* A text with as many zeros as make it a multiple of 8, at least one. */
static size_t text_size(size_t length) {
    return weld_round_up(length + 1, WELD_HDF5_ALIGNMENT);
}

static void put_text(builder *b, const char *text, size_t length) {
    put(b, text, length);
    put_zeros(b, text_size(length) - length);
}

static uint64_t here(const builder *b) {
    return b->file->structure_at + b->bytes->count - b->file->user_block;
}

/* --- Object headers. -------------------------------------------------------------------------- */

/* `bytes`: of all messages with their heads. */
static void put_header(builder *b, size_t messages, size_t bytes) {
    put_number(b, 1, 2); /* version */
    put_number(b, messages, 2);
    put_number(b, 1, 4); /* links to it */
    put_number(b, bytes, 8);
}

enum { MESSAGE_HEAD = 8 };

static void put_message(builder *b, unsigned type, size_t bytes, unsigned flags) {
    put_number(b, type, 2);
    put_number(b, bytes, 2);
    put_number(b, flags, 4);
}

static size_t space_size(const weld_shape *shape) {
    return 8 + 8 * (size_t)shape->rank;
}

static void put_space(builder *b, const weld_shape *shape) {
    put_number(b, 1 | (uint64_t)shape->rank << 8, 8); /* version, rank */
    for (int i = 0; i < shape->rank; i++) {
        put_number(b, (uint64_t)shape->dim[i], 8);
    }
}

/* Bit fields and properties of numbers. */
static const struct {
    uint32_t class_and_bits; /* class with version 1; of integers bit 11 is the sign */
    uint8_t size;
    uint8_t exponent_at, exponent_bits, mantissa_bits; /* of floats */
    uint32_t bias;
} numbers[] = {[WELD_HDF5_U8] = {0x10, 1},
               [WELD_HDF5_U32] = {0x10, 4},
               [WELD_HDF5_U64] = {0x10, 8},
               [WELD_HDF5_I8] = {0x810, 1},
               [WELD_HDF5_I32] = {0x810, 4},
               [WELD_HDF5_I64] = {0x810, 8},
               /* The mantissa's first bit is implied; where the sign is. */
               [WELD_HDF5_F32] = {0x11 | 2 << 12 | 31 << 16, 4, 23, 8, 23, 127},
               [WELD_HDF5_F64] = {0x11 | 2 << 12 | 63 << 16, 8, 52, 11, 52, 1023}};

/* Padded. */
static size_t type_size(weld_hdf5_type type) {
    return type == WELD_HDF5_TEXT ? 8 : numbers[type].bias ? 24 : 16;
}

static void put_type(builder *b, weld_hdf5_type type, uint64_t text_bytes) {
    if (type == WELD_HDF5_TEXT) {
        put_number(b, 0x13 | 1 << 12, 4); /* ended by a zero, UTF-8 */
        put_number(b, text_bytes, 4);
        return;
    }
    put_number(b, numbers[type].class_and_bits, 4);
    put_number(b, numbers[type].size, 4);
    put_number(b, 0, 2);                       /* the first bit */
    put_number(b, 8U * numbers[type].size, 2); /* how many */
    if (!numbers[type].bias) {
        put_zeros(b, 4);
        return;
    }
    put(b, &numbers[type].exponent_at, 1);
    put(b, &numbers[type].exponent_bits, 1);
    put_number(b, 0, 1); /* where the mantissa is */
    put(b, &numbers[type].mantissa_bits, 1);
    put_number(b, numbers[type].bias, 8);
}

static uint64_t put_dataset(builder *b, const weld_hdf5_dataset *d) {
    const uint64_t at = here(b);
    const size_t space = space_size(&d->shape), type = type_size(d->type), fill = 8, layout = 24;
    if (d->type == WELD_HDF5_TEXT && d->bytes > UINT32_MAX && !b->status) {
        b->status = weld_fail(b->err, WELD_ERROR_ARGUMENT, "%s: %s: a text of more than 4 GB",
                              b->file->name, d->path);
    }
    put_header(b, 4, 4 * MESSAGE_HEAD + space + type + fill + layout);
    put_message(b, DATASPACE, space, 0);
    put_space(b, &d->shape);
    put_message(b, DATATYPE, type, CONSTANT);
    put_type(b, d->type, d->bytes);
    put_message(b, FILL_VALUE, fill, CONSTANT);
    put(b, "\2\1\1\1\0\0\0", fill); /* version 2; room is there, never filled, default value */
    put_message(b, LAYOUT, layout, CONSTANT);
    put(b, "\3\1", 2); /* version, contiguous */
    put_number(b, d->at - b->file->user_block, 8);
    put_number(b, d->bytes, 8);
    put_zeros(b, 6);
    return at;
}

static size_t attribute_size(const weld_hdf5_attribute *a) {
    static const weld_shape scalar = {.rank = 0};
    return 8 + text_size(strlen(a->name)) + type_size(WELD_HDF5_I32) + space_size(&scalar) + 8;
}

static void put_attribute(builder *b, const weld_hdf5_attribute *a) {
    static const weld_shape scalar = {.rank = 0};
    put_message(b, ATTRIBUTE, attribute_size(a), 0);
    put_number(b, 1, 2); /* version */
    put_number(b, strlen(a->name) + 1, 2);
    put_number(b, I32_SIZE, 2);
    put_number(b, space_size(&scalar), 2);
    put_text(b, a->name, strlen(a->name));
    put_type(b, WELD_HDF5_I32, 0);
    put_space(b, &scalar);
    put_number(b, (uint32_t)a->value, 8);
}

/* The header of a group; attributes are of the root alone. */
static uint64_t put_group_header(builder *b, uint64_t tree, uint64_t heap, size_t attributes) {
    const uint64_t at = here(b);
    const weld_hdf5_attribute *a = b->file->attributes;
    size_t bytes = MESSAGE_HEAD + 16;
    for (size_t i = 0; i < attributes; i++) {
        bytes += MESSAGE_HEAD + attribute_size(&a[i]);
    }
    put_header(b, 1 + attributes, bytes);
    put_message(b, SYMBOL_TABLE, 16, 0);
    put_number(b, tree, 8);
    put_number(b, heap, 8);
    for (size_t i = 0; i < attributes; i++) {
        put_attribute(b, &a[i]);
    }
    return at;
}

/* --- Groups: a heap of names, nodes of symbols in order of their names, a B-tree over these. ---
 */

static int by_name(const void *a, const void *b) {
    const symbol *x = a, *y = b;
    const size_t common = x->length < y->length ? x->length : y->length;
    const int difference = memcmp(x->path + x->begin, y->path + y->begin, common);
    return difference ? difference : (x->length > y->length) - (x->length < y->length);
}

static void check_names(builder *b, const symbol *symbols, size_t count) {
    for (size_t i = 1; i < count && !b->status; i++) {
        const symbol *s = &symbols[i];
        if (by_name(s - 1, s) == 0) {
            b->status =
                weld_fail(b->err, WELD_ERROR_ARGUMENT, "%s: two things in it are called %.*s",
                          b->file->name, (int)(s->begin + s->length), s->path);
        }
    }
}

static uint64_t put_heap(builder *b, symbol *symbols, size_t count) {
    const uint64_t at = here(b);
    size_t bytes = 8; /* the empty text comes first */
    for (size_t i = 0; i < count; i++) {
        symbols[i].name_at = bytes;
        bytes += text_size(symbols[i].length);
    }
    put(b, "HEAP\0\0\0", 8);
    put_number(b, bytes, 8);
    put_number(b, LAST_FREE, 8);
    put_number(b, at + 32, 8);
    put_zeros(b, 8);
    for (size_t i = 0; i < count; i++) {
        put_text(b, symbols[i].path + symbols[i].begin, symbols[i].length);
    }
    return at;
}

/* An entry of a symbol table. */
static void put_symbol(builder *b, const symbol *s) {
    put_number(b, s->name_at, 8);
    put_number(b, s->header, 8);
    put_number(b, s->is_group, 8); /* whether tree and heap follow */
    put_number(b, s->tree, 8);
    put_number(b, s->heap, 8);
}

/* The nodes of symbols, which become b->nodes. */
static void put_symbols(builder *b, const symbol *symbols, size_t count) {
    b->nodes.count = 0;
    for (size_t i = 0, n; i < count; i += n) {
        n = count - i < SYMBOLS ? count - i : SYMBOLS;
        const node made = {here(b), symbols[i + n - 1].name_at};
        put(b, "SNOD\1\0", 6);
        put_number(b, n, 2);
        for (size_t k = 0; k < n; k++) {
            put_symbol(b, &symbols[i + k]);
        }
        put_zeros(b, 40 * (SYMBOLS - n));
        append(b, &b->nodes, &made, 1);
    }
}

/* One level of the tree over b->nodes, whose places its own nodes then take. A key is the last name
 * of the child before it. */
static void put_tree_level(builder *b, unsigned level) {
    node *nodes = b->nodes.data;
    const size_t count = b->nodes.count;
    size_t made = 0;
    for (size_t i = 0, n; i < count; i += n) {
        n = count - i < CHILDREN ? count - i : CHILDREN;
        const node self = {here(b), nodes[i + n - 1].last_name};
        put(b, "TREE\0", 5); /* of a group */
        put_number(b, level, 1);
        put_number(b, n, 2);
        put_number(b, i ? self.at - TREE_NODE_SIZE : UINT64_MAX, 8);
        put_number(b, i + n < count ? self.at + TREE_NODE_SIZE : UINT64_MAX, 8);
        put_number(b, i ? nodes[i - 1].last_name : 0, 8);
        for (size_t k = 0; k < n; k++) {
            put_number(b, nodes[i + k].at, 8);
            put_number(b, nodes[i + k].last_name, 8);
        }
        put_zeros(b, 16 * (CHILDREN - n));
        nodes[made++] = self; /* never one that is still to be read: made < i, or both are 0 */
    }
    b->nodes.count = made;
}

/* All that a group consists of, but for what its members are. */
static void finish_group(builder *b, symbol *group, symbol *members, size_t count,
                         size_t attributes) {
    qsort(members, count, sizeof *members, by_name);
    check_names(b, members, count);
    group->is_group = true;
    group->heap = put_heap(b, members, count);
    put_symbols(b, members, count);
    unsigned level = 0;
    do {
        put_tree_level(b, level++);
    } while (b->nodes.count > 1);
    if (!b->status) {
        group->tree = ((const node *)b->nodes.data)->at;
    }
    group->header = put_group_header(b, group->tree, group->heap, attributes);
}

/* The group of the datasets from `first` to `end`, whose paths agree in `depth` bytes, its own path
 * with a '/'. */
static symbol put_group(builder *b, size_t first, size_t end, size_t depth) {
    const weld_hdf5_dataset *sets = b->file->datasets;
    const size_t mark = b->symbols.count;
    for (size_t i = first, next; i < end && !b->status; i = next) {
        const char *name = sets[i].path + depth;
        const size_t length = strcspn(name, "/");
        symbol member = {0};
        next = i + 1;
        if (name[length]) {
            /* What has the same name and slash comes next: paths are in order. */
            while (next < end && strncmp(sets[next].path + depth, name, length + 1) == 0) {
                next++;
            }
            member = put_group(b, i, next, depth + length + 1);
        } else {
            member.header = put_dataset(b, &sets[i]);
        }
        member.path = sets[i].path;
        member.begin = depth;
        member.length = length;
        append(b, &b->symbols, &member, 1);
    }
    symbol group = {0};
    if (!b->status) {
        finish_group(b, &group, (symbol *)b->symbols.data + mark, b->symbols.count - mark,
                     depth ? 0 : b->file->attribute_count);
        b->symbols.count = mark;
    }
    return group;
}

/* --- The file. -------------------------------------------------------------------------------- */

static void put_superblock(builder *b, const symbol *root, uint64_t end) {
    put(b, "\x89HDF\r\n\x1a\n", 8);
    put_number(b, 0, 5); /* versions: of the superblock, free space, the root's symbol, ... */
    put_number(b, 8, 1); /* bytes of addresses */
    put_number(b, 8, 2); /* bytes of lengths */
    put_number(b, LEAF_K, 2);
    put_number(b, INTERNAL_K, 2);
    put_number(b, 0, 4);
    put_number(b, b->file->user_block, 8); /* where addresses count from */
    put_number(b, UINT64_MAX, 8);          /* no list of free space */
    put_number(b, end, 8);                 /* of the file, which counts the user block too */
    put_number(b, UINT64_MAX, 8);          /* no driver's information */
    put_symbol(b, root);
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const weld_hdf5_dataset *)a)->path, ((const weld_hdf5_dataset *)b)->path);
}

weld_status weld_hdf5_structure(const weld_hdf5_file *file,
                                unsigned char superblock[WELD_HDF5_SUPERBLOCK_SIZE],
                                weld_array *structure, weld_error *err) {
    weld_array head = {.element = 1};
    *structure = (weld_array){.element = 1};
    builder b = {.file = file,
                 .bytes = structure,
                 .symbols.element = sizeof(symbol),
                 .nodes.element = sizeof(node),
                 .err = err};
    qsort(file->datasets, file->count, sizeof *file->datasets, by_path);
    const symbol root = put_group(&b, 0, file->count, 0);
    b.bytes = &head;
    put_superblock(&b, &root, file->structure_at + structure->count);
    if (!b.status) {
        memcpy(superblock, head.data, WELD_HDF5_SUPERBLOCK_SIZE);
    }
    weld_array_free(&head);
    weld_array_free(&b.symbols);
    weld_array_free(&b.nodes);
    return b.status;
}
