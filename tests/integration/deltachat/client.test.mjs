// The real Delta Chat client against a running Postbus on the standard ports.
//
// Environment:
//   CLIENT_DOMAIN   mail domain; its names resolve to the server
//   CLIENT_DCLOGIN  a dclogin: text as read from a QR code of the server, or
//   CLIENT_CODES    JSON: [[where, text], ...] as read from every code that it shows
//   CLIENT_SQL      program that runs what it is given in the server's database; without it
//                   nobody's account vanishes
//   CLIENT_RESTART  program that restarts the service whose name it is given
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startDeltaChat } from "@deltachat/stdio-rpc-server";

const DOMAIN = process.env.CLIENT_DOMAIN;
const CODES = JSON.parse(
  process.env.CLIENT_CODES ?? JSON.stringify([["the server's QR code", process.env.CLIENT_DCLOGIN]]));
const RESTART = process.env.CLIENT_RESTART ?? "";
const SQL = process.env.CLIENT_SQL;
const DEADLINE_MS = 60_000;
// A lost IMAP connection is tried again after at most about a minute by the client itself.
const RESTART_DEADLINE_MS = 150_000;
const SERVICES = [
  "smtp-ingress", "imap-gateway", "queue-worker", "remote-sender", "registrar", "janitor",
];

const folder = mkdtempSync(join(tmpdir(), "postbus-client-"));
const dc = startDeltaChat(folder, { muteStdErr: true });
const rpc = dc.rpc;
const people = {};

after(() => {
  // The library goes on asking for events while its server ends, and writes into the void.
  dc.transport.input.on("error", () => {});
  dc.close();
  rmSync(folder, { recursive: true, force: true });
});

// Ask until the answer is truthy: events may come before we listen.
async function until(what, ask, deadline = DEADLINE_MS) {
  const end = Date.now() + deadline;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`not within ${deadline / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function onboard(name, qr) {
  const account = await rpc.addAccount();
  await rpc.batchSetConfig(account, { displayname: name, bot: "0" });
  await rpc.addTransportFromQr(account, qr);
  assert.equal(await rpc.isConfigured(account), true);
  await rpc.startIo(account);
  people[name] = account;
  return account;
}

async function address(account) {
  return rpc.getConfig(account, "configured_addr");
}

// What was listed a moment ago may be deleted by now.
async function messageOrNull(account, id) {
  try {
    return await rpc.getMessage(account, id);
  } catch (e) {
    if (/does not exist/.test(e.message)) return null;
    throw e;
  }
}

async function findText(account, chat, text) {
  for (const id of (await rpc.getMessageIds(account, chat, false, false)).reverse()) {
    const message = await messageOrNull(account, id);
    if (message?.text === text) return message;
  }
  return null;
}

async function chats(account) {
  return rpc.getChatlistEntries(account, null, null, null);
}

async function findEverywhere(account, text) {
  for (const chat of await chats(account)) {
    const message = await findText(account, chat, text);
    if (message) return message;
  }
  return null;
}

async function befriend(inviter, joiner) {
  const qr = await rpc.getChatSecurejoinQrCode(inviter, null);
  const chat = await rpc.secureJoin(joiner, qr);
  await until("SecureJoin is verified", async () =>
    (await rpc.getFullChatById(joiner, chat)).isEncrypted === true &&
    (await rpc.canSend(joiner, chat)));
  await until("the inviter knows the joiner", async () => (await chats(inviter)).length > 0);
  return chat;
}

async function chatWith(account, peer) {
  const addr = await address(peer);
  return until(`a chat with ${addr}`, async () => {
    for (const id of await rpc.getContactIds(account, 0, null)) {
      const contact = await rpc.getContact(account, id);
      if (contact.address === addr && contact.isKeyContact !== false && contact.e2eeAvail)
        return rpc.createChatByContactId(account, id);
    }
    return null;
  });
}

async function sendAndWait(from, to, text, deadline) {
  await rpc.miscSendTextMessage(from, await chatWith(from, to), text);
  return until(`"${text}" arrives`, () => findEverywhere(to, text), deadline);
}

before(() => {
  assert.ok(DOMAIN, "CLIENT_DOMAIN is not set");
});

test("onboarding by dcaccount: with a domain alone", async () => {
  const account = await onboard("alice", `dcaccount:${DOMAIN}`);
  assert.match(await address(account), new RegExp(`^[a-z0-9]{9}@${DOMAIN}$`));
});

test("onboarding by DCACCOUNT: with https and /new", async () => {
  await onboard("bob", `DCACCOUNT:https://${DOMAIN}/new`);
});

