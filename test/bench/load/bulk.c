// Bulk TCP: -d send (to a discard port) or -d recv (from a source/chargen port).
// send counts bytes ACKNOWLEDGED by the peer (TCP_INFO tcpi_bytes_acked), so nothing parked in buffers is
// counted.
#include "common.h"
static int nconn = 1, port = -1, sendm = 1, bufsz = 131072, sockbuf = 0;
static double secs = 5, warm = 0.5;
static const char *host = "10.77.0.2", *cc = 0;
static uint64_t acked(int *fd) {
  uint64_t t = 0;
  for (int i = 0; i < nconn; i++) {
    struct tcp_info ti;
    socklen_t l = sizeof ti;
    memset(&ti, 0, sizeof ti);
    if (!getsockopt(fd[i], SOL_TCP, TCP_INFO, &ti, &l)) t += ti.tcpi_bytes_acked;
  }
  return t;
}
int main(int ac, char **av) {
  int o;
  while ((o = getopt(ac, av, "H:p:d:P:t:w:b:C:Z:B:")) != -1) switch (o) {
      case 'H':
        host = optarg;
        break;
      case 'p':
        port = atoi(optarg);
        break;
      case 'd':
        sendm = optarg[0] == 's';
        break;
      case 'P':
        nconn = atoi(optarg);
        break;
      case 't':
        secs = atof(optarg);
        break;
      case 'w':
        warm = atof(optarg);
        break;
      case 'b':
        bufsz = atoi(optarg);
        break;
      case 'C':
        cc = optarg;
        break;
      case 'Z':
        add_pid(optarg);
        break;
      case 'B':
        sockbuf = atoi(optarg);
        break;
      default:
        fprintf(stderr,
                "bulk -H ip [-p port] -d send|recv [-P conns] [-t secs] [-w warmup] [-b buf] [-C cc] [-B "
                "sockbuf] [-Z stackpid]\n");
        return 2;
    }
  if (port < 0) port = sendm ? 9 : 19;
  signal(SIGPIPE, SIG_IGN);
  struct sockaddr_in a;
  mkaddr(&a, host, port);
  int *fd = calloc(nconn, sizeof *fd);
  char *buf = malloc(bufsz);
  memset(buf, 'x', bufsz);
  int ep = epoll_create1(0);
  for (int i = 0; i < nconn; i++) {
    fd[i] = socket(AF_INET, SOCK_STREAM, 0);
    if (cc && setsockopt(fd[i], SOL_TCP, TCP_CONGESTION, cc, strlen(cc))) die("TCP_CONGESTION");
    if (sockbuf) {
      setsockopt(fd[i], SOL_SOCKET, SO_SNDBUF, &sockbuf, 4);
      setsockopt(fd[i], SOL_SOCKET, SO_RCVBUF, &sockbuf, 4);
    }
    struct timeval tv = {5, 0};
    setsockopt(fd[i], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
    if (connect(fd[i], (void *)&a, sizeof a)) die("connect");
    nonblock(fd[i]);
    struct epoll_event e = {.events = sendm ? EPOLLOUT : EPOLLIN, .data.u32 = i};
    epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &e);
  }
  uint64_t got = 0, base = 0, t0 = now_ns(), tw = t0 + (uint64_t)(warm * 1e9),
           te = tw + (uint64_t)(secs * 1e9);
  struct snap s0, s1;
  int started = 0, dead = 0;
  struct epoll_event ev[64];
  for (;;) {
    uint64_t t = now_ns();
    if (!started && t >= tw) {
      base = sendm ? acked(fd) : got;
      snap(&s0);
      started = 1;
    }
    if (t >= te) break;
    int n = epoll_wait(ep, ev, 64, 10);
    for (int k = 0; k < n; k++) {
      int f = fd[ev[k].data.u32];
      ssize_t r = sendm ? send(f, buf, bufsz, 0) : recv(f, buf, bufsz, 0);
      if (r > 0) {
        if (!sendm) got += r;
      } else if (r == 0 || (errno != EAGAIN && errno != EINTR)) {
        epoll_ctl(ep, EPOLL_CTL_DEL, f, 0);
        dead++;
      }
    }
    if (dead == nconn) break;
  }
  if (!started) {
    fprintf(stderr, "all connections died early\n");
    return 1;
  }
  uint64_t bytes = (sendm ? acked(fd) : got) - base;
  snap(&s1);
  uint64_t retr = 0, lost = 0;
  struct tcp_info ti;
  socklen_t l;
  for (int i = 0; i < nconn; i++) {
    l = sizeof ti;
    memset(&ti, 0, sizeof ti);
    if (!getsockopt(fd[i], SOL_TCP, TCP_INFO, &ti, &l)) {
      retr += ti.tcpi_total_retrans;
      lost += ti.tcpi_lost;
    }
  }
  double el = (s1.t - s0.t) / 1e9, gb = bytes / 1e9, pc = 0;
  for (int i = 0; i < g_npid; i++) pc += s1.peer[i].user + s1.peer[i].sys - s0.peer[i].user - s0.peer[i].sys;
  double sc = s1.self.user + s1.self.sys - s0.self.user - s0.self.sys;
  printf("{\"test\":\"bulk_%s\",\"conns\":%d,\"bytes\":%" PRIu64
         ",\"gbps\":%.4f,\"stk_cpu_s_per_GB\":%.4f,\"cli_cpu_s_per_GB\":%.4f,\"retrans\":%" PRIu64
         ",\"mss\":%u,\"rcvmss\":%u,\"dead\":%d",
         sendm ? "send" : "recv", nconn, bytes, bytes * 8 / el / 1e9, gb > 0 ? pc / gb : 0,
         gb > 0 ? sc / gb : 0, retr, ti.tcpi_snd_mss, ti.tcpi_rcv_mss, dead);
  print_cpu(&s0, &s1);
  printf("}\n");
  struct linger lg = {1, 0};  // abort: leaves no queue behind on either side
  for (int i = 0; i < nconn; i++) {
    setsockopt(fd[i], SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
    close(fd[i]);
  }
  return 0;
}
