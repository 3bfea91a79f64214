/**
 * Exchanging a key without locking a device out: the new key is installed beside the old one, and the old one goes when
 * the new one has carried an authenticated message. One register at each end, and rules that hold whatever is lost, late or
 * interrupted: at each moment both ends have a key in common.
 *
 * The server offers first, and accepts both keys from then on. The device installs, tries the new key first and the old one
 * after it, and commits when the server has proved that it has the new key; before that is stored it sends nothing under
 * it. If no proof comes in time the device goes back to the old key alone. The server drops the old key when a message
 * comes under the new one (the device has committed: {@link serverHeard}), and the new one when a message under the old one
 * says that this attempt is over ({@link serverTold}). It never drops one by time: its clock does not know what the
 * device has done. The end of a handshake is not enough for the server, since the device may not have heard of it.
 *
 * @module
 */

import { SeccfError } from "../error.ts";

/** What one end keeps of a key that may be on its way to another. `V` is the key, or what stands for it. */
export interface Rotation<V> {
  /** Of the last attempt at this end, 0 before the first. Never used twice. */
  readonly attempt: number;
  /** The key in use; while an attempt is under way, the old one. */
  readonly current: V;
  /** Server: offered, and accepted beside `current`. Device: installed, and tried first. Absent while no attempt is under way. */
  readonly next?: V;
  /** Device: when to give the attempt up, milliseconds since 1970. */
  readonly until?: number;
}

/** Before the first attempt. */
export function startRotation<V>(current: V): Rotation<V> {
  return { attempt: 0, current };
}

/** The keys that this end works with, the one to try first at the front. */
export function usable<V>({ current, next }: Rotation<V>): readonly V[] {
  return next === undefined ? [current] : [next, current];
}

/** The server's first step. Throws `state` while an attempt is under way. */
export function serverOffer<V>(rotation: Rotation<V>, next: V): Rotation<V> {
  if (rotation.next !== undefined) throw underWay();
  return { attempt: rotation.attempt + 1, current: rotation.current, next };
}

/**
 * Device: installs what the server offered as its attempt `attempt`. Throws `state` while an attempt is under way, and
 * `replayed` for one that is over: an offer that comes late or twice must not bring a key back.
 */
export function deviceInstall<V>(
  rotation: Rotation<V>,
  offer: { readonly attempt: number; readonly next: V; readonly until: number },
): Rotation<V> {
  if (offer.attempt <= rotation.attempt) throw new SeccfError("replayed", "this attempt to change the key is over");
  if (rotation.next !== undefined) throw underWay();
  return { attempt: offer.attempt, current: rotation.current, next: offer.next, until: offer.until };
}

/** Device: the server has proved, now, that it has the new key. Undefined when that comes too late or none was installed. */
export function deviceProved<V>(rotation: Rotation<V>, now: number): Rotation<V> | undefined {
  const { attempt, next, until = Infinity } = rotation;
  return next === undefined || now >= until ? undefined : { attempt, current: next };
}

/** Device: goes back to the old key when the time for the new one is over. */
export function deviceExpire<V>(rotation: Rotation<V>, now: number): Rotation<V> {
  const { attempt, current, next, until = Infinity } = rotation;
  return next === undefined || now < until ? rotation : { attempt, current };
}

/** Server: an authenticated message, not a handshake alone, came under the new key. */
export function serverHeard<V>(rotation: Rotation<V>): Rotation<V> {
  const { attempt, current, next } = rotation;
  return { attempt, current: next ?? current };
}

/** Server: under the old key the device said that attempt `attempt` is over, which nothing can change any more. */
export function serverTold<V>(rotation: Rotation<V>, attempt: number): Rotation<V> {
  return attempt === rotation.attempt ? { attempt, current: rotation.current } : rotation;
}

/** Joins a rotation to an association. */
export interface RotationHook {
  /** For `createAssociation`: the peer has proved the key of this association. */
  readonly onBound: () => void;
  /** Resolves when that is stored: to be awaited before the first message is sent. Throws what storing threw. */
  settled(): Promise<void>;
}

/** Calls `commit` once, at the first proof. */
export function rotationHook(commit: () => Promise<void>): RotationHook {
  let committed: Promise<void> | undefined;
  return {
    onBound() {
      committed ??= commit();
      committed.catch(() => undefined); // whoever sends hears of it
    },
    settled: () =>
      committed ?? Promise.reject(new SeccfError("state", "the key of this association is not proved yet")),
  };
}

function underWay(): SeccfError {
  return new SeccfError("state", "an attempt to change this key is under way");
}
