/**
 * The kernel's side of a device: its MAC, MTU, queue, addresses and routes, set over rtnetlink (rtnetlink(7)), so
 * that no `ip` command is needed. All of it in the namespace of the calling thread; see `inNetns`.
 */
import type { Ip } from '../addr/ip.ts';
import { formatIp } from '../addr/ip.ts';
import { formatMac, Mac } from '../addr/mac.ts';
import type { Prefix } from '../addr/prefix.ts';
import { formatPrefix } from '../addr/prefix.ts';
import { loadAddon } from './addon.ts';
import { isTooLong } from './device-name.ts';
import { failure, failureNamed, LinkFailure, noAddon } from './failure.ts';
import type { NetlinkAnswer } from './netlink.ts';
import { askRoute, NetlinkFlag, NetlinkRequest } from './netlink.ts';

// rtnetlink.h, if_link.h, if_addr.h, if.h
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_TXQLEN = 13;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_FLAGS = 8;
const IFA_F_NODAD = 2;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RT_SCOPE_NOWHERE = 255;
const RTN_UNICAST = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const IFF_UP = 1;

/** Bytes of `struct ifinfomsg`, after which the attributes of a link begin. */
const LINK_BYTES = 16;

/** The kernel's side of a link, as `ip link` shows it. */
export interface HostLink {
  readonly index: number;
  readonly name: string;
  /** `ARPHRD_…`: 1 Ethernet, 65534 none (TUN), 772 loopback. */
  readonly hardwareType: number;
  /** Null where it has none of six bytes. */
  readonly mac: Mac | null;
  readonly mtu: number;
  readonly queueLength: number;
  readonly isUp: boolean;
}

export interface HostRoute {
  /** `0.0.0.0/0` for the default route. */
  readonly destination: Prefix;
  readonly via: Ip | null;
  readonly device: string;
  readonly metric?: number;
}

export function readLink(name: string): HostLink | LinkFailure {
  const answer = askAboutLink(RTM_GETLINK, name, name);
  if (answer instanceof LinkFailure) return answer;
  const message = answer.messages.find(({ type }) => type === RTM_NEWLINK);
  if (message === undefined) return failureNamed('configure-host', 'ENODEV', name);
  const address = message.attribute(IFLA_ADDRESS, LINK_BYTES);
  return {
    index: message.u32(4),
    name,
    hardwareType: message.u16(2),
    mac: address?.byteLength === 6 ? new Mac(address.getUint16(0), address.getInt32(2)) : null,
    mtu: message.attributeU32(IFLA_MTU, LINK_BYTES) ?? 0,
    queueLength: message.attributeU32(IFLA_TXQLEN, LINK_BYTES) ?? 0,
    isUp: (message.u32(8) & IFF_UP) !== 0,
  };
}

/** Each of the following answers null when it is done. */
export function setMac(name: string, mac: Mac): LinkFailure | null {
  const bytes = new Uint8Array(6);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, mac.hi);
  view.setInt32(2, mac.lo);
  return changeLink(name, `${name}: address ${formatMac(mac)}`, (request) =>
    request.attribute(IFLA_ADDRESS, bytes),
  );
}

export function setMtu(name: string, mtu: number): LinkFailure | null {
  return changeLink(name, `${name}: MTU ${mtu}`, (request) => request.attributeU32(IFLA_MTU, mtu));
}

/** In packets; a super-segment counts as one. */
export function setQueueLength(name: string, packets: number): LinkFailure | null {
  return changeLink(name, `${name}: queue of ${packets}`, (request) =>
    request.attributeU32(IFLA_TXQLEN, packets),
  );
}

export function setUp(name: string, isUp: boolean): LinkFailure | null {
  return done(askAboutLink(RTM_NEWLINK, name, `${name}: ${isUp ? 'up' : 'down'}`, isUp ? IFF_UP : 0, IFF_UP));
}

export function deleteLink(name: string): LinkFailure | null {
  return done(askAboutLink(RTM_DELLINK, name, name));
}

export function addAddress(name: string, prefix: Prefix): LinkFailure | null {
  return changeAddress(RTM_NEWADDR, NetlinkFlag.Create | NetlinkFlag.Exclusive, name, prefix);
}

export function deleteAddress(name: string, prefix: Prefix): LinkFailure | null {
  return changeAddress(RTM_DELADDR, 0, name, prefix);
}

