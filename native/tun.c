/*
 * The ioctls of /dev/net/tun, one function for each thing that can be asked; what to ask is decided in
 * src/link/tun-tap.ts.
 */
#include "tapstack.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Words of the `info` array: flags, size of the vnet header, features of the driver, then the name. */
enum { INFO_FLAGS, INFO_VNET_BYTES, INFO_FEATURES, INFO_NAME, INFO_WORDS = INFO_NAME + IFNAMSIZ / 4 };

static int read_info(int fd, int32_t *info) {
  struct ifreq request;
  memset(&request, 0, sizeof request);
  if (ioctl(fd, TUNGETIFF, &request) < 0) return -errno;
  unsigned features = 0;
  int header = 0;
  if (ioctl(fd, TUNGETFEATURES, &features) < 0) return -errno;
  if ((request.ifr_flags & IFF_VNET_HDR) != 0 && ioctl(fd, TUNGETVNETHDRSZ, &header) < 0) return -errno;
  info[INFO_FLAGS] = (uint16_t)request.ifr_flags;
  info[INFO_VNET_BYTES] = header;
  info[INFO_FEATURES] = (int32_t)features;
  memcpy(&info[INFO_NAME], request.ifr_name, IFNAMSIZ);
  return 0;
}

/* tunOpen(path, name, flags): a descriptor of the device `name` (which may hold a `%d`), made when there is none. */
napi_value tun_open(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct ifreq request;
  char path[4096];
  int32_t flags;
  memset(&request, 0, sizeof request);
  if (!arg_text(&args, 0, path, sizeof path)) return answer(env, -EINVAL);
  if (!arg_text(&args, 1, request.ifr_name, IFNAMSIZ)) return answer(env, -ENAMETOOLONG);
  if (!arg_int(&args, 2, &flags)) return answer(env, -EINVAL);
  request.ifr_flags = (short)flags;

  int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return answer(env, -errno);
  if (ioctl(fd, TUNSETIFF, &request) < 0) {
    int error = errno;
    close(fd);
    return answer(env, -error);
  }
  return answer(env, fd);
}

/* tunInfo(fd, info: Int32Array) */
napi_value tun_info(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  size_t length = 0;
  int32_t fd;
  int32_t *words = arg_bytes(&args, 1, &length);
  if (!arg_int(&args, 0, &fd) || words == NULL || length < INFO_WORDS * 4) return answer(env, -EINVAL);
  return answer(env, read_info(fd, words));
}

/* tunSetOffload(fd, bits): EINVAL when this kernel does not know one of them. */
napi_value tun_set_offload(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int32_t fd, bits;
  if (!arg_int(&args, 0, &fd) || !arg_int(&args, 1, &bits)) return answer(env, -EINVAL);
  return answer(env, ioctl(fd, TUNSETOFFLOAD, (unsigned long)bits) < 0 ? -errno : 0);
}

/* tunSetVnetHeader(fd, bytes): its size, and little-endian on every machine. */
napi_value tun_set_vnet_header(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int32_t fd, bytes;
  int little = 1;
  if (!arg_int(&args, 0, &fd) || !arg_int(&args, 1, &bytes)) return answer(env, -EINVAL);
  if (ioctl(fd, TUNSETVNETHDRSZ, &bytes) < 0) return answer(env, -errno);
  return answer(env, ioctl(fd, TUNSETVNETLE, &little) < 0 ? -errno : 0);
}
