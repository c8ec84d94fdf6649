/* A file driver for HDF5 that keeps pages; see hdf5_pages.h. */
#include "formats/hdf5_pages.h"

#include <string.h>

#include "base/memory.h"

enum { PAGE = 4096 };

typedef struct paged_file {
    H5FD_t common; /* HDF5's part; must be first */
    weld_hdf5_pages *pages;
    haddr_t end_allocated, end_written;
} paged_file;

/* What stands between the properties and the opened file. */
typedef struct driver_info {
    weld_hdf5_pages *pages;
} driver_info;

static H5FD_t *open_file(const char *name, unsigned flags, hid_t access, haddr_t limit) {
    (void)name, (void)flags, (void)limit;
    const driver_info *info = H5Pget_driver_info(access);
    paged_file *f = info ? weld_alloc(1, sizeof *f) : NULL;
    if (!f) {
        return NULL;
    }
    f->pages = info->pages;
    return &f->common;
}

static herr_t close_file(H5FD_t *file) {
    paged_file *f = (paged_file *)file;
    f->pages->end = f->end_allocated;
    weld_free(f);
    return 0;
}

static herr_t query(const H5FD_t *file, unsigned long *flags) {
    (void)file;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

static haddr_t end_allocated(const H5FD_t *file, H5FD_mem_t type) {
    (void)type;
    return ((const paged_file *)file)->end_allocated;
}

static herr_t set_end_allocated(H5FD_t *file, H5FD_mem_t type, haddr_t end) {
    (void)type;
    ((paged_file *)file)->end_allocated = end;
    return 0;
}

static haddr_t end_written(const H5FD_t *file, H5FD_mem_t type) {
    (void)type;
    return ((const paged_file *)file)->end_written;
}

/* The page that has the byte at `at`, made where there is none; NULL: no memory. */
static unsigned char *page_for_writing(weld_hdf5_pages *p, uint64_t at) {
    uint64_t i = at / PAGE;
    if (i >= p->count) {
        size_t count = (size_t)i + 1 + p->count / 2;
        unsigned char **grown = weld_grow(p->pages, p->count, count, sizeof *grown);
        if (!grown) {
            return NULL;
        }
        p->pages = grown;
        p->count = count;
    }
    if (!p->pages[i]) {
        p->pages[i] = weld_alloc(PAGE, 1);
    }
    return p->pages[i];
}

/* Never an error to HDF5, which cannot close a file that it could not write: want of memory is
 * kept for whoever looks at `failed`. */
static herr_t write_file(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t bytes,
                         const void *from) {
    (void)type, (void)transfer;
    paged_file *f = (paged_file *)file;
    for (size_t done = 0, n; done < bytes; done += n) {
        size_t offset = (size_t)((at + done) % PAGE);
        n = PAGE - offset < bytes - done ? PAGE - offset : bytes - done;
        unsigned char *page = page_for_writing(f->pages, at + done);
        if (!page) {
            f->pages->failed = true;
            break;
        }
        memcpy(page + offset, (const char *)from + done, n);
    }
    f->end_written = at + bytes > f->end_written ? at + bytes : f->end_written;
    return 0;
}

static herr_t read_file(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t bytes,
                        void *to) {
    (void)type, (void)transfer;
    weld_hdf5_pages_read(((const paged_file *)file)->pages, at, to, bytes);
    return 0;
}

static const H5FD_class_t driver = {
#ifdef H5FD_CLASS_VERSION /* HDF5 1.14 and later; the value is one of those for private use */
    .version = H5FD_CLASS_VERSION,
    .value = 511,
#endif
    .name = "weld_pages",
    .maxaddr = INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(driver_info),
    .open = open_file,
    .close = close_file,
    .query = query,
    .get_eoa = end_allocated,
    .set_eoa = set_end_allocated,
    .get_eof = end_written,
    .read = read_file,
    .write = write_file,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

hid_t weld_hdf5_pages_attach(weld_hdf5_pages *p) {
    *p = (weld_hdf5_pages){.driver = H5FDregister(&driver)};
    driver_info info = {p};
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access >= 0 && (p->driver < 0 || H5Pset_driver(access, p->driver, &info) < 0)) {
        H5Pclose(access);
        return H5I_INVALID_HID;
    }
    return access;
}

void weld_hdf5_pages_detach(weld_hdf5_pages *p) {
    if (p->driver >= 0) {
        H5FDunregister(p->driver); /* not sooner: HDF5 closes a file by what it frees here */
    }
    p->driver = H5I_INVALID_HID;
}

void weld_hdf5_pages_read(const weld_hdf5_pages *p, uint64_t at, void *to, size_t bytes) {
    for (size_t done = 0, n; done < bytes; done += n) {
        size_t offset = (size_t)((at + done) % PAGE);
        uint64_t i = (at + done) / PAGE;
        n = PAGE - offset < bytes - done ? PAGE - offset : bytes - done;
        if (i < p->count && p->pages[i]) {
            memcpy((char *)to + done, p->pages[i] + offset, n);
        } else {
            memset((char *)to + done, 0, n);
        }
    }
}

void weld_hdf5_pages_free(weld_hdf5_pages *p) {
    for (size_t i = 0; i < p->count; i++) {
        weld_free(p->pages[i]);
    }
    weld_free(p->pages);
    *p = (weld_hdf5_pages){0};
}
