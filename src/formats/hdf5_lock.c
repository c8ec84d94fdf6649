/* The one lock around HDF5; see hdf5_lock.h. */
#include "formats/hdf5_lock.h"

#include <hdf5.h>
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static H5E_auto2_t saved_report; /* guarded by the lock */
static void *saved_report_data;

void weld_hdf5_lock(void) {
    pthread_mutex_lock(&lock);
    if (H5Eget_auto2(H5E_DEFAULT, &saved_report, &saved_report_data) < 0) {
        /* The host reports through the old interface, which has no matching getter here. */
        saved_report = NULL;
        saved_report_data = NULL;
    }
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

void weld_hdf5_unlock(void) {
    H5Eset_auto2(H5E_DEFAULT, saved_report, saved_report_data);
    pthread_mutex_unlock(&lock);
}
