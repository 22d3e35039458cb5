/*
 * The table through which JavaScript and C speak of frames, and the header that stands before a frame on
 * a descriptor: an optional packet information (tun.h) and a virtio network header.
 *
 * src/link/frame-table.ts has the same numbers.
 */
#ifndef TAPSTACK_FRAME_HEADER_H
#define TAPSTACK_FRAME_HEADER_H

#include <stdbool.h>
#include <stdint.h>

/* Words before the first record: counters, added to and never reset. */
enum { COUNT_READS, COUNT_WRITES, COUNT_EMPTY_READS, COUNT_TRUNCATED, TABLE_HEADER_WORDS = 16 };

/* A record is one frame. Offsets are bytes from the beginning of the arena. */
enum {
  RECORD_ARENA,      /* number of the arena that the frame lies in */
  RECORD_OFFSET,     /* of its first byte; receive: where it shall be put, and where it was put */
  RECORD_ROOM,       /* receive: bytes free from the offset on; transmit: bytes free before it */
  RECORD_LENGTH,     /* of the frame, without the payload below */
  RECORD_FLAGS,      /* virtio's, and FLAG_TRUNCATED */
  RECORD_GSO_TYPE,   /* virtio's */
  RECORD_GSO_SIZE,
  RECORD_HEADERS,    /* bytes of headers of a super-segment */
  RECORD_CSUM_START, /* from the first byte of the frame */
  RECORD_CSUM_OFFSET,
  RECORD_MORE_ARENA, /* transmit: payload that lies elsewhere */
  RECORD_MORE_OFFSET,
  RECORD_MORE_LENGTH,
  RECORD_WORDS = 16,
};

#define FLAG_TRUNCATED 0x10000

/* What stands before each frame on a descriptor. */
struct frame_header {
  uint32_t bytes;      /* all of it */
  uint32_t vnet_bytes; /* 0: no virtio header */
  bool has_info;       /* four bytes of packet information in front */
  bool is_ip;          /* a TUN wants the EtherType in them */
  bool native_endian;
};

/* At most: 4 bytes of information and the longest virtio header that we accept. */
#define FRAME_HEADER_MAX 32

void frame_header_read(const struct frame_header *header, const uint8_t *from, int32_t *record);
void frame_header_write(const struct frame_header *header, const int32_t *record, uint8_t first, uint8_t *to);

#endif
