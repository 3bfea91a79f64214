/** Few rows out of a product, in which any two values of two dimensions still meet: found greedily, the same each time. */

/** Dimensions, each with its values. */
export type Dimensions = readonly (readonly unknown[])[];

/** Rows of indices, one for each dimension. */
export function pairwise(dimensions: Dimensions): readonly (readonly number[])[] {
  const missing = new Set<string>();
  for (const [a, valuesOfA] of dimensions.entries()) {
    for (const [b, valuesOfB] of dimensions.entries()) {
      if (a >= b) continue;
      for (const i of valuesOfA.keys()) for (const j of valuesOfB.keys()) missing.add(`${a}:${i} ${b}:${j}`);
    }
  }
  const rows: number[][] = [];
  while (missing.size > 0) {
    const [first] = missing;
    const row: (number | undefined)[] = dimensions.map(() => undefined);
    for (const part of first!.split(" ")) {
      const [dimension, index] = part.split(":").map(Number);
      row[dimension!] = index!;
    }
    for (const [dimension, values] of dimensions.entries()) {
      if (row[dimension] !== undefined) continue;
      const gains = [...values.keys()].map((index) =>
        pairsOf(row.with(dimension, index)).filter((pair) => missing.has(pair)).length
      );
      row[dimension] = gains.indexOf(Math.max(...gains));
    }
    for (const pair of pairsOf(row)) missing.delete(pair);
    rows.push(row as number[]);
  }
  return rows;
}

/** Every pair in a row; what is not chosen yet is in none. */
export function pairsOf(row: readonly (number | undefined)[]): string[] {
  return row.flatMap((i, a) =>
    row.flatMap((j, b) => a < b && i !== undefined && j !== undefined ? [`${a}:${i} ${b}:${j}`] : [])
  );
}
