/** A value that at most this share of the samples exceeds is not interpolated: it was really seen. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 0.5);
}

/** One line of the table that is printed at the end. */
export interface Row {
  readonly measure: string;
  readonly postsync: string;
  /** What it is compared with, measured in the same run. */
  readonly beside: string;
  readonly ratio?: number;
  readonly target: string;
  readonly isMet: boolean;
}

export function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

/** The rows as a table in Markdown. */
export function tableOf(rows: readonly Row[]): string {
  const lines = rows.map(({ measure, postsync, beside, ratio, target, isMet }) =>
    [measure, postsync, beside, ratio?.toFixed(2) ?? '', target, isMet ? 'yes' : 'NO'].join(' | '),
  );
  return [
    '| measure | postsync | beside it | ratio | target | met |',
    '| --- | --- | --- | --- | --- | --- |',
    ...lines.map((line) => `| ${line} |`),
  ].join('\n');
}
