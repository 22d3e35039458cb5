/**
 * What the daemon says: pretty where a person reads along, a line of JSON for each message otherwise.
 */
import process from 'node:process';
import type { DestinationStream, Logger } from 'pino';
import { pino } from 'pino';
import pretty from 'pino-pretty';
import type { LogLevel } from '../control/up-config.ts';

const STDERR = 2;

export function createLog(level: LogLevel, isTerminal: boolean = process.stderr.isTTY): Logger {
  const destination = isTerminal ? prettyDestination() : pino.destination({ dest: STDERR, sync: true });
  // Whoever read along has gone: no reason for the stack to go too.
  destination.on('error', () => undefined);
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

/** Written at once: at the end of the process nobody waits for a buffer. */
function prettyDestination(): DestinationStream & NodeJS.EventEmitter {
  return pretty({
    colorize: process.env.NO_COLOR === undefined,
    destination: STDERR,
    sync: true,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
  });
}
