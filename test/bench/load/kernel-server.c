// Kernel-stack reference server, one thread, epoll: TCP 7 echo, 9 discard, 19 source, 80 HTTP hello; UDP 7
// echo, 9 sink.
#include "common.h"
static const char resp[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";
static int ep;
static char buf[262144], zb[262144];
static unsigned char kind[1100000];  // fd -> 1..4 listener(7,9,19,80), 11..14 conn, 20 udp echo, 21 udp sink
static void addfd(int f, int k, uint32_t ev) {
  kind[f] = k;
  struct epoll_event e = {.events = ev, .data.fd = f};
  epoll_ctl(ep, EPOLL_CTL_ADD, f, &e);
}
int main(int ac, char **av) {
  const char *ip = ac > 1 ? av[1] : "0.0.0.0";
  signal(SIGPIPE, SIG_IGN);
  raise_nofile();
  ep = epoll_create1(0);
  memset(zb, 'x', sizeof zb);
  int ports[4] = {7, 9, 19, 80}, one = 1;
  struct sockaddr_in a;
  for (int i = 0; i < 4; i++) {
    int f = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(f, SOL_SOCKET, SO_REUSEADDR, &one, 4);
    if (ac > 2 && setsockopt(f, SOL_TCP, TCP_CONGESTION, av[2], strlen(av[2]))) die("TCP_CONGESTION");
    mkaddr(&a, ip, ports[i]);
    if (bind(f, (void *)&a, sizeof a) || listen(f, 4096)) die("bind");
    addfd(f, i + 1, EPOLLIN);
  }
  int u = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), sb = 4 << 20;
  setsockopt(u, SOL_SOCKET, SO_RCVBUFFORCE, &sb, 4);
  mkaddr(&a, ip, 7);
  if (bind(u, (void *)&a, sizeof a)) die("ubind");
  addfd(u, 20, EPOLLIN);
  int d = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  setsockopt(d, SOL_SOCKET, SO_RCVBUFFORCE, &sb, 4);
  mkaddr(&a, ip, 9);
  if (bind(d, (void *)&a, sizeof a)) die("dbind");
  addfd(d, 21, EPOLLIN);
  static char ub[64][2048];
  struct mmsghdr mm[64];
  struct iovec iv[64];
  struct sockaddr_in sa[64];
  struct epoll_event ev[512];
  for (;;) {
    int n = epoll_wait(ep, ev, 512, -1);
    for (int i = 0; i < n; i++) {
      int f = ev[i].data.fd, k = kind[f];
      if (k <= 4) {
        for (int z = 0; z < 64; z++) {
          int c = accept4(f, 0, 0, SOCK_NONBLOCK);
          if (c < 0) break;
          setsockopt(c, SOL_TCP, TCP_NODELAY, &one, 4);
          addfd(c, 10 + k, k == 3 ? EPOLLOUT : EPOLLIN);
        }
        continue;
      }
      if (k == 20 || k == 21) {
        for (int j = 0; j < 64; j++) {
          iv[j] = (struct iovec){ub[j], 2048};
          mm[j].msg_hdr = (struct msghdr){
              .msg_name = &sa[j], .msg_namelen = sizeof sa[j], .msg_iov = &iv[j], .msg_iovlen = 1};
        }
        int r = recvmmsg(f, mm, 64, MSG_DONTWAIT, 0);
        if (r <= 0) continue;
        if (k == 21) continue;
        for (int j = 0; j < r; j++) iv[j].iov_len = mm[j].msg_len;
        sendmmsg(f, mm, r, 0);
        continue;
      }
      ssize_t r;
      if (k == 13) {
        r = send(f, zb, sizeof zb, 0);
        if (r < 0 && errno != EAGAIN) goto cl;
        if (ev[i].events & (EPOLLHUP | EPOLLERR)) goto cl;
        continue;
      }
      r = recv(f, buf, sizeof buf, 0);
      if (r < 0 && errno == EAGAIN) continue;
      if (r <= 0) {
      cl:
        close(f);
        kind[f] = 0;
        continue;
      }
      if (k == 11) {
        ssize_t w = 0;
        while (w < r) {
          ssize_t x = send(f, buf + w, r - w, 0);
          if (x < 0) {
            if (errno == EAGAIN) {
              struct pollfd p = {f, POLLOUT, 0};
              poll(&p, 1, 100);
              continue;
            }
            goto cl;
          }
          w += x;
        }
      } else if (k == 14) {
        if (send(f, resp, sizeof resp - 1, 0) < 0) goto cl;
      }
    }
  }
}
