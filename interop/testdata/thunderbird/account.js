// Adds an account: address, password, IMAPS port, submissions port.
const [address, password, imaps, submissions] = args;
for (const proto of ["imap", "smtp"]) {
  const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
  login.init(proto + "://localhost", null, proto + "://localhost", address, password, "", "");
  await Services.logins.addLoginAsync(login);
}
const s = MailServices.accounts.createIncomingServer(address, "localhost", "imap");
s.port = imaps;
s.socketType = Ci.nsMsgSocketType.SSL;
s.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
const out = MailServices.outgoingServer.createServer("smtp");
out.QueryInterface(Ci.nsISmtpServer);
out.hostname = "localhost";
out.port = submissions;
out.username = address;
out.socketType = Ci.nsMsgSocketType.SSL;
out.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
const id = MailServices.accounts.createIdentity();
id.email = address;
id.fullName = "Alice";
id.smtpServerKey = out.key;
const account = MailServices.accounts.createAccount();
account.incomingServer = s;
account.addIdentity(id);
MailServices.accounts.defaultAccount = account;
s.getNewMessages(s.rootFolder, null, null);
await until("the folders", 30000, () => inbox() && folder("Trash"));
return s.rootFolder.subFolders.map((f) => f.name).sort();
