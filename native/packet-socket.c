/*
 * AF_PACKET: frames of an interface that exists already, many for each system call (packet(7)).
 */
#include "channel.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif
#ifndef TP_STATUS_VLAN_TPID_VALID
#define TP_STATUS_VLAN_TPID_VALID (1 << 6)
#endif

#define VLAN_TAG_BYTES 4

enum { OPEN_PROMISCUOUS = 1, OPEN_VNET_HEADER = 2 };

static int configure(int fd, const char *name, int flags, int receive_bytes) {
  int on = 1;
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
  struct packet_mreq promiscuous = {.mr_type = PACKET_MR_PROMISC};
  address.sll_ifindex = (int)if_nametoindex(name);
  if (address.sll_ifindex == 0) return -errno;
  promiscuous.mr_ifindex = address.sll_ifindex;

  /* Linux 4.20. Without it our own frames would come back as if another host had sent them. */
  if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0) return -errno;
  if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) < 0) return -errno;
  if ((flags & OPEN_VNET_HEADER) != 0 && setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) < 0) return -errno;
  if ((flags & OPEN_PROMISCUOUS) != 0 &&
      setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous) < 0) {
    return -errno;
  }
  /* Above the system's limit with CAP_NET_ADMIN, up to the limit without: less is slower, not wrong. */
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof receive_bytes) < 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
  }
  return bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
}

/* packetOpen(interface, flags, receiveBytes) */
napi_value packet_open(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  char name[IFNAMSIZ];
  int32_t flags, receive_bytes;
  if (!arg_text(&args, 0, name, sizeof name)) return answer(env, -ENAMETOOLONG);
  if (!arg_int(&args, 1, &flags) || !arg_int(&args, 2, &receive_bytes)) return answer(env, -EINVAL);
  /* Protocol 0 receives nothing until `bind` names the interface: no frame of another one slips in. */
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return answer(env, -errno);
  int result = configure(fd, name, flags, receive_bytes);
  if (result < 0) {
    close(fd);
    return answer(env, result);
  }
  return answer(env, fd);
}

union control {
  struct cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
};

/*
 * The kernel takes the outer VLAN tag off before a packet socket sees the frame. It is put back, so that a frame
 * looks the same on every link: the addresses move four bytes to the front.
 */
static void restore_tag(struct msghdr *message, uint8_t *frame, int32_t *record) {
  struct tpacket_auxdata aux;
  struct cmsghdr *control = CMSG_FIRSTHDR(message);
  if (control == NULL || control->cmsg_level != SOL_PACKET || control->cmsg_type != PACKET_AUXDATA) return;
  memcpy(&aux, CMSG_DATA(control), sizeof aux);
  if ((aux.tp_status & TP_STATUS_VLAN_VALID) == 0 || record[RECORD_LENGTH] < ETH_HLEN) return;
  bool has_type = (aux.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;
  uint16_t tag[2] = {htons(has_type ? aux.tp_vlan_tpid : ETH_P_8021Q), htons(aux.tp_vlan_tci)};
  memmove(frame - VLAN_TAG_BYTES, frame, 2 * ETH_ALEN);
  memcpy(frame - VLAN_TAG_BYTES + 2 * ETH_ALEN, tag, sizeof tag);
  record[RECORD_OFFSET] -= VLAN_TAG_BYTES;
  record[RECORD_LENGTH] += VLAN_TAG_BYTES;
  record[RECORD_CSUM_START] += VLAN_TAG_BYTES;
}

int packet_socket_receive(struct channel *channel, int max) {
  struct mmsghdr messages[BATCH_MAX];
  struct iovec iov[BATCH_MAX];
  union control controls[BATCH_MAX];
  uint32_t header = channel->header.bytes;
  if (max == 0) return 0;
  for (int i = 0; i < max; i++) {
    int32_t *record = receive_record(channel, i);
    uint32_t offset = (uint32_t)record[RECORD_OFFSET];
    size_t room = header + (uint32_t)record[RECORD_ROOM];
    if (offset < header + VLAN_TAG_BYTES) return -EFAULT;
    uint8_t *to = arena_bytes(channel, record[RECORD_ARENA], (int32_t)(offset - header), room);
    if (to == NULL) return -EFAULT;
    iov[i] = (struct iovec){.iov_base = to, .iov_len = room};
    messages[i].msg_hdr = (struct msghdr){
        .msg_iov = &iov[i],
        .msg_iovlen = 1,
        .msg_control = &controls[i],
        .msg_controllen = sizeof controls[i],
    };
  }
  int n;
  do {
    channel->table[COUNT_READS]++;
    n = recvmmsg(channel->fd, messages, (unsigned)max, MSG_DONTWAIT, NULL);
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    if (errno != EAGAIN) return -errno;
    channel->table[COUNT_EMPTY_READS]++;
    return 0;
  }
  for (int i = 0; i < n; i++) {
    int32_t *record = receive_record(channel, i);
    uint8_t *bytes = iov[i].iov_base;
    record[RECORD_LENGTH] = messages[i].msg_len < header ? 0 : (int32_t)(messages[i].msg_len - header);
    frame_header_read(&channel->header, bytes, record);
    if ((messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
      record[RECORD_FLAGS] |= FLAG_TRUNCATED;
      channel->table[COUNT_TRUNCATED]++;
    }
    restore_tag(&messages[i].msg_hdr, bytes + header, record);
  }
  return n;
}

int packet_socket_transmit(struct channel *channel, int count) {
  struct mmsghdr messages[BATCH_MAX];
  struct iovec iov[BATCH_MAX][3];
  uint8_t apart[BATCH_MAX][FRAME_HEADER_MAX];
  if (count == 0) return 0;
  for (int i = 0; i < count; i++) {
    size_t total;
    int parts = gather(channel, transmit_record(channel, i), apart[i], iov[i], &total);
    if (parts < 0) {
      if (i == 0) return parts;
      count = i;
      break;
    }
    messages[i].msg_hdr = (struct msghdr){.msg_iov = iov[i], .msg_iovlen = (size_t)parts};
  }
  int n;
  do {
    channel->table[COUNT_WRITES]++;
    n = sendmmsg(channel->fd, messages, (unsigned)count, MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return errno == EAGAIN ? 0 : -errno;
  return n;
}
