/* A clock that jumps, for one process: loaded before the C library, it adds what a shared file says to the time of day. As on
 * a machine whose clock is set, the time since it was started goes on, and who waits until a time of day waits until the clock
 * shows it. The Debian package libfaketime does not reach C11's cnd_timedwait, in which librdkafka waits. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
/* How soon a waiter sees that the clock was set. */
#define LOOK (20 * SECOND / 1000)

/* Seconds. The campaign changes it while the process runs. */
static volatile const int64_t *ahead;

__attribute__((constructor)) static void load(void) {
  const char *path = getenv("MILLRACE_TEST_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  void *at = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
  if (at != MAP_FAILED) ahead = at;
  if (file >= 0) close(file);
}

static int64_t true_time(clockid_t clock) {
  struct timespec t;
  syscall(SYS_clock_gettime, clock, &t);
  return t.tv_sec * SECOND + t.tv_nsec;
}

static struct timespec timespec_of(int64_t nanos) {
  return (struct timespec){.tv_sec = nanos / SECOND, .tv_nsec = nanos % SECOND};
}

static int64_t shown(clockid_t clock) { return true_time(clock) + (ahead ? *ahead * SECOND : 0); }

int clock_gettime(clockid_t clock, struct timespec *t) {
  int failed = (int)syscall(SYS_clock_gettime, clock, t);
  if (!failed && ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) t->tv_sec += *ahead;
  return failed;
}

int gettimeofday(struct timeval *t, void *zone) {
  (void)zone;
  int64_t now = shown(CLOCK_REALTIME);
  *t = (struct timeval){.tv_sec = now / SECOND, .tv_usec = now % SECOND / 1000};
  return 0;
}

time_t time(time_t *t) {
  time_t now = shown(CLOCK_REALTIME) / SECOND;
  if (t) *t = now;
  return now;
}

int timespec_get(struct timespec *t, int base) {
  if (base != TIME_UTC) return 0;
  *t = timespec_of(shown(CLOCK_REALTIME));
  return base;
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) {
  /* A condition may be of the other clock, which shows days, not decades. */
  int by_day = until->tv_sec > 1000000000;
  int64_t end = until->tv_sec * SECOND + until->tv_nsec;
  for (;;) {
    int64_t left = end - (by_day ? shown(CLOCK_REALTIME) : true_time(CLOCK_MONOTONIC));
    int64_t wait = left < LOOK ? left : LOOK;
    struct timespec next = timespec_of(true_time(CLOCK_MONOTONIC) + (wait > 0 ? wait : 0));
    int woken = pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, &next);
    if (woken != ETIMEDOUT || left <= LOOK) return woken;
  }
}

int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict until) {
  int woken = pthread_cond_timedwait((pthread_cond_t *)cond, (pthread_mutex_t *)mutex, until);
  return woken == 0 ? thrd_success : woken == ETIMEDOUT ? thrd_timedout : thrd_error;
}
