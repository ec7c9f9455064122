#!/usr/bin/env node
// 示例机构：把一份文档签名后报送到 Kafka，等到它的回执。格式见 docs/wire-format.md。
// A sample institution: signs a document, sends it to Kafka, and waits for its receipt. The form: docs/wire-format.md.
import { createHash, createPrivateKey, randomBytes, sign } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { CloudEvent, Kafka as OnKafka } from "cloudevents";
import { Kafka, Partitioners, logLevel } from "kafkajs";

const ACCEPTED = 0, REJECTED = 1, FAILED = 2;
const CONTENT_TYPE = "application/cloudevents+json";
const NAMESPACE_URL = "6ba7b811-9dad-11d1-80b4-00c04fd430c8";

const USAGE = `用法 / usage: node index.mjs --profile FILE [--document FILE] [--receipt FILE] [--seconds N]

  --profile FILE    登记时写下的凭据文件 / the profile that \`zeren institution register\` wrote
  --document FILE   要报送的文档，原样签名（默认：明天的一个班）/ the document, signed as it stands (default: a class tomorrow)
  --receipt FILE    把回执的原始字节存到此处 / keep the receipt's exact bytes here
  --seconds N       最多等多久（默认 60）/ how long to wait at most (default 60)

退出码 / exit codes: 0 接受 / accepted, 1 退回 / rejected, 2 没有结果 / no outcome`;

/** What stops the program, in words for people. */
class Trouble extends Error {}

/** The profile: lines `name = "value"`, each value a JSON string. Only its owner may read it. */
function readProfile(path) {
  const rows = readSecret(path).matchAll(/^(\w+) = (".*")$/gm);
  const profile = Object.fromEntries([...rows].map(([, name, value]) => [name, JSON.parse(value)]));
  const needed = ["uscc", "bootstrap", "user", "password", "security_protocol", "receipts_topic", "key_id", "key_file"];
  const missing = needed.filter((name) => !profile[name]);
  if (missing.length) throw new Trouble(`${path} 缺少 ${missing}：请重新登记 / ${path} lacks ${missing}: register again`);
  return profile;
}

function readFile(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new Trouble(`无法读取 ${path}（${error.code}）/ can't read ${path} (${error.code})`);
  }
}

/** A file that holds a secret. */
function readSecret(path) {
  const content = readFile(path).toString();
  if (statSync(path).mode & 0o077) throw new Trouble(`${path} 可被他人读取：请 chmod 600 / others may read ${path}: chmod 600 it`);
  return content;
}

/** The private signing key, a JWK file (RFC 8037). */
function readKey(path) {
  return createPrivateKey({ key: JSON.parse(readSecret(path)), format: "jwk" });
}

/** Detached JWS over the exact bytes (RFC 7797, b64=false): only the header and the signature travel. */
function detachedJws(bytes, key, keyId) {
  const header = { alg: "Ed25519", b64: false, crit: ["b64"], kid: keyId };
  const encoded = Buffer.from(JSON.stringify(header)).toString("base64url");
  const signature = sign(null, Buffer.concat([Buffer.from(`${encoded}.`), bytes]), key);
  return `${encoded}..${signature.toString("base64url")}`;
}

/** UUIDv5 (RFC 9562). */
function uuid5(namespace, name) {
  const hash = createHash("sha1").update(Buffer.from(namespace.replaceAll("-", ""), "hex")).update(name).digest();
  hash[6] = (hash[6] & 0x0f) | 0x50;
  hash[8] = (hash[8] & 0x3f) | 0x80;
  return hash.toString("hex", 0, 16).replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}

/** The id of one's own things: class, enrolment, candidate, application …; nobody needs to be asked. */
function idOf(...parts) {
  return uuid5(uuid5(NAMESPACE_URL, "urn:zeren"), parts.join("/"));
}

