/* The one lock around HDF5.
 *
 * The HDF5 library keeps global state and is not safe to call from two threads, and by default it
 * prints its errors. So every call into it, from any file of weld, stands between these two: the
 * lock is process-wide, errors are silent while it is held, and the host program's own way of
 * reporting HDF5 errors is put back when it is released. Not recursive.
 */
#ifndef WELD_FORMATS_HDF5_LOCK_H
#define WELD_FORMATS_HDF5_LOCK_H

void weld_hdf5_lock(void);
void weld_hdf5_unlock(void);

#endif
