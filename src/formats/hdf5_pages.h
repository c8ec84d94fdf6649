/* An HDF5 file in the making, of which only what HDF5 itself writes is kept in memory.
 *
 * Elements of datasets are the bulk of a file and stand in memory already. So the datasets are
 * created, HDF5 says where they lie, and nobody writes them: what HDF5 does write, the structure
 * around them, arrives here in pages, the rest of the file being holes that take no memory. Whoever
 * puts the file on disk fills them in. HDF5 never sees a disk, since it does not survive a full
 * one.
 */
#ifndef WELD_FORMATS_HDF5_PAGES_H
#define WELD_FORMATS_HDF5_PAGES_H

#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct weld_hdf5_pages {
    unsigned char **pages; /* NULL where nothing was written */
    size_t count;
    uint64_t end; /* of the file, once it is closed */
    bool failed;  /* there was no memory for a page: the file is useless */
    hid_t driver;
} weld_hdf5_pages;

/* Properties for H5Fcreate that make the file in *p, which is set to nothing and must outlive the
 * file. Negative where there is no memory. After the file is closed, or was not created, HDF5 is
 * rid of *p by weld_hdf5_pages_detach. Both are called with the lock held. */
hid_t weld_hdf5_pages_attach(weld_hdf5_pages *p);
void weld_hdf5_pages_detach(weld_hdf5_pages *p);

/* Copy bytes of the file, zeros where it has holes. */
void weld_hdf5_pages_read(const weld_hdf5_pages *p, uint64_t at, void *to, size_t bytes);
void weld_hdf5_pages_free(weld_hdf5_pages *p);

#endif
