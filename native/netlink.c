/*
 * One request to the kernel over netlink and all of its answers (netlink(7)). The messages themselves are made
 * and read in src/link/netlink.ts.
 */
#include "tapstack.h"

#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef NETLINK_EXT_ACK
#define NETLINK_EXT_ACK 11
#endif

/* The kernel answers at once; this is for the case that it does not. */
#define ANSWER_SECONDS 5

/* Whether the last of `length` bytes of messages was an acknowledgement, an error or the end of a dump. */
static bool is_complete(uint8_t *from, size_t length) {
  struct nlmsghdr *message = (struct nlmsghdr *)from;
  for (int left = (int)length; NLMSG_OK(message, (uint32_t)left); message = NLMSG_NEXT(message, left)) {
    if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) return true;
  }
  return false;
}

static int exchange(int fd, const uint8_t *request, size_t length, uint8_t *reply, size_t room) {
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  struct timeval patience = {.tv_sec = ANSWER_SECONDS};
  int on = 1;
  size_t have = 0;
  setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on); /* a sentence with each error, where there is one */
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) return -errno;
  if (sendto(fd, request, length, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0) return -errno;
  for (;;) {
    ssize_t n = recv(fd, reply + have, room - have, MSG_TRUNC);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -errno;
    if ((size_t)n > room - have) return -ENOBUFS;
    bool complete = is_complete(reply + have, (size_t)n);
    have += NLMSG_ALIGN((size_t)n);
    if (complete) return (int)(have < room ? have : room);
    if (have >= room) return -ENOBUFS;
  }
}

/* netlinkRequest(family, request: Uint8Array, reply: Uint8Array): the bytes of reply. */
napi_value netlink_request(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int32_t family;
  size_t length = 0, room = 0;
  const uint8_t *request = arg_bytes(&args, 1, &length);
  uint8_t *reply = arg_bytes(&args, 2, &room);
  if (!arg_int(&args, 0, &family) || request == NULL || reply == NULL) return answer(env, -EINVAL);
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family);
  if (fd < 0) return answer(env, -errno);
  int result = exchange(fd, request, length, reply, room);
  close(fd);
  return answer(env, result);
}
