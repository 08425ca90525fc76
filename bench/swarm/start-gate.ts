// Loaded before dfget (`node --import`): loads dfget's modules, says on file descriptor 3 that it waits, and lets dfget
// begin when a byte comes back. On a machine that plays many hosts, the starts of as many Nodes would otherwise be what
// is measured.

import { readSync, writeSync } from 'node:fs';
import '../../src/cli/context.ts';
import '../../src/cli/download-command.ts';
import '../../src/cli/program.ts';

const PIPE = 3;

writeSync(PIPE, '.');
readSync(PIPE, Buffer.alloc(1));
