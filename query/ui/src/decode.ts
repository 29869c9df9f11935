/** GetHistoryResponse from protobuf's wire format: a few hundred thousand numbers arrive as packed doubles. */

export interface Curve {
  run: string;
  key: string;
  rank: number | null;
  exact: boolean;
  steps: Float64Array;
  times: Float64Array;
  min: Float64Array;
  max: Float64Array;
  mean: Float64Array;
  first: Float64Array;
  last: Float64Array;
  count: Float64Array;
  odd: Float64Array;
}

const COLUMNS: Record<number, keyof Curve> = {
  5: "steps", 6: "times", 7: "min", 8: "max", 9: "mean", 10: "first", 11: "last", 12: "count", 13: "odd",
};
const INTEGERS = new Set(["steps", "times", "count", "odd"]);
const text = new TextDecoder();

/** Calls `field` for each field of a message; bytes for length-delimited ones, the number for varints. */
function walk(bytes: Uint8Array, field: (number: number, value: Uint8Array | number) => void): void {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const kind = tag & 7;
    if (kind === 2) {
      const size = varint();
      field(tag >>> 3, bytes.subarray(at, at + size));
      at += size;
    } else if (kind === 0) field(tag >>> 3, varint());
    else at += kind === 1 ? 8 : 4;
  }
}

function numbers(bytes: Uint8Array, integers: boolean): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const result = new Float64Array(bytes.byteLength / 8);
  for (let i = 0; i < result.length; i++) {
    result[i] = integers ? Number(view.getBigInt64(i * 8, true)) : view.getFloat64(i * 8, true);
  }
  return result;
}

function curve(bytes: Uint8Array): Curve {
  const none = new Float64Array();
  const made: Curve = {
    run: "", key: "", rank: null, exact: false, steps: none, times: none, min: none, max: none, mean: none,
    first: none, last: none, count: none, odd: none,
  };
  walk(bytes, (number, value) => {
    if (typeof value === "number") {
      if (number === 3) made.rank = value;
      if (number === 4) made.exact = value === 1;
    } else if (number === 1) made.run = text.decode(value);
    else if (number === 2) made.key = text.decode(value);
    else {
      const name = COLUMNS[number];
      if (name) (made[name] as Float64Array) = numbers(value, INTEGERS.has(name));
    }
  });
  return made;
}

/** The curves of a response. */
export function decodeHistory(buffer: ArrayBuffer): Curve[] {
  const curves: Curve[] = [];
  walk(new Uint8Array(buffer), (number, value) => {
    if (number === 1 && typeof value !== "number") curves.push(curve(value));
  });
  return curves;
}

/** A GetHistoryRequest. */
export function encodeHistoryRequest(ask: {
  runs: string[]; keys: string[]; maxBuckets: number; from?: number; to?: number; eachRank: boolean;
}): Uint8Array {
  const out: number[] = [];
  const varint = (value: bigint): void => {
    let rest = BigInt.asUintN(64, value);
    while (rest > 127n) {
      out.push(Number(rest & 127n) | 128);
      rest >>= 7n;
    }
    out.push(Number(rest));
  };
  const string = (number: number, value: string): void => {
    const bytes = new TextEncoder().encode(value);
    varint(BigInt((number << 3) | 2));
    varint(BigInt(bytes.length));
    for (const byte of bytes) out.push(byte);
  };
  const integer = (number: number, value: number): void => {
    varint(BigInt(number << 3));
    varint(BigInt(Math.floor(value)));
  };
  ask.runs.forEach((run) => string(1, run));
  ask.keys.forEach((key) => string(2, key));
  integer(3, ask.maxBuckets);
  if (ask.from !== undefined) integer(4, ask.from);
  if (ask.to !== undefined) integer(5, ask.to);
  integer(7, ask.eachRank ? 1 : 2);
  return new Uint8Array(out);
}
