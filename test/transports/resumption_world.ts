/** One enabler in memory whose keys the test changes, for sessions that go on. */
import assert from "node:assert/strict";
import { createAssociation, rawPsk, startLifetime } from "../../lib/association/mod.ts";
import type { Carrier, FoundKey, KeySource, SecureChannel, SecurityAssociation } from "../../lib/association/ports.ts";
import { fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { virtualPlatform } from "../support/virtual.ts";

/** A device, its enabler, and how often each was asked for the key. */
export class ResumptionWorld {
  readonly platform: ReturnType<typeof virtualPlatform> = virtualPlatform();
  /** Which key the enabler has for the device; none where it is undefined. */
  fill: number | undefined = 1;
  askedFar = 0;
  askedNear = 0;

  association(role: "initiator" | "responder", fill = 1, seconds = 3600): SecurityAssociation {
    const { platform } = this;
    const association = createAssociation({
      ...{ reference: "device-1", serverName: "meter.example.net", role, platform },
      peer: { identity: toUtf8(role === "initiator" ? "meter.example.net" : "device-1"), assurance: "psk" },
      origin: rawPsk({ identity: toUtf8("device-1"), key: secretFrom(new Uint8Array(16).fill(fill)), use: "tls" }),
      lifetime: startLifetime({ clock: platform.clock, seconds }),
    });
    const find = association.find.bind(association);
    return Object.assign(association, {
      find: (...question: Parameters<KeySource["find"]>): Promise<FoundKey | undefined> => {
        if (role === "initiator") this.askedNear++;
        return find(...question);
      },
    });
  }

  /** The enabler's: knows one device. */
  get keys(): KeySource {
    return {
      find: async (request, options) => {
        this.askedFar++;
        return this.fill === undefined
          ? undefined
          : await this.association("responder", this.fill).find(request, options);
      },
    };
  }

  /** Binds, carries a word each way, and closes; whether the device was asked for its key. */
  async meet(
    carrier: Carrier,
    listener: AsyncIterable<SecureChannel>,
    association: SecurityAssociation,
  ): Promise<boolean> {
    const before = this.askedNear;
    const near = await association.bind(carrier);
    for await (const far of listener) {
      await near.send(toUtf8("there"));
      assert.equal(await one(far), "there");
      await far.send(toUtf8("back"));
      assert.equal(await one(near), "back");
      assert.deepEqual(near.binding, far.binding);
      await near[Symbol.asyncDispose]();
      await far[Symbol.asyncDispose]();
      break;
    }
    return this.askedNear > before;
  }
}

async function one(channel: SecureChannel): Promise<string> {
  for await (const { payload } of channel) return fromUtf8(payload);
  return assert.fail("nothing came");
}
