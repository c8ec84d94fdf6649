/* Families against PyTorch's definitions of them: small networks from fixtures, and what each
 * variant is made of. */
#include "base/memory.h"
#include "base/random.h"
#include "graph/graph.h"
#include "models/models.h"
#include "models/parity.h"
#include "passes/reparameterize.h"
#include "suite.h"

static void for_each(void (*check)(const parity *p, const char *isa)) {
    for (int i = 0; i < FAMILY_CASES; i++) {
        parity p = {.file = family_cases[i].name, .batch = "/0"};
        p.fixture = family_case_load(&family_cases[i]);
        p.config = family_case_config(&family_cases[i]);
        for (int k = 0; weld_kernels_available(WELD_F32, k); k++) {
            check(&p, weld_kernels_available(WELD_F32, k));
        }
        weld_weights_free(p.fixture);
    }
}

START_TEST(evaluation_gives_the_logits_of_pytorch) {
    for_each(check_evaluation);
}
END_TEST

START_TEST(a_training_step_gives_the_gradients_of_pytorch) {
    for_each(check_training);
}
END_TEST

/* What PyTorch says is in a file of its own, the weights are in the family's. */
static weld_weights *load_wide(const family_case *f) {
    weld_weights *wide = fixture_load("wide_mobilevit.fixture"), *fixture = family_case_load(f);
    for (size_t i = 0; i < weld_weights_count(fixture); i++) {
        const char *name = weld_weights_name(fixture, i);
        const weld_tensor from = weld_weights_tensor(fixture, i);
        weld_tensor to;
        if (strncmp(name, "before/", 7) == 0) {
            ck_assert_int_eq(weld_weights_add(wide, name, from.dtype, &from.shape, &to, NULL),
                             WELD_OK);
            fixture_copy(to, from);
        }
    }
    weld_weights_free(fixture);
    return wide;
}

/* Its maps are made larger where one of their sizes does not part into patches. */
START_TEST(mobilevit_on_images_that_are_not_square_is_that_of_pytorch) {
    const family_case *f = family_cases;
    while (strcmp(f->name, "mobilevit") != 0) {
        f++;
    }
    parity p = {.file = "wide_mobilevit.fixture", .batch = "", .fixture = load_wide(f)};
    p.config = family_case_config(f);
    for (int k = 0; weld_kernels_available(WELD_F32, k); k++) {
        check_evaluation(&p, weld_kernels_available(WELD_F32, k));
        check_training(&p, weld_kernels_available(WELD_F32, k));
    }
    weld_weights_free(p.fixture);
}
END_TEST

static void check_merged(const parity *p, const char *isa) {
    weld_graph *g = parity_build(p, false), *merged;
    weld_weights *w = fixture_weights(p->fixture, "before/", g), *merged_weights;
    weld_error err;
    ck_assert_msg(!weld_reparameterize(g, w, &merged, &merged_weights, &err), "%s", err.message);
    check_logits(p, merged, merged_weights, isa);
    weld_weights_free(w);
    weld_weights_free(merged_weights);
    weld_graph_free(g);
    weld_graph_free(merged);
}

START_TEST(merged_they_give_the_same_logits) {
    for_each(check_merged);
}
END_TEST

/* The maps that stages end with, by the means of their channels. */
static void check_stages(const parity *p, const char *isa) {
    weld_graph *g = parity_build(p, false);
    const int stages = weld_model_stage_count(&p->config);
    char name[32];
    for (int i = 0; i < stages; i++) {
        int stride;
        weld_value *end = weld_model_stage_end(g, &p->config, i, &stride);
        ck_assert_ptr_nonnull(end);
        snprintf(name, sizeof name, "means/%d", i);
        weld_output(g, name, weld_global_avg_pool(g, end));
    }
    weld_weights *w = fixture_weights(p->fixture, "before/", g);
    weld_session *s = parity_start(p, g, w, isa);
    weld_session_run(s, 0);
    for (int i = 0; i < stages; i++) {
        snprintf(name, sizeof name, "means/%d", i);
        weld_tensor is = weld_session_output(s, name), want = fixture_tensor(p->fixture, "", name);
        ck_assert_int_eq(is.shape.dim[3], want.shape.dim[1]);
        is.shape = want.shape;
        ck_assert_msg(distance(is, want) <= 1e-4 * norm(want), "%s on %s: stage %d", p->file, isa,
                      i);
    }
    weld_session_free(s);
    weld_weights_free(w);
    weld_graph_free(g);
}

