/**
 * An emulated hub as a process of its own, for the demo and end-to-end tests:
 * `node main.ts '{"repos":[{"id":"acme/demo","model":{"sizeBytes":1073741824,"shards":4}}]}'`
 * prints one line of JSON once it serves: {"url","cdnUrl","adminUrl","pid","repos":{"acme/demo":{"main":"<sha>"}}}.
 * The options are in `process-options.ts`, the admin routes in `admin-server.ts`. SIGTERM or SIGINT ends it.
 */
import { type AdminTarget, startAdminServer } from './admin-server.ts';
import { type HuggingFaceHubOptions, startHuggingFaceHub } from './hf-hub.ts';
import { type RepoSpec, repoRef } from './hf-repos.ts';
import { type ModelScopeHubOptions, startModelScopeHub } from './ms-hub.ts';
import { msRef } from './ms-repos.ts';
import {
  type ProcessOptions,
  processOptionsSchema,
  revisionsFromJson,
  withoutUndefined,
} from './process-options.ts';

type Commits = Record<string, Readonly<Record<string, string>>>;

async function startHuggingFace(options: ProcessOptions): Promise<{ hub: AdminTarget; commits: Commits }> {
  const hub = await startHuggingFaceHub(withoutUndefined(options.options) as HuggingFaceHubOptions);
  const commits: Commits = {};
  for (const json of options.repos) {
    const { model: _model, manyFiles: _manyFiles, ...rest } = withoutUndefined(json);
    const spec: RepoSpec = { ...rest, revisions: revisionsFromJson(json, 'main') };
    commits[repoRef(spec.type ?? 'model', spec.id)] = hub.putRepo(spec).commits;
  }
  for (const [token, spec] of Object.entries(options.tokens)) hub.addToken(token, withoutUndefined(spec));
  if (options.warm) await hub.warm();
  return { hub, commits };
}

async function startModelScope(options: ProcessOptions): Promise<{ hub: AdminTarget; commits: Commits }> {
  const hub = await startModelScopeHub(withoutUndefined(options.options) as ModelScopeHubOptions);
  const commits: Commits = {};
  for (const json of options.repos) {
    const { id, type: jsonType, private: isPrivate = false, tags = {}, rawEntries = [] } = json;
    const type = jsonType === 'dataset' ? 'dataset' : 'model';
    const revisions = revisionsFromJson(json, 'master');
    commits[msRef(type, id)] = hub.putRepo({
      type,
      id,
      private: isPrivate,
      tags,
      rawEntries,
      revisions,
    }).commits;
  }
  for (const [token, { user = 'user', canRead = [] }] of Object.entries(options.tokens)) {
    hub.addToken(token, { user, canRead });
  }
  if (options.warm) await hub.warm();
  return { hub, commits };
}

async function main(): Promise<void> {
  const options = processOptionsSchema.parse(JSON.parse(process.argv[2] ?? '{}'));
  const start = options.kind === 'modelscope' ? startModelScope : startHuggingFace;
  const { hub, commits } = await start(options);
  const admin = await startAdminServer(hub, options.adminPort);
  const stop = async (): Promise<void> => {
    await Promise.all([hub.close(), admin.stop()]);
    process.exit(0);
  };
  process.once('SIGTERM', () => void stop());
  process.once('SIGINT', () => void stop());
  if (options.exitWithStdin) process.stdin.resume().once('end', () => void stop());
  const { url, cdnUrl } = hub;
  process.stdout.write(
    `${JSON.stringify({ url, cdnUrl, adminUrl: admin.url, pid: process.pid, repos: commits })}\n`,
  );
}

await main();
