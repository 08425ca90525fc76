// The daemon's side of the control API: a ControlApi mounted on a Connect router.

import type { ConnectRouter, ServiceImpl } from '@connectrpc/connect';
import { checkPathsAbsolute, eventToWire, requestFromWire } from './control-convert.ts';
import type { ControlApi } from './control-types.ts';
import { Control } from './gen/anax/v1/control_pb.js';
import { limitsFromChange, limitsInForce } from './limits-convert.ts';
import { listingToWire, selectorFromWire, statusToWire } from './status-convert.ts';
import { verifyEventToWire, verifyRequestFromWire } from './verify-convert.ts';

/** Routes for `startRpcServer` and `createRpcListener`. */
export function controlRoutes(api: ControlApi): (router: ConnectRouter) => void {
  return (router) => void router.service(Control, createControlService(api));
}

function createControlService(api: ControlApi): ServiceImpl<typeof Control> {
  return {
    async *download(wire, { signal }) {
      const request = requestFromWire(wire);
      checkPathsAbsolute(request);
      for await (const event of api.download(request, signal)) yield eventToWire(event);
    },
    async *verify(wire, { signal }) {
      for await (const event of api.verify(verifyRequestFromWire(wire), signal))
        yield verifyEventToWire(event);
    },
    async removeBlob(wire, { signal }) {
      const { blobs, freedBytes } = await api.remove(selectorFromWire(wire.target), signal);
      return { blobs, freedBytes: BigInt(freedBytes) };
    },
    pin: async (wire, { signal }) => {
      const target = selectorFromWire(wire.target);
      const { name, blobs } = await (wire.pinned ? api.pin(target, signal) : api.unpin(target, signal));
      return { name, blobs };
    },
    status: async (_wire, { signal }) => statusToWire(await api.status(signal)),
    listBlobs: async (_wire, { signal }) => listingToWire(await api.list(signal)),
    setLimits: async (wire, { signal }) => limitsInForce(await api.setLimits(limitsFromChange(wire), signal)),
    ping: (_wire, { signal }) => api.ping(signal),
  };
}
