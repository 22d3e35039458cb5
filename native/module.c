/*
 * The list of what the addon exports, and the crossing of arguments and results.
 */
#include "tapstack.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct state *state_of(napi_env env) {
  void *data = NULL;
  napi_get_instance_data(env, &data);
  return data;
}

struct args args_of(napi_env env, napi_callback_info info) {
  struct args args = {.env = env, .count = ARGS_MAX};
  if (napi_get_cb_info(env, info, &args.count, args.at, NULL, NULL) != napi_ok) args.count = 0;
  if (args.count > ARGS_MAX) args.count = ARGS_MAX;
  return args;
}

bool arg_int(const struct args *args, size_t i, int32_t *to) {
  return i < args->count && napi_get_value_int32(args->env, args->at[i], to) == napi_ok;
}

bool arg_text(const struct args *args, size_t i, char *to, size_t size) {
  size_t length = 0;
  if (i >= args->count) return false;
  /* Asked for the length first: a name that was cut short would be another name. */
  if (napi_get_value_string_utf8(args->env, args->at[i], NULL, 0, &length) != napi_ok) return false;
  if (length >= size) return false;
  return napi_get_value_string_utf8(args->env, args->at[i], to, size, &length) == napi_ok;
}

void *arg_bytes(const struct args *args, size_t i, size_t *length) {
  static const size_t widths[] = {
      [napi_int8_array] = 1,  [napi_uint8_array] = 1,  [napi_uint8_clamped_array] = 1, [napi_int16_array] = 2,
      [napi_uint16_array] = 2, [napi_int32_array] = 4, [napi_uint32_array] = 4,
  };
  napi_typedarray_type type;
  size_t elements;
  void *data;
  if (i >= args->count) return NULL;
  if (napi_get_typedarray_info(args->env, args->at[i], &type, &elements, &data, NULL, NULL) != napi_ok) return NULL;
  if ((size_t)type >= sizeof widths / sizeof widths[0]) return NULL;
  *length = elements * widths[type];
  return data;
}

napi_value answer(napi_env env, int32_t value) {
  napi_value result = NULL;
  napi_create_int32(env, value, &result);
  return result;
}

/* close(fd) */
static napi_value close_fd(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int32_t fd;
  if (!arg_int(&args, 0, &fd)) return answer(env, -EINVAL);
  return answer(env, close(fd) == 0 ? 0 : -errno);
}

/* setNonBlocking(fd): for descriptors that somebody else opened. */
static napi_value set_non_blocking(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  int32_t fd;
  if (!arg_int(&args, 0, &fd)) return answer(env, -EINVAL);
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return answer(env, -errno);
  return answer(env, fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0);
}

static void free_state(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  /* Channels and watches have clean-up hooks of their own, which ran before. */
  free(data);
}

static const struct {
  const char *name;
  napi_callback function;
} exported[] = {
    {"close", close_fd},
    {"setNonBlocking", set_non_blocking},
    {"tunOpen", tun_open},
    {"tunInfo", tun_info},
    {"tunSetOffload", tun_set_offload},
    {"tunSetVnetHeader", tun_set_vnet_header},
    {"packetOpen", packet_open},
    {"channelOpen", channel_open},
    {"channelArena", channel_arena},
    {"receive", channel_receive},
    {"transmit", channel_transmit},
    {"channelClose", channel_close},
    {"watch", watch_open},
    {"watchRef", watch_ref},
    {"unwatch", watch_close},
    {"netlinkRequest", netlink_request},
    {"netnsOpen", netns_open},
    {"netnsEnter", netns_enter},
    {"dropPrivileges", drop_privileges},
};

NAPI_MODULE_INIT() {
  struct state *state = calloc(1, sizeof *state);
  if (state == NULL) return NULL;
  if (napi_set_instance_data(env, state, free_state, NULL) != napi_ok) {
    free(state);
    return NULL;
  }
  for (size_t i = 0; i < sizeof exported / sizeof exported[0]; i++) {
    const char *name = exported[i].name;
    napi_value function;
    napi_status status = napi_create_function(env, name, NAPI_AUTO_LENGTH, exported[i].function, NULL, &function);
    if (status == napi_ok) status = napi_set_named_property(env, exports, name, function);
    if (status != napi_ok) return NULL;
  }
  return exports;
}
