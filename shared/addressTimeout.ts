/**
 * Of a host with several addresses (an RPC URL, a database, a relayer, a receiver of webhooks), how
 * long one is tried before the next. Node's own 250 ms are too few for a handshake around the
 * world, or for a packet that was lost, which is sent again after a second: then such a host is
 * never reached. More would be too many where the first addresses are dead: of the four seconds of
 * an RPC URL three addresses have their time.
 */
export const ADDRESS_TIMEOUT_MS = 1_250;
