/**
 * Two hosts in one process, on a link that loses one frame in twenty: a megabyte over TCP, in virtual time, no root.
 *
 *     node examples/lossy-link.js [seed]
 */
import { between, isErrno, ms, parseIp, sec, toSec, World } from 'tapstack';

const BYTES = 1_000_000;
const PORT = 5_001;

const world = new World({ seed: Number(process.argv[2] ?? 1) });
const alice = world.host('alice');
const bob = world.host('bob');
world.link(alice, bob, { profile: { delay: ms(20), loss: 0.05 } });
alice.address('10.0.0.1/24');
bob.address('10.0.0.2/24');

const listener = bob.stack.sockets.openTcp();
listener.bind(parseIp('10.0.0.2'), PORT);
listener.listen();
let received = 0;
const into = new Uint8Array(65_536);
listener.onReady = () => {
  const connection = listener.accept();
  if (isErrno(connection)) return;
  connection.onReady = (now) => {
    for (let n = connection.read(into); !isErrno(n) && n > 0; n = connection.read(into)) received += n;
    if (received < BYTES) return;
    console.log(`bob has ${received} bytes after ${toSec(between(begin, now)).toFixed(1)} s`);
  };
};

const client = alice.stack.sockets.openTcp();
const data = new Uint8Array(BYTES);
let sent = 0;
client.onReady = () => {
  const n = client.write(data, sent);
  if (!isErrno(n)) sent += n;
};
const begin = world.now;
client.connect(parseIp('10.0.0.2'), PORT);

world.run(sec(120));
const { tcpi_segs_out, tcpi_total_retrans } = client.info();
console.log(`alice sent ${tcpi_segs_out} segments, ${tcpi_total_retrans} of them again`);
for (const problem of world.close()) console.log(problem);
