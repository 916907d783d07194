/**
 * A shorter input for which `fails` still holds: parts are taken out, large ones first, as long as that goes
 * (Zeller's ddmin, in short), then bytes become plain letters.
 *
 * @param attempts maximum number of calls of `fails`.
 */
export async function minimise(
  input: Buffer,
  fails: (candidate: Buffer) => Promise<boolean>,
  attempts: number,
): Promise<Buffer> {
  let best = input;
  let left = attempts;
  const improves = async (candidate: Buffer): Promise<boolean> => {
    if (left-- <= 0 || !(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let size = Math.ceil(input.length / 2); size >= 1 && left > 0; ) {
    let shorter = false;
    for (let at = 0; at < best.length && left > 0; ) {
      const without = Buffer.concat([best.subarray(0, at), best.subarray(at + size)]);
      if (await improves(without)) shorter = true;
      else at += size;
    }
    if (size > 1) size = Math.floor(size / 2);
    else if (!shorter) break;
  }
  for (let at = 0; at < best.length && left > 0; at++) {
    if (best[at] === 0x61) continue;
    const plain = Buffer.from(best);
    plain[at] = 0x61;
    await improves(plain);
  }
  return best;
}
