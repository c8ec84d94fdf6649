/* Keys of the summary of a model file (train/summary.h says what they mean) that others than its
 * writer know: what is true of a network and of its moving average, and what is of one of them. */
#ifndef WELD_SERIALIZATION_SUMMARY_KEYS_H
#define WELD_SERIALIZATION_SUMMARY_KEYS_H

#define WELD_SUMMARY_EPOCHS "epochs"
#define WELD_SUMMARY_STEPS "steps"
#define WELD_SUMMARY_TRAIN_IMAGES "train_images"
#define WELD_SUMMARY_INIT "init"
#define WELD_SUMMARY_TEACHER "teacher"
#define WELD_SUMMARY_MIXED "mixed"
#define WELD_SUMMARY_IMAGES "val_images"
#define WELD_SUMMARY_SKIPPED "val_skipped"

#define WELD_SUMMARY_WEIGHTS "weights" /* WELD_SUMMARY_OF_AVERAGE: they are the average */
#define WELD_SUMMARY_OF_AVERAGE "average"
#define WELD_SUMMARY_AVERAGE "ema_" /* before the key of a score of the average */

#endif
