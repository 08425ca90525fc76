// The frame of both programs: parses, runs, and turns whatever happens into an exit code. Nothing below calls
// process.exit.

import { Command, CommanderError } from 'commander';
import pc from 'picocolors';
import { AnaxError, ExitCode, isAbortError, toErrorRecord } from '../core/index.ts';
import { type CliContext, wantsColour } from './context.ts';
import { errorLines, exitCodeOf } from './error-text.ts';
import { failedSummary } from './run-download.ts';

/** Fills in a program; `done` takes the exit code of the command that ran. */
export type DefineProgram = (program: Command, context: CliContext, done: (exitCode: number) => void) => void;

/** Runs `name` with arguments (without node and script). Returns the exit code. */
export async function runProgram(
  name: string,
  define: DefineProgram,
  args: readonly string[],
  context: CliContext,
): Promise<number> {
  let exitCode: number = ExitCode.ok;
  const program = createProgram(name, context);
  define(program, context, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return tellUsage(error, args, context);
    return tellError(name, error, context);
  } finally {
    context.interrupt.release();
  }
}

function createProgram(name: string, context: CliContext): Command {
  const { stdout, stderr, version } = context;
  return new Command(name)
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      getOutHelpWidth: () => Math.min(100, stdout.columns ?? 100),
      getErrHelpWidth: () => Math.min(100, stderr.columns ?? 100),
      outputError: (text, write) => write(usageError(name, text)),
    });
}

/** People were told by commander; a script that asked for JSON gets its last line all the same. */
function tellUsage(error: CommanderError, args: readonly string[], { stdout }: CliContext): number {
  if (error.exitCode === 0) return ExitCode.ok;
  if (args.includes('--json')) {
    const { message, hint } = readUsage(error.message);
    const record = toErrorRecord(new AnaxError('usage_invalid', message, { hint }));
    stdout.write(`${JSON.stringify(failedSummary(record))}\n`);
  }
  return ExitCode.usage;
}

/** Commander's `error: unknown option '--x'\n(Did you mean --y?)` in the form of all other errors. */
function usageError(name: string, text: string): string {
  const { message, hint } = readUsage(text);
  return `${name}: error[usage_invalid]: ${message}\n  hint: ${hint}\n`;
}

function readUsage(text: string): { message: string; hint: string } {
  const [message = '', ...rest] = text
    .replace(/^error: /u, '')
    .trim()
    .split('\n');
  const hint = rest.map((line) => line.replace(/^\((.*)\)$/u, '$1')).join(' ') || 'see --help';
  return { message, hint };
}

function tellError(name: string, error: unknown, context: CliContext): number {
  const { stderr, env, interrupt } = context;
  const reason: unknown = isAbortError(error) && interrupt.signal.aborted ? interrupt.signal.reason : error;
  const record = toErrorRecord(reason);
  const colours = pc.createColors(wantsColour(stderr, env));
  for (const line of errorLines(name, record, colours)) stderr.write(`${line}\n`);
  if (record.code === 'internal' && reason instanceof Error) stderr.write(`${reason.stack}\n`);
  return exitCodeOf(record);
}

/** Runs a program on this process. The exit code is set, not forced: what is written gets out first, unless nobody takes it. */
export async function main(name: string, define: DefineProgram, context: CliContext): Promise<void> {
  const exitCode = await runProgram(name, define, process.argv.slice(2), context);
  process.exitCode = exitCode;
  if (context.bytesOutput.isStuck) process.exit();
}
