/* The families of networks, a line each. Nothing else stands here, so that a program of tests can
 * bring a list of its own in the place of this one. */
#include "models/cmt.h"
#include "models/mobilenetv3.h"
#include "models/mobilenetv3_repvit.h"
#include "models/mobileone.h"
#include "models/mobilevit.h"
#include "models/models.h"
#include "models/own.h"
#include "models/regnety.h"
#include "models/repvgg.h"
#include "models/repvit.h"
#include "models/yolo11.h"

const weld_model_family *const weld_families[] = {
    &weld_family_own,
    &weld_family_repvit,
    &weld_family_regnety,
    &weld_family_mobilenetv3,
    &weld_family_repvgg,
    &weld_family_mobileone,
    &weld_family_mobilenetv3_repvit,
    &weld_family_mobilevit,
    &weld_family_cmt,
    &weld_family_yolo11,
    &weld_family_yolo11_repvit,
    &weld_family_yolo11_on,
};
const size_t weld_family_count = sizeof weld_families / sizeof *weld_families;