for (const [where, text] of CODES) {
  test(`onboarding by the dclogin: text in ${where}`, async () => {
    assert.match(text, /^dclogin:/i);
    assert.equal(await address(await onboard(where, text)), text.match(/:(?:\/\/)?([^?]+)/)[1]);
    people.carol = people[where];
  });
}

test("each code holds an account of its own", async () => {
  assert.equal(new Set(CODES.map(([, text]) => text)).size, CODES.length);
});

test("SecureJoin between all three", async () => {
  await befriend(people.alice, people.bob);
  await befriend(people.alice, people.carol);
});

test("a message each way", async () => {
  await sendAndWait(people.alice, people.bob, "from alice to bob");
  await sendAndWait(people.bob, people.alice, "from bob to alice");
  await sendAndWait(people.carol, people.alice, "from carol to alice");
});

test("a group of three", async () => {
  const { alice, bob, carol } = people;
  const group = await rpc.createGroupChat(alice, "the three", false);
  for (const member of [bob, carol]) {
    const contact = (await rpc.getFullChatById(alice, await chatWith(alice, member))).contactIds
      .find((id) => id > 9);
    await rpc.addContactToChat(alice, group, contact);
  }
  await rpc.miscSendTextMessage(alice, group, "hello group");
  const atBob = await until("bob reads it", () => findEverywhere(bob, "hello group"));
  await until("carol reads it", () => findEverywhere(carol, "hello group"));
  await rpc.acceptChat(bob, atBob.chatId);
  await rpc.miscSendTextMessage(bob, atBob.chatId, "hello from bob");
  await until("alice reads the answer", () => findEverywhere(alice, "hello from bob"));
});

test("a file of one megabyte", async () => {
  const { alice, bob } = people;
  const file = join(folder, "random.bin");
  writeFileSync(file, randomBytes(1_000_000));
  await rpc.miscSendMsg(alice, await chatWith(alice, bob), "a file", file, "random.bin", null, null);
  const message = await until("the file arrives", async () => {
    const m = await findEverywhere(bob, "a file");
    return m?.downloadState === "Done" && m.file ? m : null;
  });
  assert.equal(statSync(message.file).size, 1_000_000);
});

test("a second device sees what the first sends and receives", async () => {
  const { alice, bob } = people;
  const second = await rpc.addAccount();
  const provided = rpc.provideBackup(alice);
  const qr = await rpc.getBackupQr(alice);
  await Promise.all([provided, rpc.getBackup(second, qr)]);
  await rpc.startIo(alice);
  await rpc.startIo(second);
  await sendAndWait(bob, alice, "for both devices");
  await until("the second device has it", () => findEverywhere(second, "for both devices"));
  await sendAndWait(alice, bob, "from the first device");
  await until("the second device has the copy",
    () => findEverywhere(second, "from the first device"));
});

test("deleting for everybody", async () => {
  const { alice, bob } = people;
  await sendAndWait(alice, bob, "to be deleted");
  const mine = await findEverywhere(alice, "to be deleted");
  await rpc.deleteMessagesForAll(alice, [mine.id]);
  await until("it is gone at bob's", async () => !(await findEverywhere(bob, "to be deleted")));
});

function run(program, argument) {
  execFileSync(program, [argument], { stdio: ["ignore", "ignore", "inherit"] });
}

if (SQL)
  test("who writes to an account that is gone is told so", async () => {
    const { bob, carol } = people;
    const chat = await chatWith(bob, carol);
    await rpc.stopIo(carol);
    run(SQL, `DELETE FROM account WHERE addr = '${await address(carol)}'`);
    const id = await rpc.miscSendTextMessage(bob, chat, "is anybody there?");
    const message = await until("it has failed", async () => {
      const m = await rpc.getMessage(bob, id);
      return m.error && m;
    });
    assert.match(message.error, /User doesn't exist/);
  });

for (const service of SERVICES) {
  test(`messages after a restart of ${service}`, async () => {
    assert.ok(RESTART, "CLIENT_RESTART is not set");
    run(RESTART, service);
    const { alice, bob } = people;
    await sendAndWait(alice, bob, `to bob after ${service}`, RESTART_DEADLINE_MS);
    await sendAndWait(bob, alice, `to alice after ${service}`, RESTART_DEADLINE_MS);
  });
}
