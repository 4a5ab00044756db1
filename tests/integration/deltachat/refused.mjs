// What a person reads whose code is refused: tries to make a profile of CLIENT_CODE, and
// prints the message, or "taken".
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDeltaChat } from "@deltachat/stdio-rpc-server";

const folder = mkdtempSync(join(tmpdir(), "postbus-refused-"));
const dc = startDeltaChat(folder, { muteStdErr: true });
try {
  await dc.rpc.addTransportFromQr(await dc.rpc.addAccount(), process.env.CLIENT_CODE);
  console.log("taken");
} catch (e) {
  console.log(e.message);
}
dc.transport.input.on("error", () => {});
dc.close();
rmSync(folder, { recursive: true, force: true });
