/** Datagrams over UDP by `node:dgram`, as the three runtimes have it. Nothing here is protected. @module */

export { bindUdp, type ConnectedDatagrams, type ConnectOptions, connectUdp } from "./open.ts";
