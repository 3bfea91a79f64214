/** The subscribers of an identity file, as an operator's authentication centre asks for them. @module */

import type { AkaCredentials, Subscriber } from "../aka/mod.ts";
import type { Wait } from "../platform.ts";
import type { IdentityFile } from "./file.ts";
import { copyCredentials, subscriberImpi } from "./file_content.ts";
import type { FileEntries } from "./file_entries.ts";

/** Subscribers in memory, for `createAuthenticationCentre`. Disposing wipes them. */
export interface FoundSubscribers extends Disposable {
  /** How many the file had when it was read; disposing does not change it. */
  readonly size: number;
  /** The subscriber of an IMPI. */
  find(impi: string): Subscriber | undefined;
}

/** All subscribers of a file, read once. */
export async function subscribersOfFile(file: IdentityFile, options: Wait = {}): Promise<FoundSubscribers> {
  const found = await file.look(copyAll, options);
  return {
    size: found.size,
    find(impi) {
      const credentials = found.get(impi);
      return credentials && { credentials };
    },
    [Symbol.dispose]() {
      for (const credentials of found.values()) {
        for (const value of Object.values(credentials)) if (typeof value === "object") value[Symbol.dispose]();
      }
      found.clear();
    },
  };
}

function copyAll(entries: FileEntries): Map<string, AkaCredentials> {
  return new Map(
    entries.all.flatMap((entry) =>
      entry.kind === "subscriber" ? [[subscriberImpi(entry), copyCredentials(entry.credentials)] as const] : []
    ),
  );
}
