/**
 * The status page of a stack: who it is, what it has counted, which connections it has. For people as HTML, for
 * programs as JSON, for load generators as two words.
 */
import type { Instant } from '../base/time.ts';
import type { Resource } from './server.ts';

/** Connections on the page. */
export const CONNECTIONS_SHOWN_MAX = 200;

export interface PageConnection {
  readonly state: string;
  readonly local: string;
  readonly remote: string;
  readonly recvQ: number;
  readonly sendQ: number;
  readonly rttMs: number;
}

export interface PageStatus {
  readonly name: string;
  readonly version: string;
  readonly uptimeSec: number;
  readonly device: string;
  readonly mtu: number;
  readonly addresses: readonly string[];
  /** By part of the stack, as `tapstack counters` has them. */
  readonly counters: Readonly<Record<string, unknown>>;
  /** At most `CONNECTIONS_SHOWN_MAX`. */
  readonly connections: readonly PageConnection[];
  readonly connectionCount: number;
}

export type PageSource = (now: Instant) => PageStatus;

export function statusResources(source: PageSource): readonly Resource[] {
  return [
    {
      path: '/',
      representations: [
        {
          type: 'text',
          subtype: 'html',
          contentType: 'text/html; charset=utf-8',
          body: (now) => toHtml(source(now)),
        },
        {
          type: 'application',
          subtype: 'json',
          contentType: 'application/json',
          body: (now) => `${JSON.stringify(source(now), null, 2)}\n`,
        },
      ],
    },
    {
      path: '/hello',
      representations: [
        { type: 'text', subtype: 'plain', contentType: 'text/plain', body: () => 'Hello, World!' },
      ],
    },
  ];
}

const STYLE = `body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;
color:#1c1c1c;background:#fff}h2{margin-top:2rem}table{border-collapse:collapse}
td,th{text-align:left;padding:.1rem 1.5rem .1rem 0;font-variant-numeric:tabular-nums}
td.n,th.n{text-align:right}@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}}`;

function toHtml(status: PageStatus): string {
  const { name, version, device, mtu, addresses, connections, connectionCount } = status;
  const rest = connectionCount - connections.length;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escape(name)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escape(name)}</h1>
<p>tapstack ${escape(version)}, up for ${formatUptime(status.uptimeSec)}, on ${escape(device)} (MTU ${mtu}).</p>
<h2>Addresses</h2>
<ul>
${addresses.map((address) => `<li>${escape(address)}</li>`).join('\n')}
</ul>
<h2>Connections</h2>
<p>${connectionCount} in all${rest > 0 ? `, of which ${connections.length} are shown` : ''}.</p>
<table>
<tr><th>State</th><th class="n">Recv-Q</th><th class="n">Send-Q</th>
<th>Local</th><th>Peer</th><th class="n">RTT</th></tr>
${connections.map(connectionRow).join('\n')}
</table>
<h2>Counters</h2>
<table>
${counterRows(status.counters, '').join('\n')}
</table>
<p>As JSON: <code>curl -H 'Accept: application/json'</code></p>
</body>
</html>
`;
}

function connectionRow({ state, local, remote, recvQ, sendQ, rttMs }: PageConnection): string {
  const rtt = rttMs > 0 ? `${rttMs.toFixed(3)} ms` : '';
  const numbers = `<td class="n">${recvQ}</td><td class="n">${sendQ}</td>`;
  const names = `<td>${escape(local)}</td><td>${escape(remote)}</td>`;
  return `<tr><td>${escape(state)}</td>${numbers}${names}<td class="n">${rtt}</td></tr>`;
}

/** What is zero is left out. */
function counterRows(tree: Readonly<Record<string, unknown>>, prefix: string): string[] {
  const rows: string[] = [];
  for (const [key, value] of Object.entries(tree)) {
    const name = prefix === '' ? key : `${prefix}.${key}`;
    if (typeof value === 'number') {
      if (value !== 0) rows.push(`<tr><td>${escape(name)}</td><td class="n">${value}</td></tr>`);
    } else if (typeof value === 'object' && value !== null) {
      rows.push(...counterRows(value as Readonly<Record<string, unknown>>, name));
    }
  }
  return rows;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (one) => ENTITIES[one] as string);
}

function formatUptime(seconds: number): string {
  const whole = Math.floor(seconds);
  const days = Math.floor(whole / 86_400);
  const rest = [Math.floor(whole / 3_600) % 24, Math.floor(whole / 60) % 60, whole % 60];
  const time = rest.map((part) => String(part).padStart(2, '0')).join(':');
  return days > 0 ? `${days} d ${time}` : time;
}
