/* The codes that a network was trained for; see quantizer.h. */
#include "base/error.h"
#include "base/memory.h"
#include "infer/quantizer.h"
#include "passes/reparameterize.h"

/* Why those that the file has are not taken; NULL: they may be. */
static const char *misfit(const weld_quantizer *q) {
    const weld_model_file *f = &q->model->file;
    const int64_t weights = f->trainer.quantize_weights;
    const int64_t activations = f->trainer.quantize_activations;
    return !weld_fake_bits_are_sound(weights, activations) ? "are of no bits"
           : weld_fake_table_is_empty(f->codes, f->code_rows)
               ? "are of a run that had not begun to round yet"
           : weld_has_norms(q->merged->graph)
               ? "are of batch norms that were floats, which are codes here"
           : !activations && weights == 8 ? "are of weights of 8 bits alone, as all have here"
                                          : NULL;
}

static weld_status fail_untrained(weld_error *err) {
    return weld_fail(err, WELD_ERROR_ARGUMENT,
                     "the network was not trained for integers (quantize in the recipe of its "
                     "run): there are no ranges of a training to take");
}

static void pass_over(const weld_quantizer *q, const char *reason) {
    weld_quantize_say(q->options, "the codes that it was trained for %s: ranges are found anew",
                      reason);
}

static weld_status read_steps(weld_quantizer *q, weld_fake_bits bits, weld_error *err) {
    const weld_model_file *f = &q->model->file;
    weld_fake_rows rows;
    WELD_TRY(weld_fake_rows_of(q->graph, &rows, err));
    const weld_status status =
        weld_fake_steps_read(f->steps, f->step_rows, &rows, bits, q->graph, &q->learned, err);
    weld_free(rows.activation);
    return status;
}

static weld_status read(weld_quantizer *q, weld_error *err) {
    const weld_model_file *f = &q->model->file;
    const weld_fake_bits bits = {(int)f->trainer.quantize_weights,
                                 (int)f->trainer.quantize_activations};
    weld_error reason;
    weld_status status =
        weld_fake_table_read(f->codes, f->code_rows, bits, q->graph, &q->trained, &reason);
    if (!status && f->steps) {
        status = read_steps(q, bits, &reason);
    }
    if (status == WELD_ERROR_FORMAT) { /* for images of another size there may be other values */
        weld_quantization_free(&q->trained);
        pass_over(q, "are of another network");
        return WELD_OK;
    }
    WELD_TRY(status ? weld_fail(err, status, "%s", reason.message) : WELD_OK);
    q->bits = bits;
    if (!bits.activations) {
        weld_quantization_free(&q->trained);
    }
    return WELD_OK;
}

weld_status weld_quantizer_read_trained(weld_quantizer *q, weld_error *err) {
    const weld_quantize_method method = q->options->method;
    const bool wanted = method == WELD_QUANTIZE_TRAINED;
    if (q->model->file.codes && (wanted || method == WELD_QUANTIZE_AUTO)) {
        const char *reason = misfit(q);
        if (reason) {
            pass_over(q, reason);
        } else {
            WELD_TRY(read(q, err));
        }
    }
    return wanted && !q->bits.weights ? fail_untrained(err) : WELD_OK;
}

bool weld_quantizer_is_bound(const weld_quantizer *q) {
    const weld_fake_bits b = q->bits;
    return b.weights && (b.weights < 8 || (b.activations && b.activations < 8) ||
                         q->options->method == WELD_QUANTIZE_TRAINED);
}
