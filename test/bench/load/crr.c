// Connect - send 1 byte - receive its echo - close, -P in parallel, epoll. Source addresses can be spread
// with -S base -N count so that TIME_WAIT does not exhaust the ports (base, base+1, ...). -R closes with RST
// instead of FIN.
#include "common.h"
struct c {
  int fd, st;
  uint64_t t0;
};
static struct sockaddr_in dst;
static uint32_t sbase;
static int nsrc = 0, rr, rst;
static int ep;
static uint64_t errs, nconnerr;
static int start(struct c *c, int idx) {
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) {
    c->fd = -1;
    return -1;
  }
  int one = 1;
  if (nsrc) {
    struct sockaddr_in s;
    memset(&s, 0, sizeof s);
    s.sin_family = AF_INET;
    s.sin_addr.s_addr = htonl(sbase + rr++ % nsrc);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, 4);
    if (bind(c->fd, (void *)&s, sizeof s)) die("bind source");
  }
  setsockopt(c->fd, SOL_TCP, TCP_NODELAY, &one, 4);
  if (rst) {
    struct linger l = {1, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
  }
  c->t0 = now_ns();
  c->st = 0;
  if (connect(c->fd, (void *)&dst, sizeof dst) && errno != EINPROGRESS) {
    nconnerr++;
    close(c->fd);
    c->fd = -1;
    return -1;
  }
  struct epoll_event e = {.events = EPOLLOUT, .data.u32 = idx};
  epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
  return 0;
}
int main(int ac, char **av) {
  const char *host = "10.77.0.2";
  int port = 7, P = 1, o;
  double secs = 4, warm = 0.3, tmo = 3;
  while ((o = getopt(ac, av, "H:p:P:t:w:S:N:RZ:")) != -1) switch (o) {
      case 'H':
        host = optarg;
        break;
      case 'p':
        port = atoi(optarg);
        break;
      case 'P':
        P = atoi(optarg);
        break;
      case 't':
        secs = atof(optarg);
        break;
      case 'w':
        warm = atof(optarg);
        break;
      case 'N':
        nsrc = atoi(optarg);
        break;
      case 'S': {
        struct in_addr x;
        inet_pton(AF_INET, optarg, &x);
        sbase = ntohl(x.s_addr);
        if (!nsrc) nsrc = 1;
        break;
      }
      case 'R':
        rst = 1;
        break;
      case 'Z':
        add_pid(optarg);
        break;
      default:
        fprintf(stderr, "crr -H ip [-p 7] [-P parallel] [-t secs] [-S srcbase -N count] [-R] [-Z pid]\n");
        return 2;
    }
  raise_nofile();
  mkaddr(&dst, host, port);
  ep = epoll_create1(0);
  struct c *cs = calloc(P, sizeof *cs);
  size_t cap = 4000000, n = 0;
  uint32_t *lat = malloc(cap * 4);
  uint64_t tmouts = 0;
  for (int i = 0; i < P; i++)
    if (start(&cs[i], i)) usleep(1000);
  uint64_t t = now_ns(), tw = t + (uint64_t)(warm * 1e9), te = tw + (uint64_t)(secs * 1e9), chk = t;
  int st = 0;
  struct snap s0, s1;
  struct epoll_event ev[256];
  for (;;) {
    t = now_ns();
    if (!st && t >= tw) {
      st = 1;
      snap(&s0);
      t = now_ns();
    }
    if (t >= te) break;
    int k = epoll_wait(ep, ev, 256, 20);
    for (int j = 0; j < k; j++) {
      int i = ev[j].data.u32;
      struct c *c = &cs[i];
      char b[8];
      int done = 0;
      if (c->fd < 0) continue;
      if (c->st == 0) {
        int e = 0;
        socklen_t l = 4;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &l);
        if (e || (ev[j].events & EPOLLERR)) {
          errs++;
          done = 2;
        } else if (send(c->fd, "x", 1, 0) != 1) {
          errs++;
          done = 2;
        } else {
          c->st = 1;
          struct epoll_event e2 = {.events = EPOLLIN, .data.u32 = i};
          epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e2);
        }
      } else {
        int r = recv(c->fd, b, sizeof b, 0);
        if (r == 1)
          done = 1;
        else if (r < 0 && errno == EAGAIN) {
        } else {
          errs++;
          done = 2;
        }
      }
      if (done) {
        close(c->fd);
        c->fd = -1;
        if (done == 1 && st && n < cap) {
          uint64_t d = now_ns() - c->t0;
          lat[n++] = d > 0xffffffffu ? 0xffffffffu : d;
        }
        start(c, i);
      }
    }
    if (t - chk > 100000000ull) {
      chk = t;
      for (int i = 0; i < P; i++) {
        if (cs[i].fd < 0)
          start(&cs[i], i);
        else if (t > cs[i].t0 + (uint64_t)(tmo * 1e9)) {
          tmouts++;
          close(cs[i].fd);
          cs[i].fd = -1;
          start(&cs[i], i);
        }
      }
    }
  }
  snap(&s1);
  printf("{\"test\":\"tcp_crr\",\"parallel\":%d,\"n\":%zu,\"cps\":%.1f,\"errors\":%" PRIu64
         ",\"connect_errors\":%" PRIu64 ",\"timeouts\":%" PRIu64,
         P, n, n / ((s1.t - s0.t) / 1e9), errs, nconnerr, tmouts);
  print_lat(lat, n);
  print_cpu(&s0, &s1);
  printf("}\n");
  return 0;
}
