/**
 * A USIM in software that behaves as a card does, so that whatever talks to it can talk to a real one: files, PIN,
 * sequence numbers, GBA in the card. K and OPc have no command that reads them. It is no tamper-proof place: its
 * secrets are in this process.
 *
 * @module
 */

import { type AkaCredentials, gbaUFromMemory, type GbaUProfile, type SequenceProfile } from "../aka/mod.ts";
import { fromHex } from "../bytes/mod.ts";
import { type SecretBytes, wipe } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import { type Answer, type Command, decodeCommand } from "./apdu.ts";
import { CardAka } from "./card_aka.ts";
import { APPLICATION_FILES } from "./card_application.ts";
import {
  type Access,
  describe,
  type ElementaryFile,
  type FileTree,
  selectByAid,
  selectByFid,
  selectByPath,
  type Selected,
  selectNothing,
} from "./card_files.ts";
import { CardGba } from "./card_gba.ts";
import { answerBytes, CardOutput } from "./card_output.ts";
import { CardPin, PIN_TRIES } from "./card_pin.ts";
import { cardTree, type FurtherFiles, type IsimProfile, type IsimTreeOptions } from "./card_tree.ts";
import type { MncLength } from "./names.ts";
import type { ApduChannel } from "./ports.ts";
import { SW } from "./status.ts";

/** What a card keeps without power. Holds no key and no PIN. */
export interface SoftUsimState {
  /** SEQ_MS of each slot of IND (TS 33.102 C.2.2). */
  readonly sequence: readonly number[];
  /** Tries left for the PIN; 0 is blocked. */
  readonly pinTries: number;
  /** EF_GBABP. */
  readonly gbabp: Uint8Array;
  /** The records of EF_GBANL. */
  readonly gbanl: readonly Uint8Array[];
  /** The same of the ISIM, if there is one. */
  readonly isim?: Pick<SoftUsimState, "gbabp" | "gbanl">;
}

/** What {@link softUsim} takes. */
export interface SoftUsimOptions {
  /** Copied; the caller disposes its own. */
  readonly credentials: AkaCredentials;
  /** 6 to 15 digits. */
  readonly imsi: string;
  /** Default 2. */
  readonly mncLength?: MncLength;
  /** 4 to 8 digits in ASCII, copied. Absent: the PIN is disabled. */
  readonly pin?: SecretBytes;
  /** Numbers of the services in EF_UST (TS 31.102 4.2.8). Default 27 and 38 (GSM access and context), 68 (GBA). */
  readonly services?: readonly number[];
  /** The card's second application, with the same key and sequence numbers. Default: it has none. */
  readonly isim?: IsimProfile;
  /** Files besides, such as a PKCS#15 application. Written in place: the caller stores their bytes in `save`. */
  readonly files?: FurtherFiles;
  /** How SQN divides and which is accepted. Default: 5 bits of IND, delta 2^28, no limit of age. */
  readonly sequence?: SequenceProfile;
  /** The rules of GBA_U. Default {@link gbaUFromMemory}. */
  readonly gbaUProfile?: GbaUProfile;
  /** `"T=0"`: data that answers data waits for GET RESPONSE. Default `"T=1"`: it comes at once. */
  readonly protocol?: "T=0" | "T=1";
  /** From the last `save` of the same card. Without it SQNs that this subscriber used before are taken again. */
  readonly state?: SoftUsimState;
  /** Called before the card answers whatever changed it; when it rejects, the card answers 6581 and gives nothing out. */
  readonly save?: (state: SoftUsimState) => Promise<void>;
}

