// Opens INBOX in the window and waits until all its messages are listed.
const [want] = args;
const win = Services.wm.getMostRecentWindow("mail:3pane");
const pane = await until("the window", 20000, () => win.document.getElementById("tabmail").currentAbout3Pane);
await until("INBOX in the window", 20000, () => {
  pane.displayFolder(inbox().URI);
  return pane.gFolder && pane.gFolder.URI == inbox().URI;
});
await until("all messages", 90000, () => [...inbox().messages].length == want);
return [...inbox().messages].length;
