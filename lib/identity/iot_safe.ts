/**
 * The IoT SAFE applet of a SIM (GSMA IoT.04, commands of IoT.05 version 1.0), behind an APDU channel: what it says of itself and
 * of the objects in it, its random numbers, and keys derived from a secret key that stays in it.
 *
 * IoT.05 itself could not be read; the bytes are those of open implementations of it. SELECT, GET DATA, the tags and the absent
 * class: Orange's IoT-SAFE-APDU-library and Thales' iot-safe-middleware-pkcs11. COMPUTE PRF with a stored key: Thales'
 * iot-safe-middleware (ROT.cpp), whose instruction and tags are in Orange's headers too. The class 80: wolfSSL.
 *
 * Gaps. That COMPUTE PRF in its mode "PSK-plain pre-master secret" makes the premaster secret of RFC 4279 2 is concluded from that
 * name; no card has confirmed it. How COMPUTE HKDF names a stored key, and how the rest of a long object list is asked for, was
 * found nowhere: neither is offered.
 *
 * @module
 */

import { concat, equal, fromHex, toUtf8 } from "../bytes/mod.ts";
import { digest, prf, type SecretBytes, secretConcat, secretFrom, wipe } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import { type Answer, type Command, exchange } from "./apdu.ts";
import type { ApduChannel, IdentityModule } from "./ports.ts";
import { decodeApplication, decodeObjects, type IotSafeApplication, type IotSafeObject } from "./iot_safe_objects.ts";
import { statusError, SW } from "./status.ts";

export type { IotSafeApplication, IotSafeDerivations, IotSafeKind, IotSafeObject } from "./iot_safe_objects.ts";

/** A secret key in the applet, under the name that both sides know it by. */
export interface IotSafeKey {
  /** That name. */
  readonly identity: Uint8Array;
  /** Its id in the applet, 1 to 20 bytes. */
  readonly id: Uint8Array;
}

/** What {@link iotSafeIdentity} takes. */
export interface IotSafeOptions {
  /** A logical channel to the card: the module's, closed with it. */
  readonly channel: ApduChannel;
  /** At least one, or it derives nothing. */
  readonly keys: readonly IotSafeKey[];
  /** Where the applet has another one than A0000005590010. */
  readonly aid?: Uint8Array;
}

/**
 * A module whose provisioned keys are in an IoT SAFE applet. It derives what {@link deriveIotSafe} does from the same key, which
 * is not what `deriveProvisioned` does: the applet has no bare HMAC. The applet is selected once, by the first derivation, and
 * again after a failure. Throws `identity-unavailable`, `pin-required`, `unsupported`, `malformed`; an identity named twice is a
 * RangeError.
 */
