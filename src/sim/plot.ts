// Completion over time as an SVG: how many peers are complete, against the bound. For simulated and for real deliveries.

const WIDTH = 720;
const HEIGHT = 400;
const MARGIN = { left: 56, right: 24, top: 40, bottom: 44 };
const COLOURS = ['#27c', '#2a2', '#e80', '#92c', '#555'];

export interface CompletionPlot {
  readonly title: string;
  readonly peers: number;
  readonly boundSeconds: number;
  /** Several have their names written beside them. */
  readonly series: readonly CompletionSeries[];
}

export interface CompletionSeries {
  readonly name: string;
  /** When each peer was complete, ascending. */
  readonly finishSeconds: readonly number[];
}

export function plotCompletion({ title, peers, boundSeconds, series }: CompletionPlot): string {
  const finishes = series.map(({ finishSeconds }) => finishSeconds.at(-1) ?? 0);
  const lastSeconds = Math.max(boundSeconds, ...finishes) * 1.05;
  const x = (seconds: number): number =>
    MARGIN.left + (seconds / lastSeconds) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (count: number): number =>
    HEIGHT - MARGIN.bottom - (count / peers) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const parts = [
    text(WIDTH / 2, 22, 'middle', title),
    ...ticks(lastSeconds).map((seconds) => text(x(seconds), HEIGHT - 24, 'middle', `${seconds} s`)),
    ...[0, 0.25, 0.5, 0.75, 1].map((share) =>
      text(MARGIN.left - 8, y(share * peers) + 4, 'end', String(Math.round(share * peers))),
    ),
    `<path d="M${x(0)} ${y(peers)}V${y(0)}H${x(lastSeconds)}" fill="none" stroke="#888"/>`,
    `<path d="M${x(boundSeconds)} ${y(0)}V${y(peers)}" stroke="#c33" stroke-dasharray="6 4"/>`,
    text(x(boundSeconds) - 6, y(peers * 0.5), 'end', 'bound'),
    ...series.flatMap(({ name, finishSeconds }, at) => {
      const line = `<path d="${steps(finishSeconds, x, y)}" fill="none" stroke="${colour(at)}" stroke-width="2"/>`;
      if (series.length === 1) return [line];
      const middle = finishSeconds[Math.floor(finishSeconds.length / 2)] ?? 0;
      return [line, text(x(middle) - 6, y(peers * 0.5) - 16 * (at + 1), 'end', name, colour(at))];
    }),
  ];
  const box = `viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}"`;
  const style = 'font-family="sans-serif" font-size="12"';
  const background = '<rect width="100%" height="100%" fill="#fff"/>';
  return `<svg xmlns="http://www.w3.org/2000/svg" ${box} ${style}>\n${[background, ...parts].join('\n')}\n</svg>\n`;
}

function colour(at: number): string {
  return COLOURS[at % COLOURS.length] ?? '#000';
}

/** A staircase that rises by one with each peer. */
function steps(finishSeconds: readonly number[], x: (s: number) => number, y: (n: number) => number): string {
  const risen = finishSeconds.map((seconds, at) => `H${x(seconds).toFixed(1)}V${y(at + 1).toFixed(1)}`);
  return [`M${x(0)} ${y(0)}`, ...risen].join('');
}

function ticks(lastSeconds: number): number[] {
  const step = 10 ** Math.floor(Math.log10(lastSeconds / 2));
  const wide = lastSeconds / step > 12 ? step * 2 : step;
  return Array.from({ length: Math.floor(lastSeconds / wide) + 1 }, (_, at) =>
    Number((at * wide).toPrecision(6)),
  );
}

function text(
  x: number,
  y: number,
  anchor: 'start' | 'middle' | 'end',
  content: string,
  fill = '#000',
): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" fill="${fill}">${content}</text>`;
}