START_TEST(stages_end_where_those_of_pytorch_do) {
    for_each(check_stages);
}
END_TEST

/* --- Variants -------------------------------------------------------------------------------- */

static bool is_leaf(const weld_value *v) {
    return v->kind == WELD_VALUE_PARAMETER || v->kind == WELD_VALUE_BUFFER;
}

/* A line for each leaf, name and dimensions, hashed; and the scalars in buffers. */
static uint64_t hash_leaves(const weld_graph *g, int64_t *buffers) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    *buffers = 0;
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (!is_leaf(v)) {
            continue;
        }
        *buffers += v->kind == WELD_VALUE_BUFFER ? weld_shape_count(&v->shape) : 0;
        fprintf(out, "%s", v->name);
        for (int d = 0; d < v->shape.rank; d++) {
            fprintf(out, " %lld", (long long)v->shape.dim[d]);
        }
        fputc('\n', out);
    }
    fclose(out);
    uint64_t hash = weld_hash_name(text);
    free(text);
    return hash;
}

static weld_graph *built(const weld_model_config *config) {
    weld_graph *g;
    weld_error err;
    ck_assert_msg(!weld_model_build(config, false, 1, 224, 224, WELD_F32, &g, &err), "%s",
                  err.message);
    return g;
}

START_TEST(variants_have_the_tensors_and_counts_of_pytorch) {
    for (int i = 0; i < FAMILY_CASES; i++) {
        char file[64], name[WELD_MODEL_NAME_SIZE];
        unsigned long long hash;
        long long tensors, parameters, buffers, macs;
        size_t lines = 0;
        snprintf(file, sizeof file, "variants_%s.txt", family_cases[i].name);
        FILE *in = fixture_open(file);
        while (fscanf(in, "%63s %llx %lld %lld %lld %lld", name, &hash, &tensors, &parameters,
                      &buffers, &macs) == 6) {
            weld_model_config config;
            ck_assert_int_eq(weld_model_config_named(name, &config, NULL), WELD_OK);
            weld_graph *g = built(&config);
            weld_model_counts counts = weld_graph_counts(g);
            int64_t in_buffers;
            ck_assert_msg(hash_leaves(g, &in_buffers) == hash, "%s: names or shapes", name);
            ck_assert_int_eq(counts.tensors, tensors);
            ck_assert_int_eq(counts.parameters, parameters);
            ck_assert_int_eq(in_buffers, buffers);
            ck_assert_int_eq(counts.macs, macs);
            weld_graph_free(g);
            lines++;
        }
        fclose(in);
        ck_assert_uint_eq(lines, weld_family_find(family_cases[i].name, NULL, NULL)->variant_count);
    }
}
END_TEST

/* --- Recognition ----------------------------------------------------------------------------- */

/* What a file of the network would have. */
typedef struct listing {
    weld_named_shape *tensors;
    char (*names)[WELD_TENSOR_NAME_SIZE];
    weld_shape_index index;
} listing;

static listing list(const weld_graph *g, const weld_model_config *config,
                    const weld_naming *naming) {
    listing l = {.tensors = weld_alloc(g->value_count, sizeof *l.tensors),
                 .names = weld_alloc(g->value_count, sizeof *l.names)};
    size_t count = 0;
    weld_error err;
    for (size_t i = 0; i < g->value_count; i++) {
        const weld_value *v = g->values[i];
        if (is_leaf(v)) {
            ck_assert_msg(!weld_model_tensor_name(config, naming, v->name, l.names[count], &err),
                          "%s", err.message);
            l.tensors[count] =
                (weld_named_shape){l.names[count], weld_naming_shape(naming, v->name, v->shape)};
            count++;
        }
    }
    ck_assert_int_eq(weld_shape_index_create(l.tensors, count, &l.index, &err), WELD_OK);
    return l;
}

static void free_listing(listing *l) {
    weld_shape_index_free(&l->index);
    weld_free(l->tensors);
    weld_free(l->names);
}

