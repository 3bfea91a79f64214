/** What package.json, deno.json and the lockfile must say, and where they must agree. @module */

/** The parts of package.json that the rules look at. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string }>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

/** The parts of deno.json. */
export interface DenoManifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports: Readonly<Record<string, string>>;
}

/** The parts of package-lock.json. */
export interface Lockfile {
  readonly version: string;
  readonly packages: Readonly<
    Record<
      string,
      Partial<Manifest> & { readonly resolved?: string; readonly integrity?: string; readonly link?: boolean }
    >
  >;
}

/** Where the two registries would get different packages. */
export function twinFaults(npm: Manifest, jsr: DenoManifest, sources: ReadonlySet<string>): string[] {
  const faults: string[] = [];
  if (jsr.name !== `@${npm.name}/${npm.name}`) faults.push(`names: ${npm.name} and ${jsr.name}`);
  if (jsr.version !== npm.version) faults.push(`versions: ${npm.version} and ${jsr.version}`);
  if (jsr.license !== npm.license) faults.push(`licences: ${npm.license} and ${jsr.license}`);
  for (const subpath of new Set([...Object.keys(npm.exports), ...Object.keys(jsr.exports)])) {
    const [built, source] = [npm.exports[subpath], jsr.exports[subpath]];
    if (!built || !source) faults.push(`${subpath} is exported in one of the two only`);
    else {
      const stem = source.replace(/^\.\//, "./dist/").replace(/\.ts$/, "");
      if (built.default !== `${stem}.js` || built.types !== `${stem}.d.ts`) faults.push(`${subpath} is not ${source}`);
      if (!sources.has(source.slice(2))) faults.push(`${subpath}: no ${source}`);
    }
  }
  return faults;
}

/** Versions that are not exact, a peer that everybody would have to install, a lockfile that pins nothing or names a host. */
export function pinFaults(npm: Manifest, lock: Lockfile): string[] {
  const faults: string[] = [];
  for (const kind of ["dependencies", "devDependencies", "peerDependencies"] as const) {
    for (const [name, version] of Object.entries(npm[kind] ?? {})) {
      if (!/^\d+\.\d+\.\d+$/.test(version)) faults.push(`${kind}: ${name} is ${version}, not one version`);
      if (lock.packages[""]?.[kind]?.[name] !== version) faults.push(`the lockfile has another ${name}`);
      if (kind === "peerDependencies" && !npm.peerDependenciesMeta?.[name]?.optional) {
        faults.push(`${name} is not optional`);
      }
    }
  }
  if (lock.version !== npm.version) faults.push(`the lockfile is of version ${lock.version}`);
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (/^[a-z+]+:\/\/|^git/.test(entry.resolved ?? "")) faults.push(`${path} names a host`);
    const ours = !/(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/]+$/.test(path) || entry.link;
    if (!ours && !(entry.version && entry.integrity?.startsWith("sha512-"))) faults.push(`${path} is not pinned`);
  }
  return faults;
}
