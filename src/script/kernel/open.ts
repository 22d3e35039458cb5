/**
 * socket(2): which kind of socket a domain, a type and a protocol name.
 */
import { isErrno } from '../../base/errno.ts';
import type { SocketTable } from '../../socket/socket-table.ts';
import type { Tcp } from '../../tcp/tcp.ts';
import { Linux } from '../constants.ts';
import type { CallErrno } from '../errno.ts';
import type { SocketFile } from './file.ts';
import type { OpenSocket } from './kernel.ts';
import { PingFile, RawFile } from './raw-file.ts';
import { TcpFile } from './tcp-file.ts';
import { UdpFile } from './udp-file.ts';

export function socketOpener(sockets: SocketTable, tcp: Tcp): OpenSocket {
  return (domain, type, protocol) => {
    if (domain !== Linux.AF_INET && domain !== Linux.AF_INET6) return 'EAFNOSUPPORT';
    switch (type) {
      case Linux.SOCK_DGRAM:
        return openDatagram(sockets, domain, protocol);
      case Linux.SOCK_RAW:
        return openRaw(sockets, domain, protocol);
      case Linux.SOCK_STREAM:
        return openStream(sockets, tcp, domain, protocol);
      default:
        return 'ESOCKTNOSUPPORT';
    }
  };
}

function openStream(
  sockets: SocketTable,
  tcp: Tcp,
  domain: number,
  protocol: number,
): SocketFile | CallErrno {
  if (protocol !== 0 && protocol !== Linux.IPPROTO_TCP) return 'EPROTONOSUPPORT';
  const open = (): ReturnType<SocketTable['openTcp']> => sockets.openTcp(domain === Linux.AF_INET ? 4 : 6);
  const socket = open();
  return isErrno(socket) ? socket : new TcpFile(domain, socket, tcp, open);
}

function openDatagram(sockets: SocketTable, domain: number, protocol: number): SocketFile | CallErrno {
  if (protocol === Linux.IPPROTO_ICMP && domain === Linux.AF_INET) {
    const socket = sockets.openPing();
    return isErrno(socket) ? socket : new PingFile(domain, socket);
  }
  if (protocol !== 0 && protocol !== Linux.IPPROTO_UDP) return 'EPROTONOSUPPORT';
  const socket = sockets.openUdp(domain === Linux.AF_INET ? 4 : 6);
  return isErrno(socket) ? socket : new UdpFile(domain, socket);
}

function openRaw(sockets: SocketTable, domain: number, protocol: number): SocketFile | CallErrno {
  if (protocol === 0) return 'EPROTONOSUPPORT';
  const socket = sockets.openRaw(protocol, domain === Linux.AF_INET ? 4 : 6);
  return isErrno(socket) ? socket : new RawFile(domain, socket);
}
