/* A hash of what a data set says; see identity.h. */
#include "datasets/identity.h"

#include <string.h>
#include <xxhash.h>

#include "datasets/boxes.h"

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
