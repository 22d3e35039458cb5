/**
 * What an errno means where it occurred: one sentence that says what is missing and how to get it.
 */
import { constants } from 'node:os';

/** What was being done; the same errno means different things. */
export type LinkAction =
  | 'open-device'
  | 'take-descriptor'
  | 'open-packet-socket'
  | 'enter-netns'
  | 'configure-host'
  | 'drop-privileges'
  | 'watch'
  | 'transfer';

/** Numbers of the Linux errors that Node does not name. */
const UNNAMED: Record<string, number> = { EBADFD: 77, EMEDIUMTYPE: 124, ENOTRECOVERABLE: 131 };

const names = new Map<number, string>();
for (const [name, number] of Object.entries({ ...UNNAMED, ...constants.errno })) names.set(number, name);
// Two names for one number: the one that manual pages use.
names.set(constants.errno.EAGAIN, 'EAGAIN');
names.set(constants.errno.EOPNOTSUPP, 'EOPNOTSUPP');

/** `EPERM` for 1, or -1. */
export function errnoName(errno: number): string {
  return names.get(Math.abs(errno)) ?? `errno ${Math.abs(errno)}`;
}

export function errnoNumber(name: string): number {
  for (const [number, known] of names) if (known === name) return number;
  return constants.errno.EINVAL;
}

const ROOT = 'run it with sudo, or give the program CAP_NET_ADMIN';

type Sentence = (subject: string) => string;

const OPEN_DEVICE: Record<string, Sentence> = {
  ENOENT: (subject) =>
    `${subject}: the device file of the tun driver does not exist. Load the driver with \`modprobe tun\`; ` +
    'in a container, pass the device in (`--device /dev/net/tun`) or make it with ' +
    '`mkdir -p /dev/net && mknod /dev/net/tun c 10 200`.',
  ENODEV: (subject) =>
    `${subject}: the device file is there but the kernel has no tun driver. Load it with \`modprobe tun\`.`,
  ENXIO: (subject) =>
    `${subject}: the device file is there but the kernel has no tun driver. Load it with \`modprobe tun\`.`,
  EACCES: (subject) =>
    `${subject}: no permission to open the device file. Run it with sudo, or let your user read and write the file.`,
  EPERM: (subject) =>
    `${subject}: making a device needs CAP_NET_ADMIN. Run it with sudo, let an administrator make one for your user ` +
    '(`ip tuntap add mode tap user NAME`), or be handed an open descriptor (`--fd N`).',
  ENAMETOOLONG: (subject) => `${subject}: the name of a device has 15 bytes at most.`,
  EBUSY: (subject) =>
    `${subject}: another process has this device open. Choose another name, or end that process ` +
    '(`ip link show` lists devices; one opened for several queues takes more processes).',
  EINVAL: (subject) =>
    `${subject}: a device of this name exists and is of another kind: not made by the tun driver, tun instead of tap ` +
    'or the other way round, or with another setting for several queues. Choose another name, or delete it.',
  EEXIST: (subject) => `${subject}: an interface of this name exists already. Choose another name.`,
  EBADFD: (subject) => `${subject}: the descriptor has a device already.`,
  EIO: (subject) => `${subject}: the file is not the device file of the tun driver (/dev/net/tun).`,
  ENOTTY: (subject) => `${subject}: the file is not the device file of the tun driver (/dev/net/tun).`,
  EISDIR: (subject) =>
    `${subject}: the path is a directory, not the device file of the tun driver (/dev/net/tun).`,
};

const TAKE_DESCRIPTOR: Record<string, Sentence> = {
  EBADF: (subject) =>
    `${subject}: no such descriptor is open in this process. Whoever starts it must pass it on (3<>/dev/net/tun, ` +
    'systemd `OpenFile=`, or the `stdio` of a spawn).',
  EBADFD: (subject) =>
    `${subject}: the descriptor is of the tun driver but has no device yet. ` +
    'Whoever opens it must choose one (TUNSETIFF).',
  ENOTTY: (subject) => `${subject}: the descriptor is no TUN or TAP device.`,
  EINVAL: (subject) => `${subject}: the descriptor is no TUN or TAP device.`,
  EOPNOTSUPP: (subject) => `${subject}: the descriptor is no TUN or TAP device.`,
};

const OPEN_PACKET_SOCKET: Record<string, Sentence> = {
  EPERM: (subject) =>
    `${subject}: a packet socket needs CAP_NET_RAW. Run it with sudo, or give the program CAP_NET_RAW.`,
  ENODEV: (subject) => `${subject}: there is no such interface here. \`ip link\` lists those that are.`,
  ENXIO: (subject) => `${subject}: there is no such interface here. \`ip link\` lists those that are.`,
  ENAMETOOLONG: (subject) => `${subject}: the name of an interface has 15 bytes at most.`,
  ENETDOWN: (subject) => `${subject}: the interface is down. \`ip link set … up\` brings it up.`,
  ENOPROTOOPT: (subject) => `${subject}: packet sockets need Linux 4.20 or newer (PACKET_IGNORE_OUTGOING).`,
  EAFNOSUPPORT: (subject) =>
    `${subject}: the kernel has no packet sockets. Load them with \`modprobe af_packet\`.`,
  EMEDIUMTYPE: (subject) => `${subject}: the interface carries neither Ethernet frames nor bare IP packets.`,
};

