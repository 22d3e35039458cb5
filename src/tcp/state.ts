/**
 * The eleven states of RFC 9293 §3.3.2, with Linux's numbers (`tcpi_state`, /proc/net/tcp).
 */
import { unreachable } from '../base/assert.ts';

export const State = {
  Established: 1,
  SynSent: 2,
  SynReceived: 3,
  FinWait1: 4,
  FinWait2: 5,
  TimeWait: 6,
  Closed: 7,
  CloseWait: 8,
  LastAck: 9,
  Listen: 10,
  Closing: 11,
} as const;

export type State = (typeof State)[keyof typeof State];

export type StateName =
  | 'CLOSED'
  | 'LISTEN'
  | 'SYN-SENT'
  | 'SYN-RECEIVED'
  | 'ESTABLISHED'
  | 'FIN-WAIT-1'
  | 'FIN-WAIT-2'
  | 'CLOSE-WAIT'
  | 'CLOSING'
  | 'LAST-ACK'
  | 'TIME-WAIT';

/** As RFC 9293 writes it. */
export function stateName(state: State): StateName {
  switch (state) {
    case State.Established:
      return 'ESTABLISHED';
    case State.SynSent:
      return 'SYN-SENT';
    case State.SynReceived:
      return 'SYN-RECEIVED';
    case State.FinWait1:
      return 'FIN-WAIT-1';
    case State.FinWait2:
      return 'FIN-WAIT-2';
    case State.TimeWait:
      return 'TIME-WAIT';
    case State.Closed:
      return 'CLOSED';
    case State.CloseWait:
      return 'CLOSE-WAIT';
    case State.LastAck:
      return 'LAST-ACK';
    case State.Listen:
      return 'LISTEN';
    case State.Closing:
      return 'CLOSING';
    default:
      return unreachable(state);
  }
}

const bit = (state: State): number => 1 << state;

const SYNCHRONIZED =
  bit(State.Established) |
  bit(State.FinWait1) |
  bit(State.FinWait2) |
  bit(State.CloseWait) |
  bit(State.Closing) |
  bit(State.LastAck) |
  bit(State.TimeWait);
const MAY_SEND =
  bit(State.Established) |
  bit(State.CloseWait) |
  bit(State.FinWait1) |
  bit(State.Closing) |
  bit(State.LastAck);
const MAY_RECEIVE = bit(State.Established) | bit(State.FinWait1) | bit(State.FinWait2);

/** Both sides have agreed on sequence numbers (RFC 9293 §3.3.2). */
export const isSynchronized = (state: number): boolean => ((SYNCHRONIZED >> state) & 1) !== 0;
/** Data, or the FIN behind them, may still be on their way out. */
export const maySend = (state: number): boolean => ((MAY_SEND >> state) & 1) !== 0;
/** The peer has not said FIN yet. */
export const mayReceive = (state: number): boolean => ((MAY_RECEIVE >> state) & 1) !== 0;
