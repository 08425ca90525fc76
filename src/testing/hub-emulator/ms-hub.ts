/** An emulated ModelScope hub with its CDN; the decisions are in the `ms-*` files beside it. */
import { Cdn } from './cdn.ts';
import { type Emulator, type EmulatorOptions, emulatorSurface, startOrigins } from './emulator-options.ts';
import { Faults } from './faults.ts';
import { MS_QUIRKS, type MsQuirks, readMsSignature } from './ms-files.ts';
import { type MsRepoSpec, MsRepos, type MsTokenSpec, msRef } from './ms-repos.ts';
import { MsRouter } from './ms-router.ts';
import { type Files, warmDigests } from './repo.ts';
import { RequestLog } from './request-log.ts';
import { UrlSigner } from './signed-urls.ts';

export interface ModelScopeHubOptions extends EmulatorOptions {
  readonly quirks?: Partial<MsQuirks>;
}

export interface ModelScopeHub extends Emulator {
  /** May be changed at any time. */
  readonly quirks: MsQuirks;
  /** Adds or replaces a repository; returns the commit of each branch. */
  putRepo(spec: MsRepoSpec): { readonly commits: Readonly<Record<string, string>> };
  /** Moves a branch: `files` are laid over what it has (`null` removes). Returns the new sha. */
  commit(ref: string, branch: string, files: Files): string;
  deleteRepo(ref: string): void;
  /** Adds entries to the repository's listings, as they are. */
  injectEntries(ref: string, entries: readonly unknown[]): void;
  addToken(token: string, spec?: MsTokenSpec): void;
  grant(token: string, ref: string): void;
  revoke(token: string, ref: string): void;
  /** Computes all digests now, so that no listing waits for them. */
  warm(): Promise<void>;
}

export async function startModelScopeHub(options: ModelScopeHubOptions = {}): Promise<ModelScopeHub> {
  const clock = options.clock ?? Date.now;
  const faults = new Faults();
  const log = new RequestLog();
  const repos = new MsRepos();
  const quirks: MsQuirks = { ...MS_QUIRKS, ...options.quirks };
  const cdn = new Cdn(new UrlSigner(clock, options.signedUrlTtlMs), readMsSignature);
  const origins = await startOrigins(options, { faults, log, clock }, ({ cdnUrl }) => {
    const router = new MsRouter({ repos, cdn, cdnUrl, quirks });
    return { hub: (request) => router.handle(request), cdn: (request) => cdn.handle(request) };
  });
  return { quirks, ...msControls(repos), ...emulatorSurface(origins, faults, log) };
}

function msControls(repos: MsRepos): Omit<ModelScopeHub, keyof Emulator | 'quirks'> {
  return {
    putRepo: (spec) => {
      repos.put(spec);
      const { repo } = repos.get(msRef(spec.type ?? 'model', spec.id));
      const names = Object.keys(spec.revisions);
      return { commits: Object.fromEntries(names.map((name) => [name, repo.resolve(name)?.sha ?? ''])) };
    },
    commit: (ref, branch, files) => repos.get(ref).repo.commit(branch, files),
    deleteRepo: (ref) => repos.delete(ref),
    injectEntries: (ref, entries) => void repos.get(ref).rawEntries.push(...entries),
    addToken: (token, spec) => repos.addToken(token, spec),
    grant: (token, ref) => repos.grant(token, ref),
    revoke: (token, ref) => repos.revoke(token, ref),
    warm: () =>
      warmDigests(
        repos.all().map((hosted) => hosted.repo),
        'sha256',
      ),
  };
}