/** The bytes of an application to open a class tomorrow, made with the CloudEvents SDK. */
function classTomorrow(uscc) {
  const classRef = `node-${randomBytes(4).toString("hex")}`;
  const tomorrow = new Date(Date.now() + 86_400_000);
  const heldOn = new Intl.DateTimeFormat("en-CA", { timeZone: "Asia/Shanghai" }).format(tomorrow);
  const session = (name, startsAt, endsAt) => ({
    session_ref: `${classRef}-${name}`, held_on: heldOn, starts_at: startsAt, ends_at: endsAt, teacher_ref: "t-1",
  });
  const event = new CloudEvent({
    id: `apply-${classRef}`,
    source: `urn:uscc:${uscc}`,
    type: "zeren.submission.ApplyClass.v1",
    nonce: randomBytes(16).toString("base64url"),
    datacontenttype: "application/json",
    data: {
      class_ref: classRef,
      region: "350200",
      occupation_id: "elder-carer",
      level: "5",
      training_kind: "EMPLOYMENT_SKILL",
      programme_tags: [],
      max_trainees: 30,
      sessions: [session("am", "09:00", "11:30"), session("pm", "14:00", "16:30")],
    },
  });
  return Buffer.from(OnKafka.structured(event).value);
}

/** The service that decides a document and the record key: both follow from its type. The key is for order alone. */
function destination({ type, data }, uscc) {
  switch (String(type).split(".")[2]) {
    case "ApplyClass": case "EnrolTrainee": case "RecordAttendanceSheet": case "CompleteClass":
      return ["enrolment", idOf(uscc, "class", data.class_ref)];
    case "RegisterCandidate":
      return ["certification", idOf(uscc, "candidate", data.candidate_ref)];
    case "RecordResults": case "ApproveResults":
      return ["certification", uscc];
    case "ApplySubsidy":
      return ["payment", idOf(uscc, "application", data.application_ref)];
    case "ConfirmPayments":
      return ["payment", data.batch_id];
    default:
      throw new Trouble(`没有此类文档：${type} / no such type of document: ${type}`);
  }
}

/** A document as an object; its bytes are sent as they stand. */
function parsed(bytes) {
  try {
    return JSON.parse(bytes);
  } catch (error) {
    throw new Trouble(`文档不是 JSON（${error.message}）/ the document is no JSON (${error.message})`);
  }
}

function kafkaOf(profile) {
  return new Kafka({
    clientId: `node-institution-${profile.uscc}`,
    brokers: [profile.bootstrap],
    ssl: profile.security_protocol === "SASL_SSL",
    sasl: { mechanism: "scram-sha-512", username: profile.user, password: profile.password },
    logLevel: logLevel.NOTHING,
    retry: { retries: 10, maxRetryTime: 3_000 },
  });
}

/** Begins to read receipts where this group left off. Answers, once it reads, a promise of the receipt of these bytes. */
async function awaitReceipt(consumer, profile, digest) {
  let found;
  const receipt = new Promise((resolve) => { found = resolve; });
  const crashed = new Promise((_, reject) => consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error)));
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  const eachMessage = async ({ message }) => {
    const headers = { "content-type": CONTENT_TYPE };
    const event = OnKafka.toEvent({ key: message.key?.toString(), headers, value: message.value });
    if (event.data.origin?.digest === digest) found({ event, bytes: message.value });
  };
  await consumer.subscribe({ topics: [profile.receipts_topic], fromBeginning: true });
  await consumer.run({ eachMessage });
  await Promise.race([joined, crashed]);
  return { receipt: Promise.race([receipt, crashed]) };
}