static void check_recognized(const weld_graph *g, const weld_model_config *config,
                             const weld_naming *naming, bool merged, bool stated) {
    listing l = list(g, config, naming);
    weld_recognized r;
    weld_error err;
    ck_assert_msg(!weld_model_recognize(&l.index, stated ? config : NULL, &r, &err), "%s in %s: %s",
                  config->name, naming->name, err.message);
    ck_assert_str_eq(r.config.name, config->name);
    ck_assert_int_eq(r.config.num_classes, config->num_classes);
    ck_assert_int_eq(r.merged, merged);
    ck_assert_msg(r.naming == naming, "%s in %s: %s", config->name, naming->name, r.naming->name);
    free_listing(&l);
}

START_TEST(variants_are_recognised_by_names_and_shapes_merged_or_not) {
    for (int i = 0; i < FAMILY_CASES; i++) {
        const weld_model_family *family = weld_family_find(family_cases[i].name, NULL, NULL);
        for (size_t v = 0; v < family->variant_count; v += 2) {
            weld_model_config config, usual;
            weld_graph *merged;
            ck_assert_int_eq(weld_model_config_named(family->variants[v].name, &config, NULL), 0);
            config.num_classes = 7;
            ck_assert_int_eq(weld_model_config_named(family->name, &usual, NULL), 0);
            if (weld_model_difference(&config, &usual, WELD_KEY_UNTOLD)) {
                continue; /* tensors do not tell it from another */
            }
            weld_graph *g = built(&config);
            ck_assert_int_eq(weld_reparameterize_graph(g, &merged, NULL), WELD_OK);
            for (size_t n = 0; n < family->naming_count; n++) {
                check_recognized(g, &config, &family->namings[n], false, family_cases[i].stated);
                check_recognized(merged, &config, &family->namings[n], true,
                                 family_cases[i].stated);
            }
            weld_graph_free(g);
            weld_graph_free(merged);
        }
    }
}
END_TEST

static void check_same_tensors(const listing *a, const listing *b) {
    ck_assert_uint_eq(a->index.count, b->index.count);
    for (size_t i = 0; i < a->index.count; i++) {
        const weld_named_shape *t = a->index.sorted[i];
        const weld_named_shape *same = weld_shape_index_find(&b->index, t->name);
        ck_assert_msg(same && weld_shape_equal(&t->shape, &same->shape), "%s", t->name);
    }
}

/* Several values may make one network. */
static void check_own_sizes(const weld_graph *g, const weld_model_config *config,
                            const weld_naming *naming, bool merged) {
    listing l = list(g, config, naming);
    weld_recognized r;
    weld_error err;
    ck_assert_msg(!weld_model_recognize(&l.index, NULL, &r, &err), "%s in %s: %s", config->name,
                  naming->name, err.message);
    ck_assert_str_eq(r.config.name, config->name);
    ck_assert_int_eq(r.merged, merged);
    ck_assert_msg(!r.partial, "%s in %s", config->name, naming->name);
    /* which tensors do not tell, and tables of positions for these images depend on */
    ck_assert_int_eq(weld_model_config_set(&r.config, "stem_stride", "1", NULL), WELD_OK);
    weld_graph *again = built(&r.config), *other = NULL;
    ck_assert_int_eq(merged ? weld_reparameterize_graph(again, &other, NULL) : WELD_OK, WELD_OK);
    listing found = list(merged ? other : again, &r.config, naming);
    check_same_tensors(&l, &found);
    free_listing(&found);
    weld_graph_free(again);
    weld_graph_free(other);
    free_listing(&l);
}

START_TEST(networks_of_own_sizes_are_recognised_by_names_and_shapes_merged_or_not) {
    for (int i = 0; i < FAMILY_CASES; i++) {
        const weld_model_family *family = weld_family_find(family_cases[i].name, NULL, NULL);
        weld_model_config config = family_case_config(&family_cases[i]);
        weld_graph *merged, *g = built(&config);
        ck_assert_int_eq(weld_reparameterize_graph(g, &merged, NULL), WELD_OK);
        for (size_t n = 0; n < family->naming_count && !family_cases[i].stated; n++) {
            check_own_sizes(g, &config, &family->namings[n], false);
            check_own_sizes(merged, &config, &family->namings[n], true);
        }
        weld_graph_free(g);
        weld_graph_free(merged);
    }
}
END_TEST

