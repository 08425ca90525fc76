// `npm run bench:small`: what many small files cost beside as many bytes in one.

import { createWorkspace, describeMachine } from '../kit/workspace.ts';
import { type Delivery, SHAPES, type Shape, SmallFilesCluster } from './delivery.ts';
import { readSmallOptions, type SmallOptions } from './options.ts';
import { type Deliveries, smallObject, smallTable } from './report.ts';

const options = readSmallOptions();
const workspace = await createWorkspace(options.dir);
try {
  say(describeMachine());
  say(`${options.peers} peers and a seed in ${workspace.folder} (${workspace.filesystem})`);
  const deliveries = await measure(options, workspace.folder);
  process.stdout.write(`${smallTable(deliveries, options)}\n`);
  if (options.json) process.stdout.write(`${JSON.stringify(smallObject(deliveries, options))}\n`);
} finally {
  await workspace.remove();
}

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

async function measure(asked: SmallOptions, folder: string): Promise<Deliveries> {
  const deliveries: Record<Shape, Delivery[]> = { one: [], many: [] };
  const cluster = await SmallFilesCluster.start(asked, folder);
  try {
    for (let run = 1; run <= asked.runs; run += 1) {
      for (const shape of SHAPES) {
        const delivery = await cluster.deliver(shape, run);
        deliveries[shape].push(delivery);
        say(`run ${run}: ${shape} ${delivery.seconds.toFixed(2)} s`);
      }
    }
  } finally {
    await cluster.stop();
  }
  return deliveries;
}
