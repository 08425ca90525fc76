// Rendezvous hashing: for a key, everybody who knows the same peers names the same one, and a peer's leaving moves only
// its own keys. Not a defence against chosen keys: peers of a cluster are trusted with their ids.

import type { PeerId } from '../core/index.ts';

/** FNV-1a over UTF-16 code units with a final avalanche (murmur3's): 32 bits. */
function mixedHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The peer with the highest hash for the key; ties go to the smaller id. `undefined` where there are none. */
export function rendezvous(key: string, peers: Iterable<PeerId>): PeerId | undefined {
  let best: PeerId | undefined;
  let bestScore = -1;
  for (const peer of peers) {
    const score = mixedHash(`${key}\0${peer}`);
    if (score < bestScore || (score === bestScore && best !== undefined && peer > best)) continue;
    best = peer;
    bestScore = score;
  }
  return best;
}
