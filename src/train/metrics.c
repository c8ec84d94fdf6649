/* metrics.jsonl; see metrics.h. */
#define _POSIX_C_SOURCE 200809L
#include "train/metrics.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"
#include "formats/file.h"
#include "formats/json_text.h"
#include "train/times.h"

#define ROW_SIZE 1536

struct weld_metrics {
    char *path;
    int file;
    int64_t offset;
};

static weld_status fail_io(const char *path, const char *what, weld_error *err) {
    return weld_fail(err, WELD_ERROR_IO, "%s: %s: %s", path, what, strerror(errno));
}

/* Behind the last whole row in the first `size` bytes, whose end may be zeros where the machine
 * went down; below 0 where it cannot be read. */
static int64_t end_of_rows(const weld_metrics *m, int64_t size) {
    char tail[2 * ROW_SIZE];
    for (int64_t from; size > 0; size = from) {
        from = size > (int64_t)sizeof tail ? size - (int64_t)sizeof tail : 0;
        ssize_t at;
        do {
            at = pread(m->file, tail, (size_t)(size - from), (off_t)from);
        } while (at < 0 && errno == EINTR);
        if (at < 0) {
            return -1;
        }
        while (at > 0 && tail[at - 1] != '\n') {
            at--;
        }
        if (at > 0) {
            return from + at;
        }
    }
    return 0;
}

static weld_status open_at(weld_metrics *m, const char *path, int64_t offset, bool *cut_short,
                           weld_error *err) {
    struct stat info;
    m->file = -1;
    m->path = weld_strdup(path);
    if (!m->path) {
        return weld_fail_memory(err, path);
    }
    WELD_TRY(weld_file_open_kept(path, 0666, &m->file, err));
    WELD_TRY(weld_file_has_one_name(m->file, path, err));
    if (weld_file_look_at(m->file, &info) < 0) {
        return fail_io(path, "cannot be opened", err);
    }
    m->offset = end_of_rows(m, info.st_size < offset ? info.st_size : offset);
    if (m->offset < 0) {
        return fail_io(path, "cannot be read", err);
    }
    *cut_short = m->offset < offset;
    if ((errno = weld_file_cut(m->file, (uint64_t)m->offset)) != 0 ||
        lseek(m->file, (off_t)m->offset, SEEK_SET) < 0) {
        return fail_io(path, "cannot be cut to length", err);
    }
    return WELD_OK;
}

weld_status weld_metrics_open(const char *path, int64_t offset, weld_metrics **out, bool *cut_short,
                              weld_error *err) {
    weld_metrics *m = weld_alloc(1, sizeof *m);
    if (!m) {
        return weld_fail_memory(err, path);
    }
    weld_status status = open_at(m, path, offset, cut_short, err);
    if (status) {
        weld_metrics_close(m);
        return status;
    }
    *out = m;
    return WELD_OK;
}

void weld_metrics_close(weld_metrics *m) {
    if (m) {
        if (m->file >= 0) {
            close(m->file);
        }
        weld_free(m->path);
        weld_free(m);
    }
}

static weld_status write_row(weld_metrics *m, const char *row, int length, weld_error *err) {
    for (int done = 0; done < length;) {
        ssize_t n = write(m->file, row + done, (size_t)(length - done));
        if (n < 0 && errno != EINTR) {
            return fail_io(m->path, "cannot be written", err);
        }
        done += n > 0 ? (int)n : 0;
    }
    m->offset += length;
    return WELD_OK;
}

/* The shortest text that reads back to the same float: exact for losses, which are floats, and as
 * exact as anyone needs for the rest. JSON has no word for what is not finite. */
static const char *number(double value, char text[WELD_NUMBER_SIZE]) {
    if (!isfinite(value)) {
        return "null";
    }
    /* Enough digits from the start that 100 is not written as 1e+02. */
    const double size = fabs(value);
    return weld_number_text(value, true, size >= 1 && size < 1e9 ? 1 + (int)log10(size) : 1, text);
}

#define TIMES_SIZE 384

/* "wait_seconds":0.01,... */
static const char *times_text(const weld_train_times *t, char text[TIMES_SIZE]) {
    weld_times_part parts[WELD_TIMES_MAX];
    const int count = weld_times_parts(t, parts);
    size_t used = 0;
    for (int i = 0; i < count; i++) {
        char n[WELD_NUMBER_SIZE];
        used += (size_t)snprintf(text + used, TIMES_SIZE - used, "%s\"%s_seconds\":%s",
                                 i ? "," : "", parts[i].name, number(parts[i].seconds, n));
    }
    return text;
}

#define NAMED_SIZE 256

/* "loss_box":1.2,... */
static const char *named_text(const char *before, const char *const *names, const double *values,
                              char text[NAMED_SIZE]) {
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; names[i]; i++) {
        char n[WELD_NUMBER_SIZE];
        used += (size_t)snprintf(text + used, NAMED_SIZE - used, "\"%s%s\":%s,", before, names[i],
                                 number(values[i], n));
    }
    return text;
}

