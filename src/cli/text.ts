// Text for people: durations, widths as a terminal shows them, tables. Pure.

/** `0:09`, `12:30`, `1:02:05`. */
export function formatClock(ms: number): string {
  const total = Math.max(0, Math.round(ms / 1000));
  const seconds = String(total % 60).padStart(2, '0');
  const minutes = Math.floor(total / 60) % 60;
  const hours = Math.floor(total / 3600);
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${seconds}` : `${minutes}:${seconds}`;
}

/** `0.4 s`, `17 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function formatSpan(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (Math.round(seconds) < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** A pinned web address carries its validator as a fragment, which tells people nothing. */
export function shownUrl(url: string): string {
  return /^https?:/u.test(url) ? url.replace(/#.*$/u, '') : url;
}

/** East Asian wide characters and emoji take two columns; combining marks none. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const ZERO_WIDTH = /\p{Mark}|\u200b|\u200d|\ufe0f/u;

function charWidth(char: string): number {
  if (ZERO_WIDTH.test(char)) return 0;
  return WIDE.test(char) ? 2 : 1;
}

/** Columns that plain text (without escapes) takes. */
export function textWidth(text: string): number {
  let width = 0;
  for (const char of text) width += charWidth(char);
  return width;
}

/** Keeps both ends of a text that is too long, more of the tail: there the number of a shard is. */
export function truncateMiddle(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  const chars = Array.from(text);
  const head = takeWidth(chars, Math.floor((width - 1) / 3));
  const tail = takeWidth(chars.toReversed(), width - 1 - textWidth(head));
  return `${head}…${Array.from(tail).toReversed().join('')}`;
}

function takeWidth(chars: readonly string[], width: number): string {
  let taken = '';
  let used = 0;
  for (const char of chars) {
    used += charWidth(char);
    if (used > width) break;
    taken += char;
  }
  return taken;
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - textWidth(text)));
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - textWidth(text))) + text;
}

export interface Column {
  readonly title: string;
  readonly align?: 'right';
}

/** Columns as wide as their widest cell, two spaces apart; the last one is not padded. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const cells = [columns.map(({ title }) => title), ...rows];
  const widths = columns.map((_, at) =>
    cells.reduce((widest, row) => Math.max(widest, textWidth(row[at] ?? '')), 0),
  );
  return cells.map((row) =>
    columns
      .map(({ align }, at) => {
        const width = at === columns.length - 1 && align !== 'right' ? 0 : (widths[at] ?? 0);
        return align === 'right' ? padStart(row[at] ?? '', width) : padEnd(row[at] ?? '', width);
      })
      .join('  ')
      .trimEnd(),
  );
}
