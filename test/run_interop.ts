/**
 * `npm run test:interop`: every `test/interop/*.interop.ts` under Node, Deno and Bun against programs that nobody here
 * wrote. Installs the Debian packages it needs when a program is missing, and fails when it can not.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { findTests, runEverywhere } from "./run_everywhere.ts";

/** Program, or a file by its whole path -> the Debian package that has it. */
const PEERS: Readonly<Record<string, string>> = {
  "openssl": "openssl",
  "gnutls-cli": "gnutls-bin",
  "gnutls-serv": "gnutls-bin",
  "coap-client-openssl": "libcoap3-bin",
  "coap-client-gnutls": "libcoap3-bin",
  "coap-server-openssl": "libcoap3-bin",
  "coap-server-gnutls": "libcoap3-bin",
  "stdbuf": "coreutils",
  "curl": "curl",
  "osmo-auc-gen": "libosmocore-utils",
  "pcsc_scan": "pcsc-tools",
  "pcscd": "pcscd",
  "/usr/lib/pcsc/drivers/serial/libifdvpcd.so": "vsmartcard-vpcd",
  "/usr/lib/python3/dist-packages/smartcard/__init__.py": "python3-pyscard",
  "socat": "socat",
  "p11-kit": "p11-kit",
  "pkcs11-tool": "opensc",
  "softhsm2-util": "softhsm2",
  "swtpm": "swtpm",
  "tpm2_hmac": "tpm2-tools",
  // For wolfssl_peer.c.
  "cc": "gcc",
  "/usr/include/stdio.h": "libc6-dev",
  "/usr/include/wolfssl/ssl.h": "libwolfssl-dev",
};

const present = (program: string): boolean =>
  spawnSync("sh", ["-c", `command -v ${program} || test -f ${program}`], { stdio: "ignore" }).status === 0;
const missing = (): string[] => Object.keys(PEERS).filter((program) => !present(program));

/** Runs apt-get as root; true when it went well. */
function apt(...args: string[]): boolean {
  const prefix = process.getuid?.() === 0 ? [] : ["sudo", "-n"];
  const [program, ...rest] = [...prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", ...args];
  const { status } = spawnSync(program!, rest, { stdio: ["ignore", "ignore", "inherit"] });
  return status === 0;
}

function install(): void {
  const packages = [...new Set(missing().map((program) => PEERS[program]!))];
  if (packages.length === 0) return;
  console.log(`installing ${packages.join(" ")}`);
  if (!apt("update") || !apt("install", "--no-install-recommends", ...packages)) {
    console.error("apt-get failed: it needs Debian or Ubuntu, a network, and root or sudo without a password");
  }
}

install();
const without = missing();
if (without.length > 0) {
  console.error(`missing: ${without.map((program) => `${program} (Debian package ${PEERS[program]})`).join(", ")}`);
  console.log("0 passed, 1 failed");
  process.exitCode = 1;
} else {
  // One runtime after another: the peers are real processes with time limits of their own.
  const { passed, failed } = await runEverywhere(findTests("test/interop/*.interop.ts", process.argv.slice(2)), {
    atOnce: 1,
  });
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}
