/** The one table of parsers: a new parser is one row of its room's list. */
import type { Parser } from "../parser.ts";
import { CARD_PARSERS } from "./cards.ts";
import { OBJECT_PARSERS } from "./objects.ts";
import { SERVICE_PARSERS } from "./services.ts";
import { TLS_PARSERS } from "./tls.ts";

/** By the name of the file of kept inputs. */
export const PARSERS: Readonly<Record<"tls" | "objects" | "services" | "cards", readonly Parser[]>> = {
  tls: TLS_PARSERS,
  objects: OBJECT_PARSERS,
  services: SERVICE_PARSERS,
  cards: CARD_PARSERS,
};
