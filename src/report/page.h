/* The files of page/, as texts: made by page/embed.c when weld is built. */
#ifndef WELD_REPORT_PAGE_H
#define WELD_REPORT_PAGE_H

extern const char weld_report_html[], weld_report_css[], weld_report_charts_js[],
    weld_report_comparison_js[], weld_report_js[];

#endif
