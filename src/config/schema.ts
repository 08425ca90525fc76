// The one schema of all settings of daemon, seed, scheduler and the engine inside `dfget`. From it come the types, the
// flags and environment names (from the keys: `uploadRate` → `--upload-rate`, `ANAX_UPLOAD_RATE`), the docs table and
// the JSON schema. A key is the same in the config file, where sizes and durations are text with a unit.

import { z } from 'zod';
import { parseDuration, parseRate, parseSize } from './units.ts';

/** Which programs a setting is for. `command` is the engine inside `dfget`. */
export type ConfigPart = 'daemon' | 'scheduler' | 'command';

export interface SettingMeta {
  /** One sentence for the help text and the docs, without a full stop. */
  readonly help: string;
  /** What follows the flag in the help text. */
  readonly value: string;
  readonly parts: readonly ConfigPart[];
  /** Further environment names, of lower rank than the setting's own. */
  readonly envAliases?: readonly string[];
  /** What the docs say of a default that depends on the host, or of none. */
  readonly defaultText?: string;
}

const settings = z.registry<SettingMeta>();

const EVERYWHERE: readonly ConfigPart[] = ['daemon', 'scheduler', 'command'];
const ENGINE: readonly ConfigPart[] = ['daemon', 'command'];

/** Turns a parser that throws into a step of a schema. */
function parsed(parse: (text: string) => number) {
  return z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  });
}

const text = () => z.string().min(1).max(4096);
const size = () => z.union([z.int().nonnegative(), parsed(parseSize)]);
const rate = () => z.union([z.int().positive(), parsed(parseRate)]);
const duration = () => parsed(parseDuration);

/** From flags and environment numbers come as text. */
function wholeNumber(min: number, max: number) {
  const digits = z
    .string()
    .regex(/^\d{1,15}$/u, 'not a whole number')
    .transform(Number);
  return z.union([z.int(), digits]).pipe(z.int().min(min).max(max));
}

const hostAndPort = () => z.string().regex(/^(?:\[[0-9a-f:.]+\]|[^\s:/]+):\d{1,5}$/iu, 'not host:port');

/** Without a scheme, `https://` is meant (`MODELSCOPE_DOMAIN` is written so). */
const baseUrl = () =>
  z
    .string()
    .transform((url) => (url.includes('://') ? url : `https://${url}`).replace(/\/+$/u, ''))
    .pipe(z.url({ protocol: /^https?$/u, error: 'not an http(s) URL' }));

/** Without a scheme, `http://` is meant, as everywhere for proxies. */
const proxyUrl = () =>
  z
    .string()
    .transform((url) => (url.includes('://') ? url : `http://${url}`))
    .pipe(z.url({ protocol: /^https?$/u, error: 'not the URL of an http(s) proxy' }));

