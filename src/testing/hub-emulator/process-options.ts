/** The JSON options of an emulator that runs as its own process (`main.ts`), and what they mean. */
import { z } from 'zod';
import { bytesContent, type Content, fileContent } from './content.ts';
import { generatedContent } from './generated-content.ts';
import { makeModelFiles } from './model-files.ts';
import type { FileSource, Files } from './repo.ts';

const lfs = z.boolean().optional();
const fileSchema = z.union([
  z.string(),
  z.strictObject({ text: z.string(), lfs }),
  z.strictObject({ base64: z.string(), lfs }),
  z.strictObject({ file: z.string(), lfs }),
  z.strictObject({
    generated: z.strictObject({
      seed: z.union([z.string(), z.number()]),
      sizeBytes: z.number().int().nonnegative(),
      /** Believed, not computed. */
      sha256: z.string().optional(),
    }),
    lfs,
  }),
  z.null(),
]);

export const filesSchema = z.record(z.string(), fileSchema);

const repoSchema = z.strictObject({
  type: z.enum(['model', 'dataset', 'space', 'kernel']).optional(),
  id: z.string(),
  private: z.boolean().optional(),
  gated: z.enum(['auto', 'manual']).optional(),
  disabled: z.boolean().optional(),
  renamedFrom: z.array(z.string()).optional(),
  xet: z.boolean().optional(),
  tags: z.record(z.string(), z.string()).optional(),
  rawEntries: z.array(z.unknown()).optional(),
  /** Files by revision. */
  revisions: z.record(z.string(), filesSchema).optional(),
  /** A generated model on the default branch, under the given files. */
  model: z
    .strictObject({
      sizeBytes: z.number().int().positive(),
      shards: z.number().int().positive().optional(),
      seed: z.string().optional(),
    })
    .optional(),
  /** Generated files, `part-00000` and on, on the default branch, beside the given ones. */
  manyFiles: z
    .strictObject({
      count: z.number().int().positive(),
      fileBytes: z.number().int().positive(),
      seed: z.string(),
    })
    .optional(),
});

const quota = z
  .strictObject({
    api: z.number().optional(),
    resolvers: z.number().optional(),
    pages: z.number().optional(),
  })
  .optional();

/** The JSON-able options of both hubs. */
const hubOptionsSchema = z.strictObject({
  host: z.string().optional(),
  cdnHost: z.string().optional(),
  hubPort: z.number().int().optional(),
  cdnPort: z.number().int().optional(),
  tls: z.strictObject({ key: z.string(), cert: z.string() }).optional(),
  bandwidth: z
    .strictObject({
      perConnectionBytesPerSecond: z.number().positive().optional(),
      totalBytesPerSecond: z.number().positive().optional(),
    })
    .optional(),
  maxConnections: z.number().int().positive().optional(),
  signedUrlTtlMs: z.number().positive().optional(),
  quota: z.strictObject({ anonymous: quota, token: quota }).optional(),
  retryAfter: z.boolean().optional(),
  pageSize: z.number().int().positive().optional(),
  emptyRange: z.enum(['416', '200']).optional(),
  gzipText: z.boolean().optional(),
  warning: z.string().optional(),
  quirks: z
    .strictObject({
      smallFileRanges: z.enum(['ignored', 'honoured']).optional(),
      lfsRedirect: z.union([z.literal(302), z.literal(307)]).optional(),
      missingFile: z.union([z.literal(404), z.literal(200)]).optional(),
      sha256: z.enum(['present', 'absent', 'wrong']).optional(),
      sizeError: z.number().int().optional(),
      privateStatus: z.union([z.literal(401), z.literal(403), z.literal(404)]).optional(),
      commitRevisions: z.boolean().optional(),
    })
    .optional(),
});

export const processOptionsSchema = z.strictObject({
  kind: z.enum(['huggingface', 'modelscope']).default('huggingface'),
  options: hubOptionsSchema.default({}),
  repos: z.array(repoSchema).default([]),
  tokens: z
    .record(
      z.string(),
      z.strictObject({
        user: z.string().optional(),
        canRead: z.array(z.string()).optional(),
        grants: z.array(z.string()).optional(),
      }),
    )
    .default({}),
  adminPort: z.number().int().default(0),
  /** Computes all digests before the URLs are printed, so that no listing waits for them. */
  warm: z.boolean().default(true),
  /** Ends the process when its standard input closes, i.e. with its parent. */
  exitWithStdin: z.boolean().default(false),
});

export type ProcessOptions = z.output<typeof processOptionsSchema>;
export type JsonRepo = ProcessOptions['repos'][number];

export function filesFromJson(files: z.output<typeof filesSchema>): Files {
  return Object.fromEntries(Object.entries(files).map(([path, file]) => [path, sourceFromJson(file)]));
}

/** The revisions of a repository, with what is generated on `defaultBranch`. */
export function revisionsFromJson(repo: JsonRepo, defaultBranch: string): Record<string, Files> {
  const revisions: Record<string, Files> = {};
  if (repo.model) revisions[defaultBranch] = makeModelFiles(withoutUndefined(repo.model));
  if (repo.manyFiles)
    revisions[defaultBranch] = { ...revisions[defaultBranch], ...makeManyFiles(repo.manyFiles) };
  for (const [name, files] of Object.entries(repo.revisions ?? {})) {
    revisions[name] = { ...revisions[name], ...filesFromJson(files) };
  }
  return revisions;
}

function makeManyFiles({ count, fileBytes, seed }: NonNullable<JsonRepo['manyFiles']>): Files {
  const numbers = Array.from({ length: count }, (_, number) => number);
  return Object.fromEntries(
    numbers.map((number) => [
      `part-${String(number).padStart(5, '0')}`,
      generatedContent({ seed: `${seed}/${number}`, sizeBytes: fileBytes }),
    ]),
  );
}

/** `exactOptionalPropertyTypes`: what zod calls optional may be undefined. */
export function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const entries = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .map(([name, inner]) => [name, isPlainObject(inner) ? withoutUndefined(inner) : inner]);
  return Object.fromEntries(entries) as { [K in keyof T]: Exclude<T[K], undefined> };
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function sourceFromJson(file: z.output<typeof fileSchema>): FileSource | null {
  if (file === null || typeof file === 'string') return file;
  const content = contentFromJson(file);
  return file.lfs === undefined ? content : { content, lfs: file.lfs };
}

function contentFromJson(file: Exclude<z.output<typeof fileSchema>, string | null>): Content {
  if ('text' in file) return bytesContent(file.text);
  if ('base64' in file) return bytesContent(Buffer.from(file.base64, 'base64'));
  if ('file' in file) return fileContent(file.file);
  const { sha256, ...rest } = file.generated;
  return generatedContent(sha256 === undefined ? rest : { ...rest, sha256 });
}
