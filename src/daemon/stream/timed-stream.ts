/**
 * A machine that answers line by line, put on the timers of a stack: its deadlines are served in the stack's turns,
 * so that what it sends leaves in the same turn and its round trips are not those of the event loop.
 */
import type { Instant } from '../../base/time.ts';
import type { Timed } from '../../base/timers.ts';
import type { ResultStream } from '../../control/host.ts';
import type { DatagramSocket } from '../../socket/datagram-socket.ts';
import type { Stack } from '../../stack/stack.ts';

interface Machine<Item extends object, End extends object> extends ResultStream<Item, End>, Timed {
  handleReady(now: Instant): void;
}

export function runOn<Item extends object, End extends object>(
  stack: Stack,
  socket: DatagramSocket,
  machine: Machine<Item, End>,
): ResultStream<Item, End> {
  const id = stack.timers.watch(machine);
  let isOpen = true;
  socket.onReady = (now): void => {
    machine.handleReady(now);
    if (isOpen) stack.timers.update(id);
  };
  return {
    pollItem: (now) => machine.pollItem(now),
    pollEnd: (now) => machine.pollEnd(now),
    cancel: (now): void => {
      machine.cancel(now);
      stack.timers.update(id);
    },
    close: (): void => {
      isOpen = false;
      stack.timers.unwatch(id);
      machine.close();
    },
  };
}
