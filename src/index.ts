/**
 * The public API of the library. Nothing inside imports this file.
 *
 * Everything in it works without root and without the addon but what is from `link/`, which says why when it cannot.
 */
export { FlowKey } from './addr/flow-key.ts';
export { formatIp, Ip, parseIp } from './addr/ip.ts';
export { formatMac, Mac, parseMac } from './addr/mac.ts';
export { formatPrefix, Prefix, parsePrefix } from './addr/prefix.ts';
export { Drop, dropName } from './base/drop.ts';
export type { Errno } from './base/errno.ts';
export { isErrno } from './base/errno.ts';
export type { Rng } from './base/rng.ts';
export { rng } from './base/rng.ts';
export type { Duration, Instant } from './base/time.ts';
export { after, between, ms, NEVER, START, sec, toMs, toSec, us } from './base/time.ts';
export type { LinkDriver } from './device/link-driver.ts';
export { LoopbackDevice } from './device/loopback.ts';
export { Monitor } from './device/monitor.ts';
export type {
  DeviceCounters,
  DeviceFeatures,
  FrameReceiver,
  Medium,
  NetDevice,
} from './device/net-device.ts';
export { FULL_OFFLOAD, NO_OFFLOAD } from './device/net-device.ts';
export type { NetemOptions } from './device/netem.ts';
export { Netem } from './device/netem.ts';
export { Nic } from './device/nic.ts';
export type { PairEnd, PairOptions } from './device/pair.ts';
export { pair } from './device/pair.ts';
export type { Representation, Resource } from './http/server.ts';
export { HttpServer } from './http/server.ts';
export type { WallClock } from './inetd/daytime.ts';
export { Inetd } from './inetd/inetd.ts';
export type { Interface } from './ip/interface.ts';
export type { IpOptions } from './ip/shared.ts';
export { LinkFailure } from './link/failure.ts';
export { inNetns } from './link/netns.ts';
export type { PacketSocket, PacketSocketOptions } from './link/packet-socket.ts';
export { openPacketSocket } from './link/packet-socket.ts';
export type { PcapReplay, ReplayOptions } from './link/pcap-replay.ts';
export { openReplay } from './link/pcap-replay.ts';
export type { TunTapMode, TunTapOptions } from './link/tun-tap.ts';
export { openTunTap, TunTap, takeTunTap } from './link/tun-tap.ts';
export { Watch, watchReadable } from './link/watch.ts';
export { Metrics } from './observe/metrics.ts';
export { PcapngWriter } from './observe/pcapng.ts';
export { Drops } from './packet/drops.ts';
export { Packet } from './packet/packet.ts';
export { Pool } from './packet/pool.ts';
export { Fib } from './route/fib.ts';
export type { RouteSpec } from './route/nexthop.ts';
export type { RuleSpec } from './route/rule.ts';
export { SimHost } from './sim/host.ts';
export { Link } from './sim/link.ts';
export type { WorldOptions } from './sim/world.ts';
export { World } from './sim/world.ts';
export { DatagramInfo } from './socket/datagram-info.ts';
export { Ready } from './socket/datagram-socket.ts';
export { PathMtu } from './socket/host.ts';
export { PingSocket } from './socket/ping-socket.ts';
export { RawSocket } from './socket/raw-socket.ts';
export type { TcpOption } from './socket/tcp/options.ts';
export type { ByteReader, ByteStream } from './socket/tcp/stream.ts';
export { TcpSocket } from './socket/tcp-socket.ts';
export { UdpSocket } from './socket/udp-socket.ts';
export type { StackOptions } from './stack/options.ts';
export { Stack } from './stack/stack.ts';
export type { TcpConfig } from './tcp/config.ts';
export { defaultTcpConfig } from './tcp/config.ts';
export type { CongestionName } from './tcp/congestion/control.ts';
export { TcpInfo } from './tcp/info.ts';
export { State as TcpState } from './tcp/state.ts';
export { PathError } from './udp/path-error.ts';
export { describe } from './wire/describe.ts';
