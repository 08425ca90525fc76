// `dfget`, and `anax get`, which is the same.

import type { Command } from 'commander';
import pc from 'picocolors';
import { AnaxError, toErrorRecord } from '../core/index.ts';
import { chooseEngine } from './choose-engine.ts';
import { readConfig } from './config-options.ts';
import { type CliContext, isTerminal, wantsColour } from './context.ts';
import { addDownloadOptions, type DownloadOptions, toRequest, untangleUrl } from './download-options.ts';
import { calmPresenter, jsonPresenter, livePresenter, type Presenter, silentPresenter } from './presenter.ts';
import { failedSummary, runDownload } from './run-download.ts';

const EXAMPLES = `
Examples:
  A repository at a commit, tag or branch, into a folder:
    dfget hf://Qwen/Qwen3-0.6B@main -O ./qwen
  Only some of its files:
    dfget hf://org/model -O ./model --include '*.safetensors' --include '*.json' --exclude 'original/*'
  Into Hugging Face's cache, where transformers finds it:
    dfget hf://org/model --hf-cache
  One file, checked:
    dfget https://example.org/data.tar -O data.tar --digest sha256:…
  One file to standard output, as it comes (the end of a wrong file does not come, and the exit code is not 0):
    dfget hf://org/model/model.gguf -O - | loader
  What would be downloaded:
    dfget modelscope://Qwen/Qwen3-0.6B --dry-run

Exit codes:
  0 done   2 usage   3 authentication   4 gated   5 not found   6 rate limited   7 origin
  8 wrong content   9 disk   10 network   11 timeout   1 several of these   70 bug   130 interrupted
  141 nobody reads standard output any more
`;

/** Makes `command` download; `done` gets the exit code. */
export function defineDownload(
  command: Command,
  context: CliContext,
  program: string,
  done: (exitCode: number) => void,
): void {
  command.description(
    'Downloads a model repository or a file, through the peers of the cluster where there are any.',
  );
  addDownloadOptions(command);
  command.addHelpText('after', EXAMPLES);
  command.action(async (url: string | undefined, options: DownloadOptions) => {
    done(await downloadOrTell(context, program, url, options));
  });
}

/** What fails before the download has begun also ends in a summary for scripts; people are told by the program. */
async function downloadOrTell(...call: Parameters<typeof download>): Promise<number> {
  const [context, , , { json = false }] = call;
  try {
    return await download(...call);
  } catch (error) {
    if (json) context.stdout.write(`${JSON.stringify(failedSummary(toErrorRecord(error)))}\n`);
    throw error;
  }
}

async function download(
  context: CliContext,
  program: string,
  givenUrl: string | undefined,
  given: DownloadOptions,
): Promise<number> {
  const { url, options } = untangleUrl(givenUrl, given);
  const config = await readConfig(context, 'command', options);
  const request = await toRequest(context, url, options, config);
  const limit = timeLimit(context.interrupt.signal, request.timeoutMs);
  try {
    const engine = await chooseEngine(context, options, config, { program, signal: limit.signal });
    try {
      const presenter = createPresenter(context, program, options, config.logLevel !== 'silent');
      const { json = false, quiet = false } = options;
      const { signal } = limit;
      return await runDownload(context, engine, request, presenter, { program, json, quiet, signal });
    } finally {
      await engine.close();
    }
  } catch (error) {
    throw limit.signal.aborted ? limit.signal.reason : error;
  } finally {
    limit.clear();
  }
}

/** The interrupt's signal, also aborted with `timeout` after the time. */
function timeLimit(interrupt: AbortSignal, timeoutMs: number | undefined) {
  if (timeoutMs === undefined) return { signal: interrupt, clear() {} };
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new AnaxError('timeout')), timeoutMs);
  return { signal: AbortSignal.any([interrupt, controller.signal]), clear: () => clearTimeout(timer) };
}

/** Log lines would run into a live display, so with a log the calm one is shown. */
function createPresenter(
  context: CliContext,
  program: string,
  options: DownloadOptions,
  withLog: boolean,
): Presenter {
  const { stderr, stdout, env } = context;
  const now = () => context.now();
  if (options.json) return jsonPresenter(stdout, now);
  const isInTheWay = options.output === '-' && stdout.isTTY === true;
  if (options.quiet || !options.progress || options.dryRun || isInTheWay) return silentPresenter;
  const canDraw = 'columns' in stderr && isTerminal(stderr, env) && !withLog;
  if (!canDraw) return calmPresenter(program, stderr, now);
  return livePresenter(stderr as NodeJS.WriteStream, pc.createColors(wantsColour(stderr, env)), now);
}