export function addRoute(route: HostRoute): LinkFailure | null {
  return changeRoute(RTM_NEWROUTE, NetlinkFlag.Create | NetlinkFlag.Exclusive, route);
}

export function deleteRoute(route: HostRoute): LinkFailure | null {
  return changeRoute(RTM_DELROUTE, 0, route);
}

function changeLink(name: string, subject: string, add: Change): LinkFailure | null {
  return done(askAboutLink(RTM_NEWLINK, name, subject, 0, 0, add));
}

/** Adds the attributes that are to change. */
type Change = (request: NetlinkRequest) => void;

/** `struct ifinfomsg`, then the name by which the kernel finds the link. */
function askAboutLink(
  type: number,
  name: string,
  subject: string,
  flags = 0,
  mask = 0,
  add?: Change,
): NetlinkAnswer | LinkFailure {
  if (isTooLong(name)) return failureNamed('configure-host', 'ENAMETOOLONG', name);
  const request = new NetlinkRequest(type, 0).u8(0).u8(0).u16(0).u32(0).u32(flags).u32(mask);
  request.attributeText(IFLA_IFNAME, name);
  add?.(request);
  return ask(request, subject);
}

/** `struct ifaddrmsg`. */
function changeAddress(type: number, flags: number, name: string, prefix: Prefix): LinkFailure | null {
  const link = readLink(name);
  if (link instanceof LinkFailure) return link;
  const { address } = prefix;
  const request = new NetlinkRequest(type, flags)
    .u8(address.isV4 ? AF_INET : AF_INET6)
    .u8(prefix.length)
    .u8(0)
    .u8(RT_SCOPE_UNIVERSE)
    .u32(link.index)
    .attribute(IFA_LOCAL, bytesOf(address))
    .attribute(IFA_ADDRESS, bytesOf(address));
  if (prefix.broadcast !== null) request.attribute(IFA_BROADCAST, bytesOf(prefix.broadcast));
  // An address on a link of two needs no waiting for duplicate detection before it can be used (RFC 4862 §5.4).
  if (!address.isV4 && type === RTM_NEWADDR) request.attributeU32(IFA_FLAGS, IFA_F_NODAD);
  return done(ask(request, `${name}: ${formatPrefix(prefix)}`));
}

/** `struct rtmsg`. */
function changeRoute(type: number, flags: number, route: HostRoute): LinkFailure | null {
  const link = readLink(route.device);
  if (link instanceof LinkFailure) return link;
  const { destination, via } = route;
  const isNew = type === RTM_NEWROUTE;
  const request = new NetlinkRequest(type, flags)
    .u8(destination.address.isV4 ? AF_INET : AF_INET6)
    .u8(destination.length)
    .u8(0)
    .u8(0)
    .u8(RT_TABLE_MAIN)
    .u8(isNew ? RTPROT_STATIC : 0)
    .u8(isNew ? scopeOf(via) : RT_SCOPE_NOWHERE)
    .u8(isNew ? RTN_UNICAST : 0)
    .u32(0)
    .attributeU32(RTA_OIF, link.index);
  if (destination.length > 0) request.attribute(RTA_DST, bytesOf(destination.network.address));
  if (via !== null) request.attribute(RTA_GATEWAY, bytesOf(via));
  if (route.metric !== undefined) request.attributeU32(RTA_PRIORITY, route.metric);
  return done(ask(request, textOf(route)));
}

function textOf({ destination, via, device }: HostRoute): string {
  return `route ${formatPrefix(destination)}${via === null ? '' : ` via ${formatIp(via)}`} dev ${device}`;
}

const scopeOf = (via: Ip | null): number => (via === null ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE);

/** Four or sixteen bytes in network order. */
function bytesOf(ip: Ip): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of [ip.a, ip.b, ip.c, ip.d].entries()) view.setInt32(i * 4, word);
  return ip.isV4 ? bytes.subarray(12) : bytes;
}

function ask(request: NetlinkRequest, subject: string): NetlinkAnswer | LinkFailure {
  const addon = loadAddon();
  if (addon === null) return noAddon();
  const answer = askRoute(addon, request);
  if (answer.status === 0) return answer;
  const { code, text } = failure('configure-host', answer.status, subject);
  return new LinkFailure(code, answer.words === '' ? text : `${text} The kernel says: ${answer.words}`);
}

function done(answer: NetlinkAnswer | LinkFailure): LinkFailure | null {
  return answer instanceof LinkFailure ? answer : null;
}