weld_status weld_metrics_step(weld_metrics *m, const weld_step_metrics *row, weld_error *err) {
    char text[ROW_SIZE], size[32] = "", n[4][WELD_NUMBER_SIZE], times[TIMES_SIZE];
    char parts[NAMED_SIZE], counts[NAMED_SIZE];
    if (row->size) {
        snprintf(size, sizeof size, "\"size\":%d,", row->size);
    }
    int length =
        snprintf(text, sizeof text,
                 "{\"kind\":\"step\",\"epoch\":%lld,\"step\":%lld,%s\"loss\":%s,%s%s\"lr\":%s,"
                 "\"images_per_second\":%s,\"data_seconds\":%s,%s}\n",
                 (long long)row->epoch, (long long)row->step, size, number(row->loss, n[0]),
                 named_text("loss_", row->task->loss_parts, row->parts, parts),
                 named_text("", row->task->counts, row->counts, counts), number(row->lr, n[1]),
                 number(row->images_per_second, n[2]), number(row->data_seconds, n[3]),
                 times_text(&row->times, times));
    return write_row(m, text, length, err);
}

/* Frees the text. */
static weld_status write_text(weld_metrics *m, weld_text *t, weld_error *err) {
    const char *text = weld_text_get(t);
    const weld_status status =
        t->failed ? weld_fail_memory(err, m->path) : write_row(m, text, (int)strlen(text), err);
    weld_text_free(t);
    return status;
}

weld_status weld_metrics_bad_image(weld_metrics *m, const weld_bad_image_row *row,
                                   weld_error *err) {
    weld_text t = WELD_TEXT;
    weld_text_format(&t, "{\"kind\":\"bad_image\",\"epoch\":%lld,\"step\":%lld,\"reason\":",
                     (long long)row->epoch, (long long)row->step);
    weld_json_add_name(&t, row->reason);
    weld_text_add(&t, "}\n");
    return write_text(m, &t, err);
}

/* "ema_val_images":13,"ema_val_skipped":0,"ema_val_loss":0.4,"ema_top1":91.2,...; whose: "" or
 * "ema_". e may be NULL: nothing was evaluated. */
static void add_evaluation(const weld_task *task, const char *whose, const weld_evaluation *e,
                           weld_text *t) {
    char n[WELD_NUMBER_SIZE];
    if (e) {
        weld_text_format(t, "\"%sval_images\":%lld,\"%sval_skipped\":%lld,", whose,
                         (long long)e->images, whose, (long long)e->skipped);
    } else {
        weld_text_format(t, "\"%sval_images\":null,\"%sval_skipped\":null,", whose, whose);
    }
    weld_text_format(t, "\"%sval_loss\":%s", whose, number(e ? e->loss : NAN, n));
    for (int i = 0; i < task->run_scores; i++) {
        weld_text_format(t, ",\"%s%s\":%s", whose, task->scores[i].key,
                         number(e ? e->scores[i] : NAN, n));
    }
}

weld_status weld_metrics_epoch(weld_metrics *m, const weld_epoch_metrics *row, weld_error *err) {
    weld_text t = WELD_TEXT;
    char n[WELD_NUMBER_SIZE], times[TIMES_SIZE], named[NAMED_SIZE];
    weld_text_format(&t, "{\"kind\":\"epoch\",\"epoch\":%lld,\"step\":%lld,\"train_loss\":%s,",
                     (long long)row->epoch, (long long)row->step, number(row->train_loss, n));
    weld_text_add(&t, named_text("train_loss_", row->task->loss_parts, row->parts, named));
    weld_text_add(&t, named_text("train_", row->task->counts, row->counts, named));
    weld_text_format(&t, "\"bad_images\":%lld,", (long long)row->bad_images);
    add_evaluation(row->task, "", row->evaluated ? &row->evaluation : NULL, &t);
    weld_text_add(&t, ",");
    add_evaluation(row->task, "ema_", row->evaluated && row->averaged ? &row->average : NULL, &t);
    weld_text_format(&t, ",\"seconds\":%s", number(row->seconds, n));
    weld_text_format(&t, ",\"data_seconds\":%s,", number(row->data_seconds, n));
    weld_text_add(&t, times_text(&row->times, times));
    weld_text_format(&t, ",\"evaluation_seconds\":%s", number(row->evaluation_seconds, n));
    if (row->ranks) {
        weld_text_format(&t, ",\"ranks_wait_seconds\":%s,\"slowest_rank_of_seconds\":%d",
                         number(row->ranks_wait_seconds, n), row->slowest_rank);
    }
    weld_text_add(&t, "}\n");
    return write_text(m, &t, err);
}

weld_status weld_metrics_sync(weld_metrics *m, int64_t *offset, weld_error *err) {
    if ((errno = weld_file_sync(m->file)) != 0) {
        return fail_io(m->path, "cannot be brought to the disk", err);
    }
    *offset = m->offset;
    return WELD_OK;
}

int64_t weld_metrics_tail(const weld_metrics *m) {
    char text[2 * ROW_SIZE];
    const size_t size = m->offset < (int64_t)sizeof text ? (size_t)m->offset : sizeof text;
    const weld_status status =
        weld_file_read_at(m->file, m->path, text, size, (uint64_t)m->offset - size, NULL);
    return status ? 0 : (int64_t)(XXH3_64bits(text, size) >> 1);
}
