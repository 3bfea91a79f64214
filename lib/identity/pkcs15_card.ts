/** Reading what a card's PKCS#15 application holds, whole and bounded, with who could have written it (TS 102 221 11.1, PKCS#15 6). @module */

import { concat, equal } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import { type Answer, type Command, exchange } from "./apdu.ts";
import {
  type DataObject,
  decodeDataDirectory,
  decodeObjectDirectory,
  type ObjectPlace,
  ODF_PATH,
  PKCS15_AID,
} from "./pkcs15.ts";
import { conditionOf, decodeFileParameters, type FileParameters, issuerAlone } from "./pkcs15_access.ts";
import type { ApduChannel } from "./ports.ts";
import { statusError, SW } from "./status.ts";
import { UsimCard } from "./usim_card.ts";

/** An object and its content. */
export interface FoundObject {
  /** What the directory says of it: label, kind, flags and place. */
  readonly object: DataObject;
  /** The file's bytes, its filling included. */
  readonly content: Uint8Array;
  /**
   * Whether the card lets its issuer alone change the object and each directory that led to it. False also for a card that
   * does not say. It is the card that says so: it proves what the card proves.
   */
  readonly issuerOnly: boolean;
}

/** What {@link readDataObjects} takes. */
export interface FindOptions extends Wait {
  /** Which kinds to read, in dotted form. */
  readonly oids: readonly string[];
}

/**
 * The data objects of these kinds that the card holds, in the order of the directories; none for a card without the
 * application. Selects the application: files of another are to be selected anew. Throws `pin-required` where the PIN has
 * to be verified first, `malformed`, `too-large`, or what the channel throws.
 */
export async function readDataObjects(channel: ApduChannel, options: FindOptions): Promise<FoundObject[]> {
  const applications = await new UsimCard(channel).applications(options);
  const application = applications.find(({ aid }) => equal(aid.subarray(0, PKCS15_AID.length), PKCS15_AID));
  if (!application) return [];
  const files = new CardFiles(channel, options);
  await files.application(application.aid);
  const odf = await files.read(ODF_PATH);
  const directory = decodeObjectDirectory(odf.content);
  const found = directory.objects.map((object) => ({ object, issuerOnly: odf.issuerOnly }));
  for (const path of directory.files) {
    const dodf = await files.read(path);
    const issuerOnly = odf.issuerOnly && dodf.issuerOnly;
    found.push(...decodeDataDirectory(dodf.content).map((object) => ({ object, issuerOnly })));
  }
  const read: FoundObject[] = [];
  for (const { object, issuerOnly } of found) {
    if (object.oid === undefined || !options.oids.includes(object.oid)) continue;
    if (read.length === MOST_OBJECTS) throw new SeccfError("too-large", "the card names more objects than are read");
    const content = await contentOf(files, object.place);
    if (content) read.push({ object, content: content.content, issuerOnly: issuerOnly && content.issuerOnly });
  }
  return read;
}

/** A file's bytes, and whether the card's issuer alone could have written them. */
export interface Content {
  readonly content: Uint8Array;
  readonly issuerOnly: boolean;
}

async function contentOf(files: CardFiles, place: ObjectPlace): Promise<Content | undefined> {
  // What stands in a directory is as safe as the directory.
  if (place.kind === "here") return { content: place.content, issuerOnly: true };
  if (place.kind === "other") return undefined;
  const { content, issuerOnly } = await files.read(place.path);
  if (!place.part) return { content, issuerOnly };
  const { offset, length } = place.part;
  if (offset + length > content.length) {
    throw new SeccfError("malformed", "an object that reaches beyond its file", { clause: "PKCS#15 6.1.5" });
  }
  return { content: content.slice(offset, offset + length), issuerOnly };
}

/** Transparent files of one application, by path. Every method throws what the channel throws, and errors of status words. */
export class CardFiles {
  readonly #channel: ApduChannel;
  readonly #wait: Wait;
  readonly #rules = new Map<string, boolean>();

