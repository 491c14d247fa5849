// Moves some messages to another mailbox.
const [from, n, to] = args;
const before = [...inbox().messages].length;
const list = [...inbox().messages].slice(from, from + n);
const names = subjects(list);
await new Promise((ok, no) => {
  const listener = {
    QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]),
    onStartCopy() {},
    onProgress() {},
    setMessageKey() {},
    getMessageId: () => null,
    onStopCopy: (status) => (Components.isSuccessCode(status) ? ok() : no(new Error("move: " + status))),
  };
  MailServices.copy.copyMessages(inbox(), list, folder(to), true, listener, null, true);
});
await until("the messages to leave", 30000, () => [...inbox().messages].length == before - n);
return names;
