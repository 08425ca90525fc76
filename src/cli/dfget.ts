#!/usr/bin/env -S node --disable-warning=ExperimentalWarning
// dfget: downloads one repository or file.

import { createProcessContext } from './context.ts';
import { defineDownload } from './download-command.ts';
import { main } from './program.ts';

await main(
  'dfget',
  (program, context, done) => defineDownload(program, context, 'dfget', done),
  createProcessContext(),
);
