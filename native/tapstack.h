/*
 * What the files of the addon share: the state of one JavaScript environment, and how arguments and
 * results cross the border.
 *
 * Every exported function answers an integer: zero or more on success, -errno otherwise. None throws.
 */
#ifndef TAPSTACK_H
#define TAPSTACK_H

#define NAPI_VERSION 8
#include <errno.h>
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A lab runs many hosts in one process, a descriptor or two for each. */
#define CHANNELS_MAX 1024
#define WATCHES_MAX 1024
#define ARGS_MAX 6

struct channel;
struct watch;

/* One for each environment (the main thread, each worker). */
struct state {
  struct channel *channels[CHANNELS_MAX];
  struct watch *watches[WATCHES_MAX];
};

struct args {
  napi_env env;
  size_t count;
  napi_value at[ARGS_MAX];
};

struct state *state_of(napi_env env);
struct args args_of(napi_env env, napi_callback_info info);
bool arg_int(const struct args *args, size_t i, int32_t *to);
/* False when the text is none or does not fit into `size` bytes with its zero. */
bool arg_text(const struct args *args, size_t i, char *to, size_t size);
/* The memory of a typed array; NULL when it is none. */
void *arg_bytes(const struct args *args, size_t i, size_t *length);
napi_value answer(napi_env env, int32_t value);

napi_value tun_open(napi_env env, napi_callback_info info);
napi_value tun_info(napi_env env, napi_callback_info info);
napi_value tun_set_offload(napi_env env, napi_callback_info info);
napi_value tun_set_vnet_header(napi_env env, napi_callback_info info);

napi_value packet_open(napi_env env, napi_callback_info info);

napi_value channel_open(napi_env env, napi_callback_info info);
napi_value channel_arena(napi_env env, napi_callback_info info);
napi_value channel_receive(napi_env env, napi_callback_info info);
napi_value channel_transmit(napi_env env, napi_callback_info info);
napi_value channel_close(napi_env env, napi_callback_info info);

napi_value watch_open(napi_env env, napi_callback_info info);
napi_value watch_ref(napi_env env, napi_callback_info info);
napi_value watch_close(napi_env env, napi_callback_info info);

napi_value netlink_request(napi_env env, napi_callback_info info);

napi_value netns_open(napi_env env, napi_callback_info info);
napi_value netns_enter(napi_env env, napi_callback_info info);

napi_value drop_privileges(napi_env env, napi_callback_info info);

#endif
