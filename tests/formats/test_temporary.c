/* What is written beside its final place: what else is in the folder, who may read it, writers that
 * are killed, and system calls that fail. Those that are of interest go through this program, which
 * makes them fail. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include "files.h"
#include "formats/file.h"
#include "formats/file_system.h"
#include "suite.h"

enum { NONE, SYNC, LOCK, CUT, RENAME, RESERVE, PUT, OPEN, CALLS, OWNER };
static const char *const names[] = {"",       "fsync",     "lock",   "ftruncate",
                                    "rename", "fallocate", "pwrite", "open"};
static int failing, times, code, made; /* which call; how often yet; errno; how many of it */
static void (*before_locking)(void);

static bool fails(int call) {
    made += call == failing;
    if (call != failing || times == 0) {
        return false;
    }
    times--;
    errno = code;
    return true;
}

static void let_fail(int call, int how_often, int why) {
    failing = call;
    times = how_often;
    code = why;
    made = 0;
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

int fsync(int fd) {
    return fails(SYNC) ? -1 : REAL(fsync)(fd);
}

int flock(int fd, int how) {
    if (before_locking) {
        before_locking();
    }
    return fails(LOCK) ? -1 : REAL(flock)(fd, how);
}

int ftruncate(int fd, off_t length) {
    return fails(CUT) ? -1 : REAL(ftruncate)(fd, length);
}

int rename(const char *from, const char *to) {
    return fails(RENAME) ? -1 : REAL(rename)(from, to);
}

int fchown(int fd, uid_t user, gid_t group) {
    return fails(OWNER) ? -1 : REAL(fchown)(fd, user, group);
}

int posix_fallocate(int fd, off_t offset, off_t bytes) {
    return fails(RESERVE) ? code : REAL(posix_fallocate)(fd, offset, bytes);
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) {
    return fails(PUT) ? -1 : REAL(pwrite)(fd, data, bytes, offset);
}

int open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails(OPEN) ? -1 : REAL(open)(path, flags, mode);
}

static test_folder folder;
static char path[400];
static weld_error err;

static void set_up(void) {
    folder = test_folder_create();
    snprintf(path, sizeof path, "%s/a", folder.path);
}

static void tear_down(void) {
    test_folder_remove(folder);
}

static void assert_holds(const char *file, const char *text) {
    size_t size;
    unsigned char *bytes = test_read_file(file, &size);
    ck_assert_str_eq((char *)bytes, text);
    free(bytes);
}

static void write_a(const char *text) {
    ck_assert_msg(!weld_file_write(path, text, strlen(text), &err), "%s", err.message);
}

static mode_t mode_of(const char *file) {
    struct stat info;
    ck_assert_int_eq(stat(file, &info), 0);
    return info.st_mode & 07777;
}

START_TEST(what_lies_beside_is_not_touched) {
    static const char *const beside[] = {"a.tmp", "a.partial", "a.weld", ".a.swp"};
    set_up();
    const char *diary = test_path(&folder, "diary");
    test_write_file(diary, "dear diary", 10);
    for (int i = 0; i < 4; i++) {
        const char *name = test_path(&folder, beside[i]);
        ck_assert_int_eq(i % 2 ? symlink("diary", name) : link(diary, name), 0);
    }
    write_a("new");
    assert_holds(path, "new");
    assert_holds(diary, "dear diary");
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 6);
    tear_down();
}
END_TEST

START_TEST(the_mode_of_what_is_replaced_is_kept) {
    static const mode_t modes[] = {0600, 0640, 0644, 0666, 0400, 0755};
    set_up();
    umask(027);
    write_a("new");
    ck_assert_int_eq(mode_of(path), 0640);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        ck_assert_int_eq(chmod(path, modes[i]), 0);
        write_a("newer");
        ck_assert_int_eq(mode_of(path), modes[i]);
    }
    tear_down();
}
END_TEST

