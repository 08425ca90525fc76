/**
 * An emulated Hugging Face hub with its CDN, as honest as the fact sheet (hubs.md §7) asks: starts the two
 * servers and offers the controls tests use. What it answers is decided in the `hf-*` files beside it.
 */
import { Cdn } from './cdn.ts';
import { type Emulator, type EmulatorOptions, emulatorSurface, startOrigins } from './emulator-options.ts';
import { Faults } from './faults.ts';
import { HfRepos, type RepoSpec, repoRef, type TokenSpec } from './hf-repos.ts';
import { readHfSignature } from './hf-resolve.ts';
import { type HfAnswerOptions, HfRouter } from './hf-router.ts';
import { type QuotaOptions, RateLimits } from './rate-limits.ts';
import { type Files, warmDigests } from './repo.ts';
import { RequestLog } from './request-log.ts';
import { UrlSigner } from './signed-urls.ts';

export interface HuggingFaceHubOptions extends EmulatorOptions, HfAnswerOptions {
  /** Requests per 300 s window and caller; the defaults are the real hub's. */
  readonly quota?: QuotaOptions;
}

export interface HuggingFaceHub extends Emulator {
  /** Adds or replaces a repository; returns the commit of each revision. */
  putRepo(spec: RepoSpec): { readonly commits: Readonly<Record<string, string>> };
  /** Moves a branch: `files` are laid over what it has (`null` removes). Returns the new sha. */
  commit(ref: string, branch: string, files: Files): string;
  /** The sha a revision has now. */
  sha(ref: string, revision?: string): string;
  tag(ref: string, name: string, revision: string): void;
  deleteRepo(ref: string): void;
  /** Adds entries to the repository's listings, as they are. */
  injectEntries(ref: string, entries: readonly unknown[]): void;
  addToken(token: string, spec?: TokenSpec): void;
  removeToken(token: string): void;
  grant(token: string, ref: string): void;
  revoke(token: string, ref: string): void;
  /** Computes all digests now, so that no listing waits for them. */
  warm(): Promise<void>;
}

export async function startHuggingFaceHub(options: HuggingFaceHubOptions = {}): Promise<HuggingFaceHub> {
  const clock = options.clock ?? Date.now;
  const faults = new Faults();
  const log = new RequestLog();
  const repos = new HfRepos();
  const cdn = new Cdn(new UrlSigner(clock, options.signedUrlTtlMs), readHfSignature);
  const limits = new RateLimits(options.quota);
  const origins = await startOrigins(options, { faults, log, clock }, (urls) => {
    const router = new HfRouter({ repos, cdn, limits, clock, ...urls }, options);
    return { hub: (request) => router.handle(request), cdn: (request) => cdn.handle(request) };
  });
  return { ...hfControls(repos), ...emulatorSurface(origins, faults, log) };
}

function hfControls(repos: HfRepos): Omit<HuggingFaceHub, keyof Emulator> {
  const sha = (ref: string, revision = 'main'): string => {
    const commit = repos.get(ref).repo.resolve(revision);
    if (!commit) throw new Error(`no revision ${revision} in ${ref}`);
    return commit.sha;
  };
  return {
    putRepo: (spec) => {
      repos.put(spec);
      const ref = repoRef(spec.type ?? 'model', spec.id);
      const names = Object.keys(spec.revisions);
      return { commits: Object.fromEntries(names.map((name) => [name, sha(ref, name)])) };
    },
    commit: (ref, branch, files) => repos.get(ref).repo.commit(branch, files),
    sha,
    tag: (ref, name, revision) => void repos.get(ref).repo.tag(name, revision),
    deleteRepo: (ref) => repos.delete(ref),
    injectEntries: (ref, entries) => void repos.get(ref).rawEntries.push(...entries),
    addToken: (token, spec) => repos.addToken(token, spec),
    removeToken: (token) => repos.removeToken(token),
    grant: (token, ref) => repos.grant(token, ref),
    revoke: (token, ref) => repos.revoke(token, ref),
    warm: () =>
      warmDigests(
        repos.all().map((hosted) => hosted.repo),
        'gitSha1',
      ),
  };
}