/** Sends, waits, tells. Answers the exit code. */
async function submit({ profile, bytes, seconds, receiptFile }) {
  const document = parsed(bytes);
  const [service, recordKey] = destination(document, profile.uscc);
  const jws = detachedJws(bytes, readKey(profile.key_file), profile.key_id);
  const digest = createHash("sha256").update(bytes).digest("hex");
  const kafka = kafkaOf(profile);
  const consumer = kafka.consumer({ groupId: `${profile.user}.node`, maxWaitTimeInMs: 300 });
  const producer = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner });
  await Promise.all([consumer.connect(), producer.connect()]);
  const { receipt } = await awaitReceipt(consumer, profile, digest);
  const headers = { jws, "content-type": CONTENT_TYPE };
  const topic = `zeren.${service}.intake.v1`;
  await producer.send({ topic, acks: -1, messages: [{ key: recordKey, value: bytes, headers }] });
  console.error(`已报送 ${document.id} 到 ${topic}，等待回执 / ${document.id} sent to ${topic}, waiting for its receipt`);
  const code = tell(await Promise.race([receipt, afterSeconds(seconds, document.id)]), jws, receiptFile);
  await Promise.all([consumer.disconnect(), producer.disconnect()]);
  return code;
}

function afterSeconds(seconds, id) {
  return new Promise((_, reject) => setTimeout(() => reject(new Trouble(
    `${seconds} 秒内没有 ${id} 的回执：可能在等待它所依据的事实，或签名无法归属（zeren institution receipts 可再查）/ no receipt of ${id} `
    + `within ${seconds} s: it may wait for what it rests on, or its signature could not be attributed`,
  )), seconds * 1000));
}

/** Prints the receipt as one line of JSON, keeps its bytes, and answers the exit code. */
function tell({ event, bytes }, jws, receiptFile) {
  const { submission_id, origin, reasons = [], refused_lines = [], facts = [] } = event.data;
  if (origin.jws !== jws) throw new Trouble(`回执所记的签名不是我们的 / the receipt records another signature than ours`);
  const accepted = event.type.split(".")[2] === "SubmissionAccepted";
  const outcome = accepted ? "accepted" : "rejected";
  const why = [...reasons, ...refused_lines].map(({ code, field, line }) => ({ code, field, line }));
  console.log(JSON.stringify({ outcome, submission_id, receipt: event.id, facts, reasons: why }));
  if (receiptFile) writeNew(receiptFile, bytes);
  return accepted ? ACCEPTED : REJECTED;
}

function writeNew(path, bytes) {
  try {
    writeFileSync(path, bytes, { flag: "wx" });
  } catch (error) {
    throw new Trouble(`无法写入 ${path}（${error.code}）/ can't write ${path} (${error.code})`);
  }
}

/** The words for what kafkajs throws. */
function kafkaTrouble(error, profile) {
  const why = error.name.startsWith("KafkaJS") ? `${error.name}: ${error.message}` : "";
  return why && `${profile.uscc} 无法使用 Kafka ${profile.bootstrap}（${why}）：请看 zeren status，或重新登记 / can't use Kafka at `
    + `${profile.bootstrap} (${why}): see zeren status, or register again`;
}

async function main() {
  const text = { type: "string" };
  const options = { profile: text, document: text, receipt: text, seconds: { ...text, default: "60" }, help: { type: "boolean" } };
  const { values } = parseArgs({ options });
  const seconds = Number(values.seconds);
  if (values.help || !values.profile || !(seconds > 0)) {
    console.error(USAGE);
    return values.help ? ACCEPTED : FAILED;
  }
  const profile = readProfile(values.profile);
  const bytes = values.document ? readFile(values.document) : classTomorrow(profile.uscc);
  try {
    return await submit({ profile, bytes, seconds, receiptFile: values.receipt });
  } catch (error) {
    throw new Trouble(kafkaTrouble(error, profile) || error.message, { cause: error });
  }
}

/** Tells and ends; Node's own exit code for what nobody caught would mean "rejected". */
function fail(error) {
  console.error(error instanceof Trouble ? error.message : `${error.message}\n\n${USAGE}`);
  process.exit(FAILED);
}

process.on("uncaughtException", fail);
main().then(process.exit, fail);