/* The administrator who mends a user's file does not take it away from them. */
START_TEST(the_owner_of_what_is_replaced_is_kept_where_we_may) {
    struct stat info;
    set_up();
    write_a("theirs");
    if (geteuid() == 0) { /* others may give away nothing */
        ck_assert_int_eq(chown(path, 1234, 4321), 0);
        ck_assert_int_eq(chmod(path, 0640), 0);
        write_a("mended");
        ck_assert_int_eq(stat(path, &info), 0);
        ck_assert_uint_eq(info.st_uid, 1234);
        ck_assert_uint_eq(info.st_gid, 4321);
        ck_assert_int_eq(mode_of(path), 0640);
    }
    tear_down();
}
END_TEST

/* As where the group of what is replaced is none of ours. */
START_TEST(another_group_than_before_gets_no_more_than_everybody) {
    static const mode_t modes[][2] = {{0660, 0600}, {0640, 0600}, {0664, 0644}, {0666, 0666}};
    set_up();
    write_a("theirs");
    for (size_t i = 0; geteuid() == 0 && i < sizeof modes / sizeof *modes; i++) {
        ck_assert_int_eq(chown(path, 0, 4321), 0);
        ck_assert_int_eq(chmod(path, modes[i][0]), 0);
        let_fail(OWNER, 2, EPERM);
        write_a("ours");
        let_fail(NONE, 0, 0);
        ck_assert_int_eq(mode_of(path), modes[i][1]);
    }
    tear_down();
}
END_TEST

START_TEST(what_is_written_is_not_open_to_more_than_what_it_replaces) {
    set_up();
    write_a("secret");
    ck_assert_int_eq(chmod(path, 0600), 0);
    weld_replacement *r;
    ck_assert_int_eq(weld_replacement_open(path, &r, &err), WELD_OK);
    ck_assert_int_eq(mode_of(weld_replacement_temporary(r)), 0600);
    weld_replacement_discard(r);
    tear_down();
}
END_TEST

