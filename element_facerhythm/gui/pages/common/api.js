// Requests to the server that served this page. Addresses are relative, so that a proxy's base path is kept.

export class ServerError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function checked(answer) {
  if (answer.ok) return answer;
  let message = `${answer.status} ${answer.statusText}`;
  try {
    message = (await answer.json()).error || message;
  } catch {
    // no JSON: the status says what there is to say
  }
  throw new ServerError(message, answer.status);
}

export async function ask(address, options = {}) {
  return checked(await fetch(address, options));
}

export async function askJson(address, options = {}) {
  return (await ask(address, options)).json();
}

export async function sendJson(method, address, value, headers = {}) {
  return ask(address, {
    method,
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(value),
  });
}

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  float16: Uint16Array, // bits; see `HALF`
};

/** Arrays that the server sends as bytes: a line of JSON, then their content. */
export async function askArrays(address, options = {}) {
  return arraysOf(await ask(address, options));
}

export async function arraysOf(answer) {
  const data = await answer.arrayBuffer();
  const end = new Uint8Array(data).indexOf(10);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 0, end)));
  const arrays = {};
  for (const [name, { dtype, shape, offset }] of Object.entries(head.arrays)) {
    const length = shape.reduce((product, n) => product * n, 1);
    arrays[name] = new ARRAYS[dtype](data, end + 1 + offset, length);
    arrays[name].shape = shape;
  }
  return { ...head, arrays };
}

/** Values of all 16 bit floats, by their bits. */
export const HALF = new Float32Array(65536);
for (let bits = 0; bits < 65536; bits++) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) HALF[bits] = fraction ? NaN : sign * Infinity;
  else if (exponent === 0) HALF[bits] = sign * fraction * 2 ** -24;
  else HALF[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