/** A soft USIM: the card itself, and the slot it is put into. */
export interface SoftUsim extends AsyncDisposable {
  /** Resets the card (PIN to be verified, master file selected) and gives the channel to it; an earlier one is `closed`. */
  connect(): ApduChannel;
  /** A copy of what the card keeps without power, as the next `save` would be given it. */
  readonly state: SoftUsimState;
  /** Answer to reset (ISO 7816-3), of the protocol that the card speaks. */
  readonly atr: Uint8Array;
  /** Ks_int_NAF of the USIM, as an application inside the UICC would use it; the caller's to dispose. No command reads it. */
  internalKey(nafId: Uint8Array): SecretBytes | undefined;
}

/** A card for one subscriber. A wrong length of key, PIN, IMSI or state is a RangeError. */
export function softUsim(options: SoftUsimOptions): SoftUsim {
  return new Card(options);
}

class Card implements SoftUsim {
  readonly #options: SoftUsimOptions;
  readonly #tree: FileTree;
  /** By application, in the tree's order: what GBA left in it. */
  readonly #gba: readonly CardGba[];
  readonly #pin: CardPin;
  readonly #aka: CardAka;
  #selected: Selected;
  readonly #output: CardOutput;
  #session: symbol | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: SoftUsimOptions) {
    const { state, services = DEFAULT_SERVICES } = options;
    this.#options = options;
    this.#output = new CardOutput(options.protocol ?? "T=1");
    const usim = gbaOf(state);
    const isim = gbaOf(state?.isim);
    this.#gba = [usim, isim];
    this.#tree = cardTree(
      {
        imsi: options.imsi,
        mncLength: options.mncLength ?? 2,
        services,
        gba: services.includes(APPLICATION_FILES.usim.gbaService) ? usim : undefined,
      },
      options.isim && isimTree(options.isim, isim),
      options.files,
    );
    this.#selected = selectNothing(this.#tree);
    this.#pin = new CardPin(options.pin, state?.pinTries ?? PIN_TRIES);
    this.#aka = new CardAka({
      credentials: options.credentials,
      sequence: options.sequence ?? {},
      state: state?.sequence,
      gbaUProfile: options.gbaUProfile ?? gbaUFromMemory,
      gsmAccess: services.includes(27),
      save: () => this.#save(),
    });
  }

  get state(): SoftUsimState {
    const [usim, isim] = this.#gba.map(({ gbabp, gbanl }) => ({
      gbabp: gbabp.slice(),
      gbanl: gbanl.map((record) => record.slice()),
    }));
    return {
      sequence: this.#aka.sequence,
      pinTries: this.#pin.tries,
      ...usim!, // Both are always there.
      ...(this.#options.isim ? { isim: isim! } : {}),
    };
  }

  get atr(): Uint8Array {
    return (this.#options.protocol === "T=0" ? ATR_T0 : ATR_T1).slice();
  }

  connect(): ApduChannel {
    const session = Symbol();
    this.#session = session;
    // After what an earlier session has under way, so that this one cannot fetch its answer.
    this.#last = this.#last.then(() => this.#reset());
    const close = (): Promise<void> => {
      if (this.#session === session) this.#session = undefined;
      return Promise.resolve();
    };
    return {
      transmit: (command, { signal } = {}) => {
        const bytes = new Uint8Array(command);
        const mine = this.#last.then(() => {
          signal?.throwIfAborted();
          if (this.#session !== session) throw new SeccfError("closed", "the card was taken out");
          return this.#process(bytes);
        }).finally(() => wipe(bytes));
        this.#last = mine.catch(() => undefined);
        return mine;
      },
      [Symbol.asyncDispose]: close,
    };
  }

  internalKey(nafId: Uint8Array): SecretBytes | undefined {
    return this.#gba[0]!.internalKey(nafId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#session = undefined;
    await this.#last;
    this.#reset();
    this.#pin[Symbol.dispose]();
    this.#aka[Symbol.dispose]();
    for (const gba of this.#gba) gba[Symbol.dispose]();
  }

  #reset(): void {
    this.#pin.reset();
    this.#selected = selectNothing(this.#tree);
    this.#output.clear();
  }

  async #process(bytes: Uint8Array): Promise<Uint8Array> {
    let command: ReturnType<typeof decodeCommand>;
    try {
      command = decodeCommand(bytes);
    } catch {
      return answerBytes(status(SW.wrongLength));
    }
    if (command.cla === 0 && command.ins === 0xc0) return this.#output.fetch(command.le ?? 256);
    this.#output.clear();
    return this.#output.deliver(await this.#execute(command), command);
  }

  async #execute(command: Required<Omit<Command, "le">>): Promise<Answer> {
    const { cla, ins, p1 } = command;
    if ((cla & 0x0f) !== 0 && (cla & 0x70) === 0) return status(SW.noLogicalChannel);
    if (cla === 0x80 && ins === 0xf2) return { data: describe({ ...this.#selected, file: undefined }), sw: SW.ok };
    if (cla !== 0x00) return status(SW.wrongClass);
    switch (ins) {
      case 0xa4:
        return this.#select(command);
      case 0xb0:
        return this.#readBinary(command);
      case 0xb2:
        return this.#readRecord(command);
      case 0xd6:
        return await this.#updateBinary(command);
      case 0xdc:
        return await this.#updateRecord(command);
      case 0x20:
        return await this.#verify(command);
      case 0x88:
        if (p1 !== 0) return status(SW.wrongP1P2);
        return await this.#authenticate(command);
      default:
        return status(SW.wrongInstruction);
    }
  }

  #select({ p1, p2, data }: Parts): Answer {
    if (p2 !== 0x04 && p2 !== 0x0c) return status(SW.wrongP1P2);
    let found: Selected | undefined;
    if (p1 === 0x04) found = selectByAid(this.#tree, data);
    else if (p1 === 0x08) found = selectByPath(this.#tree, this.#selected, data);
    else if (p1 !== 0x00) return status(SW.wrongP1P2);
    else if (data.length !== 2) return status(SW.wrongLength);
    else found = selectByFid(this.#tree, this.#selected, data[0]! * 256 + data[1]!);
    if (!found) return status(SW.fileNotFound);
    this.#selected = found;
    return p2 === 0x04 ? { data: describe(found), sw: SW.ok } : status(SW.ok);
  }

  #readBinary({ p1, p2 }: Parts): Answer {
    const file = this.#file("transparent", "read");
    if (typeof file === "number") return status(file);
    const offset = p1 * 256 + p2;
    if (offset >= file.content.length) return status(SW.wrongOffset);
    return { data: file.content.slice(offset, offset + 256), sw: SW.ok };
  }

  #readRecord({ p1, p2 }: Parts): Answer {
    const file = this.#file("records", "read");
    if (typeof file === "number") return status(file);
    if (p2 !== 0x04) return status(SW.wrongP1P2);
    const record = file.records[p1 - 1];
    return record ? { data: record.slice(), sw: SW.ok } : status(SW.recordNotFound);
  }

  async #updateBinary({ p1, p2, data }: Parts): Promise<Answer> {
    const file = this.#file("transparent", "update");
    if (typeof file === "number") return status(file);
    const offset = p1 * 256 + p2;
    if (offset >= file.content.length) return status(SW.wrongOffset);
    if (data.length === 0 || offset + data.length > file.content.length) return status(SW.wrongLength);
    return await this.#write(file.content.subarray(offset, offset + data.length), data);
  }

  async #updateRecord({ p1, p2, data }: Parts): Promise<Answer> {
    const file = this.#file("records", "update");
    if (typeof file === "number") return status(file);
    if (p2 !== 0x04) return status(SW.wrongP1P2);
    const record = file.records[p1 - 1];
    if (!record) return status(SW.recordNotFound);
    if (data.length !== record.length) return status(SW.wrongLength);
    return await this.#write(record, data);
  }

  /** Old or new, never half: what could not be stored is taken back. */
  async #write(target: Uint8Array, data: Uint8Array): Promise<Answer> {
    const before = target.slice();
    target.set(data);
    if (await this.#save()) return status(SW.ok);
    target.set(before);
    return status(SW.memoryProblem);
  }

  async #verify({ p1, p2, data }: Parts): Promise<Answer> {
    if (p1 !== 0) return status(SW.wrongP1P2);
    if (p2 !== 0x01) return status(SW.referenceNotFound);
    if (data.length === 0) return status(this.#pin.status());
    if (data.length !== 8) return status(SW.wrongLength);
    return status(await this.#pin.verify(data, () => this.#save()));
  }

  async #authenticate({ p2, data }: Parts): Promise<Answer> {
    const index = this.#tree.applications.indexOf(this.#selected.directory);
    if (index < 0 || index > (this.#options.isim ? 1 : 0)) return status(SW.conditionsOfUse);
    const { gbabp } = index === 0 ? APPLICATION_FILES.usim : APPLICATION_FILES.isim;
    const hasGba = this.#selected.directory.files.some(({ fid }) => fid === gbabp);
    if (!this.#pin.open) return status(SW.securityStatus);
    try {
      return await this.#aka.authenticate(p2, data, hasGba ? this.#gba[index] : undefined);
    } catch (error) {
      if (error instanceof SeccfError && error.code === "malformed") return status(SW.incorrectData);
      throw error;
    }
  }

  /** The current file, if it is of this kind and open to this use; otherwise the status that says why not. */
  #file<Kind extends ElementaryFile["kind"]>(
    kind: Kind,
    use: "read" | "update",
  ): (ElementaryFile & { kind: Kind }) | number {
    const { file } = this.#selected;
    if (!file) return SW.noCurrentFile;
    if (file.kind !== kind) return SW.commandIncompatible;
    const access: Access = file[use];
    if (access === "never" || (access === "pin" && !this.#pin.open)) return SW.securityStatus;
    return file as ElementaryFile & { kind: Kind }; // Its kind was compared.
  }

  async #save(): Promise<boolean> {
    try {
      await this.#options.save?.(this.state);
      return true;
    } catch {
      // The card's own answer, 6581, is all that a terminal may learn.
      return false;
    }
  }
}

type Parts = Required<Omit<Command, "le">>;

function gbaOf(state: SoftUsimState["isim"]): CardGba {
  const gbanl = Array.from({ length: GBANL_RECORDS }, (_, i) => fileOf(state?.gbanl[i], GBANL_LENGTH));
  return new CardGba(fileOf(state?.gbabp, GBABP_LENGTH), gbanl);
}

function isimTree(profile: IsimProfile, gba: CardGba): IsimTreeOptions {
  const { gbaService } = APPLICATION_FILES.isim;
  const { services = [gbaService] } = profile;
  return { ...profile, services, gba: services.includes(gbaService) ? gba : undefined };
}

function fileOf(stored: Uint8Array | undefined, length: number): Uint8Array {
  if (stored && stored.length !== length) throw new RangeError(`a file of ${length} bytes`);
  return stored ? new Uint8Array(stored) : new Uint8Array(length).fill(0xff);
}

function status(sw: number): Answer {
  return { data: NOTHING, sw };
}

const NOTHING = new Uint8Array(0);
const DEFAULT_SERVICES = [27, 38, 68];
/** Room for RAND, a B-TID of 200 bytes and a lifetime. */
const GBABP_LENGTH = 255;
const GBANL_RECORDS = 4;
/** One short APDU reads a record. */
const GBANL_LENGTH = 255;
/** Selection by DF name, EF_DIR and records of it (compact TLV 31), a name of ours (6x); T=1 ends with its check byte (ISO 7816-3 8.2.5). */
const ATR_T0: Uint8Array = fromHex("3b098031e0657365636366");
const ATR_T1: Uint8Array = fromHex("3b89018031e0657365636366cc");