/* A process that has begun to write `name`, said so at `ready`, and waits. */
static pid_t start_writer(const char *name) {
    int ready[2];
    char byte;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        weld_replacement *r;
        sigset_t usr1;
        int number;
        sigemptyset(&usr1);
        sigaddset(&usr1, SIGUSR1);
        sigprocmask(SIG_BLOCK, &usr1, NULL);
        bool ok = !weld_replacement_open(test_path(&folder, name), &r, NULL) &&
                  !weld_replacement_write(r, "child's", 7, NULL) && write(ready[1], "x", 1) == 1 &&
                  sigwait(&usr1, &number) == 0 && !weld_replacement_commit(r, NULL);
        _exit(ok ? 0 : 1);
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

static int end_writer(pid_t child, int number) {
    int status;
    ck_assert_int_eq(kill(child, number), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

/* The one entry of the folder whose name begins so; NULL: none. */
static const char *find(const char *start) {
    static char name[300];
    DIR *dir = opendir(folder.path);
    const char *found = NULL;
    for (struct dirent *e; !found && (e = readdir(dir));) {
        if (strncmp(e->d_name, start, strlen(start)) == 0) {
            snprintf(name, sizeof name, "%s", e->d_name);
            found = name;
        }
    }
    closedir(dir);
    return found;
}

START_TEST(what_a_killed_writer_left_goes_with_the_next_write_to_the_folder) {
    set_up();
    end_writer(start_writer("b.h5"), SIGKILL);
    ck_assert_ptr_nonnull(find("b.h5.weld-"));
    write_a("new");
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    tear_down();
}
END_TEST

START_TEST(a_living_writer_goes_on) {
    set_up();
    pid_t child = start_writer("b.h5");
    write_a("new");
    ck_assert_ptr_nonnull(find("b.h5.weld-"));
    ck_assert_int_eq(end_writer(child, SIGUSR1), 0);
    assert_holds(test_path(&folder, "b.h5"), "child's");
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 2);
    tear_down();
}
END_TEST

/* Names that are almost those of left-overs, and entries of such a name that no writer makes. */
START_TEST(what_nobody_left_stays) {
    char name[300];
    set_up();
    end_writer(start_writer("b.h5"), SIGKILL);
    snprintf(name, sizeof name, "%s", find("b.h5.weld-"));
    const size_t start = strlen("b.h5");
    int kept = 0;
    for (size_t at = start; name[at]; at++, kept++) {
        const char held = name[at];
        name[at] = 'x';
        test_write_file(test_path(&folder, name), "note", 4);
        name[at] = held;
    }
    ck_assert_int_eq(rename(test_path(&folder, name), test_path(&folder, name + start)),
                     0);   /* nothing in front */
    name[start - 1] = '6'; /* "b.h6...": a folder, "b.h7...": a link, "b.h8...": of two names */
    ck_assert_int_eq(mkdir(test_path(&folder, name), 0700), 0);
    name[start - 1] = '7';
    ck_assert_int_eq(symlink(test_path(&folder, "nowhere"), test_path(&folder, name)), 0);
    name[start - 1] = '8';
    test_write_file(test_path(&folder, "note"), "note", 4);
    ck_assert_int_eq(link(test_path(&folder, "note"), test_path(&folder, name)), 0);
    kept += 5;
    ck_assert_int_eq(test_folder_walk(folder.path, 0), kept);
    write_a("new");
    ck_assert_int_eq(test_folder_walk(folder.path, 0), kept + 1);
    tear_down();
}
END_TEST

/* Between making it and locking it, another's sweep takes it for a left-over. */
static void lose_it(void) {
    before_locking = NULL;
    ck_assert_int_eq(unlink(test_path(&folder, find("a.weld-"))), 0);
}

START_TEST(a_file_that_is_swept_before_it_is_locked_is_made_again) {
    set_up();
    before_locking = lose_it;
    write_a("new");
    assert_holds(path, "new");
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    tear_down();
}
END_TEST

START_TEST(a_long_name_is_no_reason_not_to_write) {
    char name[256];
    set_up();
    memset(name, 'n', sizeof name);
    memcpy(name + 98, "\xc3\xb6\xc3\xb6", 4);
    name[255] = 0;
    snprintf(path, sizeof path, "%s/%s", folder.path, name);
    write_a("new");
    assert_holds(path, "new");
    weld_replacement *r;
    ck_assert_int_eq(weld_replacement_open(path, &r, &err), WELD_OK);
    const char *temporary = strrchr(weld_replacement_temporary(r), '/') + 1;
    ck_assert_mem_eq(temporary, name, 100);
    ck_assert_mem_eq(temporary + 100, ".weld-", 6); /* a letter whole, or not at all */
    weld_replacement_discard(r);
    tear_down();
}
END_TEST

/* All that a file on the way meets: what a replacement is made of, and files that stay. */
static weld_status write_all_ways(void) {
    int fd = -1;
    weld_status status = weld_file_write(path, "new", 3, &err);
    status = status ? status : weld_file_open_kept(test_path(&folder, "k"), 0666, &fd, &err);
    if (!status) {
        int reason = weld_file_lock(fd);
        reason = reason ? reason : weld_file_cut(fd, 3);
        reason = reason ? reason : weld_file_reserve(fd, 0, 5);
        status = reason ? weld_file_fail(&err, "k", "keep", reason) : WELD_OK;
    }
    if (fd >= 0) {
        close(fd);
    }
    return status;
}

START_TEST(a_call_that_a_signal_interrupts_is_made_again) {
    for (int call = SYNC; call < CALLS; call++) {
        set_up();
        let_fail(call, 2, EINTR);
        weld_status status = write_all_ways();
        ck_assert_msg(!status, "%s: %s", names[call], err.message);
        ck_assert_msg(made >= 3, "%s was not called: %d", names[call], made);
        let_fail(NONE, 0, 0);
        assert_holds(path, "new");
        tear_down();
    }
}
END_TEST

START_TEST(a_call_that_fails_is_told_and_leaves_the_old_file_alone) {
    static const struct {
        int call;
        const char *message;
    } cases[] = {{SYNC, "a: cannot write: Input/output error"},
                 {LOCK, "a: cannot lock what is to take its place: Input/output error"},
                 {RENAME, "a: cannot replace: Input/output error"},
                 {PUT, "a: cannot write: Input/output error"},
                 {OPEN, "a: cannot create: Input/output error"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_up();
        write_a("old");
        let_fail(cases[i].call, 1, EIO);
        ck_assert_int_eq(weld_file_write(path, "new", 3, &err), WELD_ERROR_IO);
        let_fail(NONE, 0, 0);
        ck_assert_msg(strstr(err.message, cases[i].message) != NULL, "%s", err.message);
        assert_holds(path, "old");
        ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
        tear_down();
    }
}
END_TEST

START_TEST(where_there_are_no_locks_files_are_written_and_left_overs_stay) {
    set_up();
    let_fail(LOCK, 1000, ENOLCK);
    end_writer(start_writer("b.h5"), SIGKILL);
    write_a("new");
    assert_holds(path, "new");
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 2);
    tear_down();
}
END_TEST

/* As where a client of NFS has lost its lock daemon, and the server has locks. */
START_TEST(a_living_writer_that_gets_no_lock_goes_on_beside_one_that_gets_one) {
    set_up();
    let_fail(LOCK, 1000, ENOLCK);
    pid_t child = start_writer("b.h5");
    let_fail(NONE, 0, 0);
    write_a("new");
    ck_assert_int_eq(end_writer(child, SIGUSR1), 0);
    assert_holds(test_path(&folder, "b.h5"), "child's");
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 2);
    tear_down();
}
END_TEST

/* Until then its writer may live, and have a lock that is not seen from here. */
START_TEST(what_another_host_left_goes_when_it_is_a_day_old) {
    struct statfs system;
    set_up();
    const char *files[] = {"b.h5.weld-01234567-0123456789abcdef.tmp",
                           "c.h5.weld-01234567-0123456789abcdef.tmp"};
    for (int is_old = 0; is_old < 2; is_old++) {
        end_writer(start_writer("d.h5"), SIGKILL);
        const char *foreign = test_path(&folder, files[is_old]);
        ck_assert_int_eq(rename(test_path(&folder, find("d.h5.weld-")), foreign), 0);
        const struct timespec then = {.tv_sec = time(NULL) - (is_old ? 25 : 23) * 60 * 60};
        ck_assert_int_eq(utimensat(AT_FDCWD, foreign, (struct timespec[]){then, then}, 0), 0);
    }
    write_a("new");
    ck_assert_int_eq(access(test_path(&folder, files[0]), F_OK), 0);
    ck_assert_int_eq(statfs(folder.path, &system), 0);
    ck_assert_int_eq(access(test_path(&folder, files[1]), F_OK) != 0,
                     weld_file_system_of(&system) == WELD_FILE_SYSTEM_LOCAL);
    tear_down();
}
END_TEST

/* Killed after it was given the mode of what it replaces, which its owner may only read. */
START_TEST(what_was_to_be_read_only_is_removed_too) {
    int status;
    set_up();
    end_writer(start_writer("b.h5"), SIGKILL);
    const char *left = test_path(&folder, find("b.h5.weld-"));
    ck_assert_int_eq(chmod(left, 0444), 0);
    const bool is_root = geteuid() == 0; /* who may write to all files */
    ck_assert_int_eq(is_root ? chown(left, 1234, 4321) : 0, 0);
    ck_assert_int_eq(is_root ? chown(folder.path, 1234, 4321) : 0, 0);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        const bool is_user = !is_root || (setgid(4321) == 0 && setuid(1234) == 0);
        _exit(is_user && !weld_file_write(path, "new", 3, NULL) ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(test_folder_walk(folder.path, 0), 1);
    tear_down();
}
END_TEST

RUN_SUITE("formats/temporary", what_lies_beside_is_not_touched,
          the_mode_of_what_is_replaced_is_kept, the_owner_of_what_is_replaced_is_kept_where_we_may,
          another_group_than_before_gets_no_more_than_everybody,
          what_is_written_is_not_open_to_more_than_what_it_replaces,
          what_a_killed_writer_left_goes_with_the_next_write_to_the_folder, a_living_writer_goes_on,
          what_nobody_left_stays, a_file_that_is_swept_before_it_is_locked_is_made_again,
          a_long_name_is_no_reason_not_to_write, a_call_that_a_signal_interrupts_is_made_again,
          a_call_that_fails_is_told_and_leaves_the_old_file_alone,
          where_there_are_no_locks_files_are_written_and_left_overs_stay,
          a_living_writer_that_gets_no_lock_goes_on_beside_one_that_gets_one,
          what_another_host_left_goes_when_it_is_a_day_old, what_was_to_be_read_only_is_removed_too)
