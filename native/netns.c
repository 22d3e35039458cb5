/*
 * Network namespaces (network_namespaces(7)). Only the calling thread changes: descriptors opened afterwards
 * on this thread belong to the namespace, those that libuv's thread pool opens do not.
 */
#include "tapstack.h"

#include <fcntl.h>
#include <sched.h>

/* netnsOpen(path): a descriptor of the namespace. */
napi_value netns_open(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  char path[4096];
  if (!arg_text(&args, 0, path, sizeof path)) return answer(env, -ENAMETOOLONG);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  return answer(env, fd < 0 ? -errno : fd);
}

/* netnsEnter(fd) */
napi_value netns_enter(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int32_t fd;
  if (!arg_int(&args, 0, &fd)) return answer(env, -EINVAL);
  return answer(env, setns(fd, CLONE_NEWNET) < 0 ? -errno : 0);
}
