// Searches on the server, in a field of the message.
const [attribute, value] = args;
const attrib = Ci.nsMsgSearchAttrib[attribute];
const session = Cc["@mozilla.org/messenger/searchSession;1"].createInstance(Ci.nsIMsgSearchSession);
const term = session.createTerm();
term.attrib = attrib;
term.op = Ci.nsMsgSearchOp.Contains;
const v = term.value;
v.attrib = attrib;
v.str = value;
term.value = v;
session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, inbox());
session.appendTerm(term);
const hits = [];
await new Promise((ok) => {
  const listener = {
    QueryInterface: ChromeUtils.generateQI(["nsIMsgSearchNotify"]),
    onSearchHit: (h) => hits.push(h),
    onSearchDone: () => ok(),
    onNewSearch() {},
  };
  globalThis.searching = [session, listener];
  session.registerListener(listener, Ci.nsIMsgSearchSession.allNotifications);
  session.search(null);
});
return subjects(hits);
