/* Reports: the data of several runs, and the page that shows them. */
#ifndef WELD_REPORT_REPORT_H
#define WELD_REPORT_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include "weld/status.h"

typedef struct weld_report_options {
    bool latency; /* time each run's merged network, on one image of its size, in fp32 */
    int threads;  /* for that; 0: all that the process may use */
} weld_report_options;

/* What is to be known of runs[0..count), as one object: see weld_report_write and parts.h. */
weld_status weld_report_collect(const char *const *runs, size_t count,
                                const weld_report_options *options, json_t **out, weld_error *err);

/* The page of it. */
weld_status weld_report_write_page(const json_t *report, const char *path, weld_error *err);

#endif
