/** `seccf identity`: identity files made, shown, filled and changed; cards looked at. Nothing secret is printed. @module */

import { cardCommand } from "./card.ts";
import type { CommandGroup } from "./console.ts";
import { importCommand } from "./identity_import.ts";
import { newCommand } from "./identity_new.ts";
import { passwdCommand } from "./identity_passwd.ts";
import { rotateCommand } from "./identity_rotate.ts";
import { showCommand } from "./identity_show.ts";

/** All of them. */
export const identityCommands: CommandGroup = {
  spec: { name: "identity", summary: "identity files: new, show, import, passwd, rotate; card readers: card" },
  commands: [newCommand, showCommand, importCommand, passwdCommand, rotateCommand, cardCommand],
};
