/** A network in this process: deterministic, as bad as wanted, on any clock. For tests, demos and simulations. @module */

export { type MemoryConnectOptions, type MemoryNetwork, memoryNetwork, type MemoryNetworkOptions } from "./network.ts";
