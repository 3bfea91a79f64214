/** Cards and channels that the tests of this room share. */
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { type ApduChannel, type SoftUsim, softUsim, type SoftUsimOptions } from "../../lib/identity/mod.ts";
import { makeVector, milenage, type VectorInput } from "../../lib/aka/mod.ts";
import type { AuthenticationVector, MilenageCredentials } from "../../lib/aka/mod.ts";
import { type AkaVectors, secretHex, vectors } from "../aka/vectors.ts";

export const v: AkaVectors = vectors<AkaVectors>("aka");
export const IMSI = "001010123456789";
export const AID = "a0000000871002ffffffff8900000100";

export function credentials(): MilenageCredentials {
  return { k: secretHex(v.K!), opc: secretHex(v.OPc!) };
}

export function card(options: Partial<SoftUsimOptions> = {}): SoftUsim {
  return softUsim({ credentials: credentials(), imsi: IMSI, ...options });
}

export function pin(digits: string): ReturnType<typeof secretFrom> {
  return secretFrom(new TextEncoder().encode(digits));
}

/** What the home environment of {@link card} issues for this SQN; the RAND follows from it. */
export function vectorFor(sqn: number, more: Partial<VectorInput> = {}): AuthenticationVector {
  using algorithm = milenage(credentials());
  const rand = new Uint8Array(16).map((_, i) => (sqn >> (i % 4 * 8)) + 7 * i);
  return makeVector(algorithm, { rand, sqn, amf: new Uint8Array(2), ...more });
}

/** Sends a command in hexadecimal digits, gives the answer in them. */
export async function send(channel: ApduChannel, command: string): Promise<string> {
  return toHex(await channel.transmit(fromHex(command.replaceAll(" ", ""))));
}

/** A channel that keeps a copy of all that crosses it. */
export function taped(channel: ApduChannel): ApduChannel & { readonly tape: string[] } {
  const tape: string[] = [];
  return {
    tape,
    async transmit(command, options) {
      tape.push(toHex(command));
      const answer = await channel.transmit(command, options);
      tape.push(toHex(answer));
      return answer;
    },
    [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
  };
}

/** A card's channel, until `answer` is set: then it answers that, whatever is asked. */
export function replaceable(channel: ApduChannel): ApduChannel & { answer?: string } {
  const replaced: ApduChannel & { answer?: string } = {
    transmit(command, options) {
      return replaced.answer ? Promise.resolve(fromHex(replaced.answer)) : channel.transmit(command, options);
    },
    [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
  };
  return replaced;
}

/** A channel that answers from a list, whatever is asked. */
export function scripted(
  ...answers: string[]
): ApduChannel & { readonly asked: string[]; readonly closed: () => boolean } {
  const asked: string[] = [];
  let closed = false;
  return {
    asked,
    closed: () => closed,
    transmit(command) {
      asked.push(toHex(command));
      return Promise.resolve(fromHex(answers.shift() ?? "6f00"));
    },
    [Symbol.asyncDispose]: () => {
      closed = true;
      return Promise.resolve();
    },
  };
}
