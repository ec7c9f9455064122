#!/usr/bin/env node
// 示例机构：把一份文档签名后报送到 Kafka，等到它的回执。格式见 docs/wire-format.md。
// A sample institution: signs a document, sends it to Kafka, and waits for its receipt. The form: docs/wire-format.md.
import { createHash, createPrivateKey, randomBytes, sign } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { CloudEvent, Kafka as OnKafka } from "cloudevents";
import { Kafka, Partitioners, logLevel } from "kafkajs";

const ACCEPTED = 0, REJECTED = 1, FAILED = 2;
const CONTENT_TYPE = "application/cloudevents+json";
const PARKED = "zeren parked list";
const NAMESPACE_URL = "6ba7b811-9dad-11d1-80b4-00c04fd430c8";

const USAGE = `用法 / usage: node index.mjs --profile FILE [--document FILE] [--receipt FILE] [--seconds N]

  --profile FILE    登记时写下的凭据文件 / the profile that \`zeren institution register\` wrote
  --document FILE   要报送的文档，占一行，不计行末换行，原样签名（默认：明天的一个班）/ the document, on one line, signed as it
                    stands without the line feed at its end (default: a class tomorrow)
  --receipt FILE    把回执的原始字节存到此处，不覆盖 / keep the receipt's exact bytes here, never over another file
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
function destination({ type, data = {} }, uscc) {
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

/** The document of a file: its one line, without the line feed. `zeren submit` signs the same bytes of the same file. */
function readDocument(path) {
  const lines = readFile(path).toString("latin1").split("\n").filter((line) => line.trim());
  if (lines.length !== 1) {
    throw new Trouble(`${path} 须恰有一份文档，占一行，现有 ${lines.length} 行：排版过的 JSON 请压成一行（jq -c .），多份请分开报送，或用 `
      + `zeren submit / ${path} must hold one document on one line and has ${lines.length}: put JSON that is spread over `
      + "lines on one (jq -c .); send several one by one, or by zeren submit");
  }
  return Buffer.from(lines[0], "latin1");
}

/** A document as an object, of the profile's institution; its bytes are sent as they stand. */
function parsed(bytes, uscc) {
  const document = parsedJson(bytes);
  if (document?.source !== `urn:uscc:${uscc}`) {
    throw new Trouble(`文档的 source 须为 urn:uscc:${uscc}（凭据所属机构），未报送：请改 source，或换 --profile / the document's source `
      + `must be urn:uscc:${uscc}, whose profile this is; nothing was sent: correct source, or give another --profile`);
  }
  return document;
}

function parsedJson(bytes) {
  try {
    return JSON.parse(bytes);
  } catch (error) {
    throw new Trouble(`文档不是 JSON（${error.message}）：zeren validate 可离线校验 / the document is no JSON (${error.message}): `
      + "zeren validate checks it offline");
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
  const document = parsed(bytes, profile.uscc);
  const [service, recordKey] = destination(document, profile.uscc);
  const jws = detachedJws(bytes, readKey(profile.key_file), profile.key_id);
  const digest = createHash("sha256").update(bytes).digest("hex");
  const kafka = kafkaOf(profile);
  const consumer = kafka.consumer({ groupId: `${profile.user}.node`, maxWaitTimeInMs: 300 });
  const producer = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner });
  console.error(`连接 Kafka ${profile.bootstrap} / connecting to Kafka at ${profile.bootstrap}`);
  await Promise.all([consumer.connect(), producer.connect()]);
  const { receipt } = await awaitReceipt(consumer, profile, digest);
  const headers = { jws, "content-type": CONTENT_TYPE };
  const topic = `zeren.${service}.intake.v1`;
  await producer.send({ topic, acks: -1, messages: [{ key: recordKey, value: bytes, headers }] });
  console.error(`已报送 ${document.id} 到 ${topic}，等待回执 / ${document.id} sent to ${topic}, waiting for its receipt`);
  const code = tell(await Promise.race([receipt, afterSeconds(seconds, document.id, profile)]), jws, receiptFile);
  await Promise.all([consumer.disconnect(), producer.disconnect()]);
  return code;
}

function afterSeconds(seconds, id, { uscc, key_id }) {
  const keys = `zeren institution key list --uscc ${uscc}`, receipts = `zeren institution receipts --uscc ${uscc}`;
  return new Promise((_, reject) => setTimeout(() => reject(new Trouble(
    `${seconds} 秒内没有 ${id} 的回执：可能在等待它所依据的事实（${PARKED}），或签名无法归属（请核对密钥 ${key_id}：${keys}）；稍后的回执见 `
    + `${receipts} / no receipt of ${id} within ${seconds} s: it may wait for what it rests on (${PARKED}), or its signature could `
    + `not be attributed (compare the key ${key_id} with ${keys}); a receipt that comes later: ${receipts}`,
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

/** Before anything is sent: whether the receipt can be kept there. */
function checkReceiptFile(path) {
  if (existsSync(path)) {
    throw new Trouble(`${path} 已存在，未报送：回执不覆盖，请另选文件名 / ${path} exists, nothing was sent: a receipt is never written `
      + "over another file, choose another name");
  }
  if (!existsSync(dirname(path))) {
    throw new Trouble(`没有目录 ${dirname(path)}，未报送：请先建立 / no folder ${dirname(path)}, nothing was sent: make it first`);
  }
}

function writeNew(path, bytes) {
  try {
    writeFileSync(path, bytes, { flag: "wx" });
  } catch (error) {
    throw new Trouble(`无法写入 ${path}（${error.code}）/ can't write ${path} (${error.code})`);
  }
}

/** The words for what kafkajs throws. */
function kafkaTrouble(error, { uscc, bootstrap }) {
  const why = error.name.startsWith("KafkaJS") ? `${error.name}: ${error.message}` : "";
  return why && `${uscc} 无法使用 Kafka ${bootstrap}（${why}）：请运行 zeren up，或重新登记以更新凭据 / ${uscc} can't use Kafka at `
    + `${bootstrap} (${why}): run zeren up, or register again to renew the profile`;
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
  const bytes = values.document ? readDocument(values.document) : classTomorrow(profile.uscc);
  if (values.receipt) checkReceiptFile(values.receipt);
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