  constructor(channel: ApduChannel, wait: Wait) {
    this.#channel = channel;
    this.#wait = wait;
  }

  /** Makes an application the current one: what follows is of its files. */
  async application(aid: Uint8Array): Promise<void> {
    await this.#ok({ ins: 0xa4, p1: 0x04, p2: 0x04, data: aid, le: 256 }, "SELECT of the application");
  }

  /** All of a file, at most 32 KB. Throws `malformed`, `too-large`. */
  async read(path: Uint8Array): Promise<Content> {
    const parameters = await this.#select(path);
    if (!parameters.transparent) {
      throw new SeccfError("malformed", "an object in a file that is not transparent", {
        clause: "TS 102 221 8.2.2.1",
      });
    }
    const { size } = parameters;
    if (size === undefined) throw new SeccfError("malformed", "a file that does not tell its size");
    if (size > MOST_BYTES) throw new SeccfError("too-large", `a file of ${size} bytes, at most ${MOST_BYTES}`);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < size;) {
      const le = Math.min(256, size - at);
      const { data } = await this.#ok({ ins: 0xb0, p1: at >> 8, p2: at & 255, le }, "READ BINARY");
      if (data.length === 0 || data.length > le) {
        throw new SeccfError("malformed", "a file of another size than it tells");
      }
      parts.push(data);
      at += data.length;
    }
    return { content: concat(...parts), issuerOnly: await this.#issuerOnly(parameters.rule) };
  }

  /** Writes from the beginning of a file, 255 bytes a command. Cut short, it leaves a part of them. */
  async update(path: Uint8Array, content: Uint8Array): Promise<void> {
    await this.#select(path);
    for (let at = 0; at < content.length; at += 255) {
      const data = content.subarray(at, at + 255);
      await this.#ok({ ins: 0xd6, p1: at >> 8, p2: at & 255, data }, "UPDATE BINARY");
    }
  }

  /** From the master file, or beneath the application that was selected last, which is what 7FFF means (TS 102 221 8.4.2). */
  async #select(path: Uint8Array): Promise<FileParameters> {
    const fromMaster = path[0] === 0x3f && path[1] === 0x00;
    const data = fromMaster ? path.subarray(2) : concat(CURRENT_APPLICATION, path);
    return decodeFileParameters((await this.#ok({ ins: 0xa4, p1: 0x08, p2: 0x04, data, le: 256 }, "SELECT")).data);
  }

  /** EF_ARR lies beneath the application, or else beneath the master file (TS 102 221 9.2.7). */
  async #issuerOnly(rule: FileParameters["rule"]): Promise<boolean> {
    if (!rule) return false;
    const name = `${rule.fid} ${rule.record}`;
    const known = this.#rules.get(name);
    if (known !== undefined) return known;
    const fid = Uint8Array.of(rule.fid >> 8, rule.fid & 255);
    for (const path of [concat(CURRENT_APPLICATION, fid), fid]) {
      const selected = await this.#send({ ins: 0xa4, p1: 0x08, p2: 0x04, data: path, le: 256 });
      if (selected.sw !== SW.ok) continue;
      const { data, sw } = await this.#send({ ins: 0xb2, p1: rule.record, p2: 0x04, le: 256 });
      const alone = sw === SW.ok && issuerAlone(conditionOf(data, "update"));
      this.#rules.set(name, alone);
      return alone;
    }
    return false;
  }

  async #ok(command: Command, action: string): Promise<Answer> {
    const answer = await this.#send(command);
    if (answer.sw !== SW.ok) throw statusError(answer.sw, action);
    return answer;
  }

  #send(command: Command): Promise<Answer> {
    return exchange(this.#channel, command, this.#wait);
  }
}

const CURRENT_APPLICATION = Uint8Array.of(0x7f, 0xff);
/** OMA LwM2M Appendix G.3.3: the file is limited to 32 KB. P1 and P2 reach as far. */
const MOST_BYTES = 0x8000;
const MOST_OBJECTS = 16;
