/* What several commands print, and whether it arrived. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"
#include "formats/json_text.h"

void cli_print_comparison(const weld_comparison *c) {
    printf("verified on %lld %s: largest difference %.3g of largest %s %.3g", (long long)c->images,
           c->labelled ? "images" : "images of noise", c->largest_difference, c->output_word,
           c->largest_output);
    if (c->answer_word) {
        printf("; same %s for %lld", c->answer_word, (long long)c->same_answer);
    }
    if (c->skipped) {
        printf("; %lld skipped", (long long)c->skipped);
    }
    putchar('\n');
    if (c->left_out) {
        printf("left out: %lld %s of classes that the network does not know\n",
               (long long)c->left_out, weld_plural(c->left_out, "image", "images"));
    }
}

/* "top-1 [%]" */
const char *cli_score_title(const weld_score *s, char text[CLI_TITLE_SIZE]) {
    const char *unit = s->unit + (*s->unit == ' ');
    snprintf(text, CLI_TITLE_SIZE, "%s%s%s%s", s->label, *unit ? " [" : "", unit, *unit ? "]" : "");
    return text;
}

json_t *cli_size_json(int height, int width) {
    return height == width ? json_integer(height) : json_pack("[i, i]", height, width);
}

static int lost; /* an errno: why what was printed before did not arrive */

void cli_output_is_lost(int code) {
    lost = lost ? lost : code;
}

void cli_print_json_as(const json_t *json, size_t flags) {
    char *text = weld_json_dump(json, flags);
    if (text) {
        puts(text);
    } else {
        cli_output_is_lost(ENOMEM);
    }
    weld_free(text);
}

void cli_print_json(json_t *json, size_t digits) {
    cli_print_json_as(json, JSON_REAL_PRECISION(digits));
    json_decref(json);
}

static atomic_bool json_was_short; /* of memory: values may lack parts */

static void *allocate_json(size_t size) {
    void *made = malloc(size);
    if (!made) {
        json_was_short = true;
    }
    return made;
}

void cli_watch_json(void) {
    json_set_alloc_funcs(allocate_json, free);
}

void cli_flush_output(void) {
    if (fflush(stdout) != 0 && !lost) {
        lost = errno;
    }
}

/* What was printed may be lost as late as when the file is closed. Without anything printed it
 * does not matter that there may be no standard output. Of a reader that has seen enough (`| head`)
 * nothing is said, and the status alone tells. */
int cli_finish_output(int status) {
    cli_flush_output();
    const bool failed = ferror(stdout);
    if (fclose(stdout) != 0 && errno != EBADF && !lost) {
        lost = errno;
    }
    if (!failed && !lost && (status || !json_was_short)) {
        return status;
    }
    if (!failed && !lost) {
        fputs("weld: out of memory: what was written and printed may lack parts\n", stderr);
        return CLI_FAILED;
    }
    if (lost != EPIPE) {
        fprintf(stderr, "weld: what was printed could not be written%s%s\n", lost ? ": " : "",
                lost ? strerror(lost) : "");
    }
    return status ? status : CLI_FAILED;
}
