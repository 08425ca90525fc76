// The log: one JSON object a line, by pino, behind core's Logger port. Constant messages, facts as redacted fields.

import { type DestinationStream, destination, pino } from 'pino';
import { type LogFields, type Logger, redactText } from '../core/index.ts';
import { redactValue } from './redact.ts';

export type LoggerLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LoggerOptions {
  /** Least level that is written. */
  readonly level: LoggerLevel;
  /** On every line, e.g. `{ role: 'seed' }`. */
  readonly fields?: LogFields;
  /** Default: standard error, written at once, so that a crash loses no line. */
  readonly output?: DestinationStream;
}

export function createLogger(options: LoggerOptions): Logger {
  const base = redactValue(options.fields ?? {}) as Record<string, unknown>;
  const output = options.output ?? destination({ dest: 2, sync: true });
  const formatters = { level: (label: string) => ({ level: label }) };
  const log = pino(
    {
      level: options.level,
      base,
      formatters,
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'message',
    },
    output,
  );
  const write = (level: Exclude<LoggerLevel, 'silent'>) => (message: string, fields?: LogFields) => {
    if (!log.isLevelEnabled(level)) return;
    log[level](redactValue(fields ?? {}), redactText(message));
  };
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}
