// TCP request/response ping-pong on one (or -P) connections to an echo port. Blocking, TCP_NODELAY.
#include "common.h"
int main(int ac, char **av) {
  const char *host = "10.77.0.2";
  int port = 7, size = 1, o;
  double secs = 4, warm = 0.3;
  int limit = 8000000;
  while ((o = getopt(ac, av, "H:p:s:t:w:Z:")) != -1) switch (o) {
      case 'H':
        host = optarg;
        break;
      case 'p':
        port = atoi(optarg);
        break;
      case 's':
        size = atoi(optarg);
        break;
      case 't':
        secs = atof(optarg);
        break;
      case 'w':
        warm = atof(optarg);
        break;
      case 'Z':
        add_pid(optarg);
        break;
      default:
        fprintf(stderr, "rr -H ip [-p 7] [-s bytes] [-t secs] [-Z stackpid]\n");
        return 2;
    }
  struct sockaddr_in a;
  mkaddr(&a, host, port);
  int f = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct timeval tv = {2, 0};
  setsockopt(f, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  setsockopt(f, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
  if (connect(f, (void *)&a, sizeof a)) die("connect");
  setsockopt(f, SOL_TCP, TCP_NODELAY, &one, 4);
  uint32_t *lat = malloc(sizeof(uint32_t) * limit);
  size_t n = 0;
  char *b = calloc(1, size + 1);
  uint64_t t = now_ns(), tw = t + (uint64_t)(warm * 1e9), te = tw + (uint64_t)(secs * 1e9);
  int st = 0;
  struct snap s0, s1;
  for (;;) {
    if (!st && t >= tw) {
      st = 1;
      snap(&s0);
      t = now_ns();
    }
    if (t >= te || n >= (size_t)limit) break;
    if (send(f, b, size, 0) != size) die("send");
    int got = 0;
    while (got < size) {
      int r = recv(f, b, size - got, 0);
      if (r <= 0) die("recv");
      got += r;
    }
    uint64_t t2 = now_ns();
    if (st) lat[n++] = t2 - t > 0xffffffffu ? 0xffffffffu : t2 - t;
    t = t2;
  }
  snap(&s1);
  printf("{\"test\":\"tcp_rr\",\"size\":%d,\"n\":%zu,\"tps\":%.1f", size, n, n / ((s1.t - s0.t) / 1e9));
  print_lat(lat, n);
  print_cpu(&s0, &s1);
  printf("}\n");
  return 0;
}