// req: SEC_CF-SEC-001
export function iotSafeIdentity({ channel, keys, aid }: IotSafeOptions): IdentityModule {
  const own = keys.map(({ identity, id }) => ({ identity: identity.slice(), id: id.slice() }));
  own.forEach(({ identity }, i) => {
    if (own.slice(0, i).some((other) => equal(other.identity, identity))) {
      throw new RangeError("an identity named twice");
    }
  });
  let applet: IotSafeApplet | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const derive = async (id: Uint8Array, label: Uint8Array, options?: Wait): Promise<SecretBytes> => {
    try {
      applet ??= await IotSafeApplet.select(channel, { ...options, ...(aid && { aid }) });
      return await applet.derive(id, label, options);
    } catch (error) {
      applet = undefined;
      throw error;
    }
  };
  return {
    provisioned: {
      get identities() {
        return own.map(({ identity }) => identity.slice());
      },
      derive(identity, label, options) {
        const key = own.find((candidate) => equal(candidate.identity, identity));
        const turn = last.then(() => {
          options?.signal?.throwIfAborted();
          if (!key) throw new SeccfError("identity-unavailable", "no key in this applet has this identity");
          return derive(key.id, label, options);
        });
        last = turn.catch(() => {});
        return turn;
      },
    },
    [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
  };
}

/**
 * 32 bytes for `label` from a key that the other side has in an applet: the PRF of TLS 1.2 with SHA-256 over the premaster secret
 * of a plain PSK (RFC 5246 5, RFC 4279 2), with a label of ours and SHA-256(label) for a seed.
 */
// req: SEC_CF-KEM-001
export function deriveIotSafe(key: SecretBytes, label: Uint8Array): SecretBytes {
  const length = Uint8Array.of(key.byteLength >> 8, key.byteLength);
  using premaster = secretConcat(length, new Uint8Array(key.byteLength), length, key);
  return prf("sha-256", premaster, OURS, digest("sha-256", label), 32);
}

/** An applet that was selected. Its channel is the owner's. */
export class IotSafeApplet {
  readonly #channel: ApduChannel;
  #cla = 0x00;

  private constructor(channel: ApduChannel) {
    this.#channel = channel;
  }

  /** Selects the applet on a logical channel of its own. Throws `identity-unavailable` for a card without it. */
  static async select(
    channel: ApduChannel,
    options: Wait & { readonly aid?: Uint8Array } = {},
  ): Promise<IotSafeApplet> {
    const { aid = AID, ...wait } = options;
    const { sw } = await exchange(channel, { ins: 0xa4, p1: 0x04, p2: 0x00, data: aid, le: 256 }, wait);
    if (sw !== SW.ok) throw statusError(sw, "SELECT of IoT SAFE");
    return new IotSafeApplet(interindustryResponse(channel));
  }

  /** GET DATA, application. Throws `malformed`, and as the card refuses. */
  async application(options?: Wait): Promise<IotSafeApplication> {
    return decodeApplication(await this.#command("GET DATA", { ins: 0xcb, p1: 0x00, p2: 0, le: 256 }, options));
  }

  /** GET DATA, object list. Throws `malformed`, and as the card refuses; `unsupported` for a list in several answers. */
  async objects(options?: Wait): Promise<IotSafeObject[]> {
    return decodeObjects(await this.#command("GET DATA", { ins: 0xcb, p1: 0x01, p2: 0, le: 256 }, options));
  }

  /** GET RANDOM: `length` bytes, 1 to 256. To be mixed with randomness of one's own, never to replace it. */
  async random(length: number, options?: Wait): Promise<Uint8Array> {
    const data = await this.#command("GET RANDOM", { ins: 0x84, p1: 0, p2: 0, le: length }, options);
    if (data.length !== length) throw malformed(`${data.length} random bytes, not ${length}`);
    return data;
  }

  /** COMPUTE PRF in the mode of a plain PSK: what {@link deriveIotSafe} derives from the secret key `id`, 1 to 20 bytes. */
  async derive(id: Uint8Array, label: Uint8Array, options?: Wait): Promise<SecretBytes> {
    if (id.length < 1 || id.length > 20) throw new RangeError("an object has an id of 1 to 20 bytes");
    const data = concat(
      field(0x86, id),
      field(0xd2, concat(toUtf8(OURS), digest("sha-256", label))),
      field(0xd3, Uint8Array.of(32)),
    );
    const key = await this.#command("COMPUTE PRF", { ins: 0x48, p1: PSK_PLAIN, p2: 0, data, le: 256 }, options);
    try {
      if (key.length !== 32) throw malformed(`${key.length} derived bytes, not 32`);
      return secretFrom(key);
    } finally {
      wipe(key);
    }
  }

  /** Two implementations send no class but the channel's, one sends 80: where the first is refused as such, the other is tried. */
  async #command(name: string, command: Command, options?: Wait): Promise<Uint8Array> {
    const send = (): Promise<Answer> => exchange(this.#channel, { ...command, cla: this.#cla }, options);
    let { data, sw } = await send();
    if (sw === SW.wrongClass && this.#cla === 0x00) {
      this.#cla = 0x80;
      ({ data, sw } = await send());
    }
    if (sw === SW.ok) return data;
    wipe(data);
    if (sw === MORE_DATA) throw new SeccfError("unsupported", "how to ask for the rest of the answer is not known");
    throw statusError(sw, name);
  }
}

/** GET RESPONSE is of the interindustry class even after a command of the applet's own (TS 102 221 10.1.2). */
function interindustryResponse(channel: ApduChannel): ApduChannel {
  return {
    transmit(command, options) {
      if (command[1] === 0xc0) command[0] = 0x00;
      return channel.transmit(command, options);
    },
    [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
  };
}

function field(tag: number, value: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(tag, value.length), value);
}

function malformed(message: string): SeccfError {
  return new SeccfError("malformed", message, { clause: "GSMA IoT.05" });
}

const AID = fromHex("a0000005590010");
/** PRF_MODE_PSK_PLAIN. */
const PSK_PLAIN = 0x01;
const MORE_DATA = 0x6300;
const OURS = "seccf-provisioned";
