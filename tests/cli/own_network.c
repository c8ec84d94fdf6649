/* own_network TRAIN VAL EPOCHS NET.h5 DEPLOY.h5: a network of one's own, after ConvNeXt (Liu et
 * al., "A ConvNet for the 2020s", CVPR 2022), trained on one folder of photos, evaluated on
 * another, merged. */
#include <stdio.h>
#include <stdlib.h>

#include <weld/batches.h>
#include <weld/layers.h>
#include <weld/step.h>

enum { SIZE = 32, STAGES = 2, DEPTH = 2, WIDTH = 16 };

static const weld_init start = {WELD_INIT_TRUNC_NORMAL, .a = 0.02, .b = 2};

static weld_value *block(const weld_layers *net, weld_path at, weld_value *x, int c, double depth) {
    const weld_conv_shape depthwise = {c, c, .kernel = 7, .groups = c};
    weld_value *y = weld_layer_conv(net, weld_under(at, "dwconv"), x, depthwise, true);
    y = weld_layer_norm_affine(net, weld_under(at, "norm"), y, c, 1e-6);
    y = weld_layer_linear(net, weld_under(at, "pwconv1"), y, c, 4 * c, start);
    y = weld_layer_linear(net, weld_under(at, "pwconv2"), weld_gelu(net->g, y), 4 * c, c, start);
    y = weld_layer_scale_channels(net, weld_under(at, "gamma"), y, c, 1e-2);
    return weld_add(net->g, x, weld_layer_drop_path(net, y, depth));
}

/* Errors stay in the graph: who uses it tells them. */
static void build(weld_graph *g, bool training, int64_t batch, int classes) {
    weld_layers net = weld_layers_of(g, training);
    net.mode.drop_path = 0.1;
    weld_value *x = weld_input(g, "images", WELD_SHAPE(batch, SIZE, SIZE, 3));
    int c = 3;
    for (int s = 0; s < STAGES; s++) {
        const weld_path stage = weld_under((weld_path){"stages"}, "%d", s);
        const int step = s == 0 ? 4 : 2, wide = WIDTH << s;
        const weld_conv_shape down = {c, wide, .kernel = step, .stride = step, .unpadded = true};
        x = weld_layer_conv(&net, weld_under(stage, "down"), x, down, true);
        x = weld_layer_norm_affine(&net, weld_under(stage, "norm"), x, c = wide, 1e-6);
        for (int b = 0; b < DEPTH; b++) {
            const double depth = (double)(s * DEPTH + b) / (STAGES * DEPTH - 1);
            x = block(&net, weld_under(stage, "%d", b), x, c, depth);
        }
    }
    x = weld_layer_norm_affine(&net, (weld_path){"norm"}, weld_layer_global_mean(&net, x, c), c,
                               1e-6);
    weld_output(g, "logits", weld_layer_linear(&net, (weld_path){"head"}, x, c, classes, start));
}

static void check(weld_status status, const weld_error *err) {
    if (status) {
        fprintf(stderr, "%s\n", err->message);
        exit(1);
    }
}

int main(int argc, char **argv) {
    static const char *const gently[] = {"crop_scale=0.6,1", "auto_augment=none", "mixup=0.1",
                                         "cutmix=0",         "random_erasing=0",  "repeats=1"};
    weld_error err;
    weld_batches *batches;
    weld_graph *training, *evaluation;
    weld_step *step;
    weld_model *model;
    weld_model_evaluation result;
    weld_merge_report report;
    const int64_t epochs = argc == 6 ? atol(argv[3]) : 0;
    if (epochs < 1) {
        fprintf(stderr, "usage: own_network TRAIN VAL EPOCHS NET.h5 DEPLOY.h5\n");
        return 2;
    }

    weld_batches_options data = weld_batches_defaults();
    data.preprocessing = weld_preprocessing_of(SIZE);
    data.batch_size = 8;
    data.augment = gently;
    data.augment_count = sizeof gently / sizeof *gently;
    check(weld_batches_open(argv[1], &data, &batches, &err), &err);
    const int classes = weld_batches_class_count(batches);
    const int64_t per_epoch = weld_batches_per_epoch(batches);

    check(weld_graph_create(WELD_F32, &training, &err), &err);
    check(weld_graph_create(WELD_F32, &evaluation, &err), &err);
    build(training, true, weld_batches_size(batches), classes);
    build(evaluation, false, 1, classes);

    weld_step_options options = weld_step_defaults();
    options.lr = 4e-3;
    options.updates = epochs * per_epoch;
    options.warmup = per_epoch;
    options.average_decay = 0.95;
    check(weld_step_create(training, NULL, &options, &step, &err), &err);
    const weld_tensor images = weld_step_input(step, "images");
    const weld_tensor target = weld_step_input(step, "target");
    const weld_model_options about = {.name = "small_convnext",
                                      .preprocessing = data.preprocessing,
                                      .class_names = weld_batches_class_names(batches),
                                      .class_count = classes};

    for (int64_t epoch = 0; epoch < epochs; epoch++) {
        double loss = 0;
        for (int64_t i = 0; i < per_epoch; i++) {
            check(weld_batches_train(batches, (uint32_t)epoch, i, images, target, &err), &err);
            check(weld_step_run(step, &loss, &err), &err);
            check(weld_step_update(step, weld_step_rate(step), &err), &err);
        }
        check(weld_step_snapshot(step, evaluation, &about, &model, &err), &err);
        check(weld_model_save(model, argv[4], &err), &err); /* weld_step_restore goes on from it */
        check(weld_model_evaluate(model, argv[2], 0, &result, &err), &err);
        printf("epoch %d: loss %.3f, %s %.1f %%\n", (int)epoch + 1, loss, result.scores[0].label,
               result.scores[0].value);
        weld_model_free(model);
    }

    check(weld_model_create(evaluation, weld_step_average(step), &about, &model, &err), &err);
    check(weld_model_merge(model, argv[2], 0, argv[5], &report, &err), &err);
    weld_model_free(model);
    weld_step_free(step);
    weld_graph_free(training);
    weld_graph_free(evaluation);
    weld_batches_free(batches);
    return 0;
}
