/**
 * How many scrapes are missing if there should be one per interval. A scrape may be half an interval late.
 *
 * @param times of the scrapes, in ascending order; those before `from` count as the first one's predecessor.
 */
export function missingScrapes(times: readonly number[], from: number, to: number, interval: number): number {
  let last = times.findLast((time) => time < from) ?? from;
  let missing = 0;
  for (const time of times) {
    if (time < from || time > to) continue;
    missing += Math.max(0, Math.round((time - last) / interval) - 1);
    last = time;
  }
  return missing + Math.max(0, Math.floor((to - last) / interval - 0.5));
}
