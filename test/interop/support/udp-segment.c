// Sends datagrams to an echo server by segmentation offload (UDP_SEGMENT) and takes them back by UDP_GRO, or one by
// one, in lock step. Prints how many came back, how many differ from what was sent, and in how few reads they came.
//
//   udp-segment HOST PORT BYTES PIECES ROUNDS gro|single
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { SEGMENT = 103, GRO = 104, LEVEL = 17 };

static unsigned char sent[65536], got[65536];

static int gro_size(struct msghdr *message, int length) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
    if (c->cmsg_level == LEVEL && c->cmsg_type == GRO) return *(int *)CMSG_DATA(c);
  return length;
}

int main(int count, char **args) {
  if (count != 7) return 2;
  int bytes = atoi(args[3]), pieces = atoi(args[4]), rounds = atoi(args[5]), one = 1;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(args[2]))};
  struct timeval patience = {.tv_sec = 3};
  int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 4 << 20;
  inet_pton(AF_INET, args[1], &to.sin_addr);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (!strcmp(args[6], "gro") && setsockopt(fd, LEVEL, GRO, &one, sizeof one)) return perror("UDP_GRO"), 1;
  if (setsockopt(fd, LEVEL, SEGMENT, &bytes, sizeof bytes)) return perror("UDP_SEGMENT"), 1;
  if (connect(fd, (void *)&to, sizeof to)) return perror("connect"), 1;
  int back = 0, wrong = 0, reads = 0;
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < bytes * pieces; i++) sent[i] = (unsigned char)(i / bytes * 31 + i % bytes + round);
    if (send(fd, sent, bytes * pieces, 0) != bytes * pieces) return perror("send"), 1;
    for (int now = 0; now < pieces;) {
      char control[64];
      struct iovec part = {got, sizeof got};
      struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = 64};
      int length = recvmsg(fd, &message, 0);
      if (length <= 0) return printf("%d back, %d wrong, %d reads\n", back, wrong, reads), 1;
      int size = gro_size(&message, length);
      reads++;
      for (int at = 0; at < length; at += size, now++, back++)
        wrong += size != bytes || memcmp(got + at, sent + (size_t)now * bytes, bytes);
    }
  }
  printf("%d back, %d wrong, %d reads\n", back, wrong, reads);
  return 0;
}
