/** What a published package may hold. @module */

import type { Manifest } from "./manifest.ts";

// Where people and machines keep their work; a package that names such a place was built carelessly.
const PLACES = /(?:^|[\s"'`(=:])(?:\/(?:home|root|tmp|Users|work|build|opt|mnt)\/|[A-Z]:\\)[\w.-]+/m;
const REGISTRIES = /https?:\/\/[^\s/"']*(?:registry|npmjs|jsr\.io|yarnpkg|artifactory|nexus|verdaccio)/i;

/** What is wrong with the files of a package, by path from its top. */
export function tarballFaults(manifest: Manifest, files: ReadonlyMap<string, string>): string[] {
  const faults: string[] = [];
  for (const [path, text] of files) {
    if (
      !/^(?:package\.json|(?:README|SECURITY|CHANGELOG|CONFORMANCE)\.md|LICENSE|dist\/.+\.(?:js|d\.ts))$/.test(path)
    ) {
      faults.push(`${path} does not belong`);
    }
    const place = PLACES.exec(text);
    if (place) faults.push(`${path} names ${place[0].trim()}`);
    if (REGISTRIES.test(text)) faults.push(`${path} names a package registry`);
  }
  const promised = Object.entries(manifest.exports).flatMap(([, { types, default: code }]) => [types, code]);
  for (const path of [...promised, ...Object.values(manifest.bin), "README.md", "LICENSE"]) {
    if (!files.get(path.replace(/^\.\//, ""))) faults.push(`${path} is missing`);
  }
  for (const path of Object.values(manifest.bin)) {
    const first = files.get(path.replace(/^\.\//, ""))?.split("\n")[0];
    if (first !== undefined && first !== "#!/usr/bin/env node") {
      faults.push(`${path} does not begin with its interpreter`);
    }
  }
  return faults;
}
