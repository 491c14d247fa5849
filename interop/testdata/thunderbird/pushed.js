// Waits for new mail with a subject. Nobody asks the server.
const [subject] = args;
return await until("new mail", 20000, () => globalThis.pushed.includes(subject));
