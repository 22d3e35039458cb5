import t from 'tap';
import type { StateName } from '../../src/tcp/state.ts';
import type { RawPeer } from './raw-peer.ts';
import { inState } from './raw-peer.ts';

const STATES: readonly StateName[] = [
  'CLOSED',
  'LISTEN',
  'SYN-SENT',
  'SYN-RECEIVED',
  'ESTABLISHED',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'CLOSE-WAIT',
  'CLOSING',
  'LAST-ACK',
  'TIME-WAIT',
];
const EVENTS = ['S', 'A', 'SA', 'F', 'FA', 'R', 'RA', 'SF', 'data', ''] as const;
const PLACES = ['left of', 'left edge', 'inside', 'right edge', 'right of'] as const;

type Event = (typeof EVENTS)[number];
type Place = (typeof PLACES)[number];
type Kind = 'nothing' | 'ack' | 'rst' | 'synack' | 'other';

interface Verdict {
  readonly answers: readonly Kind[];
  readonly states: readonly (StateName | 'gone')[];
}

/** What RFC 9293 §3.10.7, RFC 5961 and RFC 6191 say. `gone` stands for a connection whose record is free. */
function judge(state: StateName, event: Event, place: Place): Verdict {
  const hasRst = event === 'R' || event === 'RA';
  const hasAck = event === 'A' || event === 'SA' || event === 'FA' || event === 'RA' || event === 'data';
  const hasSyn = event === 'S' || event === 'SA' || event === 'SF';
  const stays = (...answers: Kind[]): Verdict => ({ answers, states: [state] });
  if (state === 'CLOSED') return stays(hasRst ? 'nothing' : 'rst');
  if (state === 'LISTEN') {
    if (hasRst) return stays('nothing');
    if (hasAck) return stays('rst');
    return stays(event === 'S' ? 'synack' : 'nothing');
  }
  if (state === 'SYN-SENT') return judgeSynSent(event, stays);
  if (state === 'TIME-WAIT') return judgeTimeWait(event, place, stays);
  const isIn = place === 'left edge' || place === 'inside' || place === 'right edge';
  if (!isIn) return stays(hasRst ? 'nothing' : 'ack');
  if (hasRst) return place === 'left edge' ? { answers: ['nothing'], states: ['CLOSED'] } : stays('ack');
  if (hasSyn) return stays('ack');
  if (!hasAck) return stays('nothing');
  return judgeAck(state, event, place);
}

function judgeSynSent(event: Event, stays: (...answers: Kind[]) => Verdict): Verdict {
  switch (event) {
    case 'S':
    case 'SF':
      return { answers: ['synack'], states: ['SYN-RECEIVED'] };
    case 'SA':
      return { answers: ['ack'], states: ['ESTABLISHED'] };
    case 'RA':
      return { answers: ['nothing'], states: ['CLOSED'] };
    default:
      return stays('nothing');
  }
}

function judgeTimeWait(event: Event, place: Place, stays: (...answers: Kind[]) => Verdict): Verdict {
  if (event === 'R' || event === 'RA') return stays('nothing', 'ack');
  const isBeyond = place === 'inside' || place === 'right edge' || place === 'right of';
  if (event === 'S' && isBeyond) return stays('synack');
  if (event === 'A' && place === 'left edge') return stays('nothing');
  return stays('ack', 'nothing');
}

/** An acceptable segment with an ACK of everything that was sent. */
function judgeAck(state: StateName, event: Event, place: Place): Verdict {
  const isFin = event === 'FA' && place === 'left edge';
  const mayAnswer: readonly Kind[] = event === 'A' ? ['nothing'] : ['ack'];
  switch (state) {
    case 'SYN-RECEIVED':
    case 'ESTABLISHED':
      return { answers: mayAnswer, states: [isFin ? 'CLOSE-WAIT' : 'ESTABLISHED'] };
    case 'FIN-WAIT-1':
    case 'FIN-WAIT-2':
      return { answers: mayAnswer, states: [isFin ? 'TIME-WAIT' : 'FIN-WAIT-2'] };
    case 'CLOSING':
      return { answers: ['nothing', 'ack'], states: ['TIME-WAIT'] };
    case 'LAST-ACK':
      return { answers: ['nothing', 'ack'], states: ['CLOSED'] };
    default:
      return { answers: ['nothing', 'ack'], states: [state] };
  }
}

function sequence(peer: RawPeer, place: Place): number {
  const { socket } = peer;
  const tcb = socket === null ? null : peer.end.tcp.connections.tcb(socket.id);
  const next = tcb === null ? 0 : (tcb.rcvNxt - peer.iss) | 0;
  const window = tcb === null ? 60_000 : (tcb.rcvAdv - tcb.rcvNxt) | 0;
  const at = {
    'left of': -1000,
    'left edge': 0,
    inside: 100,
    'right edge': window - 1,
    'right of': window + 1000,
  };
  return next + at[place];
}

function run(state: StateName, event: Event, place: Place): { answers: Kind[]; state: string } {
  const peer = inState(state);
  peer.hear();
  const { socket } = peer;
  const ack = socket === null ? 1 : (peer.end.tcp.connections.tcb(socket.id).sndNxt - peer.irs) | 0;
  const flags = event === 'data' ? 'PA' : event;
  const said = peer.say({ flags, seq: sequence(peer, place), ack, data: event === 'data' ? 10 : 0 });
  const answers = said.map((answer): Kind => {
    if (answer.flags.includes('R')) return 'rst';
    if (answer.flags.includes('S')) return answer.flags === 'SA' ? 'synack' : 'other';
    return answer.flags.includes('A') ? 'ack' : 'other';
  });
  return {
    answers: answers.length === 0 ? ['nothing'] : answers,
    state: socket === null ? state : socket.state,
  };
}

t.test('11 states × 10 segments × 5 places (RFC 9293 §3.10.7)', async (t) => {
  for (const state of STATES) {
    t.test(state, async (t) => {
      for (const event of EVENTS) {
        for (const place of PLACES) {
          const want = judge(state, event, place);
          const found = run(state, event, place);
          const isRight =
            found.answers.length === 1 &&
            want.answers.includes(found.answers[0] as Kind) &&
            want.states.includes(found.state as StateName);
          t.ok(isRight, `${event === '' ? 'none' : event} ${place}`, { found, want });
        }
      }
    });
  }
});
