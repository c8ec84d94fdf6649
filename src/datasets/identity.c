/* A hash of what a data set says; see identity.h. */
#include "datasets/identity.h"

#include <string.h>
#include <xxhash.h>

#include "base/threads.h"
#include "datasets/boxes.h"

/* Of a set's samples, for as many threads: each a hash of its own. */
enum { STRETCHES = 256 };

/* Each piece is hashed with what came before it as the seed, so that order and borders count. */
static uint64_t add(uint64_t hash, const void *bytes, size_t size) {
    return XXH3_64bits_withSeed(bytes, size, hash);
}

static uint64_t add_text(uint64_t hash, const char *text) {
    return add(hash, text, strlen(text));
}

static uint64_t add_number(uint64_t hash, int64_t number) {
    return add(hash, &number, sizeof number);
}

static uint64_t add_boxes(uint64_t hash, const weld_dataset *ds, int64_t i) {
    int64_t count;
    const weld_box *boxes = weld_dataset_boxes(ds, i, &count);
    hash = add_number(hash, count);
    for (int64_t k = 0; k < count; k++) {
        const weld_box *b = &boxes[k];
        const double place[] = {b->x, b->y, b->width, b->height, b->area};
        hash = add(hash, place, sizeof place);
        hash = add_number(hash, b->class_index);
        hash = add_number(hash,
                          b->flags & (WELD_BOX_CROWD | WELD_BOX_IGNORE)); /* what is said of it */
    }
    return hash;
}

/* Of absolute names (a list may have them), how much is the folder that all share: where the set
 * lies today. */
static size_t shared_folder(const weld_dataset *ds) {
    const int64_t samples = weld_dataset_count(ds);
    const char *first = samples ? weld_dataset_name(ds, 0) : "";
    size_t shared = strlen(first);
    for (int64_t i = 0; i < samples && shared; i++) {
        const char *name = weld_dataset_name(ds, i);
        size_t same = 0;
        while (same < shared && name[same] == first[same]) {
            same++;
        }
        shared = *name == '/' ? same : 0;
    }
    while (shared && first[shared - 1] != '/') {
        shared--;
    }
    return shared;
}

uint64_t weld_dataset_identity(const weld_dataset *ds) {
    const bool has_boxes = weld_dataset_has_boxes(ds);
    const int classes = weld_dataset_class_count(ds);
    const int64_t samples = weld_dataset_count(ds);
    const size_t folder = shared_folder(ds);
    uint64_t hash = add_number(has_boxes, classes);
    for (int i = 0; i < classes; i++) {
        hash = add_text(hash, weld_dataset_class_name(ds, i));
    }
    for (int64_t i = 0; i < samples; i++) {
        hash = add_text(hash, weld_dataset_name(ds, i) + folder);
        hash = has_boxes ? add_boxes(hash, ds, i) : add_number(hash, weld_dataset_label(ds, i));
    }
    return hash;
}

/* --- All that is cheap --- */

static uint64_t hash_names(const weld_dataset *ds) {
    const size_t folder = shared_folder(ds);
    uint64_t hash = 0;
    for (int64_t i = 0; i < weld_dataset_count(ds); i++) {
        hash = add_text(hash, weld_dataset_name(ds, i) + folder);
    }
    return hash;
}

typedef struct sizes {
    const weld_dataset *ds;
    uint64_t hashes[STRETCHES];
    bool unknown[STRETCHES]; /* of some of its samples it could not be told */
} sizes;

static int64_t stretch_begin(const sizes *s, int64_t stretch) {
    return weld_dataset_count(s->ds) * stretch / STRETCHES;
}

/* A file system may take a while to say it. */
static void hash_stretch(void *arg, int64_t stretch, int thread) {
    sizes *s = arg;
    uint64_t hash = 0;
    (void)thread;
    for (int64_t i = stretch_begin(s, stretch); i < stretch_begin(s, stretch + 1); i++) {
        size_t bytes;
        s->unknown[stretch] |= !weld_dataset_find_stored_bytes(s->ds, i, &bytes);
        hash = add_number(hash, (int64_t)bytes);
    }
    s->hashes[stretch] = hash;
}

static uint64_t hash_sizes(const weld_dataset *ds, int threads) {
    sizes s = {.ds = ds};
    weld_parallel(threads, STRETCHES, hash_stretch, &s);
    bool unknown = false;
    for (int i = 0; i < STRETCHES; i++) {
        unknown = unknown || s.unknown[i];
    }
    return unknown ? 0 : add(0, s.hashes, sizeof s.hashes);
}

weld_data_identity weld_dataset_identify(const weld_dataset *ds, int threads) {
    return (weld_data_identity){.images = weld_dataset_count(ds),
                                .names = hash_names(ds),
                                .said = weld_dataset_identity(ds),
                                .sizes = hash_sizes(ds, threads),
                                .contents = weld_dataset_contents(ds)};
}
