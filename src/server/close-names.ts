import leven from "leven";

const shown = 5;
const maxNameLength = 256;

/**
 * The known names that somebody who asked for `name` may have meant: those that contain it or that it contains,
 * and those a few letters away; the closest first, five at most.
 */
export function closeNames(name: string, known: Iterable<string>): string[] {
  if (name.length > maxNameLength) return [];
  const asked = name.toLowerCase();
  const allowed = Math.max(2, Math.floor(asked.length / 3));
  return [...new Set(known)]
    .map((candidate) => {
      const text = candidate.toLowerCase();
      const contained = text.includes(asked) || (text.length > 2 && asked.includes(text));
      return { candidate, distance: contained ? 0 : leven(asked, text, { maxDistance: allowed + 1 }) };
    })
    .filter(({ distance }) => distance <= allowed)
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, shown)
    .map(({ candidate }) => candidate);
}
