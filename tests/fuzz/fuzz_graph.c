/* The text of a graph, as deploy files carry it: refused, or it gives a graph that says of itself
 * what it was made of. */
#include <string.h>

#include "base/memory.h"
#include "serialization/graph_text.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    weld_graph *g = NULL, *again = NULL;
    weld_error err = fuzz_error();
    char *text = malloc(size + 1), *written, *rewritten;
    FUZZ_CHECK(text);
    memcpy(text, data, size);
    text[size] = '\0';
    weld_status status = weld_graph_from_text(text, "fuzz", &g, &err);
    fuzz_check_status(status, &err);
    if (status == WELD_OK) {
        FUZZ_CHECK(weld_graph_to_text(g, &written, &err) == WELD_OK);
        FUZZ_CHECK(weld_graph_from_text(written, "back", &again, &err) == WELD_OK);
        FUZZ_CHECK(weld_graph_to_text(again, &rewritten, &err) == WELD_OK);
        FUZZ_CHECK(strcmp(written, rewritten) == 0);
        weld_free(written);
        weld_free(rewritten);
        weld_graph_free(again);
    }
    weld_graph_free(g);
    free(text);
    return 0;
}
