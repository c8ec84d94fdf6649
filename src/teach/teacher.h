/* A teacher: another network, frozen, that says what it makes of the images a student trains on.
 *
 * It is run as it is deployed: in evaluation mode, with its branches merged, of two heads the mean.
 * Where it was trained with another mean and standard deviation than the student, the student's
 * normalised images are mapped to what it knows, channel by channel.
 */
#ifndef WELD_TEACH_TEACHER_H
#define WELD_TEACH_TEACHER_H

#include "data/batching.h"
#include "datasets/dataset.h"
#include "weld/model.h"

typedef struct weld_teacher weld_teacher;

typedef struct weld_teacher_options {
    const weld_preprocessing *preprocessing; /* of the images that it will be given */
    int64_t batch;                           /* of them at a time, of the input size */
    /* In place of both: what batches it will be given. Not needed later. */
    const weld_batch_shape *shapes;
    int shape_count; /* 0: those above */
    int threads;     /* 0: all that the process may use */
    weld_precision precision;
} weld_teacher_options;

/* Open a model file of any kind, for images of these sizes. It must
 * know the classes of ds, which are found by name where it has names, and else must be as many; ds
 * NULL: whatever they are. What it says of further classes is left out. */
weld_status weld_teacher_open(const char *path, const weld_dataset *ds,
                              const weld_teacher_options *options, weld_teacher **out,
                              weld_error *err);
void weld_teacher_free(weld_teacher *t); /* accepts NULL */

typedef struct weld_teacher_facts {
    const char *name;    /* of the network: "repvit_m1_1" */
    int classes;         /* that it is asked about: those of the data, in their order */
    int own_classes;     /* those that it knows */
    int64_t parameters;  /* as merged */
    size_t memory_bytes; /* activations and weights */
    char identity[17];   /* hash of its weights, in hexadecimal: the same in another file */
} weld_teacher_facts;
weld_teacher_facts weld_teacher_get_facts(const weld_teacher *t);
/* For people: "repvit_m1_1, 8.80 M parameters, 60 MB"; returns text. */
const char *weld_teacher_text(const weld_teacher_facts *f, char *text, size_t size);

/* images [count, height, width, 3], of one of its sizes, normalised for the student -> logits
 * [count, classes], of which row i depends on image i alone. */
void weld_teacher_run(weld_teacher *t, int height, int width, const float *images, int64_t count,
                      float *logits);

#endif
