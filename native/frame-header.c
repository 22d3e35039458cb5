/*
 * Between a record of the table and the bytes before a frame: struct virtio_net_hdr (VIRTIO 1.2 §5.1.6).
 */
#include "frame-header.h"

#include <endian.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <string.h>

static uint16_t decode(const struct frame_header *header, uint16_t value) {
  return header->native_endian ? value : le16toh(value);
}

static uint16_t encode(const struct frame_header *header, int32_t value) {
  return header->native_endian ? (uint16_t)value : htole16((uint16_t)value);
}

void frame_header_read(const struct frame_header *header, const uint8_t *from, int32_t *record) {
  struct virtio_net_hdr vnet;
  if (header->vnet_bytes == 0) {
    record[RECORD_FLAGS] = 0;
    record[RECORD_GSO_TYPE] = 0;
    return;
  }
  memcpy(&vnet, from + (header->has_info ? 4 : 0), sizeof vnet);
  record[RECORD_FLAGS] = vnet.flags;
  record[RECORD_GSO_TYPE] = vnet.gso_type;
  record[RECORD_GSO_SIZE] = decode(header, vnet.gso_size);
  record[RECORD_HEADERS] = decode(header, vnet.hdr_len);
  record[RECORD_CSUM_START] = decode(header, vnet.csum_start);
  record[RECORD_CSUM_OFFSET] = decode(header, vnet.csum_offset);
}

void frame_header_write(const struct frame_header *header, const int32_t *record, uint8_t first, uint8_t *to) {
  if (header->has_info) {
    uint16_t type = header->is_ip ? htobe16(first >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP) : 0;
    memset(to, 0, 2);
    memcpy(to + 2, &type, 2);
    to += 4;
  }
  if (header->vnet_bytes == 0) return;
  struct virtio_net_hdr vnet = {
      .flags = (uint8_t)record[RECORD_FLAGS],
      .gso_type = (uint8_t)record[RECORD_GSO_TYPE],
      .hdr_len = encode(header, record[RECORD_HEADERS]),
      .gso_size = encode(header, record[RECORD_GSO_SIZE]),
      .csum_start = encode(header, record[RECORD_CSUM_START]),
      .csum_offset = encode(header, record[RECORD_CSUM_OFFSET]),
  };
  memcpy(to, &vnet, sizeof vnet);
  if (header->vnet_bytes > sizeof vnet) memset(to + sizeof vnet, 0, header->vnet_bytes - sizeof vnet);
}
