/* Samples and classes by ids and names; see results_names.h. */
#include "tasks/detection/results_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

/* What a data set calls a sample or a class. */
typedef struct number {
    int64_t id, index;
} number;

typedef struct numbers {
    number *items; /* by id, then index */
    size_t count;
} numbers;

typedef struct word {
    const char *text;
    int64_t index;
} word;

struct weld_results_names {
    const weld_dataset *ds;
    bool has_images, has_classes;
    numbers images, classes, stems; /* stems: of files that are called as numbers */
    word *files, *class_names;      /* by text, then index; files without their folders */
    size_t file_count, class_count;
    int64_t shift; /* of the file's ids of classes against the data set's */
};

static int by_id(const void *a, const void *b) {
    const number *x = a, *y = b;
    const int order = (x->id > y->id) - (x->id < y->id);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int by_text(const void *a, const void *b) {
    const word *x = a, *y = b;
    const int order = strcmp(x->text, y->text);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static const char *without_folders(const char *name) {
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* "000042.jpg" is 42; false where it is called otherwise. */
static bool stem_number(const char *file, int64_t *out) {
    enum { DIGITS = 18 };
    const size_t digits = strspn(file, "0123456789");
    const char *ending = strrchr(file, '.');
    const size_t stem = ending ? (size_t)(ending - file) : strlen(file);
    if (digits == 0 || digits != stem || digits > DIGITS) {
        return false;
    }
    *out = strtoll(file, NULL, 10);
    return true;
}

static void add(numbers *n, int64_t id, int64_t index) {
    n->items[n->count++] = (number){id, index};
}

static void sort(numbers *n) {
    if (n->count) {
        qsort(n->items, n->count, sizeof *n->items, by_id);
    }
}

static void list_images(weld_results_names *n, bool is_coco) {
    const int64_t count = weld_dataset_count(n->ds);
    n->has_images = is_coco;
    for (int64_t i = 0; i < count; i++) {
        const int64_t id = weld_dataset_image_id(n->ds, i);
        const char *file = without_folders(weld_dataset_name(n->ds, i));
        int64_t stem;
        n->has_images = n->has_images || id != weld_dataset_number(n->ds, i);
        add(&n->images, id, i);
        n->files[n->file_count++] = (word){file, i};
        if (stem_number(file, &stem)) {
            add(&n->stems, stem, i);
        }
    }
    sort(&n->images);
    sort(&n->stems);
    if (n->file_count) {
        qsort(n->files, n->file_count, sizeof *n->files, by_text);
    }
}

static void list_classes(weld_results_names *n, bool is_coco) {
    const int count = weld_dataset_class_count(n->ds);
    n->has_classes = is_coco;
    for (int i = 0; i < count; i++) {
        const int64_t id = weld_dataset_category_id(n->ds, i);
        const char *name = weld_dataset_category_name(n->ds, i);
        n->has_classes = n->has_classes || id != i;
        if (name) { /* else a network's, which the data set does not have */
            add(&n->classes, id, i);
            n->class_names[n->class_count++] = (word){name, i};
        }
    }
    sort(&n->classes);
    if (n->class_count) {
        qsort(n->class_names, n->class_count, sizeof *n->class_names, by_text);
    }
}

weld_status weld_results_names_create(const weld_dataset *ds, weld_results_names **out,
                                      weld_error *err) {
    const size_t samples = (size_t)weld_dataset_count(ds);
    const size_t classes = (size_t)weld_dataset_class_count(ds);
    const char *kind = weld_dataset_box_kind(ds);
    const bool is_coco = kind && strcmp(kind, "COCO") == 0;
    weld_results_names *n = *out = weld_alloc(1, sizeof *n);
    if (!n) {
        return weld_fail_memory(err, "results");
    }
    n->ds = ds;
    n->images.items = weld_alloc(samples, sizeof *n->images.items);
    n->stems.items = weld_alloc(samples, sizeof *n->stems.items);
    n->classes.items = weld_alloc(classes, sizeof *n->classes.items);
    n->files = weld_alloc(samples, sizeof *n->files);
    n->class_names = weld_alloc(classes, sizeof *n->class_names);
    if (!n->images.items || !n->stems.items || !n->classes.items || !n->files || !n->class_names) {
        weld_results_names_free(n);
        *out = NULL;
        return weld_fail_memory(err, "results");
    }
    list_images(n, is_coco);
    list_classes(n, is_coco);
    if (kind && strcmp(kind, "packed") == 0) {
        /* It does not say of what. Numbers of images that were chosen from more need not be those
         * from 0 either: only classes show ids, and without these the file's numbers must. */
        n->has_images = n->has_classes;
    }
    return WELD_OK;
}

void weld_results_names_free(weld_results_names *n) {
    if (n) {
        weld_free(n->images.items);
        weld_free(n->stems.items);
        weld_free(n->classes.items);
        weld_free(n->files);
        weld_free(n->class_names);
        weld_free(n);
    }
}

const weld_dataset *weld_results_names_dataset(const weld_results_names *n) {
    return n->ds;
}

bool weld_results_names_have_images(const weld_results_names *n) {
    return n->has_images;
}

bool weld_results_names_have_classes(const weld_results_names *n) {
    return n->has_classes;
}

/* --- By ids --- */

/* The first that is not before it. */
static size_t lower_id(const numbers *n, int64_t id) {
    size_t low = 0, high = n->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (n->items[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool is_at(const numbers *n, size_t at, int64_t id) {
    return at < n->count && n->items[at].id == id;
}

static int64_t find_id(const numbers *n, int64_t id) {
    const size_t at = lower_id(n, id);
    return is_at(n, at, id) ? n->items[at].index : WELD_NAMES_NONE;
}

int64_t weld_results_names_image(const weld_results_names *n, int64_t id) {
    return find_id(&n->images, id);
}

bool weld_results_names_range(const weld_results_names *n, int64_t range[2]) {
    const size_t count = n->classes.count;
    if (!n->has_classes || count == 0) {
        return false;
    }
    range[0] = n->classes.items[0].id;
    range[1] = n->classes.items[count - 1].id;
    return (range[0] == 0 || range[0] == 1) && range[1] - range[0] == (int64_t)count - 1;
}

void weld_results_names_count_from(weld_results_names *n, int first) {
    n->shift = first - n->classes.items[0].id;
}

int64_t weld_results_names_class(const weld_results_names *n, int64_t id) {
    const bool is_far = id == INT64_MIN || id == INT64_MAX; /* a shift is 1 at most */
    return find_id(&n->classes, is_far ? id : id - n->shift);
}

weld_named_sample weld_results_names_find_number(const weld_results_names *n, int64_t id) {
    const size_t at = lower_id(&n->stems, id);
    weld_named_sample out = {.sample = find_id(&n->stems, id)};
    if (is_at(&n->stems, at, id) && is_at(&n->stems, at + 1, id)) {
        out = (weld_named_sample){WELD_NAMES_SEVERAL,
                                  {n->stems.items[at].index, n->stems.items[at + 1].index}};
    }
    return out;
}

bool weld_results_names_is_alike(const weld_results_names *n, int64_t a, int64_t b) {
    const char *x = without_folders(weld_dataset_name(n->ds, a));
    const char *y = without_folders(weld_dataset_name(n->ds, b));
    const char *x_end = strrchr(x, '.'), *y_end = strrchr(y, '.');
    const size_t length = x_end ? (size_t)(x_end - x) : strlen(x);
    return length == (y_end ? (size_t)(y_end - y) : strlen(y)) && strncmp(x, y, length) == 0;
}

/* --- By names --- */

/* Does it begin with so many bytes of text, and go on with `next`? */
static int compare(const char *word_text, const char *text, size_t length, char next) {
    const int order = strncmp(word_text, text, length);
    return order ? order : (unsigned char)word_text[length] - (unsigned char)next;
}

/* The first of them that does, or of those behind them. */
static size_t lower_text(const word *words, size_t count, const char *text, char next) {
    const size_t length = strlen(text);
    size_t low = 0, high = count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (compare(words[middle].text, text, length, next) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

int64_t weld_results_names_find_class(const weld_results_names *n, const char *name) {
    const size_t at = lower_text(n->class_names, n->class_count, name, 0);
    return at < n->class_count && strcmp(n->class_names[at].text, name) == 0
               ? n->class_names[at].index
               : WELD_NAMES_NONE;
}

/* Do the last folders of a file's path have the names of the other's? */
static bool folders_end_with(const char *path, const char *other) {
    const size_t own = (size_t)(without_folders(path) - path);
    const size_t length = (size_t)(without_folders(other) - other);
    return length == 0 || (length <= own && memcmp(path + own - length, other, length) == 0 &&
                           (length == own || path[own - length - 1] == '/'));
}

/* Files that are called so, with `next` behind it and no other '.'. Their last folders are the
 * name's; or, `within`, the name's last ones are theirs: it was written from further up. */
static weld_named_sample find(const weld_results_names *n, const char *name, char next,
                              bool within) {
    const char *file = without_folders(name);
    const size_t length = strlen(file);
    size_t longest = 0;
    weld_named_sample out = {.sample = WELD_NAMES_NONE};
    for (size_t at = lower_text(n->files, n->file_count, file, next);
         at < n->file_count && compare(n->files[at].text, file, length, next) == 0; at++) {
        const word *w = &n->files[at];
        const char *path = weld_dataset_name(n->ds, w->index);
        const size_t folders = within ? (size_t)(w->text - path) : 0;
        if (!(within ? folders_end_with(name, path) : folders_end_with(path, name)) ||
            (next && strchr(w->text + length + 1, '.')) || folders < longest) {
            continue;
        }
        if (out.sample != WELD_NAMES_NONE && folders == longest) {
            out = (weld_named_sample){WELD_NAMES_SEVERAL, {out.several[0], w->index}};
            if (!within) {
                return out;
            }
            continue;
        }
        longest = folders;
        out = (weld_named_sample){w->index, {w->index, w->index}};
    }
    return out;
}

weld_named_sample weld_results_names_find_file(const weld_results_names *n, const char *name) {
    static const char next[] = {0, '.'};
    weld_named_sample out = {.sample = WELD_NAMES_NONE};
    for (int i = 0; i < 4 && out.sample == WELD_NAMES_NONE; i++) {
        out = find(n, name, next[i % 2], i > 1);
    }
    return out;
}
