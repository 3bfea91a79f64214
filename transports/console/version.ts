/** Which release this is; the manifests say the same. @module */

/** As in package.json and deno.json. */
export const VERSION = "0.1.0";