/* What is missing is named by whoever then looks for all of it. */
START_TEST(a_file_that_lacks_a_tensor_is_of_what_it_nearly_is) {
    weld_model_config config;
    weld_recognized r;
    ck_assert_int_eq(weld_model_config_named("mobileone_s1", &config, NULL), WELD_OK);
    weld_graph *g = built(&config);
    listing l = list(g, &config, weld_model_find_naming(&config, "official", NULL));
    l.index.count--;
    ck_assert_int_eq(weld_model_recognize(&l.index, NULL, &r, NULL), WELD_OK);
    ck_assert_str_eq(r.config.name, "mobileone_s1");
    ck_assert_str_eq(r.naming->name, "official");
    ck_assert(!r.merged);
    free_listing(&l);
    weld_graph_free(g);
}
END_TEST

START_TEST(running_out_of_memory_in_it_is_an_error_like_any_other) {
    weld_model_config config;
    weld_graph *merged;
    weld_status status = WELD_ERROR_MEMORY;
    long failures = 0;
    ck_assert_int_eq(weld_model_config_named("repvgg_a0", &config, NULL), WELD_OK);
    weld_graph *g = built(&config);
    ck_assert_int_eq(weld_reparameterize_graph(g, &merged, NULL), WELD_OK);
    listing l = list(merged, &config, weld_model_find_naming(&config, NULL, NULL));
    for (long n = 0; status; n = n + n / 4 + 1) {
        weld_recognized r;
        weld_error err;
        weld_memory_fail_after(n);
        status = weld_model_recognize(&l.index, NULL, &r, &err);
        weld_memory_fail_after(-1);
        ck_assert(status == WELD_OK || status == WELD_ERROR_MEMORY);
        failures += status != WELD_OK;
    }
    ck_assert_int_gt(failures, 20);
    free_listing(&l);
    weld_graph_free(g);
    weld_graph_free(merged);
}
END_TEST

/* --- Merging --------------------------------------------------------------------------------- */

/* Convolutions of variants, before and after: blocks of parallel branches become one each, and two
 * of squeezes stay. */
START_TEST(branches_merge_into_one_convolution_a_block) {
    static const struct {
        const char *name;
        int before, after;
    } expected[] = {
        {"repvgg_a0", 22 * 2, 22},
        {"repvgg_b1g4", 28 * 2, 28},
        {"mobileone_s0", 2 + 21 * (5 + 4), 1 + 21 * 2},
        {"mobileone_s1", 2 + 21 * (2 + 1), 1 + 21 * 2},
        {"mobileone_s4", 2 + 21 * (2 + 1) + 6 * 4, 1 + 21 * 2 + 6 * 4},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        weld_model_config config;
        weld_graph *merged;
        ck_assert_int_eq(weld_model_config_named(expected[i].name, &config, NULL), WELD_OK);
        weld_graph *g = built(&config);
        ck_assert_int_eq(weld_reparameterize_graph(g, &merged, NULL), WELD_OK);
        const weld_model_counts counts = weld_graph_counts(merged);
        ck_assert_int_eq(weld_graph_counts(g).convolutions, expected[i].before);
        ck_assert_int_eq(counts.convolutions, expected[i].after);
        /* a weight and a bias each, the head's too: no batch norm is left */
        ck_assert_int_eq(counts.tensors, 2 * (expected[i].after + 1));
        weld_graph_free(g);
        weld_graph_free(merged);
    }
}
END_TEST

RUN_SUITE("models/families", evaluation_gives_the_logits_of_pytorch,
          a_training_step_gives_the_gradients_of_pytorch,
          mobilevit_on_images_that_are_not_square_is_that_of_pytorch,
          merged_they_give_the_same_logits, stages_end_where_those_of_pytorch_do,
          variants_have_the_tensors_and_counts_of_pytorch,
          variants_are_recognised_by_names_and_shapes_merged_or_not,
          networks_of_own_sizes_are_recognised_by_names_and_shapes_merged_or_not,
          a_file_that_lacks_a_tensor_is_of_what_it_nearly_is,
          running_out_of_memory_in_it_is_an_error_like_any_other,
          branches_merge_into_one_convolution_a_block)
