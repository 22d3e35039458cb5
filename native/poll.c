/*
 * Readiness: a callback on the event loop while a descriptor is readable (uv_poll, level-triggered).
 */
#include "tapstack.h"

#include <stdlib.h>
#include <uv.h>

struct watch {
  uv_poll_t handle; /* first: libuv gives this pointer back */
  napi_env env;
  napi_ref callback;
  napi_async_context context;
  napi_async_cleanup_hook_handle hook;
  int32_t id;
};

static void on_closed(uv_handle_t *handle) {
  struct watch *watch = (struct watch *)handle;
  if (watch->hook != NULL) napi_remove_async_cleanup_hook(watch->hook);
  free(watch);
}

static void end(struct watch *watch) {
  struct state *state = state_of(watch->env);
  if (state != NULL) state->watches[watch->id] = NULL;
  uv_poll_stop(&watch->handle);
  uv_close((uv_handle_t *)&watch->handle, on_closed);
}

/* The environment ends (a worker was stopped): libuv wants every handle closed before its loop. */
static void on_environment_end(napi_async_cleanup_hook_handle hook, void *data) {
  struct watch *watch = data;
  (void)hook;
  if (!uv_is_closing((uv_handle_t *)&watch->handle)) end(watch);
}

static void on_readable(uv_poll_t *handle, int status, int events) {
  struct watch *watch = (struct watch *)handle;
  napi_env env = watch->env;
  napi_handle_scope scope;
  napi_value callback, receiver, argument;
  (void)events;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  if (napi_get_reference_value(env, watch->callback, &callback) == napi_ok && callback != NULL &&
      napi_get_global(env, &receiver) == napi_ok && napi_create_int32(env, status, &argument) == napi_ok) {
    /* make_callback, not call_function: promises and nextTick run after it. */
    if (napi_make_callback(env, watch->context, receiver, callback, 1, &argument, NULL) == napi_pending_exception) {
      napi_value error;
      if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
    }
  }
  napi_close_handle_scope(env, scope);
}

/* Frees the watch when it fails. */
static int start(struct watch *watch, int fd, napi_value callback) {
  napi_env env = watch->env;
  uv_loop_t *loop;
  napi_value name;
  int result = napi_get_uv_event_loop(env, &loop) == napi_ok ? uv_poll_init(loop, &watch->handle, fd) : -ENOSYS;
  if (result < 0) {
    free(watch);
    return result;
  }
  if (napi_create_reference(env, callback, 1, &watch->callback) != napi_ok ||
      napi_create_string_utf8(env, "tapstack:watch", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env, NULL, name, &watch->context) != napi_ok ||
      napi_add_async_cleanup_hook(env, on_environment_end, watch, &watch->hook) != napi_ok) {
    result = -ENOMEM;
  } else {
    result = uv_poll_start(&watch->handle, UV_READABLE, on_readable);
  }
  if (result < 0) end(watch);
  return result;
}

/* watch(fd, callback(status)): a number for the two functions below. `status` is 0, or -errno when polling ended. */
napi_value watch_open(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct state *state = state_of(env);
  napi_valuetype type;
  int32_t fd;
  if (!arg_int(&args, 0, &fd) || args.count < 2) return answer(env, -EINVAL);
  if (napi_typeof(env, args.at[1], &type) != napi_ok || type != napi_function) return answer(env, -EINVAL);
  int32_t id = 0;
  while (id < WATCHES_MAX && state->watches[id] != NULL) id++;
  if (id == WATCHES_MAX) return answer(env, -ENFILE);
  struct watch *watch = calloc(1, sizeof *watch);
  if (watch == NULL) return answer(env, -ENOMEM);
  watch->env = env;
  watch->id = id;
  int result = start(watch, fd, args.at[1]);
  if (result < 0) return answer(env, result);
  state->watches[id] = watch;
  return answer(env, id);
}

static struct watch *watch_of(const struct args *args) {
  int32_t id;
  if (!arg_int(args, 0, &id) || id < 0 || id >= WATCHES_MAX) return NULL;
  return state_of(args->env)->watches[id];
}

/* watchRef(watch, keeps): whether it keeps the process alive. */
napi_value watch_ref(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct watch *watch = watch_of(&args);
  int32_t keeps;
  if (watch == NULL || !arg_int(&args, 1, &keeps)) return answer(env, -EINVAL);
  if (keeps != 0) uv_ref((uv_handle_t *)&watch->handle);
  else uv_unref((uv_handle_t *)&watch->handle);
  return answer(env, 0);
}

/* unwatch(watch): the callback is not called again. Must come before the descriptor is closed. */
napi_value watch_close(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct watch *watch = watch_of(&args);
  if (watch == NULL) return answer(env, -EINVAL);
  napi_delete_reference(env, watch->callback);
  napi_async_destroy(env, watch->context);
  end(watch);
  return answer(env, 0);
}
