// What the demo can be told.

import { parseArgs } from 'node:util';

export interface DemoOptions {
  readonly peers: number;
  readonly sizeBytes: number;
  readonly source: 'hf' | 'modelscope';
  /** Cap on the emulated origin, in bytes per second. */
  readonly originRate: number | undefined;
  readonly json: boolean;
  /** Leaves the folders for a look. */
  readonly keep: boolean;
  /** A real repository instead of the emulated one. */
  readonly url: string | undefined;
}

const HELP = `npm run demo -- [options] [url]

Starts a hub emulator, a scheduler, a seed and N peers as processes of their own, makes a model of safetensors shards
and small files, downloads it to every peer, checks every byte, and says what it cost the origin. With a URL
(hf://owner/name, modelscope://owner/name) the same with a real repository; tokens come from HF_TOKEN and
MODELSCOPE_API_TOKEN.

  --peers <n>           peers to deliver to (default 8)
  --size <size>         bytes of the model's shards, e.g. 512MiB (default 256MiB)
  --source <hub>        hf or modelscope (default hf)
  --origin-rate <size>  cap on the origin in bytes per second, e.g. 50MiB (default none)
  --json                no picture; the last line on stdout is one JSON object
  --keep                keep the folders
`;

const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** Ends the process for --help and for flags that make no sense. */
export function readDemoOptions(args: string[]): DemoOptions {
  try {
    return parse(args);
  } catch (error) {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    process.exit(2);
  }
}

function parse(args: string[]): DemoOptions {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      peers: { type: 'string', default: '8' },
      size: { type: 'string', default: '256MiB' },
      source: { type: 'string', default: 'hf' },
      'origin-rate': { type: 'string' },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  if (values.source !== 'hf' && values.source !== 'modelscope')
    throw new Error('--source is hf or modelscope');
  const peers = Number(values.peers);
  if (!Number.isInteger(peers) || peers < 1 || peers > 200)
    throw new Error('--peers is a number from 1 to 200');
  const rate = values['origin-rate'];
  return {
    peers,
    sizeBytes: parseBytes('--size', values.size),
    source: values.source,
    originRate: rate === undefined ? undefined : parseBytes('--origin-rate', rate),
    json: values.json,
    keep: values.keep,
    url: positionals[0],
  };
}

function parseBytes(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMG]iB)?$/u.exec(text);
  const bytes = match ? Math.round(Number(match[1]) * (UNITS[match[2] ?? ''] ?? 1)) : 0;
  if (bytes < 1024 ** 2) throw new Error(`${flag} is a size of at least 1MiB, e.g. 512MiB`);
  return bytes;
}
