/* share_model MODEL IMAGE: four threads with a classifier each on one model, at the same time, the
 * first on one thread, the next on two, and so on; all must say the same to the bit. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <weld/model.h>

enum { THREADS = 4, RUNS = 40, MOST_CLASSES = 16 };

typedef struct job {
    const weld_model *model;
    const char *image;
    int threads;
    float first[MOST_CLASSES];
    int failed;
} job;

static void *work(void *arg) {
    job *j = arg;
    weld_classifier *classifier;
    size_t bytes = (size_t)weld_model_get_config(j->model)->num_classes * sizeof(float);
    j->failed = weld_classifier_create(j->model, j->threads, &classifier, NULL) != WELD_OK;
    for (int i = 0; i < RUNS && !j->failed; i++) {
        float p[MOST_CLASSES];
        j->failed =
            weld_classifier_run_file(classifier, j->image, i ? p : j->first, NULL) != WELD_OK ||
            (i && memcmp(p, j->first, bytes) != 0);
    }
    weld_classifier_free(classifier);
    return NULL;
}

int main(int argc, char **argv) {
    weld_model *model;
    weld_error err;
    if (argc != 3 || weld_model_open(argv[1], &model, &err) != WELD_OK ||
        weld_model_get_config(model)->num_classes > MOST_CLASSES) {
        return 2;
    }
    pthread_t threads[THREADS];
    job jobs[THREADS];
    int failed = 0;
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){.model = model, .image = argv[2], .threads = i + 1};
        pthread_create(&threads[i], NULL, work, &jobs[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        failed |= jobs[i].failed || memcmp(jobs[i].first, jobs[0].first, sizeof jobs[0].first) != 0;
    }
    weld_model_free(model);
    return failed;
}
