/*
 * Batched I/O: one call from JavaScript moves many frames between a descriptor and slots that were there before.
 *
 * JavaScript fills records of the table and calls `receive` or `transmit` with small integers; nothing else
 * crosses the border. The header of a frame is read into, and written from, the free room in front of it, so
 * that a frame is one `read` or one `write` of contiguous bytes.
 */
#include "channel.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct channel *channel_of(const struct args *args) {
  int32_t id;
  if (!arg_int(args, 0, &id) || id < 0 || id >= CHANNELS_MAX) return NULL;
  return state_of(args->env)->channels[id];
}

uint8_t *arena_bytes(const struct channel *channel, int32_t arena, int32_t offset, size_t length) {
  if (arena < 0 || arena >= ARENAS_MAX) return NULL;
  const struct arena *from = &channel->arenas[arena];
  size_t at = (uint32_t)offset; /* arenas of up to 4 GB in an int32 field */
  if (from->data == NULL || at > from->length || length > from->length - at) return NULL;
  return from->data + at;
}

/* ---- receive ---- */

static int read_frame(struct channel *channel, int32_t *record) {
  uint32_t header = channel->header.bytes;
  uint32_t offset = (uint32_t)record[RECORD_OFFSET];
  size_t room = header + (uint32_t)record[RECORD_ROOM];
  if (offset < header) return -EFAULT;
  uint8_t *to = arena_bytes(channel, record[RECORD_ARENA], (int32_t)(offset - header), room);
  if (to == NULL) return -EFAULT;

  ssize_t n;
  do {
    channel->table[COUNT_READS]++;
    n = read(channel->fd, to, room);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return -errno;
  if ((uint32_t)n < header) return -EPROTO;
  record[RECORD_LENGTH] = (int32_t)((uint32_t)n - header);
  frame_header_read(&channel->header, to, record);
  if ((size_t)n == room) {
    /* The driver answers no more than it was given room for: a frame that fills the slot was cut. */
    record[RECORD_FLAGS] |= FLAG_TRUNCATED;
    channel->table[COUNT_TRUNCATED]++;
  }
  return 1;
}

static int read_frames(struct channel *channel, int max) {
  for (int i = 0; i < max; i++) {
    int result = read_frame(channel, receive_record(channel, i));
    if (result > 0) continue;
    if (result == -EAGAIN) {
      channel->table[COUNT_EMPTY_READS]++;
      return i;
    }
    /* What was read first is handed over; the error comes again on the next call. */
    return i > 0 ? i : result;
  }
  return max;
}

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int receive_once(struct channel *channel, int max) {
  return channel->is_packet_socket ? packet_socket_receive(channel, max) : read_frames(channel, max);
}

/*
 * receive(channel, max, spinUs): stops at `max` frames, or when none waits. With `spinUs` it asks again for that
 * long while nothing has come: waking up costs 50 µs and more, asking costs less than one.
 */
napi_value channel_receive(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct channel *channel = channel_of(&args);
  int32_t max, spin = 0;
  if (channel == NULL || !arg_int(&args, 1, &max)) return answer(env, -EINVAL);
  if (args.count > 2 && !arg_int(&args, 2, &spin)) return answer(env, -EINVAL);
  if (max < 0 || max > channel->batch) return answer(env, -EINVAL);
  int result = receive_once(channel, max);
  if (result == 0 && spin > 0 && max > 0) {
    int64_t until = now_us() + spin;
    do result = receive_once(channel, max);
    while (result == 0 && now_us() < until);
  }
  return answer(env, result);
}

/* ---- transmit ---- */

int gather(const struct channel *channel, int32_t *record, uint8_t *apart, struct iovec *iov, size_t *total) {
  uint32_t header = channel->header.bytes;
  size_t length = (uint32_t)record[RECORD_LENGTH];
  size_t more = (uint32_t)record[RECORD_MORE_LENGTH];
  uint8_t *frame = arena_bytes(channel, record[RECORD_ARENA], record[RECORD_OFFSET], length);
  int count = 0;
  if (frame == NULL || length == 0) return -EFAULT;
  *total = header + length + more;
  if ((uint32_t)record[RECORD_ROOM] >= header && (uint32_t)record[RECORD_OFFSET] >= header) {
    frame_header_write(&channel->header, record, frame[0], frame - header);
    iov[count++] = (struct iovec){.iov_base = frame - header, .iov_len = header + length};
  } else {
    frame_header_write(&channel->header, record, frame[0], apart);
    iov[count++] = (struct iovec){.iov_base = apart, .iov_len = header};
    iov[count++] = (struct iovec){.iov_base = frame, .iov_len = length};
  }
  if (more > 0) {
    uint8_t *payload = arena_bytes(channel, record[RECORD_MORE_ARENA], record[RECORD_MORE_OFFSET], more);
    if (payload == NULL) return -EFAULT;
    iov[count++] = (struct iovec){.iov_base = payload, .iov_len = more};
  }
  return count;
}

static int write_frame(struct channel *channel, int32_t *record) {
  uint8_t apart[FRAME_HEADER_MAX];
  struct iovec iov[3];
  size_t total;
  int parts = gather(channel, record, apart, iov, &total);
  if (parts < 0) return parts;
  ssize_t n;
  do {
    channel->table[COUNT_WRITES]++;
    n = parts == 1 ? write(channel->fd, iov[0].iov_base, iov[0].iov_len) : writev(channel->fd, iov, parts);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : 1;
}

static int write_frames(struct channel *channel, int count) {
  for (int i = 0; i < count; i++) {
    int result = write_frame(channel, transmit_record(channel, i));
    if (result > 0) continue;
    return i > 0 || result == -EAGAIN ? i : result;
  }
  return count;
}

/* transmit(channel, count): fewer than `count` when one was not taken, -errno when that was the first. */
napi_value channel_transmit(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct channel *channel = channel_of(&args);
  int32_t count;
  if (channel == NULL || !arg_int(&args, 1, &count)) return answer(env, -EINVAL);
  if (count < 0 || count > channel->batch) return answer(env, -EINVAL);
  int result = channel->is_packet_socket ? packet_socket_transmit(channel, count) : write_frames(channel, count);
  return answer(env, result);
}

/* ---- making and ending ---- */

static void free_channel(void *data) {
  free(data);
}

enum { KIND_TUN, KIND_TAP, KIND_PACKET_SOCKET };

/* channelOpen(fd, kind, hasInfo, vnetBytes, table: Int32Array) */
napi_value channel_open(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct state *state = state_of(env);
  int32_t fd, kind, has_info, vnet_bytes;
  size_t length = 0;
  int32_t *table = arg_bytes(&args, 4, &length);
  if (!arg_int(&args, 0, &fd) || !arg_int(&args, 1, &kind)) return answer(env, -EINVAL);
  if (!arg_int(&args, 2, &has_info) || !arg_int(&args, 3, &vnet_bytes)) return answer(env, -EINVAL);
  if (table == NULL) return answer(env, -EINVAL);
  if (vnet_bytes != 0 && (vnet_bytes < 10 || vnet_bytes > FRAME_HEADER_MAX - 4)) return answer(env, -EINVAL);
  int32_t batch = ((int32_t)(length / 4) - TABLE_HEADER_WORDS) / RECORD_WORDS / 2;
  if (batch < 1 || batch > BATCH_MAX) return answer(env, -EINVAL);

  int id = 0;
  while (id < CHANNELS_MAX && state->channels[id] != NULL) id++;
  if (id == CHANNELS_MAX) return answer(env, -ENFILE);
  struct channel *channel = calloc(1, sizeof *channel);
  if (channel == NULL) return answer(env, -ENOMEM);
  channel->fd = fd;
  channel->is_packet_socket = kind == KIND_PACKET_SOCKET;
  channel->header = (struct frame_header){
      .bytes = (uint32_t)vnet_bytes + (has_info != 0 ? 4 : 0),
      .vnet_bytes = (uint32_t)vnet_bytes,
      .has_info = has_info != 0,
      .is_ip = kind == KIND_TUN,
      .native_endian = kind == KIND_PACKET_SOCKET,
  };
  channel->table = table;
  channel->batch = batch;
  if (napi_create_reference(env, args.at[4], 1, &channel->table_ref) != napi_ok) {
    free(channel);
    return answer(env, -ENOMEM);
  }
  napi_add_env_cleanup_hook(env, free_channel, channel);
  state->channels[id] = channel;
  return answer(env, id);
}

/* channelArena(channel, ArrayBuffer): the number by which records speak of it. Kept alive until the channel ends. */
napi_value channel_arena(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct channel *channel = channel_of(&args);
  void *data;
  size_t length;
  if (channel == NULL || args.count < 2) return answer(env, -EINVAL);
  if (napi_get_arraybuffer_info(env, args.at[1], &data, &length) != napi_ok) return answer(env, -EINVAL);
  for (int i = 0; i < ARENAS_MAX; i++) {
    struct arena *arena = &channel->arenas[i];
    if (arena->data != NULL) continue;
    if (napi_create_reference(env, args.at[1], 1, &arena->ref) != napi_ok) return answer(env, -ENOMEM);
    arena->data = data;
    arena->length = length;
    return answer(env, i);
  }
  return answer(env, -ENOBUFS);
}

/* channelClose(channel): the descriptor stays open. */
napi_value channel_close(napi_env env, napi_callback_info info) {
  struct args args = args_of(env, info);
  struct channel *channel = channel_of(&args);
  int32_t id;
  if (channel == NULL || !arg_int(&args, 0, &id)) return answer(env, -EINVAL);
  state_of(env)->channels[id] = NULL;
  napi_remove_env_cleanup_hook(env, free_channel, channel);
  for (int i = 0; i < ARENAS_MAX; i++) {
    if (channel->arenas[i].ref != NULL) napi_delete_reference(env, channel->arenas[i].ref);
  }
  napi_delete_reference(env, channel->table_ref);
  free(channel);
  return answer(env, 0);
}
