/** A Node program on the kernel's raw IP sockets, through somebody else's addon, talks to a daemon. */
import { createRequire } from 'node:module';
import t from 'tap';
import { daemon, STACK } from './support/daemon.ts';
import { namespace, reasonToSkip } from './support/namespace.ts';

const RAW_SOCKET = JSON.stringify(createRequire(import.meta.url).resolve('raw-socket'));

/** Sends one echo request, its checksum right or not, and prints type, id and data of what comes back. */
const PROGRAM = `
  const raw = require(${RAW_SOCKET});
  const isRight = process.argv[1] === 'right';
  const socket = raw.createSocket({ protocol: raw.Protocol.ICMP });
  const message = Buffer.from('0800000012340001' + Buffer.from('by hand').toString('hex'), 'hex');
  raw.writeChecksum(message, 2, raw.createChecksum(message));
  if (!isRight) message[2] ^= 0x40;
  socket.on('message', (datagram) => {
    const icmp = datagram.subarray(4 * (datagram[0] & 15));
    console.log(icmp[0], icmp.readUInt16BE(4).toString(16), icmp.toString('latin1', 8));
  });
  socket.send(message, 0, message.length, '${STACK}', (error) => { if (error) throw error; });
  setTimeout(() => socket.close(), 500);
`;

t.test('raw IP from the host side', { skip: reasonToSkip() }, async (t) => {
  const netns = namespace(t);
  const host = await daemon(t, { netns });

  t.equal(
    await netns.must(process.execPath, '-e', PROGRAM, 'right'),
    '0 1234 by hand\n',
    'an echo request is answered (RFC 792)',
  );
  t.notOk((await host.drops()).IcmpChecksum, 'and was in order');
  t.equal(await netns.must(process.execPath, '-e', PROGRAM, 'wrong'), '', 'a damaged one is not');
  t.equal((await host.drops()).IcmpChecksum, 1, 'but counted (RFC 1122 §3.2.2)');
});
