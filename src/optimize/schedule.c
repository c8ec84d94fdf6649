/* The learning rate of every update; see schedule.h. */
#include "optimize/schedule.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/locale.h"
#include "base/text.h"

static const double BETTER = 1e-4; /* by what part of the best a score must beat it */

double weld_schedule_scale(double lr, int64_t batch, int64_t lr_batch) {
    return lr_batch > 0 ? lr * (double)batch / (double)lr_batch : lr;
}

int64_t weld_schedule_epochs(const weld_schedule *s) {
    return s->epochs + s->cooldown_epochs;
}

/* Where an update stands: t after `epoch` long epochs. */
typedef struct place {
    double t, epoch;
} place;

static double cosine(const weld_schedule *s, place at, int64_t reductions) {
    (void)reductions;
    const double total = (double)s->epochs * at.epoch;
    return at.t < total ? s->min_lr + 0.5 * (s->base_lr - s->min_lr) *
                                          (1.0 + cos(3.14159265358979323846 * at.t / total))
                        : s->min_lr;
}

static double decayed(const weld_schedule *s, double times) {
    return fmax(s->base_lr * pow(s->decay_rate, times), s->min_lr);
}

static double step(const weld_schedule *s, place at, int64_t reductions) {
    (void)reductions;
    return decayed(s, floor(at.t / (s->decay_epochs * at.epoch)));
}

static double plateau(const weld_schedule *s, place at, int64_t reductions) {
    (void)at;
    return decayed(s, (double)reductions);
}

static double constant(const weld_schedule *s, place at, int64_t reductions) {
    (void)at;
    (void)reductions;
    return s->base_lr;
}

static double (*const ways_down[])(const weld_schedule *, place, int64_t) = {
    [WELD_SCHEDULE_COSINE] = cosine,
    [WELD_SCHEDULE_STEP] = step,
    [WELD_SCHEDULE_PLATEAU] = plateau,
    [WELD_SCHEDULE_CONSTANT] = constant,
};

static place place_of(const weld_schedule *s, int64_t epoch, int64_t updates) {
    switch (s->per) {
    case WELD_SCHEDULE_PER_EPOCH:
        return (place){epoch > 0 ? (double)(epoch - 1) : 0.0, 1};
    case WELD_SCHEDULE_PER_EPOCH_START:
        return (place){(double)epoch, 1};
    default:
        return (place){(double)updates, s->steps_per_epoch};
    }
}

double weld_schedule_rate(const weld_schedule *s, int64_t epoch, int64_t updates,
                          int64_t reductions) {
    const place at = place_of(s, epoch, updates);
    const double warmup = s->warmup_epochs * at.epoch;
    return at.t < warmup ? s->warmup_lr + (s->base_lr - s->warmup_lr) * at.t / warmup
                         : ways_down[s->name](s, at, reductions);
}

/* Appends; what does not fit is left out. */
static void __attribute__((format(printf, 3, 4)))
add(char *text, size_t size, const char *format, ...) {
    const size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    weld_vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

const char *weld_schedule_text(const weld_schedule *s, char *text, size_t size) {
    text[0] = 0;
    if (s->name == WELD_SCHEDULE_COSINE) {
        add(text, size, "a cosine to %g over %lld %s", s->min_lr, (long long)s->epochs,
            weld_plural(s->epochs, "epoch", "epochs"));
    } else if (s->name == WELD_SCHEDULE_STEP) {
        add(text, size, "times %g every %g epochs, down to %g", s->decay_rate, s->decay_epochs,
            s->min_lr);
    } else if (s->name == WELD_SCHEDULE_CONSTANT) {
        add(text, size, "constant");
    } else {
        add(text, size, "times %g after %lld %s without a better score, down to %g", s->decay_rate,
            (long long)s->patience_epochs, weld_plural(s->patience_epochs, "epoch", "epochs"),
            s->min_lr);
    }
    if (s->cooldown_epochs > 0) {
        add(text, size, ", then %lld %s at that", (long long)s->cooldown_epochs,
            weld_plural(s->cooldown_epochs, "epoch", "epochs"));
    }
    if (s->warmup_epochs == 1) {
        add(text, size, "; in the first epoch a rise from %g", s->warmup_lr);
    } else if (s->warmup_epochs > 0) {
        add(text, size, "; in the first %g epochs a rise from %g", s->warmup_epochs, s->warmup_lr);
    }
    return text;
}

bool weld_schedule_plateau(const weld_schedule *s, weld_plateau *p, int64_t epochs, double score,
                           bool smaller_is_better) {
    const double beaten = p->best * (smaller_is_better ? 1 - BETTER : 1 + BETTER);
    const bool falls = epochs - p->since > s->patience_epochs;
    if ((double)epochs <= s->warmup_epochs) {
        return false;
    }
    if (p->since == 0 || (smaller_is_better ? score < beaten : score > beaten)) {
        p->best = score;
        p->since = epochs;
        return false;
    }
    if (falls) {
        p->since = epochs;
        p->reductions++;
    }
    return falls;
}
