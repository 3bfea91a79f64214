// Every TLS peer, both directions, every suite that both sides know; the last test prints it all.
import { Matrix } from "./matrix.ts";
import { commonPeers } from "./peers.ts";
import { PEER_SUITES } from "./suites.ts";

const matrix = new Matrix("TLS", PEER_SUITES);
commonPeers(matrix, "tls");
matrix.print();
