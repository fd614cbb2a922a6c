/* Loaded before the C library (LD_PRELOAD): makes chosen calls on chosen files go wrong.
 *
 * FAULT_KIND  eio | short | eintr | shrink | grow | gone | denied | sync | write | kill | rate
 * FAULT_PATH  a part of the path of the files that are meant
 * FAULT_AT    the byte (eio, shrink), the call counted from 1 (sync, write, kill), or of how many
 *             reads one fails (rate)
 * PEAK_FILE   where the greatest resident size, in kB, is written at the end
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static const char *kind, *part;
static long at;
static atomic_long calls;

static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_open)(const char *, int, ...);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
    const char *number = getenv("FAULT_AT");
    real_pread = next("pread64");
    real_read = next("read");
    real_write = next("write");
    real_open = next("open64");
    real_fsync = next("fsync");
    real_fdatasync = next("fdatasync");
    part = getenv("FAULT_PATH");
    at = number ? atol(number) : 0;
    kind = part ? getenv("FAULT_KIND") : NULL;
}

__attribute__((destructor)) static void end(void) {
    const char *to = getenv("PEAK_FILE");
    char line[256];
    FILE *status, *out;
    if (!to || !(status = fopen("/proc/self/status", "r"))) return;
    while (fgets(line, sizeof line, status)) {
        long peak;
        if (sscanf(line, "VmHWM: %ld", &peak) == 1 && (out = fopen(to, "w"))) {
            fprintf(out, "%ld\n", peak);
            fclose(out);
        }
    }
    fclose(status);
}

static int is(const char *what) { return kind && !strcmp(kind, what); }

static int meant(int fd) {
    char link[64], path[4096];
    ssize_t n;
    if (!kind) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return strstr(path, part) != NULL;
}

static int fail(int code) {
    errno = code;
    return -1;
}

/* Whether this is the call that FAULT_AT counts to. */
static int now(void) { return atomic_fetch_add(&calls, 1) + 1 == at; }

/* What a read of n bytes at an offset comes to: how many it may read, or -1 with errno. */
static ssize_t allowed(int fd, size_t n, off_t offset) {
    if (is("eio") || is("shrink")) {
        if (offset >= at) return is("eio") ? fail(EIO) : 0;
        return offset + (off_t)n > at ? at - offset : (ssize_t)n;
    }
    if (is("short")) return n > 7 ? 1 + (offset % 7) : (ssize_t)n;
    if (is("eintr") && atomic_fetch_add(&calls, 1) % 2 == 0) return fail(EINTR);
    if (is("rate") && at > 0) {
        unsigned long x = (unsigned long)atomic_fetch_add(&calls, 1) * 0x9E3779B97F4A7C15ul;
        x ^= x >> 29;
        if (x % (unsigned long)at == 0) return fail(EIO);
        if (x % 5 == 0) return fail(EINTR);
        if (x % 7 == 0) return n > 100 ? (ssize_t)(n / 3) : (ssize_t)n;
    }
    if (is("grow") && now()) {
        char link[64];
        int more;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        more = real_open(link, O_WRONLY | O_APPEND);
        if (more >= 0) {
            real_write(more, "{\"id\":\"late\",\"te", 16);
            close(more);
        }
    }
    return (ssize_t)n;
}

ssize_t pread64(int fd, void *buffer, size_t n, off_t offset) {
    if (n > 0 && meant(fd)) {
        ssize_t most = allowed(fd, n, offset);
        if (most <= 0) return most;
        n = (size_t)most;
    }
    return real_pread(fd, buffer, n, offset);
}

ssize_t read(int fd, void *buffer, size_t n) {
    if (n > 0 && meant(fd)) {
        ssize_t most = allowed(fd, n, lseek(fd, 0, SEEK_CUR));
        if (most <= 0) return most;
        n = (size_t)most;
    }
    return real_read(fd, buffer, n);
}

ssize_t write(int fd, const void *buffer, size_t n) {
    if (is("write") && meant(fd) && now()) return fail(ENOSPC);
    return real_write(fd, buffer, n);
}

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    if (kind && strstr(path, part)) {
        if (is("gone")) return fail(ENOENT);
        if (is("denied")) return fail(EACCES);
    }
    return real_open(path, flags, mode);
}

/* Whether a sync may go on; the kill comes before it, so that nothing of it is done. */
static int syncs(int fd) {
    if (is("sync") && meant(fd) && now()) return fail(EIO);
    if (is("kill") && meant(fd) && now()) raise(SIGKILL);
    return 0;
}

int fsync(int fd) { return syncs(fd) ? -1 : real_fsync(fd); }

int fdatasync(int fd) { return syncs(fd) ? -1 : real_fdatasync(fd); }
