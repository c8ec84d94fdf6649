/* What an int8 network says in runtimes whose zero points are 0. */
#ifndef WELD_INFER_EXPORT_SYMMETRIC_H
#define WELD_INFER_EXPORT_SYMMETRIC_H

#include "infer/export.h"

/* Simulated: compared with m on v's images (into v->found), and in dB
 * on noise (into the report). */
weld_status weld_export_symmetric_verify(const weld_model *m, weld_verification *v,
                                         weld_export_report *report, weld_error *err);

#endif
