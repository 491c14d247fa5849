// What every step needs. The steps run inside of Thunderbird, with its rights.
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const until = async (what, ms, f) => {
  const end = Date.now() + ms;
  for (;;) {
    let v = null;
    try {
      v = await f();
    } catch (e) {
      v = null;
    }
    if (v) return v;
    if (Date.now() > end) throw new Error("waited in vain for " + what);
    await new Promise((ok) => setTimeout(ok, 50));
  }
};
const server = () => MailServices.accounts.accounts.find((a) => a.incomingServer.type == "imap").incomingServer;
const folder = (name) => server().rootFolder.getChildNamed(name);
const inbox = () => folder("INBOX");
const subjects = (list) => list.map((h) => h.mime2DecodedSubject);
