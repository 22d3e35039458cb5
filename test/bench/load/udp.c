// UDP echo, closed loop with a window of -W outstanding datagrams (W=1: latency), or open loop at -r
// packets/s.
#include "common.h"
int main(int ac, char **av) {
  const char *host = "10.77.0.2";
  int port = 7, size = 64, W = 1, o;
  double secs = 4, warm = 0.3, rate = 0;
  while ((o = getopt(ac, av, "H:p:s:W:t:w:r:Z:")) != -1) switch (o) {
      case 'H':
        host = optarg;
        break;
      case 'p':
        port = atoi(optarg);
        break;
      case 's':
        size = atoi(optarg);
        break;
      case 'W':
        W = atoi(optarg);
        break;
      case 't':
        secs = atof(optarg);
        break;
      case 'w':
        warm = atof(optarg);
        break;
      case 'r':
        rate = atof(optarg);
        break;
      case 'Z':
        add_pid(optarg);
        break;
      default:
        fprintf(stderr, "udp -H ip [-p 7] [-s 64] [-W window | -r pps] [-t secs] [-Z pid]\n");
        return 2;
    }
  if (size < 16) size = 16;
  struct sockaddr_in a;
  mkaddr(&a, host, port);
  int f = socket(AF_INET, SOCK_DGRAM, 0), sb = 4 << 20;
  setsockopt(f, SOL_SOCKET, SO_RCVBUFFORCE, &sb, 4);
  setsockopt(f, SOL_SOCKET, SO_SNDBUFFORCE, &sb, 4);
  if (connect(f, (void *)&a, sizeof a)) die("connect");
  size_t cap = 8000000, n = 0;
  uint32_t *lat = malloc(cap * 4);
  enum { B = 64 };
  static char sbuf[B][2048], rbuf[B][2048];
  struct mmsghdr sm[B], rm[B];
  struct iovec si[B], ri[B];
  memset(sm, 0, sizeof sm);
  memset(rm, 0, sizeof rm);
  for (int i = 0; i < B; i++) {
    si[i].iov_base = sbuf[i];
    si[i].iov_len = size;
    sm[i].msg_hdr.msg_iov = &si[i];
    sm[i].msg_hdr.msg_iovlen = 1;
    ri[i].iov_base = rbuf[i];
    ri[i].iov_len = 2048;
    rm[i].msg_hdr.msg_iov = &ri[i];
    rm[i].msg_hdr.msg_iovlen = 1;
  }
  uint64_t seq = 0, tx = 0, rx = 0, lost = 0, wtx = 0, wrx = 0;
  int out = 0;
  uint64_t t0 = now_ns(), t = t0, tw = t0 + (uint64_t)(warm * 1e9), te = tw + (uint64_t)(secs * 1e9),
           last = t0;
  int st = 0;
  struct snap s0, s1;
  for (;;) {
    t = now_ns();
    if (!st && t >= tw) {
      st = 1;
      wtx = tx;
      wrx = rx;
      snap(&s0);
      t = now_ns();
    }
    if (t >= te) break;
    int can = rate > 0 ? (int)((t - t0) / 1e9 * rate - (double)tx) : W - out;
    if (can > B) can = B;
    if (can > 0) {
      for (int i = 0; i < can; i++) {
        memcpy(sbuf[i], &seq, 8);
        memcpy(sbuf[i] + 8, &t, 8);
        seq++;
      }
      int k = can == 1 ? (send(f, sbuf[0], size, 0) == size ? 1 : -1) : sendmmsg(f, sm, can, 0);
      if (k < 0) {
        if (errno != ECONNREFUSED && errno != ENOBUFS && errno != EAGAIN) die("send");
        k = 0;
      }
      seq -= can - k;
      tx += k;
      out += k;
    }
    int fl = MSG_DONTWAIT;
    if (rate == 0) {
      struct pollfd p = {f, POLLIN, 0};
      if (W == 1)
        fl = 0;
      else
        poll(&p, 1, 200);
    }
    if (W == 1 && rate == 0) {
      struct timeval tv = {0, 200000};
      static int set;
      if (!set) {
        set = 1;
        setsockopt(f, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
      }
      int r = recv(f, rbuf[0], 2048, 0);
      rm[0].msg_len = r;
      if (r > 0) goto one;
      if (errno != EAGAIN && errno != ECONNREFUSED) die("recv");
      lost++;
      out = 0;
      continue;
    one : {
      uint64_t ts;
      memcpy(&ts, rbuf[0] + 8, 8);
      uint64_t s;
      memcpy(&s, rbuf[0], 8);
      rx++;
      if (s != seq - 1) continue;
      out = 0;
      if (st && n < cap) lat[n++] = now_ns() - ts;
      continue;
    }
    }
    int k = recvmmsg(f, rm, B, fl, 0);
    if (k > 0) {
      uint64_t u = now_ns();
      last = u;
      for (int i = 0; i < k; i++) {
        uint64_t ts;
        memcpy(&ts, rbuf[i] + 8, 8);
        rx++;
        out--;
        if (st && n < cap) lat[n++] = u - ts > 0xffffffffu ? 0xffffffffu : u - ts;
      }
    } else if (rate == 0 && now_ns() - last > 200000000ull) {
      lost += out;
      out = 0;
      last = now_ns();
    }
  }
  snap(&s1);
  uint64_t txw = tx - wtx, rxw = rx - wrx;
  double el = (s1.t - s0.t) / 1e9;
  if (rate > 0) {
    usleep(200000);
    for (;;) {
      int k = recvmmsg(f, rm, B, MSG_DONTWAIT, 0);
      if (k <= 0) break;
      rx += k;
    }
    lost = tx - rx;
  }
  printf(
      "{\"test\":\"udp_echo\",\"size\":%d,\"window\":%d,\"rate\":%.0f,\"tx_pps\":%.1f,\"pps\":%.1f,\"tx\":"
      "%" PRIu64 ",\"lost\":%" PRIu64,
      size, rate > 0 ? 0 : W, rate, txw / el, rxw / el, tx, lost);
  print_lat(lat, n);
  print_cpu(&s0, &s1);
  printf("}\n");
  return 0;
}
