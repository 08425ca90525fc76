// The rules that cut a network in two and make it whole again. Pure.
//
// They are in the switch, behind both hosts' links: what a host sends is gone, in both directions and on connections that
// are there, and nobody is told (no reset, no unreachable). ARP passes, so that a host takes the other for silent and not
// for absent, as across a router. They go with the switch's namespace.

const TABLE = 'bridge cut';

export interface Cut {
  /** Addresses on either side. Who is on neither reaches both. */
  readonly near: readonly string[];
  readonly far: readonly string[];
}

/** The command that cuts, in one transaction. */
export function cutCommand({ near, far }: Cut): string[] {
  const set = (name: string, addresses: readonly string[]): string =>
    `set ${name} { type ipv4_addr; elements = { ${addresses.join(', ')} }; }`;
  const chain = [
    'type filter hook forward priority 0;',
    'ip saddr @near ip daddr @far counter drop',
    'ip saddr @far ip daddr @near counter drop',
  ];
  const lines = [set('near', near), set('far', far), 'chain forward {', ...chain, '}'];
  return ['nft', `table ${TABLE} {\n${lines.join('\n')}\n}`];
}

/** Lists the rules with their counters, for `droppedPackets`. */
export const LIST_CUT_COMMAND: readonly string[] = ['nft', `list table ${TABLE}`];
export const HEAL_COMMAND: readonly string[] = ['nft', `delete table ${TABLE}`];

export function droppedPackets(listing: string): number {
  const counts = [...listing.matchAll(/counter packets (\d+)/gu)].map(([, count]) => Number(count));
  return counts.reduce((sum, count) => sum + count, 0);
}
