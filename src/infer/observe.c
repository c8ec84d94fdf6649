/* Looking at the values of a network; see observe.h. */
#include "infer/observe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "graph/session.h"
#include "passes/lanes.h"

enum { BATCH = 16, BINS = 1 << 16, FEW = 1 << 15 /* elements that one thread counts as fast */ };
static const double TAIL = 0.00005; /* of all elements, on either side */

/* Elements by the first 16 bits of their number, in the order of these. */
typedef struct histogram {
    uint32_t bins[BINS]; /* the largest stands for itself and more */
} histogram;

/* What one thread sees of a tensor. */
typedef struct view {
    histogram *own, *histogram; /* what is counted in: own, or the value's where one sees all */
    float *low, *high;          /* by channel */
    int64_t odd;                /* the first element that is not finite, or INT64_MAX */
} view;

typedef struct watcher {
    const weld_graph *graph;
    weld_session *session;
    const bool *wanted;
    size_t *first;          /* by value id: its first element */
    histogram **histograms; /* by value id */
    float *low, *high;      /* by element */
    weld_observation *seen;
    view *views; /* by thread */
    int threads;
    int64_t images;          /* in the batch */
    const weld_value *value; /* what is looked at */
    weld_tensor tensor;
    int64_t rows, channels; /* of an image; in the tensor */
    const weld_value *odd;  /* the first that is not finite, and in which image of the batch */
    int64_t odd_image;
    bool short_of_memory;
} watcher;

/* --- One tensor ------------------------------------------------------------------------------- */

static uint32_t key_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (bits & 0x80000000u ? ~bits : bits | 0x80000000u) >> 16;
}

