/**
 * Where an instance's files are: its control socket, and what it says while nobody looks.
 */

export interface Surroundings {
  readonly uid: number;
  /** `XDG_RUNTIME_DIR`. */
  readonly runtimeDir: string | undefined;
  /** `TAPSTACK_RUNTIME_DIR`: for tests, and for systems that keep such files elsewhere. */
  readonly override: string | undefined;
}

/** Root has /run; others have a directory of their own, and on a system without one, /tmp. */
export function runtimeDir({ uid, runtimeDir, override }: Surroundings): string {
  if (override !== undefined && override !== '') return override;
  if (uid === 0) return '/run/tapstack';
  return runtimeDir === undefined || runtimeDir === '' ? `/tmp/tapstack-${uid}` : `${runtimeDir}/tapstack`;
}

export function socketPath(directory: string, name: string): string {
  return `${directory}/${name}.sock`;
}

/** What a daemon in the background has to say. */
export function logPath(directory: string, name: string): string {
  return `${directory}/${name}.log`;
}
