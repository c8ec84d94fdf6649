/* Recipes, and --set options: lines "--set KEY=VALUE" in front of the recipe are options. What is
 * accepted must come back from the text that is stored in checkpoints. */
#include <string.h>

#include "base/memory.h"
#include "fuzz.h"
#include "recipe/recipe.h"

enum { MAX_OPTIONS = 4 };

/* Cut the options off the front of a text, which is modified. Returns what is left of it. */
static char *take_options(char *text, const char *options[MAX_OPTIONS], size_t *count) {
    static const char mark[] = "--set ";
    *count = 0;
    while (*count < MAX_OPTIONS && strncmp(text, mark, sizeof mark - 1) == 0) {
        char *end = strchr(text, '\n');
        if (!end) {
            break;
        }
        *end = '\0';
        options[(*count)++] = text + sizeof mark - 1;
        text = end + 1;
    }
    return text;
}

static void check_text(const weld_recipe *recipe) {
    static weld_recipe back;
    char *text, *again, key[64], a[4096], b[4096];
    weld_error err = fuzz_error();
    weld_status status = weld_recipe_text(recipe, &text, &err);
    FUZZ_CHECK(status == WELD_OK);
    status = weld_recipe_parse("stored", text, strlen(text), NULL, 0, &back, &err);
    FUZZ_CHECK(status == WELD_OK);
    FUZZ_CHECK(!weld_recipe_difference(recipe, &back, key, sizeof key, a, b, sizeof a));
    FUZZ_CHECK(weld_recipe_text(&back, &again, &err) == WELD_OK);
    FUZZ_CHECK(strcmp(text, again) == 0);
    weld_free(text);
    weld_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static weld_recipe recipe;
    const char *options[MAX_OPTIONS];
    size_t count;
    char *text = malloc(size + 1);
    FUZZ_CHECK(text);
    memcpy(text, data, size);
    text[size] = '\0';
    char *rest = take_options(text, options, &count);
    /* Exactly as long as it is, so that reading behind it is seen. */
    size_t rest_size = size - (size_t)(rest - text);
    char *exact = malloc(rest_size ? rest_size : 1);
    FUZZ_CHECK(exact);
    memcpy(exact, rest, rest_size);
    weld_error err = fuzz_error();
    weld_status status =
        weld_recipe_parse("fuzz.yaml", exact, rest_size, options, count, &recipe, &err);
    fuzz_check_status(status, &err);
    if (status == WELD_OK) {
        check_text(&recipe);
    }
    free(exact);
    free(text);
    return 0;
}