const ENTER_NETNS: Record<string, Sentence> = {
  ENOENT: (subject) =>
    `${subject}: there is no such network namespace. \`ip netns list\` names those that are; ` +
    'a path or the number of a process will do as well.',
  EPERM: (subject) => `${subject}: entering a network namespace needs CAP_SYS_ADMIN. Run it with sudo.`,
  EACCES: (subject) => `${subject}: no permission to open the network namespace. Run it with sudo.`,
  EINVAL: (subject) => `${subject}: the file is no network namespace.`,
};

const CONFIGURE_HOST: Record<string, Sentence> = {
  EPERM: (subject) => `${subject}: changing the host's network needs CAP_NET_ADMIN: ${ROOT}.`,
  ENODEV: (subject) => `${subject}: there is no such interface here. \`ip link\` lists those that are.`,
  EEXIST: (subject) => `${subject}: it is there already.`,
  EADDRNOTAVAIL: (subject) => `${subject}: the interface does not have this address.`,
  ESRCH: (subject) => `${subject}: there is no such route.`,
  ENETUNREACH: (subject) => `${subject}: the gateway is not on a network of this interface.`,
  ENETDOWN: (subject) => `${subject}: the interface is down; bring it up first.`,
  EINVAL: (subject) => `${subject}: the kernel does not accept this value.`,
  ERANGE: (subject) => `${subject}: the value is outside of what the interface can do.`,
  EOPNOTSUPP: (subject) => `${subject}: this interface cannot do that.`,
  EAFNOSUPPORT: (subject) => `${subject}: this family of addresses is switched off in the kernel.`,
  EACCES: (subject) =>
    `${subject}: IPv6 is switched off on this interface (sysctl net.ipv6.conf.*.disable_ipv6).`,
  EBUSY: (subject) => `${subject}: the interface is up and must be down for this.`,
  ENAMETOOLONG: (subject) => `${subject}: the name of an interface has 15 bytes at most.`,
};

const DROP_PRIVILEGES: Record<string, Sentence> = {
  ENOENT: (subject) =>
    `${subject}: there is no such user in /etc/passwd. Name one that is, or give UID or UID:GID.`,
  EPERM: (subject) => `${subject}: only root can become another user.`,
  EINVAL: (subject) => `${subject}: the user to become must be another one than root.`,
  EAGAIN: (subject) => `${subject}: this user has as many processes as its limit allows (ulimit -u).`,
  ENOTRECOVERABLE: (subject) => `${subject}: privileges could be taken back after dropping them.`,
};

const TRANSFER: Record<string, Sentence> = {
  EBADFD: (subject) => `${subject}: the device was deleted.`,
  ENODEV: (subject) => `${subject}: the interface was deleted.`,
  ENXIO: (subject) => `${subject}: the interface was deleted.`,
  EIO: (subject) => `${subject}: the host's side of the device is down. \`ip link set … up\` brings it up.`,
  ENETDOWN: (subject) => `${subject}: the interface is down. \`ip link set … up\` brings it up.`,
  EINVAL: (subject) => `${subject}: the kernel refused a frame as malformed.`,
  EMSGSIZE: (subject) => `${subject}: a frame was longer than the interface can carry.`,
  ENOBUFS: (subject) => `${subject}: the queue of the interface is full.`,
};

const WATCH: Record<string, Sentence> = {
  EEXIST: (subject) => `${subject}: the descriptor is being watched already.`,
  EPERM: (subject) => `${subject}: a descriptor of this kind cannot be waited for.`,
  EBADF: (subject) => `${subject}: the descriptor is closed, or its device was deleted.`,
};

const TEXTS: Record<LinkAction, Record<string, Sentence>> = {
  'open-device': OPEN_DEVICE,
  'take-descriptor': TAKE_DESCRIPTOR,
  'open-packet-socket': OPEN_PACKET_SOCKET,
  'enter-netns': ENTER_NETNS,
  'configure-host': CONFIGURE_HOST,
  'drop-privileges': DROP_PRIVILEGES,
  watch: WATCH,
  transfer: TRANSFER,
};

const ANYWHERE: Record<string, Sentence> = {
  EMFILE: (subject) => `${subject}: this process has as many files open as it may (ulimit -n).`,
  ENFILE: (subject) => `${subject}: too many devices are open.`,
  ENOMEM: (subject) => `${subject}: the kernel is out of memory.`,
  ENOBUFS: (subject) => `${subject}: the kernel has no buffers left.`,
  EPERM: (subject) => `${subject}: it needs more privileges: ${ROOT}.`,
};

/** One sentence about `errno` (of either sign) during `action` on `subject`, which begins it. */
export function explain(action: LinkAction, errno: number, subject: string): string {
  const name = errnoName(errno);
  const sentence = TEXTS[action][name] ?? ANYWHERE[name];
  return sentence === undefined ? `${subject}: the kernel answered ${name}.` : sentence(subject);
}
