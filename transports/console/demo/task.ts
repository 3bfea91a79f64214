/** What the parent of the demo's processes tells each of them. Secrets of test subscribers, made for this run, go by a pipe. @module */

/** The demo's Key Manager. */
export interface KeyManagerTask {
  readonly name: string;
  /** In figures, or in the identity file that the operator made. */
  readonly subscriber: { readonly imsi: string; readonly k: string; readonly opc: string } | FileTask;
  readonly enabler: ProvisionedTask & { readonly names: readonly string[] };
}

/** The demo's enabler. */
export interface EnablerTask {
  readonly name: string;
  readonly keyManager: { readonly name: string; readonly port: number };
  readonly provisioned: ProvisionedTask;
}

/** The demo's device. */
export interface DeviceTask {
  readonly subscriber:
    | CardTask
    | FileTask;
  readonly keyManager: { readonly name: string; readonly port: number };
  readonly enabler: { readonly name: string; readonly tls: number; readonly http: number };
}

/** A soft USIM with these figures, in this process or in a virtual reader of pcscd. */
export interface CardTask {
  readonly imsi: string;
  readonly k: string;
  readonly opc: string;
  readonly pin: string;
  /** The port of vpcd, in whose reader the card goes. */
  readonly vpcd?: number;
}

/** An identity file and what opens it. */
export interface FileTask {
  readonly path: string;
  readonly passphrase: string;
}

/** The key that enabler and Key Manager were provisioned with. */
export interface ProvisionedTask {
  readonly identity: string;
  readonly key: string;
}
