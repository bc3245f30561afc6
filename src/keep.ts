/** Puts a value into a map of bounded size: the one that was kept longest goes when there are too many. */
export function keep<T>(map: Map<string, T>, key: string, value: T, most = 1000): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}
