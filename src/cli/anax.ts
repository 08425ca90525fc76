#!/usr/bin/env -S node --disable-warning=ExperimentalWarning --max-semi-space-size=2
// anax: the daemon, the scheduler, and what looks after them.

import { defineAnax } from './anax-program.ts';
import { createProcessContext } from './context.ts';
import { main } from './program.ts';

await main('anax', defineAnax, createProcessContext());
