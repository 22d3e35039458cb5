/**
 * The instance itself: `tapstack status`, `tapstack down`.
 */
import type { QueryCommand } from '../command.ts';
import { DONE, query } from '../command.ts';
import type { StatusReport } from '../report.ts';

const SEC_PER_MIN = 60;
const SEC_PER_HOUR = 3_600;
const SEC_PER_DAY = 86_400;

const status: QueryCommand = query({
  name: 'status',
  summary: 'show what is running, and how it is',
  examples: ['tapstack status', 'tapstack --name lab0 status --json'],
  params: {},
  run: (now, host) => host.status(now),
  render: formatStatus,
});

const down: QueryCommand = query({
  name: 'down',
  summary: 'end the daemon; its device, sockets and files go with it',
  examples: ['tapstack down', 'tapstack --name lab0 down'],
  params: {},
  run: (_now, host) => {
    host.down();
    return DONE;
  },
});

export const instanceCommands: readonly QueryCommand[] = [status, down];

export function formatStatus(status: StatusReport): string {
  const { device, pool, sockets, services, captures } = status;
  const rows: [string, string][] = [
    ['device', deviceText(device)],
    ['offload', device.offload.length === 0 ? 'none' : device.offload.join(' ')],
    ['addresses', status.addresses.join(' ') || 'none'],
    ['gateway', status.gateway ?? 'none'],
    [
      'services',
      services
        .map(({ name, protocol, port, received, answered }) =>
          protocol === 'udp'
            ? `${name} ${port}/udp (${received} in, ${answered} out)`
            : `${name} ${port}/tcp (${received} connections, ${answered} bytes out)`,
        )
        .join(', ') || 'none',
    ],
    [
      'sockets',
      Object.entries(sockets)
        .map(([name, count]) => `${count} ${name}`)
        .join(', '),
    ],
    ['packets', `${pool.free} of ${pool.slots} slots free, never fewer than ${pool.lowWater}`],
    ['turns', `${status.loop.turns} in ${status.loop.runs} runs of the loop`],
    ['drops', dropText(status.drops)],
  ];
  for (const { target, frames, left } of captures)
    rows.push(['capture', `${target}: ${frames} frames${left === 0 ? '' : `, ${left} left out`}`]);
  const width = Math.max(...rows.map(([name]) => name.length));
  const where = status.netns === null ? '' : `, netns ${status.netns}`;
  const head = `${status.name}: up for ${formatAge(status.uptimeSec)}, pid ${status.pid}, user ${status.user}${where}`;
  return `${[head, ...rows.map(([name, text]) => `  ${name.padEnd(width)}  ${text}`)].join('\n')}\n`;
}

function deviceText(device: StatusReport['device']): string {
  const { name, mode, isUp, mtu, mac, error } = device;
  const words = [name, mode, isUp ? 'up' : 'down', 'mtu', String(mtu)];
  if (mac !== null) words.push('lladdr', mac);
  return error === null ? words.join(' ') : `${words.join(' ')}; last error ${error}`;
}

function dropText(drops: StatusReport['drops']): string {
  const list = Object.entries(drops).sort(([, a], [, b]) => b - a);
  return list.map(([reason, count]) => `${reason} ${count}`).join(', ') || 'none';
}

export function formatAge(seconds: number): string {
  const whole = Math.floor(seconds);
  if (whole < SEC_PER_MIN) return `${whole} s`;
  if (whole < SEC_PER_HOUR) return `${Math.floor(whole / SEC_PER_MIN)} min ${whole % SEC_PER_MIN} s`;
  if (whole < SEC_PER_DAY)
    return `${Math.floor(whole / SEC_PER_HOUR)} h ${Math.floor((whole % SEC_PER_HOUR) / SEC_PER_MIN)} min`;
  return `${Math.floor(whole / SEC_PER_DAY)} d ${Math.floor((whole % SEC_PER_DAY) / SEC_PER_HOUR)} h`;
}