export const configSchema = z
  .strictObject({
    role: z
      .enum(['peer', 'seed'])
      .default('peer')
      .register(settings, {
        help: 'what the daemon is in the cluster: a seed fills from the origin on request',
        value: '<role>',
        parts: ['daemon'],
      }),
    dataDir: text().register(settings, {
      help: 'folder of identity and state',
      value: '<dir>',
      parts: ['daemon', 'scheduler'],
      defaultText: '`/var/lib/anax` for root, else `$XDG_STATE_HOME/anax`',
    }),
    cacheDir: text().register(settings, {
      help: 'folder of the content cache',
      value: '<dir>',
      parts: ENGINE,
      defaultText: '`/var/cache/anax` for root, else `$XDG_CACHE_HOME/anax`',
    }),
    capacity: size().exactOptional().register(settings, {
      help: 'size that the cache is kept under',
      value: '<size>',
      parts: ENGINE,
      defaultText: 'no limit',
    }),
    host: text()
      .default('127.0.0.1')
      .register(settings, {
        help: 'address to listen on; 0.0.0.0 to serve other machines',
        value: '<address>',
        parts: ['daemon', 'scheduler'],
      }),
    port: wholeNumber(0, 65_535).register(settings, {
      help: 'port to listen on; 0 takes a free one',
      value: '<port>',
      parts: ['daemon', 'scheduler'],
      defaultText: '7411 for a daemon, 7410 for the scheduler',
    }),
    advertise: text()
      .exactOptional()
      .register(settings, {
        help: 'address that others reach this host under',
        value: '<address>',
        parts: ['daemon'],
        defaultText: '`host`, or where that is a wildcard, the address that the scheduler is reached from',
      }),
    socket: text().register(settings, {
      help: 'Unix socket of the control API',
      value: '<path>',
      parts: ['daemon'],
      defaultText: '`/run/anax/anax.sock` for root, else `$XDG_RUNTIME_DIR/anax/anax.sock`',
    }),
    scheduler: hostAndPort().exactOptional().register(settings, {
      help: 'scheduler to attend',
      value: '<host:port>',
      parts: ENGINE,
      defaultText: 'none: on its own',
    }),
    zone: z.string().max(255).default('').register(settings, {
      help: 'where the host stands (region/zone/rack); bytes cross zones as rarely as possible',
      value: '<zone>',
      parts: ENGINE,
      defaultText: 'unknown',
    }),
    hostname: text().max(255).register(settings, {
      help: 'name that others show for this host',
      value: '<name>',
      parts: ENGINE,
      defaultText: "the machine's",
    }),
    peerTlsCert: text().exactOptional().register(settings, {
      help: "PEM file of this host's certificate: links between hosts use TLS; goes with the two below",
      value: '<file>',
      parts: ENGINE,
      defaultText: 'none: plain TCP',
    }),
    peerTlsKey: text().exactOptional().register(settings, {
      help: "PEM file of that certificate's key",
      value: '<file>',
      parts: ENGINE,
      defaultText: 'none',
    }),
    peerTlsCa: text().exactOptional().register(settings, {
      help: 'PEM file of the CA that signed the certificates of all hosts',
      value: '<file>',
      parts: ENGINE,
      defaultText: 'none',
    }),
    uploadRate: rate()
      .exactOptional()
      .register(settings, {
        help: 'limit on bytes given to peers, per second',
        value: '<size>',
        parts: ['daemon'],
        defaultText: 'no limit',
      }),
    downloadRate: rate().exactOptional().register(settings, {
      help: 'limit on bytes taken from peers and origins together, per second',
      value: '<size>',
      parts: ENGINE,
      defaultText: 'no limit',
    }),
    workers: wholeNumber(0, 32).register(settings, {
      help: 'threads that move pieces between peers and from origins; 0 moves them in the main thread',
      value: '<n>',
      parts: ['daemon'],
      defaultText: "the machine's cores less one, from 1 to 2",
    }),
    hfEndpoint: baseUrl()
      .default('https://huggingface.co')
      .register(settings, {
        help: 'base URL of the Hugging Face hub, or of a mirror of it',
        value: '<url>',
        parts: ENGINE,
        envAliases: ['HF_ENDPOINT'],
      }),
    modelscopeEndpoint: baseUrl()
      .default('https://www.modelscope.cn')
      .register(settings, {
        help: 'base URL of the ModelScope hub',
        value: '<url>',
        parts: ENGINE,
        envAliases: ['MODELSCOPE_ENDPOINT', 'MODELSCOPE_DOMAIN'],
      }),
    originConnections: wholeNumber(1, 64).default(4).register(settings, {
      help: 'requests for content to one origin at the same time',
      value: '<n>',
      parts: ENGINE,
    }),
    clusterConnections: wholeNumber(1, 100_000)
      .exactOptional()
      .register(settings, {
        help: 'requests for content to one origin at the same time, of all hosts together',
        value: '<n>',
        parts: ['scheduler'],
        defaultText: 'no limit',
      }),
    clusterRate: rate()
      .exactOptional()
      .register(settings, {
        help: 'limit on bytes taken from one origin by all hosts together, per second',
        value: '<size>',
        parts: ['scheduler'],
        defaultText: 'no limit',
      }),
    clusterRequests: wholeNumber(1, 1_000_000)
      .exactOptional()
      .register(settings, {
        help: 'requests for content to one origin in a minute, of all hosts together',
        value: '<n>',
        parts: ['scheduler'],
        defaultText: 'no limit',
      }),
    leaseStall: duration()
      .prefault('3m')
      .register(settings, {
        help: 'a host that reads an origin and gets no further for so long has another read instead',
        value: '<duration>',
        parts: ['scheduler'],
      }),
    httpProxy: proxyUrl()
      .exactOptional()
      .register(settings, {
        help: 'proxy for http:// origins',
        value: '<url>',
        parts: ENGINE,
        envAliases: ['http_proxy'],
        defaultText: 'none',
      }),
    httpsProxy: proxyUrl()
      .exactOptional()
      .register(settings, {
        help: 'proxy for https:// origins',
        value: '<url>',
        parts: ENGINE,
        envAliases: ['HTTPS_PROXY', 'https_proxy'],
        defaultText: 'none',
      }),
    noProxy: text()
      .exactOptional()
      .register(settings, {
        help: 'hosts that are reached without a proxy, separated by commas',
        value: '<hosts>',
        parts: ENGINE,
        envAliases: ['NO_PROXY', 'no_proxy'],
        defaultText: 'none',
      }),
    retryWait: duration().prefault('5m').register(settings, {
      help: 'longest wait that an origin may ask for (Retry-After) before the download fails',
      value: '<duration>',
      parts: ENGINE,
    }),
    stopWait: duration()
      .prefault('10s')
      .register(settings, {
        help: 'how long a stop waits for open calls',
        value: '<duration>',
        parts: ['daemon', 'scheduler'],
      }),
    logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).register(settings, {
      help: 'least level that is logged',
      value: '<level>',
      parts: EVERYWHERE,
      defaultText: 'info; silent for dfget',
    }),
  })
  .meta({ title: 'Anax configuration' });

