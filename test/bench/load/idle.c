// Opens N idle TCP connections (each echoes one byte unless -e 0), reports the stack process's RSS/PSS growth
// per connection.
#include "common.h"
static long rss_kb(int pid, const char *key) {
  char p[64], l[256];
  snprintf(p, sizeof p, "/proc/%d/%s", pid, strcmp(key, "Pss:") ? "status" : "smaps_rollup");
  FILE *f = fopen(p, "r");
  long v = -1;
  if (!f) return -1;
  while (fgets(l, sizeof l, f))
    if (!strncmp(l, key, strlen(key))) {
      v = atol(l + strlen(key));
      break;
    }
  fclose(f);
  return v;
}
static long memavail(void) {
  FILE *f = fopen("/proc/meminfo", "r");
  char l[256];
  long v = 0;
  while (fgets(l, sizeof l, f))
    if (sscanf(l, "MemAvailable: %ld", &v) == 1) break;
  fclose(f);
  return v;
}
static struct sockaddr_in a;
static int P = 64, echo = 1, nsrc = 0;
static uint32_t sbase;
static double tmo = 60;
struct rep {
  int ok, fail, alive, tried;
  double el;
};
static void child(int N, int base, int wfd, int rfd) {
  int ep = epoll_create1(0), *fd = malloc(sizeof(int) * N);
  char *st = calloc(N, 1);
  uint64_t *t0s = calloc(N, 8);
  struct rep R = {0};
  int started = 0, infl = 0, oldest = 0;
  uint64_t t0 = now_ns(), tlast = t0;
  struct epoll_event ev[256];
  while (R.ok + R.fail < N) {
    while (infl < P && started < N) {
      int i = started++;
      fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      if (fd[i] < 0) {
        R.fail++;
        st[i] = 3;
        continue;
      }
      int one = 1;
      setsockopt(fd[i], SOL_TCP, TCP_NODELAY, &one, 4);
      if (nsrc) {
        struct sockaddr_in s;
        memset(&s, 0, sizeof s);
        s.sin_family = AF_INET;
        s.sin_addr.s_addr = htonl(sbase + (base + i) % nsrc);
        setsockopt(fd[i], IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, 4);
        if (bind(fd[i], (void *)&s, sizeof s)) die("bind");
      }
      t0s[i] = now_ns();
      if (connect(fd[i], (void *)&a, sizeof a) && errno != EINPROGRESS) {
        R.fail++;
        st[i] = 3;
        close(fd[i]);
        continue;
      }
      struct epoll_event e = {.events = EPOLLOUT, .data.u32 = i};
      epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &e);
      infl++;
    }
    int k = epoll_wait(ep, ev, 256, 50);
    uint64_t t = now_ns();
    for (int j = 0; j < k; j++) {
      int i = ev[j].data.u32;
      if (st[i] >= 2) continue;
      int e = 0;
      socklen_t l = 4;
      getsockopt(fd[i], SOL_SOCKET, SO_ERROR, &e, &l);
      char b[4];
      if (e || (ev[j].events & EPOLLERR)) {
        R.fail++;
        infl--;
        st[i] = 3;
        close(fd[i]);
        continue;
      }
      if (st[i] == 0) {
        if (!echo) {
          st[i] = 2;
          R.ok++;
          infl--;
          tlast = t;
          epoll_ctl(ep, EPOLL_CTL_DEL, fd[i], 0);
          continue;
        }
        if (send(fd[i], "x", 1, 0) != 1) {
          R.fail++;
          infl--;
          st[i] = 3;
          close(fd[i]);
          continue;
        }
        st[i] = 1;
        struct epoll_event e2 = {.events = EPOLLIN, .data.u32 = i};
        epoll_ctl(ep, EPOLL_CTL_MOD, fd[i], &e2);
      } else if (recv(fd[i], b, 4, 0) == 1) {
        st[i] = 2;
        R.ok++;
        infl--;
        tlast = t;
        epoll_ctl(ep, EPOLL_CTL_DEL, fd[i], 0);
      } else {
        R.fail++;
        infl--;
        st[i] = 3;
        close(fd[i]);
      }
    }
    while (oldest < started && st[oldest] >= 2) oldest++;
    if (oldest < started && t - t0s[oldest] > 4000000000ull) {
      st[oldest] = 3;
      R.fail++;
      infl--;
      close(fd[oldest]);
    }
    if ((t - t0) / 1e9 > tmo) break;
  }
  R.el = (tlast - t0) / 1e9;
  if (write(wfd, &R, sizeof R) < 0) exit(1);
  char c;
  if (read(rfd, &c, 1) != 1) exit(1);
  for (int i = 0; i < N; i += N / 50 + 1)
    if (st[i] == 2) {
      R.tried++;
      struct pollfd p = {fd[i], POLLIN, 0};
      char b[4];
      if (send(fd[i], "y", 1, 0) == 1 && poll(&p, 1, 1000) == 1 && recv(fd[i], b, 4, 0) == 1) R.alive++;
    }
  if (write(wfd, &R, sizeof R) < 0) exit(1);
  struct linger lg = {1, 0};
  for (int i = 0; i < N; i++)
    if (st[i] == 2) {
      setsockopt(fd[i], SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
      close(fd[i]);
    }
  exit(0);
}
int main(int ac, char **av) {
  const char *host = "10.77.0.2";
  int port = 7, N = 10000, o;
  double settle = 1.5;
  while ((o = getopt(ac, av, "H:p:n:P:e:S:N:Z:T:s:")) != -1) switch (o) {
      case 'H':
        host = optarg;
        break;
      case 'p':
        port = atoi(optarg);
        break;
      case 'n':
        N = atoi(optarg);
        break;
      case 'P':
        P = atoi(optarg);
        break;
      case 'e':
        echo = atoi(optarg);
        break;
      case 'N':
        nsrc = atoi(optarg);
        break;
      case 'T':
        tmo = atof(optarg);
        break;
      case 's':
        settle = atof(optarg);
        break;
      case 'S': {
        struct in_addr x;
        inet_pton(AF_INET, optarg, &x);
        sbase = ntohl(x.s_addr);
        if (!nsrc) nsrc = 1;
        break;
      }
      case 'Z':
        add_pid(optarg);
        break;
      default:
        fprintf(stderr,
                "idle -H ip [-p 7] -n conns [-P parallel] [-e 0|1] [-S src -N count] [-T timeout] [-s "
                "settle] -Z stackpid\n");
        return 2;
    }
  raise_nofile();
  mkaddr(&a, host, port);
  struct rlimit rl;
  getrlimit(RLIMIT_NOFILE, &rl);
  int per = rl.rlim_cur > 1000 ? (int)rl.rlim_cur - 500 : 500, m = (N + per - 1) / per;
  int pid = g_npid ? g_pid[0] : 0;
  long r0 = rss_kb(pid, "VmRSS:"), p0 = rss_kb(pid, "Pss:"), m0 = memavail();
  P = (P + m - 1) / m;
  int rp[64][2], wp[64][2];
  for (int k = 0; k < m; k++) {
    if (pipe(rp[k]) || pipe(wp[k])) die("pipe");
    int n = N / m + (k < N % m);
    if (!fork()) child(n, k * 7, rp[k][1], wp[k][0]);
  }
  struct rep T = {0}, R;
  double el = 0;
  for (int k = 0; k < m; k++)
    if (read(rp[k][0], &R, sizeof R) == sizeof R) {
      T.ok += R.ok;
      T.fail += R.fail;
      if (R.el > el) el = R.el;
    }
  usleep(settle * 1e6);
  long r1 = rss_kb(pid, "VmRSS:"), p1 = rss_kb(pid, "Pss:"), m1 = memavail();
  for (int k = 0; k < m; k++)
    if (write(wp[k][1], "g", 1) < 0) {
    }
  for (int k = 0; k < m; k++)
    if (read(rp[k][0], &R, sizeof R) == sizeof R) {
      T.alive += R.alive;
      T.tried += R.tried;
    }
  int ok = T.ok;
  printf(
      "{\"test\":\"tcp_idle\",\"want\":%d,\"ok\":%d,\"fail\":%d,\"procs\":%d,\"setup_s\":%.3f,\"setup_cps\":%"
      ".0f,\"rss0_kb\":%ld,\"rss1_kb\":%ld,\"rss_per_conn_B\":%.0f,\"pss_per_conn_B\":%.0f,\"machine_per_"
      "conn_B\":%.0f,\"alive\":\"%d/%d\"}\n",
      N, ok, T.fail, m, el, ok / (el > 0 ? el : 1), r0, r1, ok ? (r1 - r0) * 1024.0 / ok : 0,
      ok ? (p1 - p0) * 1024.0 / ok : 0, ok ? (m0 - m1) * 1024.0 / ok : 0, T.alive, T.tried);
  fflush(stdout);
  return 0;
}
