// What the running programs tell about themselves.

export { createLogger, type LoggerLevel, type LoggerOptions } from './logger.ts';
