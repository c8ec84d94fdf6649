/* Tensors that two networks have are taken for that which something beside them says. */
#include "files.h"
#include "formats/safetensors.h"
#include "models/models.h"
#include "serialization/model_file.h"
#include "suite.h"

enum { MOST = 512 };

/* The weights that a network starts with, and nothing that says whose they are. */
static void write_bare(const weld_model_config *config, const char *path) {
    static weld_safetensors_tensor tensors[MOST];
    weld_graph *g;
    weld_weights *w;
    weld_replacement *r;
    ck_assert_int_eq(weld_model_build(config, false, 1, 32, 32, WELD_F32, &g, NULL), WELD_OK);
    ck_assert_int_eq(weld_graph_init_weights(g, 0, &w, NULL), WELD_OK);
    const size_t count = weld_weights_count(w);
    ck_assert_uint_le(count, MOST);
    for (size_t i = 0; i < count; i++) {
        tensors[i] = (weld_safetensors_tensor){weld_weights_name(w, i), weld_weights_tensor(w, i)};
    }
    ck_assert_int_eq(weld_replacement_open(path, &r, NULL), WELD_OK);
    ck_assert_int_eq(weld_safetensors_write(r, tensors, count, NULL, NULL), WELD_OK);
    ck_assert_int_eq(weld_replacement_commit(r, NULL), WELD_OK);
    weld_weights_free(w);
    weld_graph_free(g);
}

static weld_model_config small_mobilenetv3(void) {
    weld_model_config c;
    ck_assert_int_eq(weld_model_config_named("mobilenetv3", &c, NULL), WELD_OK);
    ck_assert_int_eq(weld_model_config_set(&c, "channels", "8, 8", NULL), WELD_OK);
    ck_assert_int_eq(weld_model_config_set(&c, "depths", "1, 1", NULL), WELD_OK);
    ck_assert_int_eq(weld_model_config_set(&c, "head_channels", "16, 16", NULL), WELD_OK);
    c.num_classes = 3;
    return c;
}

static void write_hub(const test_folder *f, const char *architecture) {
    FILE *out = fopen(test_path(f, "config.json"), "w");
    ck_assert_ptr_nonnull(out);
    fprintf(out, "{\"architecture\": \"%s\", \"pretrained_cfg\": {\"input_size\": [3, 32, 32]}}",
            architecture);
    ck_assert_int_eq(fclose(out), 0);
}

static void check_values(const char *path, const weld_import_options *options, const char *padding,
                         const char *eps) {
    weld_model_file mf;
    weld_error err;
    char text[64];
    ck_assert_msg(!weld_model_file_import(path, options, &mf, &err), "%s", err.message);
    ck_assert_str_eq(weld_model_config_text(&mf.config, "padding", text, sizeof text), padding);
    ck_assert_str_eq(weld_model_config_text(&mf.config, "bn_eps", text, sizeof text), eps);
    weld_model_file_free(&mf);
}

static void check_refused(const char *path, const char *message) {
    weld_model_file mf;
    weld_error err;
    ck_assert_int_ne(weld_model_file_import(path, NULL, &mf, &err), WELD_OK);
    ck_assert_msg(strstr(err.message, message), "%s", err.message);
}

START_TEST(config_json_tells_networks_of_the_same_tensors_apart) {
    const weld_model_config config = small_mobilenetv3();
    test_folder f = test_folder_create();
    const char *path = test_path(&f, "model.safetensors");
    write_bare(&config, path);
    check_values(path, NULL, "symmetric", "1.0e-05");
    write_hub(&f, "mobilenetv3_small_100");
    check_values(path, NULL, "symmetric", "1.0e-05");
    write_hub(&f, "tf_mobilenetv3_large_100");
    check_values(path, NULL, "same", "0.001");
    const char *const set[] = {"padding=symmetric"};
    check_values(path, &(weld_import_options){.set = set, .set_count = 1}, "symmetric", "0.001");
    test_folder_remove(f);
}
END_TEST

START_TEST(an_architecture_that_is_not_known_is_refused_until_an_option_decides) {
    const weld_model_config config = small_mobilenetv3();
    test_folder f = test_folder_create();
    const char *path = test_path(&f, "model.safetensors");
    write_bare(&config, path);
    write_hub(&f, "mobilenetv3_rw");
    check_refused(path, "calls it mobilenetv3_rw, which weld does not know");
    check_values(path, &(weld_import_options){.model = "mobilenetv3"}, "symmetric", "1.0e-05");
    write_hub(&f, "regnety_160");
    check_refused(path, "calls it regnety_160, but its tensors are those of mobilenetv3");
    test_folder_remove(f);
}
END_TEST

/* timm's files. The number behind the name is not of it. */
START_TEST(a_file_called_after_a_variant_is_of_it) {
    weld_model_config config;
    ck_assert_int_eq(weld_model_config_named("mobilenetv3_small_075", &config, NULL), WELD_OK);
    config.num_classes = 3;
    test_folder f = test_folder_create();
    const char *path = test_path(&f, "tf_mobilenetv3_small_075-da427f52.safetensors");
    write_bare(&config, path);
    check_values(path, NULL, "same", "0.001");
    const char *other = test_path(&f, "tf_mobilenetv3_small_0750.safetensors");
    ck_assert_int_eq(rename(path, other), 0);
    check_values(other, NULL, "symmetric", "1.0e-05");
    const weld_import_options option = {.model = "tf_mobilenetv3_small_075"};
    check_values(other, &option, "same", "0.001");
    test_folder_remove(f);
}
END_TEST

RUN_SUITE("serialization/said_variant", config_json_tells_networks_of_the_same_tensors_apart,
          an_architecture_that_is_not_known_is_refused_until_an_option_decides,
          a_file_called_after_a_variant_is_of_it)
