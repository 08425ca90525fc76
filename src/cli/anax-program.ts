// The commands of `anax`.

import type { Command } from 'commander';
import { defineCacheCommands } from './cache-commands.ts';
import type { CliContext } from './context.ts';
import { defineDownload } from './download-command.ts';
import { defineService } from './serve.ts';

export function defineAnax(program: Command, context: CliContext, done: (exitCode: number) => void): void {
  program.description('Moves AI model repositories from a hub to every node of a cluster, once.');
  program.commandsGroup('Downloading:');
  defineDownload(program.command('get'), context, 'anax', done);
  program.commandsGroup('Running:');
  for (const name of ['daemon', 'seed', 'scheduler'] as const) defineService(program, name, context, done);
  program.commandsGroup('Looking after a daemon:');
  defineCacheCommands(program, context, done);
  program.commandsGroup('Help:');
}
