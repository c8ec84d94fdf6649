/* What RepVGG and MobileOne say of their tensors and take for values. */
#include <string.h>

#include "fixture.h"
#include "graph/graph.h"
#include "models/models.h"
#include "suite.h"

static weld_model_config named(const char *name) {
    weld_model_config config;
    ck_assert_int_eq(weld_model_config_named(name, &config, NULL), WELD_OK);
    return config;
}

/* By timm and by the authors; merged ones too. */
START_TEST(tensors_have_the_names_of_each_program) {
    static const struct {
        const char *model, *own, *timm, *official;
    } names[] = {
        {"repvgg_a0", "stem.conv_kxk.conv.weight", "stem.conv_kxk.conv.weight",
         "stage0.rbr_dense.conv.weight"},
        {"repvgg_a0", "stages.2.13.conv_1x1.bn.running_var", "stages.2.13.conv_1x1.bn.running_var",
         "stage3.13.rbr_1x1.bn.running_var"},
        {"repvgg_a0", "stages.0.1.identity.bias", "stages.0.1.identity.bias",
         "stage1.1.rbr_identity.bias"},
        {"repvgg_a0", "stem.bias", "stem.reparam_conv.bias", "stage0.rbr_reparam.bias"},
        {"repvgg_a0", "stages.3.0.weight", "stages.3.0.reparam_conv.weight",
         "stage4.0.rbr_reparam.weight"},
        {"repvgg_a0", "head.fc.bias", "head.fc.bias", "linear.bias"},
        {"mobileone_s0", "stem.conv_scale.conv.weight", "stem.conv_scale.conv.weight",
         "stage0.rbr_scale.conv.weight"},
        {"mobileone_s0", "stages.1.15.conv_kxk.3.bn.bias", "stages.1.15.conv_kxk.3.bn.bias",
         "stage2.15.rbr_conv.3.bn.bias"},
        {"mobileone_s0", "stages.1.2.identity.weight", "stages.1.2.identity.weight",
         "stage2.2.rbr_skip.weight"},
        {"mobileone_s0", "stages.1.2.weight", "stages.1.2.reparam_conv.weight",
         "stage2.2.reparam_conv.weight"},
        {"mobileone_s0", "stages.1.1.conv_kxk.bias", "stages.1.1.reparam_conv.bias",
         "stage2.1.reparam_conv.bias"},
        {"mobileone_s4", "stages.3.1.conv_kxk.0.bias", "stages.3.1.reparam_conv.bias",
         "stage4.1.reparam_conv.bias"},
        {"mobileone_s4", "stages.3.1.attn.fc2.bias", "stages.3.1.attn.fc2.bias",
         "stage4.1.se.expand.bias"},
    };
    char name[WELD_TENSOR_NAME_SIZE];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const weld_model_config config = named(names[i].model);
        const weld_naming *timm = weld_model_find_naming(&config, "timm", NULL);
        const weld_naming *official = weld_model_find_naming(&config, "official", NULL);
        ck_assert_int_eq(weld_model_tensor_name(&config, timm, names[i].own, name, NULL), WELD_OK);
        ck_assert_str_eq(name, names[i].timm);
        ck_assert_int_eq(weld_model_tensor_name(&config, official, names[i].own, name, NULL),
                         WELD_OK);
        ck_assert_str_eq(name, names[i].official);
    }
}
END_TEST

START_TEST(every_tensor_has_its_place) {
    static const struct {
        const char *model, *name;
        int part, layer;
        bool per_class;
    } places[] = {
        {"repvgg_a0", "stem.conv_1x1.bn.weight", 0, 0, false},
        {"repvgg_a0", "stages.0.1.identity.weight", 1, 2, false},
        {"repvgg_a0", "stages.2.13.conv_kxk.conv.weight", 3, 20, false},
        {"repvgg_a0", "head.fc.weight", 5, 22, true},
        {"mobileone_s0", "stages.0.0.conv_scale.bn", 1, 1, false}, /* depthwise ... */
        {"mobileone_s0", "stages.0.1.conv_kxk", 1, 1, false},      /* ... and pointwise */
        {"mobileone_s0", "stages.3.1.weight", 4, 21, false},
        {"mobileone_s0", "head.fc.bias", 5, 22, true},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const weld_model_config config = named(places[i].model);
        weld_model_place p = weld_model_place_of(&config, places[i].name);
        ck_assert_msg(p.part == places[i].part && p.layer == places[i].layer &&
                          p.per_class == places[i].per_class,
                      "%s: part %d layer %d", places[i].name, p.part, p.layer);
    }
}
END_TEST

static void expect_refusal(const char *family, const char *key, const char *value,
                           weld_build_mode mode, const char *reason) {
    const family_case *f = family_cases;
    while (strcmp(f->name, family) != 0) {
        f++;
    }
    weld_model_config config = family_case_config(f);
    weld_graph *g;
    weld_error err;
    set_value(&config, key, value);
    ck_assert_int_eq(weld_model_build_as(&config, mode, 1, 32, 32, WELD_F32, &g, &err),
                     WELD_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.message, reason) != NULL, "'%s' lacks '%s'", err.message, reason);
}

START_TEST(what_makes_no_network_is_refused) {
    const weld_build_mode evaluation = {.training = false};
    expect_refusal("repvgg", "groups", "3", evaluation,
                   "channels[0] is 8: it must be a multiple of the groups, 3");
    expect_refusal("repvgg", "depths", "1, 2, 3", evaluation,
                   "channels and depths must be lists of the same length");
    expect_refusal("mobileone", "se_layers", "0, 3, 0", evaluation,
                   "se_layers[1] is 3: the stage has 2 layers");
    /* every branch is needed: none is residual */
    expect_refusal("mobileone", "depths", "1, 1, 1",
                   (weld_build_mode){.training = true, .drop_path = 0.1},
                   "no residual branch that could be left out");
}
END_TEST

RUN_SUITE("models/branches", tensors_have_the_names_of_each_program, every_tensor_has_its_place,
          what_makes_no_network_is_refused)
