// The body of an answer. Servers and pages are not ours, so it is read up to a bound.

/** Reads at most so many bytes; `isWhole` tells whether that is all. What is compressed is counted unpacked. */
export async function bodyOf(response, most) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > most) return { bytes: Buffer.concat(chunks, most), isWhole: false };
  }
  return { bytes: Buffer.concat(chunks), isWhole: true };
}
