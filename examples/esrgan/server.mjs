// esrgan-slim and esrgan-thick behind HTTP on this machine: POST a PNG to /slim or /thick, get one of
// four times its sides. GET /health answers once the networks are loaded.
//
//   node server.mjs [--port 8701] [--until-stdin-ends]
import fs from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const require = createRequire(import.meta.url);
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
const { PNG } = require("pngjs");

const FACTOR = 4;
const LARGEST_UPLOAD = 2 ** 20;
const LARGEST_SIDE = 256;

class BadRequest extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Not every package exports its package.json: packages lie beside this script.
function folderOf(name) {
  return fileURLToPath(new URL(`node_modules/${name}`, import.meta.url));
}

// Layers of esrgan-thick that are not among those of the library, under the names in its file.
class MultiplyBeta extends tf.layers.Layer {
  static className = "MultiplyBeta";

  constructor(config) {
    super(config);
    this.beta = config.beta;
  }

  call(inputs) {
    return tf.mul([inputs].flat()[0], this.beta);
  }
}

class PixelShuffle extends tf.layers.Layer {
  static className = `PixelShuffle${FACTOR}x`;

  computeOutputShape([count, height, width, channels]) {
    const times = (side) => (side === null ? null : side * FACTOR);
    return [count, times(height), times(width), channels / FACTOR ** 2];
  }

  call(inputs) {
    return tf.depthToSpace([inputs].flat()[0], FACTOR, "NHWC");
  }
}

// What each network calls white.
const WHITE = { slim: 255, thick: 1 };
const networks = {};

async function loadNetworks() {
  wasm.setWasmPaths(path.join(folderOf("@tensorflow/tfjs-backend-wasm"), "dist") + path.sep);
  await tf.setBackend("wasm");
  await tf.ready();
  tf.serialization.registerClass(MultiplyBeta);
  tf.serialization.registerClass(PixelShuffle);
  for (const name of Object.keys(WHITE)) networks[name] = await loadNetwork(name);
}

async function loadNetwork(name) {
  const folder = path.join(folderOf(`@upscalerjs/esrgan-${name}`), "models", `x${FACTOR}`);
  const model = JSON.parse(await fs.readFile(path.join(folder, "model.json"), "utf8"));
  const files = model.weightsManifest.flatMap((group) => group.paths);
  const parts = await Promise.all(files.map((file) => fs.readFile(path.join(folder, file))));
  const weights = new Uint8Array(Buffer.concat(parts));
  const load = async () => ({
    ...model,
    weightSpecs: model.weightsManifest.flatMap((group) => group.weights),
    weightData: weights.buffer,
  });
  return tf.loadLayersModel({ load });
}

// Width and height stand at fixed places of a PNG: a picture is refused before it is unpacked.
function decode(content) {
  try {
    if (content.length < 25 || content.readUInt32BE(0) !== 0x89504e47) throw new Error("no PNG");
    if (Math.max(content.readUInt32BE(16), content.readUInt32BE(20)) > LARGEST_SIDE) {
      throw new Error(`sides must be at most ${LARGEST_SIDE} pixels`);
    }
    return PNG.sync.read(content);
  } catch (error) {
    throw new BadRequest(400, `not a small PNG image: ${error.message}`);
  }
}

async function restore(name, { width, height, data }) {
  const scale = 255 / WHITE[name];
  const large = tf.tidy(() => {
    const rgba = tf.tensor4d(new Uint8Array(data), [1, height, width, 4], "float32");
    const rgb = tf.slice(rgba, [0, 0, 0, 0], [1, height, width, 3]);
    const found = tf.mul(networks[name].predict(tf.div(rgb, scale)), scale);
    return tf.cast(tf.clipByValue(tf.round(found), 0, 255), "int32");
  });
  const values = await large.data();
  large.dispose();
  const picture = new PNG({ width: width * FACTOR, height: height * FACTOR });
  for (let from = 0, to = 0; from < values.length; from += 3, to += 4) {
    picture.data.set([values[from], values[from + 1], values[from + 2], 255], to);
  }
  return PNG.sync.write(picture);
}

async function body(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > LARGEST_UPLOAD) throw new BadRequest(413, `must be under ${LARGEST_UPLOAD} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

async function respond(request, response) {
  try {
    const { pathname } = new URL(request.url, "http://127.0.0.1");
    const name = pathname.slice(1);
    if (request.method === "GET" && pathname === "/health") {
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end(JSON.stringify({ ready: true }));
    } else if (request.method === "POST" && Object.hasOwn(networks, name)) {
      const picture = await restore(name, decode(await body(request)));
      response.writeHead(200, { "Content-Type": "image/png" });
      response.end(picture);
    } else {
      throw new BadRequest(404, "POST /slim, POST /thick or GET /health");
    }
  } catch (error) {
    const message = error.status ? error.message : "the image could not be restored";
    response.writeHead(error.status ?? 500, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ error: message }));
  }
}

const { values: options } = parseArgs({
  options: {
    port: { type: "string", default: "8701" },
    "until-stdin-ends": { type: "boolean", default: false },
  },
});
await loadNetworks();
// A parent that is killed cannot stop its child, but its end of the pipe closes.
if (options["until-stdin-ends"]) process.stdin.resume().on("end", () => process.exit());
const server = http.createServer(respond).listen(Number(options.port), "127.0.0.1", () => {
  process.stdout.write(`listening on ${server.address().port}\n`);
});
