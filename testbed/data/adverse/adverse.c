/* A wall clock that jumps and a disk that is slow, for one program: loaded before its C library (LD_PRELOAD).
 *
 * ADVERSE_CLOCK=SECONDS  the wall clock is ahead by so much at one look and behind by as much at the next
 * ADVERSE_DISK=MILLIS    every write to a regular file, and every wait for the disk, takes so much longer
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static long setting(const char *name) {
  const char *text = getenv(name);
  return text ? atol(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  static int (*real)(clockid_t, struct timespec *);
  static unsigned looks;
  if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  int result = real(clock, time);
  if (result == 0 && clock == CLOCK_REALTIME) {
    long by = setting("ADVERSE_CLOCK");
    time->tv_sec += __atomic_fetch_add(&looks, 1, __ATOMIC_RELAXED) % 2 ? -by : by;
  }
  return result;
}

static void slow(int file) {
  struct stat what;
  long by = setting("ADVERSE_DISK");
  int error = errno;
  if (by > 0 && fstat(file, &what) == 0 && S_ISREG(what.st_mode)) {
    struct timespec pause = {by / 1000, by % 1000 * 1000000};
    nanosleep(&pause, NULL);
  }
  errno = error;
}

ssize_t write(int file, const void *bytes, size_t count) {
  static ssize_t (*real)(int, const void *, size_t);
  if (!real) real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
  slow(file);
  return real(file, bytes, count);
}

ssize_t writev(int file, const struct iovec *pieces, int count) {
  static ssize_t (*real)(int, const struct iovec *, int);
  if (!real) real = (ssize_t (*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
  slow(file);
  return real(file, pieces, count);
}

int fsync(int file) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  slow(file);
  return real(file);
}

int fdatasync(int file) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  slow(file);
  return real(file);
}
