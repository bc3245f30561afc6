/** With more mistakes than this a word is another word. */
const MOST_MISTAKES = 3;

/** `; did you mean X?` for the known word that a mistyped one is likely to mean; empty where there is none. */
export function suggestion(word: string, known: readonly string[]): string {
  const [likely] = known
    .map((one) => ({ one, mistakes: distance(word, one) }))
    .filter(({ mistakes }) => mistakes <= MOST_MISTAKES)
    .toSorted((a, b) => a.mistakes - b.mistakes);
  return likely ? `; did you mean ${likely.one}?` : '';
}

/** Levenshtein's: how many letters must be put in, left out or changed. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const change = (row[j] ?? 0) + (from[i] === to[j] ? 0 : 1);
      next.push(Math.min(change, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
