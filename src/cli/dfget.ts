#!/usr/bin/env -S node --disable-warning=ExperimentalWarning --max-semi-space-size=2
// dfget: downloads one repository or file.

import { createProcessContext } from './context.ts';
import { defineDownload } from './download-command.ts';
import { main } from './program.ts';

await main(
  'dfget',
  (program, context, done) => defineDownload(program, context, 'dfget', done),
  createProcessContext(),
);