/** As written: in the config file, or by flags and environment (then all text). */
type ConfigInput = z.input<typeof configSchema>;
export type ConfigKey = keyof ConfigInput;

/** All three files or none. */
function toPeerTls(
  cert: string | undefined,
  key: string | undefined,
  ca: string | undefined,
  context: z.core.$RefinementCtx,
) {
  if (cert !== undefined && key !== undefined && ca !== undefined) return { cert, key, ca };
  if (cert !== undefined || key !== undefined || ca !== undefined) {
    context.addIssue({
      code: 'custom',
      message: 'TLS between hosts needs all of peerTlsCert, peerTlsKey and peerTlsCa',
    });
  }
  return undefined;
}

const toValue = configSchema.transform(
  (
    {
      capacity,
      port,
      uploadRate,
      downloadRate,
      clusterRate,
      leaseStall,
      retryWait,
      stopWait,
      peerTlsCert,
      peerTlsKey,
      peerTlsCa,
      ...rest
    },
    context,
  ) => ({
    ...rest,
    port,
    peerTls: toPeerTls(peerTlsCert, peerTlsKey, peerTlsCa, context),
    ...(capacity !== undefined && { capacityBytes: capacity }),
    ...(uploadRate !== undefined && { uploadBytesPerSecond: uploadRate }),
    ...(downloadRate !== undefined && { downloadBytesPerSecond: downloadRate }),
    ...(clusterRate !== undefined && { clusterBytesPerSecond: clusterRate }),
    leaseStallMs: leaseStall,
    retryWaitMs: retryWait,
    stopWaitMs: stopWait,
  }),
);

/** All settings, read and complete, with their units in the names. */
export type Config = Readonly<z.output<typeof toValue>>;
export type LogLevel = Config['logLevel'];

/** Reads what `mergeLayers` put together; issues are reported there, layer by layer. */
export function toConfig(input: unknown) {
  return toValue.safeParse(input);
}

export const configKeys = Object.keys(configSchema.shape) as readonly ConfigKey[];

export function settingMeta(key: ConfigKey): SettingMeta {
  const meta = settings.get(configSchema.shape[key]);
  if (!meta) throw new TypeError(`the setting ${key} is not described`);
  return meta;
}

/** For the chart and for editors: JSON Schema of the config file. */
export function configJsonSchema(): unknown {
  return z.toJSONSchema(configSchema, { io: 'input' });
}
