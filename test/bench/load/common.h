// Shared helpers for the load generators (own work).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifndef SOL_TCP
#define SOL_TCP 6
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static inline uint64_t now_ns(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000ull + ts.tv_nsec;
}
static void die(const char *m) {
  perror(m);
  exit(1);
}

// CPU use of a (possibly multi-threaded) process, seconds, from /proc/PID/stat.
struct cpu {
  double user, sys;
};
static struct cpu proc_cpu(int pid) {
  struct cpu c = {0, 0};
  char p[64], b[1024];
  snprintf(p, sizeof p, "/proc/%d/stat", pid);
  int fd = open(p, O_RDONLY);
  if (fd < 0) return c;
  int n = read(fd, b, sizeof b - 1);
  close(fd);
  if (n <= 0) return c;
  b[n] = 0;
  char *q = strrchr(b, ')');
  if (!q) return c;
  unsigned long u, s;
  if (sscanf(q + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &u, &s) == 2) {
    double hz = sysconf(_SC_CLK_TCK);
    c.user = u / hz;
    c.sys = s / hz;
  }
  return c;
}
static struct cpu self_cpu(void) {
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  struct cpu c = {r.ru_utime.tv_sec + r.ru_utime.tv_usec / 1e6, r.ru_stime.tv_sec + r.ru_stime.tv_usec / 1e6};
  return c;
}
// Whole machine: busy seconds (all but idle+iowait), and of these softirq.
static void mach_cpu(double *busy, double *soft) {
  FILE *f = fopen("/proc/stat", "r");
  unsigned long u, n, s, i, w, q, sq, st;
  *busy = *soft = 0;
  if (!f) return;
  if (fscanf(f, "cpu %lu %lu %lu %lu %lu %lu %lu %lu", &u, &n, &s, &i, &w, &q, &sq, &st) == 8) {
    double hz = sysconf(_SC_CLK_TCK);
    *busy = (u + n + s + q + sq + st) / hz;
    *soft = sq / hz;
  }
  fclose(f);
}
struct snap {
  uint64_t t;
  struct cpu self, peer[4];
  double busy, soft;
};
static int g_npid, g_pid[4];
static void add_pid(const char *s) {
  if (g_npid < 4) g_pid[g_npid++] = atoi(s);
}
static void snap(struct snap *s) {
  s->self = self_cpu();
  for (int i = 0; i < g_npid; i++) s->peer[i] = proc_cpu(g_pid[i]);
  mach_cpu(&s->busy, &s->soft);
  s->t = now_ns();
}
static void print_cpu(const struct snap *a, const struct snap *b) {
  double pu = 0, ps = 0;
  for (int i = 0; i < g_npid; i++) {
    pu += b->peer[i].user - a->peer[i].user;
    ps += b->peer[i].sys - a->peer[i].sys;
  }
  printf(
      ",\"secs\":%.4f,\"cli_user\":%.3f,\"cli_sys\":%.3f,\"stk_user\":%.3f,\"stk_sys\":%.3f,\"machine_busy\":"
      "%.2f,\"softirq\":%.2f",
      (b->t - a->t) / 1e9, b->self.user - a->self.user, b->self.sys - a->self.sys, pu, ps, b->busy - a->busy,
      b->soft - a->soft);
}
static int cmp_u32(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}
static void print_lat(uint32_t *v, size_t n) {
  if (!n) return;
  qsort(v, n, sizeof *v, cmp_u32);
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += v[i];
  printf(
      ",\"lat_us\":{\"min\":%.2f,\"p50\":%.2f,\"p90\":%.2f,\"p99\":%.2f,\"p999\":%.2f,\"max\":%.2f,\"avg\":%."
      "2f}",
      v[0] / 1e3, v[n / 2] / 1e3, v[(size_t)(n * .9)] / 1e3, v[(size_t)(n * .99)] / 1e3,
      v[(size_t)(n * .999)] / 1e3, v[n - 1] / 1e3, sum / n / 1e3);
}
static void mkaddr(struct sockaddr_in *a, const char *h, int port) {
  memset(a, 0, sizeof *a);
  a->sin_family = AF_INET;
  a->sin_port = htons(port);
  if (inet_pton(AF_INET, h, &a->sin_addr) != 1) {
    fprintf(stderr, "bad address %s\n", h);
    exit(2);
  }
}
static void nonblock(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }
static void raise_nofile(void) {
  struct rlimit r = {1000000, 1000000};
  if (setrlimit(RLIMIT_NOFILE, &r)) {
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
  }
}
