/** What a card's toolkit and a terminal say to each other: proactive commands, terminal responses, downloads (TS 102 223 6, 8; TS 31.111 7.1). @module */

import { concat, Reader } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { readTemplate, readToolkitObjects, template, type ToolkitObject, toolkitObject } from "./usat_tlv.ts";

/** Tags of data objects (TS 101 220 7.23). */
export const TOOLKIT_TAG = {
  commandDetails: 0x01,
  deviceIdentities: 0x02,
  result: 0x03,
  address: 0x06,
  smsTpdu: 0x0b,
  fileList: 0x12,
} as const;

/** Types of proactive commands that this room knows by name (TS 102 223 9.4). */
export const PROACTIVE = { refresh: 0x01, moreTime: 0x02, sendShortMessage: 0x13 } as const;

/** General results of a terminal response (TS 102 223 8.12). */
export const TOOLKIT_RESULT = {
  performed: 0x00,
  /** Later perhaps; one byte of additional information follows. */
  unable: 0x20,
  beyondCapabilities: 0x30,
  dataNotUnderstood: 0x32,
} as const;

/** What REFRESH asks for (TS 102 223 8.6). */
export const REFRESH = {
  initializationAndFullFileChange: 0,
  fileChange: 1,
  initializationAndFileChange: 2,
  initialization: 3,
} as const;

/** A command of the card's. */
export interface ProactiveCommand {
  /** 1 to 254: of this command among others. */
  readonly number: number;
  /** See {@link PROACTIVE}. */
  readonly type: number;
  /** An octet that `type` gives its meaning: for REFRESH, one of {@link REFRESH} (TS 102 223 8.6). */
  readonly qualifier: number;
  /** The device that it is for: 82 the terminal, 83 the network. */
  readonly destination: number;
  /** All but the details and the devices. */
  readonly objects: readonly ToolkitObject[];
  /** Whether the details came with the comprehension flag, with which they are given back. */
  readonly required: boolean;
}

/** What came of a command. */
export interface ToolkitResult {
  /** See {@link TOOLKIT_RESULT}. */
  readonly general: number;
  /** Additional information behind the general result, such as the octet behind `unable` (TS 102 223 8.12). Default none. */
  readonly additional?: Uint8Array;
  /** Data objects that the command asked for. */
  readonly objects?: Uint8Array;
}

/** Reads what FETCH gave. Throws `malformed`. */
export function decodeProactiveCommand(bytes: Uint8Array): ProactiveCommand {
  const [details, devices, ...objects] = readToolkitObjects(readTemplate(bytes, PROACTIVE_COMMAND));
  if (details?.tag !== TOOLKIT_TAG.commandDetails || details.value.length !== 3) {
    throw malformed("a command without its details");
  }
  if (devices?.tag !== TOOLKIT_TAG.deviceIdentities || devices.value.length !== 2 || devices.value[0] !== UICC) {
    throw malformed("a command that is not from the card to a device");
  }
  const [number, type, qualifier] = details.value as unknown as [number, number, number];
  return { number, type, qualifier, destination: devices.value[1]!, objects, required: details.required };
}

/** The command for FETCH to give, from the card. */
export function encodeProactiveCommand(
  command: Pick<ProactiveCommand, "number" | "type" | "qualifier"> & { readonly destination?: number },
  ...objects: readonly Uint8Array[]
): Uint8Array {
  const { number, type, qualifier, destination = TERMINAL } = command;
  return template(
    PROACTIVE_COMMAND,
    toolkitObject(TOOLKIT_TAG.commandDetails, true, Uint8Array.of(number, type, qualifier)),
    toolkitObject(TOOLKIT_TAG.deviceIdentities, true, Uint8Array.of(UICC, destination)),
    ...objects,
  );
}

/**
 * The data of TERMINAL RESPONSE (TS 102 223 6.8). For a command that could not be read the details are three bytes of 00:
 * that a card expects this is from memory, no text of the clause was at hand.
 */
export function encodeTerminalResponse(command: ProactiveCommand | undefined, result: ToolkitResult): Uint8Array {
  const { number = 0, type = 0, qualifier = 0, required = true } = command ?? {};
  const { general, additional = new Uint8Array(0), objects = new Uint8Array(0) } = result;
  const response = concat(
    toolkitObject(TOOLKIT_TAG.commandDetails, required, Uint8Array.of(number, type, qualifier)),
    toolkitObject(TOOLKIT_TAG.deviceIdentities, true, Uint8Array.of(TERMINAL, UICC)),
    toolkitObject(TOOLKIT_TAG.result, true, Uint8Array.of(general), additional),
    objects,
  );
  if (response.length > 255) throw new RangeError("a terminal response of at most 255 bytes");
  return response;
}