/* The least number of a bin. */
static float edge_of(uint32_t bin) {
    const uint32_t key = bin << 16, bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void look_at_rows(view *v, const float *x, int64_t rows, int64_t channels, int64_t at) {
    for (int64_t r = 0; r < rows; r++, x += channels) {
        float odd = 0;
        for (int64_t c = 0; c < channels; c++) {
            v->low[c] = x[c] < v->low[c] ? x[c] : v->low[c];
            v->high[c] = x[c] > v->high[c] ? x[c] : v->high[c];
            odd += x[c] * 0;
        }
        if (odd != 0 && v->odd == INT64_MAX) { /* not a number where one is not finite */
            v->odd = at + r * channels;
        }
        for (int64_t c = 0; c < channels; c++) {
            uint32_t *bin = &v->histogram->bins[key_of(x[c])];
            *bin += *bin != UINT32_MAX; /* stays full, as where several are added up */
        }
    }
}

static void look_at_image(void *arg, int64_t image, int thread) {
    const watcher *w = arg;
    const int64_t elements = w->rows * w->channels;
    look_at_rows(&w->views[thread], (const float *)w->tensor.data + image * elements, w->rows,
                 w->channels, image * elements);
}

static void start_view(const watcher *w, view *v) {
    v->odd = INT64_MAX;
    for (int64_t c = 0; c < w->channels; c++) {
        v->low[c] = INFINITY;
        v->high[c] = -INFINITY;
    }
}

static void end_view(watcher *w, const view *v, histogram *sum) {
    float *low = w->low + w->first[w->value->id], *high = w->high + w->first[w->value->id];
    for (int64_t c = 0; c < w->channels; c++) {
        low[c] = fminf(low[c], v->low[c]);
        high[c] = fmaxf(high[c], v->high[c]);
    }
    for (size_t i = 0; v->histogram != sum && i < BINS; i++) {
        const uint32_t room = UINT32_MAX - sum->bins[i], more = v->histogram->bins[i];
        sum->bins[i] += more < room ? more : room;
    }
    if (v->odd != INT64_MAX && (!w->odd || w->odd == w->value)) {
        const int64_t image = v->odd / (w->rows * w->channels);
        w->odd_image = w->odd && w->odd_image < image ? w->odd_image : image;
        w->odd = w->value;
    }
}

static histogram *histogram_of(watcher *w) {
    histogram **h = &w->histograms[w->value->id];
    if (!*h) {
        *h = weld_alloc(1, sizeof **h);
        w->short_of_memory = w->short_of_memory || !*h;
    }
    return *h;
}

/* Of the batch's first images, which are those that there are. */
static void look_at(watcher *w, const weld_value *value) {
    const weld_tensor t = weld_session_tensor(w->session, value);
    const int64_t batch = weld_session_input(w->session, "images").shape.dim[0];
    if (!w->wanted[value->id] || !t.data || t.dtype != WELD_F32 || t.shape.rank < 1 ||
        t.shape.dim[0] % batch != 0 || w->short_of_memory) {
        return;
    }
    w->value = value;
    w->tensor = t;
    w->channels = t.shape.dim[t.shape.rank - 1];
    w->rows = weld_shape_count(&t.shape) / batch / w->channels;
    histogram *sum = histogram_of(w);
    if (!sum) {
        return;
    }
    const int64_t all = w->images * w->rows * w->channels;
    const int threads = all < FEW ? 1 : w->threads;
    for (int i = 0; i < threads; i++) {
        view *v = &w->views[i];
        v->histogram = threads == 1 ? sum : v->own;
        start_view(w, v);
        if (v->histogram != sum) {
            memset(v->histogram, 0, sizeof *v->histogram);
        }
    }
    weld_parallel(threads, w->images, look_at_image, w);
    for (int i = 0; i < threads; i++) {
        end_view(w, &w->views[i], sum);
    }
    w->seen->values[value->id].count += all;
}

static void after_node(void *context, const weld_session_event *event) {
    watcher *w = context;
    const weld_node *node = weld_session_plan(w->session)->order[event->position];
    for (int i = 0; i < node->output_count; i++) {
        look_at(w, node->outputs[i]);
    }
}

/* --- What it comes to ------------------------------------------------------------------------- */

/* The number that `cut` elements are above of (or below), as if those of a bin were evenly spread.
 */
static float tail_of(const histogram *h, double cut, bool above) {
    double beyond = 0;
    for (uint32_t i = 0; i < BINS; i++) {
        const uint32_t bin = above ? BINS - 1 - i : i;
        const double here = h->bins[bin];
        if (here > 0 && beyond + here > cut) {
            const double low = (double)edge_of(bin), high = (double)edge_of(bin + 1);
            const double into = (high - low) * ((cut - beyond) / here);
            return (float)(above ? high - into : low + into);
        }
        beyond += here;
    }
    return above ? -INFINITY : INFINITY;
}

static float within(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

static void sum_up(const watcher *w, const weld_value *v) {
    weld_observed *o = &w->seen->values[v->id];
    if (o->count == 0) {
        return;
    }
    o->low = INFINITY;
    o->high = -INFINITY;
    for (size_t i = w->first[v->id]; i < w->first[v->id + 1]; i++) {
        o->low = fminf(o->low, w->low[i]);
        o->high = fmaxf(o->high, w->high[i]);
        w->seen->ranges[i] = fmaxf(w->high[i], 0) - fminf(w->low[i], 0);
    }
    const double cut = TAIL * (double)o->count;
    o->tail_low = within(tail_of(w->histograms[v->id], cut, false), o->low, o->high);
    o->tail_high = within(tail_of(w->histograms[v->id], cut, true), o->low, o->high);
}

/* Views are not run, so that nobody saw them. */
static void sum_up_view(const watcher *w, const weld_value *v) {
    const weld_value *of = weld_viewed(v);
    if (of == v || !w->wanted[v->id]) {
        return;
    }
    w->seen->values[v->id] = w->seen->values[of->id];
    const size_t from = w->first[of->id], to = w->first[v->id];
    const size_t count = w->first[v->id + 1] - to;
    for (size_t i = 0; i < count && w->first[of->id + 1] - from == count; i++) {
        w->seen->ranges[to + i] = w->seen->ranges[from + i];
    }
}

const char *weld_value_layer(const weld_value *v, char *text, size_t size) {
    const weld_node *node = v->producer;
    while (node && !(node->op->macs && node->input_count > 1 && node->inputs[1]->name[0])) {
        node = node->input_count > 0 && node->inputs[0] ? node->inputs[0]->producer : NULL;
    }
    snprintf(text, size, "%s", node ? node->inputs[1]->name : "images");
    const size_t length = strlen(text), tail = strlen(".weight");
    if (node && length > tail && strcmp(text + length - tail, ".weight") == 0) {
        text[length - tail] = '\0';
    }
    return text;
}

/* --- All of it -------------------------------------------------------------------------------- */

static weld_status check_finite(const watcher *w, const weld_calibration *c, int64_t first,
                                weld_error *err) {
    char layer[160];
    if (w->short_of_memory) {
        return weld_fail_memory(err, "calibration");
    }
    return !w->odd ? WELD_OK
                   : weld_fail(err, WELD_ERROR_NUMERIC,
                               "%s: what it makes of %s is not finite: the network cannot be "
                               "quantised",
                               weld_value_layer(w->odd, layer, sizeof layer),
                               weld_calibration_name(c, first + w->odd_image));
}

static weld_status watch_all(watcher *w, const weld_calibration *c, weld_error *err) {
    const int64_t count = weld_calibration_count(c);
    const weld_value *input = weld_graph_find_leaf(w->graph, "images");
    float *images = weld_session_input(w->session, "images").data;
    weld_session_observe(w->session, after_node, w);
    for (int64_t first = 0; first < count; first += BATCH) {
        w->images = count - first < BATCH ? count - first : BATCH;
        WELD_TRY(weld_calibration_read(c, first, w->images, images, err));
        look_at(w, input);
        weld_session_run(w->session, 0);
        WELD_TRY(check_finite(w, c, first, err));
    }
    for (size_t i = 0; i < w->graph->value_count; i++) {
        sum_up(w, w->graph->values[i]);
    }
    for (size_t i = 0; i < w->graph->value_count; i++) {
        sum_up_view(w, w->graph->values[i]);
    }
    return WELD_OK;
}

static int64_t most_channels(const weld_graph *g, const size_t *first) {
    size_t most = 1;
    for (size_t i = 0; i < g->value_count; i++) {
        most = first[i + 1] - first[i] > most ? first[i + 1] - first[i] : most;
    }
    return (int64_t)most;
}

static weld_status make_views(watcher *w, weld_error *err) {
    const size_t channels = (size_t)most_channels(w->graph, w->first);
    w->views = weld_alloc((size_t)w->threads, sizeof *w->views);
    bool made = w->views != NULL;
    for (int i = 0; made && i < w->threads; i++) {
        view *v = &w->views[i];
        v->own = weld_alloc(1, sizeof *v->own);
        v->low = weld_alloc(channels, sizeof *v->low);
        v->high = weld_alloc(channels, sizeof *v->high);
        made = v->own && v->low && v->high;
    }
    return made ? WELD_OK : weld_fail_memory(err, "calibration");
}

static weld_status open(watcher *w, weld_weights *weights, weld_error *err) {
    const weld_graph *g = w->graph;
    const weld_session_options options = {
        .batch = BATCH, .threads = w->threads, .constant_weights = true, .node_by_node = true};
    w->first = weld_channel_elements(g);
    const size_t elements = w->first ? w->first[g->value_count] : 0;
    w->histograms = weld_alloc(g->value_count, sizeof(histogram *));
    w->low = weld_alloc(elements, sizeof *w->low);
    w->high = weld_alloc(elements, sizeof *w->high);
    w->seen->values = weld_alloc(g->value_count, sizeof *w->seen->values);
    w->seen->ranges = weld_alloc(elements, sizeof *w->seen->ranges);
    if (!w->first || !w->histograms || !w->low || !w->high || !w->seen->values ||
        !w->seen->ranges) {
        return weld_fail_memory(err, "calibration");
    }
    for (size_t i = 0; i < elements; i++) {
        w->low[i] = INFINITY;
        w->high[i] = -INFINITY;
    }
    WELD_TRY(make_views(w, err));
    return weld_session_create(g, weights, &options, &w->session, err);
}

static void close(watcher *w) {
    weld_session_free(w->session);
    for (int i = 0; w->views && i < w->threads; i++) {
        weld_free(w->views[i].own);
        weld_free(w->views[i].low);
        weld_free(w->views[i].high);
    }
    for (size_t i = 0; w->histograms && i < w->graph->value_count; i++) {
        weld_free(w->histograms[i]);
    }
    weld_free(w->views);
    weld_free(w->histograms);
    weld_free(w->first);
    weld_free(w->low);
    weld_free(w->high);
}

weld_status weld_observe(const weld_graph *g, weld_weights *w, const weld_calibration *c,
                         const bool *wanted, int threads, weld_observation *out, weld_error *err) {
    *out = (weld_observation){0};
    watcher watching = {
        .graph = g, .wanted = wanted, .seen = out, .threads = weld_threads_count(threads)};
    weld_status status = open(&watching, w, err);
    status = status ? status : watch_all(&watching, c, err);
    close(&watching);
    if (status) {
        weld_observation_free(out);
    }
    return status;
}

void weld_observation_free(weld_observation *o) {
    weld_free(o->values);
    weld_free(o->ranges);
    *o = (weld_observation){0};
}
