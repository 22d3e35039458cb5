/*
 * A channel: one descriptor that frames come out of and go into, the arenas in which they lie, and the
 * table that describes them.
 */
#ifndef TAPSTACK_CHANNEL_H
#define TAPSTACK_CHANNEL_H

#include "frame-header.h"
#include "tapstack.h"

#include <sys/uio.h>

/* The pool to receive into, and those of peers whose packets pass through; send buffers for gather-writes. */
#define ARENAS_MAX 64
/* Frames of one call; larger batches were measured to be no faster. */
#define BATCH_MAX 128

struct arena {
  uint8_t *data;
  size_t length;
  napi_ref ref;
};

struct channel {
  int fd;
  bool is_packet_socket;
  struct frame_header header;
  int32_t *table;
  int32_t batch; /* frames of one call: the table has as many records for receive, then as many for transmit */
  napi_ref table_ref;
  struct arena arenas[ARENAS_MAX];
};

static inline int32_t *receive_record(const struct channel *channel, int i) {
  return channel->table + TABLE_HEADER_WORDS + i * RECORD_WORDS;
}

static inline int32_t *transmit_record(const struct channel *channel, int i) {
  return receive_record(channel, channel->batch + i);
}

/* `length` bytes from `offset` on of an arena, or NULL where they are not all inside. */
uint8_t *arena_bytes(const struct channel *channel, int32_t arena, int32_t offset, size_t length);

/*
 * Fills `iov` (3 of them) with what must be written for a record, the header in front: into the room before
 * the frame, or into `apart` when there is none. Answers how many were filled, or -errno.
 */
int gather(const struct channel *channel, int32_t *record, uint8_t *apart, struct iovec *iov, size_t *total);

/* Both answer the number of frames, or -errno when the first of them failed. */
int packet_socket_receive(struct channel *channel, int max);
int packet_socket_transmit(struct channel *channel, int count);

#endif