/** What a terminal responded. Throws `malformed`. */
export function decodeTerminalResponse(
  bytes: Uint8Array,
): Pick<ProactiveCommand, "number" | "type" | "qualifier"> & {
  readonly general: number;
  readonly additional: Uint8Array;
} {
  const [details, devices, result] = readToolkitObjects(bytes);
  if (
    details?.tag !== TOOLKIT_TAG.commandDetails || details.value.length !== 3 ||
    devices?.tag !== TOOLKIT_TAG.deviceIdentities || devices.value.length !== 2 ||
    result?.tag !== TOOLKIT_TAG.result || result.value.length < 1
  ) {
    throw malformed("a response without details, devices and a result");
  }
  const [number, type, qualifier] = details.value as unknown as [number, number, number];
  return { number, type, qualifier, general: result.value[0]!, additional: result.value.subarray(1) };
}

/** A short message for the card: what ENVELOPE (SMS-PP DOWNLOAD) carries (TS 31.111 7.1.1.2). */
export interface SmsDownload {
  /** Of the service centre: type of number, then digits; TS 24.011 RP-Originator Address without its length. */
  readonly address?: Uint8Array;
  /** TS 23.040 SMS-DELIVER. */
  readonly tpdu: Uint8Array;
}

/** RangeError for what does not fit one command. */
export function encodeSmsDownload({ address, tpdu }: SmsDownload): Uint8Array {
  const bytes = template(
    SMS_PP_DOWNLOAD,
    toolkitObject(TOOLKIT_TAG.deviceIdentities, true, Uint8Array.of(NETWORK, UICC)),
    address ? toolkitObject(TOOLKIT_TAG.address, false, address) : new Uint8Array(0),
    toolkitObject(TOOLKIT_TAG.smsTpdu, true, tpdu),
  );
  if (bytes.length > 255) throw new RangeError("an envelope of at most 255 bytes");
  return bytes;
}

/** Throws `malformed`. */
export function decodeSmsDownload(bytes: Uint8Array): SmsDownload {
  const [devices, ...objects] = readToolkitObjects(readTemplate(bytes, SMS_PP_DOWNLOAD));
  if (devices?.tag !== TOOLKIT_TAG.deviceIdentities || devices.value.length !== 2) {
    throw malformed("a download from nowhere");
  }
  const tpdu = objects.find(({ tag }) => tag === TOOLKIT_TAG.smsTpdu)?.value;
  if (!tpdu) throw malformed("a download without a message");
  const address = objects.find(({ tag }) => tag === TOOLKIT_TAG.address)?.value;
  return { ...(address ? { address } : {}), tpdu };
}

/** The files that a REFRESH is about, each by its path from the master file (TS 102 223 8.18). Throws `malformed`. */
export function decodeFileList(value: Uint8Array): Uint8Array[] {
  const reader = new Reader(value);
  const count = reader.u8();
  const paths: number[][] = [];
  while (reader.remaining > 0) {
    const fid = reader.u16();
    if (fid === MASTER_FILE) paths.push([]);
    if (paths.length === 0) throw malformed("a path that does not begin at the master file");
    paths.at(-1)!.push(fid >> 8, fid & 255);
  }
  if (paths.length !== count) throw malformed("another number of files than it says");
  return paths.map((path) => Uint8Array.from(path));
}

/** A list for {@link decodeFileList}, as the object that a REFRESH carries. Paths begin with 3F00. */
export function encodeFileList(paths: readonly Uint8Array[]): Uint8Array {
  return toolkitObject(TOOLKIT_TAG.fileList, true, Uint8Array.of(paths.length), ...paths);
}

/** A terminal's profile: number n of TS 102 223 5.2 is bit (n - 1) mod 8 of byte (n - 1) / 8. RangeError for a number outside of 1 to 256. */
export function terminalProfile(facilities: readonly number[]): Uint8Array {
  if (facilities.some((n) => !Number.isInteger(n) || n < 1 || n > 256)) throw new RangeError("a facility of 1 to 256");
  const profile = new Uint8Array(Math.ceil(Math.max(1, ...facilities) / 8));
  for (const n of facilities) profile[(n - 1) >> 3]! |= 1 << ((n - 1) & 7);
  return profile;
}

function malformed(message: string): SeccfError {
  return new SeccfError("malformed", message, { clause: "TS 102 223 6" });
}

/** Templates (TS 101 220 7.17). */
const PROACTIVE_COMMAND = 0xd0;
const SMS_PP_DOWNLOAD = 0xd1;
/** Devices (TS 102 223 8.7). */
const UICC = 0x81;
const TERMINAL = 0x82;
const NETWORK = 0x83;
const MASTER_FILE = 0x3f00;
