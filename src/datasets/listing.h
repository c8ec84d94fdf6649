/* What a folder or a tar archive of class folders holds: classes and samples, sorted. For
 * dataset.c, and for those who make listings (folder.c, tar_listing.c, index.c).
 *
 * Classes are in bytewise order of their names; the samples of a class in bytewise order of their
 * folders, and then of their own names.
 */
#ifndef WELD_DATASETS_LISTING_H
#define WELD_DATASETS_LISTING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/text.h"
#include "weld/status.h"

typedef struct weld_listing_sample {
    uint64_t name;        /* where its path, relative to the data set, begins in `names` */
    uint32_t folder_size; /* bytes of that path up to its last slash */
    int32_t label;
} weld_listing_sample;

/* Bytes of an archive. */
typedef struct weld_listing_place {
    uint64_t offset, size;
} weld_listing_place;

/* What a folder or archive was like when it was listed. Its contents cannot have changed since
 * unless one of these has; times are nanoseconds since 1970. */
typedef struct weld_listing_source {
    uint64_t name; /* where its path, relative to the data set, begins in `source_names` */
    uint64_t inode, size;
    int64_t modified, changed;
} weld_listing_source;

enum { WELD_NAMED = 3 };

/* What was treated alike, for people: entries that were passed over for one reason, or images that
 * were taken although their names do not say that they are any. */
typedef struct weld_listing_group {
    uint64_t reason;            /* where the text begins in `group_texts` */
    uint64_t names[WELD_NAMED]; /* likewise: of the first ones bytewise, relative to the data set */
    uint64_t count;
    uint64_t taken; /* 0: passed over */
} weld_listing_group;

typedef struct weld_listing {
    weld_array samples;     /* of weld_listing_sample */
    weld_array names;       /* texts, each with its zero */
    weld_array classes;     /* of uint64_t: where a class name begins in class_names */
    weld_array class_names; /* texts */
    weld_array places;      /* of weld_listing_place, for each sample of an archive; else empty */
    weld_array sources;     /* of weld_listing_source: every folder, or the archive */
    weld_array source_names;
    weld_array groups; /* of weld_listing_group */
    weld_array group_texts;
    bool has_links; /* to files: the sources do not tell whether what they lead to is still there */
} weld_listing;

/* How to list; all zero: as training does. */
typedef struct weld_listing_options {
    bool empty_classes; /* take classes without images, instead of refusing the data set */
    /* Called with each entry that is passed over; may be NULL. */
    void (*skipped)(void *arg, const char *name, const char *reason);
    void *arg;
} weld_listing_options;

/* An empty one. */
weld_listing weld_listing_make(void);
void weld_listing_free(weld_listing *l);

/* The endings that image files have, each with its dot, one after the other. Such files are taken
 * for images without a look into them... */
extern const char weld_image_endings[];
bool weld_is_image_name(const char *name);
/* ...and of others the first bytes decide, WELD_FIRST_BYTES of them or what the file has: NULL
 * where it is an image, else what it is, for people. */
enum { WELD_FIRST_BYTES = 32 };
const char *weld_why_no_image(const void *bytes, size_t size);

/* Is it a folder that a file server or an archiver left, of thumbnails or of what was deleted? */
bool weld_is_left_over(const char *name, size_t length);

/* Append; false: memory is short. */
/* An entry that is passed over, which is told where that is asked for. */
bool weld_listing_skip(weld_listing *l, const weld_listing_options *options, const char *name,
                       const char *reason);
/* A sample that is one by its contents. */
bool weld_listing_add_taken(weld_listing *l, const char *name);
bool weld_listing_add_class(weld_listing *l, const char *name);
bool weld_listing_add_sample(weld_listing *l, const char *name, int label);
bool weld_listing_add_source(weld_listing *l, const char *name, const struct stat *info);
/* A source as it is now; the name is left alone. */
void weld_listing_source_set(weld_listing_source *s, const struct stat *info);

void weld_listing_sort_classes(weld_listing *l);
/* The samples from number `first` on, all of one class. */
void weld_listing_sort_samples(weld_listing *l, size_t first);
/* The order of the names of samples of one class; folder sizes as in weld_listing_sample. */
int weld_listing_compare(const char *a, uint32_t a_folder, const char *b, uint32_t b_folder);

/* For each sample the first one of its name, itself as a rule; to be released with weld_free. NULL:
 * memory is short. */
int64_t *weld_listing_first_of_name(const weld_listing *l);

int weld_listing_class_count(const weld_listing *l);
const char *weld_listing_class_name(const weld_listing *l, int i);
const char *weld_listing_name(const weld_listing *l, int64_t i);
int weld_listing_label(const weld_listing *l, int64_t i);
weld_listing_place weld_listing_place_of(const weld_listing *l, int64_t i);
/* What was passed over, and taken by its contents, in a line for people; nothing where all files
 * are called images. */
void weld_listing_tell(const weld_listing *l, weld_text *out);

#endif
